from glob import glob

from setuptools import find_packages, setup

package = "facial_coding_ros"

setup(
    name=package,
    version="0.1.0",
    packages=find_packages(include=[package, package + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package}"]),
        (f"share/{package}", ["package.xml"]),
        (f"share/{package}/launch", glob("launch/*.launch.py")),
        (f"share/{package}/config", glob("config/*.*")),
        (f"share/{package}/config/au_networks", glob("config/au_networks/*.yaml")),
        (f"share/{package}/demo", glob("demo/*")),
        (f"share/{package}/examples", glob("examples/*.py")),
        (f"share/{package}/models", [f for f in glob("models/*") if not f.endswith(".md")]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="facial_coding_ros maintainers",
    maintainer_email="maintainers@facial-coding-ros.example",
    description="Facial action units and expressions for social robots: camera in, REP-155 messages out.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "facial_coding = facial_coding_ros.cli:main",
            "facial_coding_node = facial_coding_ros.nodes.facial_coding:main",
            "annotator = facial_coding_ros.nodes.annotator:main",
            "clip_player = facial_coding_ros.nodes.clip_player:main",
        ],
    },
)
