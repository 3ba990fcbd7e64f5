from pathlib import Path

from setuptools import find_packages, setup

package = "facial_coding_ros"


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """A folder of data and its subfolders, for share/facial_coding_ros."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.suffix not in (".md", ".pyc")]
    return [
        (f"share/{package}/{parent}", [str(path) for path in files if path.parent == parent])
        for parent in sorted({path.parent for path in files})
    ]


setup(
    name=package,
    version="0.1.0",
    packages=find_packages(include=[package, package + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package}"]),
        (f"share/{package}", ["package.xml"]),
        *(entry for folder in ("launch", "config", "models", "demo", "examples") for entry in shared(folder)),
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
