# SPDX-License-Identifier: Apache-2.0
"""The message definitions of this project's and of hri_msgs' types, for bags written without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

_SOURCES = {"facial_coding_msgs": "facial_coding_msgs/msg", "hri_msgs": "standalone/hri_msgs/msg"}
_PACKAGE = Path(__file__).resolve().parents[1]


def definitions_folder(package: str) -> Path:
    """Folder of a package's .msg files: beside the sources, else in the installed package.

    Raises FileNotFoundError when it is in neither.
    """
    beside = _PACKAGE.parent / _SOURCES[package]
    inside = _PACKAGE / "share" / "msg" / package
    for folder in (beside, inside):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"The message definitions of {package} are neither in {beside} nor in {inside}.")


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
