"""Videos that browsers play."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2

from ..types import ImageArray


class VideoWriter:
    """Writes RGB images as WebM (VP8); the file appears, whole, when closed without an error.

    Raises OSError when the video cannot be written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._part = path.with_name(path.stem + ".part" + path.suffix)
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: ImageArray) -> None:
        """Adds an image; all have the size of the first, others are scaled to it."""
        if self._writer is None:
            self._size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
            self._writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter.fourcc(*"VP80"), self._fps, self._size)
            if not self._writer.isOpened():
                raise OSError(f"{self._path} cannot be written as a video")
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size)  # type: ignore[assignment]
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)
