# SPDX-License-Identifier: Apache-2.0
"""Errors for the person who can put them right, and checks that raise them early."""

from __future__ import annotations

import tempfile
from pathlib import Path


class UserError(Exception):
    """Something the user can put right; its text says what and how. Ends the command with exit code 1."""


def make_folder(folder: Path) -> None:
    """For what a training writes, made before it begins: a place that cannot be written to is told now, not when all
    is learnt. Raises UserError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}); name another folder") from None


_EXTRAS = {
    "apsw": "bags",
    "rosbags": "bags",
    "pandas": "view",
    "plotly": "view",
    "pyarrow": "view",
    "h5py": "training",
    "matplotlib": "view",
    "rerun": "view",
    "rerun_cli": "view",
    "rich": "watch",
    "sklearn": "training",
    "torch": "training",
    "cuda": "tensorrt",
    "onnx": "training",
}


def missing_module(error: ModuleNotFoundError) -> str:
    """What to install when a module is not there; raises the error again when it is none of those we know."""
    name = (error.name or "").partition(".")[0]
    if name == "rclpy" or name.endswith("_msgs"):
        return (
            f"ROS 2 is not there (no {name}): source /opt/ros/$ROS_DISTRO/setup.bash and the workspace's "
            "install/setup.bash first; without a ROS installation, run this with standalone/env in a clone"
        )
    if name in _EXTRAS:
        extra = _EXTRAS[name]
        clone = f"; in a clone: make {extra}" if extra in ("training", "tensorrt", "view") else ""
        return f"{name} is not installed: pip install 'facial_coding_ros[{extra}]'{clone}"
    raise error
