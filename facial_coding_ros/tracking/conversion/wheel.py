# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's files in its wheel, found without loading MediaPipe."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def wheel_folder() -> Path | None:
    """The folder of the installed mediapipe package; None where there is none."""
    spec = importlib.util.find_spec("mediapipe")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def wheel_licence() -> str:
    """The text of the licence in the wheel; empty when it is not there."""
    folder = wheel_folder()
    found = sorted(folder.parent.glob("mediapipe-*.dist-info/**/LICENSE")) if folder else []
    return found[0].read_text(encoding="utf-8") if found else ""
