# SPDX-License-Identifier: Apache-2.0
"""Videos that browsers play."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
from numpy.typing import NDArray

from ..image.file_names import plain_folder
from ..types import ImageArray

LONGEST_GAP_S = 10.0
"""What is missing for longer is left out of the video."""


class VideoWriter:
    """Writes RGB images as WebM (VP8); the file appears, whole, when closed without an error.

    It plays as fast as the images were taken: where some are missing, the one before stays, for LONGEST_GAP_S at most.
    Raises OSError when the video cannot be written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._part = path.with_name(path.stem + ".part" + path.suffix)
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._last: NDArray[Any]

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: ImageArray, stamp_ns: int) -> None:
        """Adds an image; all have the size of the first, others are scaled to it."""
        if self._writer is None:
            self._begin_ns = self._stamp_ns = stamp_ns
            self._size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
            with plain_folder(self._path.parent) as folder:
                name = f"{folder}/{self._part.name}"
                self._writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"VP80"), self._fps, self._size)
            if not self._writer.isOpened():
                raise OSError(f"{self._path} cannot be written as a video")
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size)  # type: ignore[assignment]
        if not 0 <= stamp_ns - self._stamp_ns <= LONGEST_GAP_S * 1e9:
            self._begin_ns = stamp_ns - round(1e9 * self._written / self._fps)
        for _ in range(round((stamp_ns - self._begin_ns) * self._fps / 1e9) - self._written):
            self._writer.write(self._last)
            self._written += 1
        self._last, self._stamp_ns = cv2.cvtColor(image, cv2.COLOR_RGB2BGR), stamp_ns
        self._writer.write(self._last)
        self._written += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
