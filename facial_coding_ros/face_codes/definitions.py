"""The message definitions of this project's and of hri_msgs' types, for bags written without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

_SOURCES = {"facial_coding_msgs": "facial_coding_msgs/msg", "hri_msgs": "standalone/hri_msgs/msg"}


def definitions_folder(package: str) -> Path:
    """Folder of a package's .msg files: beside the sources, else in the ROS installation.

    Raises FileNotFoundError when it is in neither.
    """
    root = Path(__file__).resolve().parents[2]
    folder = root / _SOURCES[package]
    if (root / "package.xml").is_file() and folder.is_dir():
        return folder
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return Path(get_package_share_directory(package)) / "msg"
    except PackageNotFoundError:
        raise FileNotFoundError(
            f"The definitions of {package} are neither beside the sources nor in a sourced ROS workspace."
        ) from None


def typestore() -> Typestore:
    """ROS's common types, facial_coding_msgs and hri_msgs. Raises FileNotFoundError."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types = {}
    for package in _SOURCES:
        for file in sorted(definitions_folder(package).glob("*.msg")):
            types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"{package}/msg/{file.stem}"))
    store.register(types)
    return store
