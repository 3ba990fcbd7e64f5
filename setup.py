# SPDX-License-Identifier: Apache-2.0
"""Both packages that this folder is: of Python (`pip install .`) and of ROS 2 (package.xml, ament_python)."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

package = "facial_coding_ros"
here = Path(__file__).resolve().parent  # `colcon build --symlink-install` runs a link to this file
version = re.search(r'__version__ = "(.+?)"', (here / package / "__init__.py").read_text(encoding="utf-8"))[1]

# Data that the Python code reads. The folders stand beside the package, and are installed inside it
# (facial_coding_ros/models.py finds them); a linked installation uses those beside the sources.
data = {
    f"{package}.share.{folder.replace('/', '.')}": source
    for folder, source in {
        "config": "config",
        "config/au_networks": "config/au_networks",
        "demo": "demo",
        "examples": "examples",
        "models": "models",
        "msg/facial_coding_msgs": "facial_coding_msgs/msg",
        "msg/hri_msgs": "standalone/hri_msgs/msg",
    }.items()
    if Path(source).is_dir()
}


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """A folder of data and its subfolders, for share/facial_coding_ros."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.suffix not in (".md", ".pyc")]
    return [
        (f"share/{package}/{parent}", [str(path) for path in files if path.parent == parent])
        for parent in sorted({path.parent for path in files})
    ]


with_onnx = ["onnx"]
with_mediapipe, without_mediapipe = 'python_version < "3.13"', 'python_version >= "3.13"'
# Newer ones need NumPy 2, which MediaPipe does not take.
pyarrow = [f"pyarrow<26; {with_mediapipe}", f"pyarrow; {without_mediapipe}"]


class FreshBuild(build_py):
    """Leaves nothing of an earlier build in the wheel: setuptools would keep modules that are gone from the sources."""

    def run(self) -> None:
        shutil.rmtree(Path(self.build_lib, package), ignore_errors=True)
        super().run()


extras = {
    "bags": ["rosbags"],
    "view": ["matplotlib", "pandas", "plotly", *pyarrow, "rerun-sdk>=0.22,<0.23"],  # newer ones need NumPy 2
    "watch": ["rich"],
    "training": ["h5py", "matplotlib", "plotly", *pyarrow, "scikit-learn", "torch", *with_onnx],
    "tensorrt": ["cuda-bindings", "tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu13-libs", *with_onnx],
}

setup(
    name=package,
    version=version,
    python_requires=">=3.10",
    packages=[*find_packages(include=[package, f"{package}.*"]), *data],
    package_dir=data,
    package_data={package: ["py.typed"]} | {name: ["*.*"] for name in data},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package}"]),
        (f"share/{package}", ["package.xml"]),
        # What launch files and people look for with `ros2 pkg prefix --share`.
        *(entry for folder in ("launch", "config", "demo", "examples") for entry in shared(folder)),
    ],
    # Ranges, for a robot that has other packages too; standalone/requirements.txt has the versions that are tested.
    install_requires=[
        # MediaPipe, from whose wheel the tracker's networks are made, exists up to Python 3.12 and asks for NumPy 1.
        # From 3.13 on a folder of `facial_coding convert-tracker` takes its place; OpenCV, which it brings, is named.
        # MediaPipe asks for any jax. Without a bound, pip downloads one after the other until one fits NumPy 1.
        f"jax<0.5; {with_mediapipe}",
        f"mediapipe>=0.10.14,<=0.10.21; {with_mediapipe}",
        f"onnx; {with_mediapipe}",
        f"opencv-python-headless>=4.8; {without_mediapipe}",
        "numpy>=1.23",
        "pillow",
        "onnxruntime>=1.20",
        "PyYAML",
        "scipy",
        "tqdm",
    ],
    extras_require=extras,
    cmdclass={"build_py": FreshBuild},
    zip_safe=False,
    author="facial_coding_ros maintainers",
    maintainer="facial_coding_ros maintainers",
    maintainer_email="maintainers@facial-coding-ros.example",
    url="https://github.com/facial-coding-ros/facial_coding_ros",
    description="Facial action units and expressions for social robots: camera in, REP-155 messages out.",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    entry_points={
        "console_scripts": [
            "facial_coding = facial_coding_ros.cli:main",
            "facial_coding_node = facial_coding_ros.node_commands:facial_coding_node",
            "annotator = facial_coding_ros.node_commands:annotator",
            "clip_player = facial_coding_ros.node_commands:clip_player",
        ],
    },
)
