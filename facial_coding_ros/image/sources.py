# SPDX-License-Identifier: Apache-2.0
"""Frames of a recording: a video, a folder of images or a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..types import Frame
from .bag_images import bag_source, image_topics
from .bags import is_bag
from .conversion import natural_key
from .decoding import KEPT, ImageError, decoded
from .pixel_range import PixelRange
from .settings import ImageSettings
from .source import DEFAULT_FPS, WHOLE, Source, SourceError, Span
from .videos import camera_source, video_source

__all__ = [
    "DEFAULT_FPS",
    "IMAGE_SUFFIXES",
    "WHOLE",
    "Source",
    "SourceError",
    "Span",
    "camera_source",
    "image_topics",
    "open_source",
]

_FPS_BELOW = 1000
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def open_source(
    path: Path | str,
    topic: str = "",
    fps: float = DEFAULT_FPS,
    span: Span = WHOLE,
    settings: ImageSettings | None = None,
) -> Source:
    """Open a video, a folder of images or a bag, to be read from its start again and again.

    Frames keep the number they have in the whole recording, whatever part `span` leaves of it.

    Parameters
    ----------
    path : pathlib.Path or str
        A video file, a folder of images (read in the natural order of their names), one image, or a bag.
    topic : str, optional
        The image topic of a bag that has several.
    fps : float, optional
        Images per second of a folder of images.
    span : Span, optional
        The part to read, in seconds since the first frame.
    settings : ImageSettings, optional
        Which images are taken.

    Returns
    -------
    Source
        ``frames()`` yields `Frame` after `Frame`.

    Raises
    ------
    SourceError
        When there is nothing to read: the text says what was found and what was expected.
    ValueError
        When `fps` is not above 0 and below 1000.
    """
    if not 0 < fps < _FPS_BELOW:
        raise ValueError(f"fps is {fps:g}; above 0 and below {_FPS_BELOW} is allowed")
    settings = settings or ImageSettings()
    return _source(Path(path), topic, fps, span, settings).limited(settings.max_rate_hz)


def _source(path: Path, topic: str, fps: float, span: Span, settings: ImageSettings) -> Source:
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if is_bag(path):
        return bag_source(path, topic, span, settings)
    if path.is_dir():
        return _folder(path, fps, span, settings)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _pictures(path, [path], fps, span, settings)
    return video_source(path, span, settings)


def _folder(path: Path, fps: float, span: Span, settings: ImageSettings) -> Source:
    # macOS leaves files named ._ beside others; they and other hidden ones are no images.
    files = [f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    files.sort(key=lambda f: natural_key(f.name))
    if not files:
        there = min((file.name for file in path.iterdir() if not file.name.startswith(".")), default="")
        also = f", but {there}: a video or a bag in it is named itself" if there else ""
        raise SourceError(
            f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}) and no bag (metadata.yaml){also}"
        )
    return _pictures(path, files, fps, span, settings)


def _pictures(path: Path, files: Sequence[Path], fps: float, span: Span, settings: ImageSettings) -> Source:
    def frames(on_damage: Callable[[str], None]) -> Iterator[Frame]:
        pixel_range = PixelRange(settings.mono16_range)
        for index, file in enumerate(files):
            stamp_ns = round(index / fps * 1e9)
            if span.before(stamp_ns):
                continue
            if span.behind(stamp_ns):
                return
            try:
                image = decoded(file.read_bytes(), KEPT, settings.max_megapixels, pixel_range, stamp_ns)
            except ImageError as error:
                on_damage(f"{file} is not a readable image: {error}")
            except OSError as error:
                on_damage(f"{file} is not a readable image: {error.strerror}")
            else:
                yield Frame(image, stamp_ns, index)

    names = tuple(file.name for file in files)
    return Source(str(path), fps, span.share(len(files), fps), frames, pictures=names)
