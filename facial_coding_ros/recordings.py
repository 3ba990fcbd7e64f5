# SPDX-License-Identifier: Apache-2.0
"""Face codes of recordings and pictures from Python, without ROS: one call each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .drawing.overlay import draw
from .drawing.video import VideoWriter
from .face_codes.rep155_landmarks import landmarks_70
from .face_codes.table import WORDS, columns, numbers, words
from .image.sources import DEFAULT_FPS, WHOLE, Source, SourceError, Span, camera_source, open_source
from .pipeline import Pipeline, PipelineSettings
from .still_coder import StillCoder, pictures_of, read_still, still_settings, too_few_to_follow
from .types import CodeForm, FaceCode, Frame, ImageArray


@dataclass(frozen=True)
class CodedFrame:
    """One image with the face codes of everybody in it.

    Parameters
    ----------
    frame : Frame
        The image, its time and its number in the recording.
    faces : tuple of FaceCode
        One for each face, sorted by face id; empty when there is no face.
    """

    frame: Frame
    faces: tuple[FaceCode, ...]

    def draw(self) -> ImageArray:
        """Draw landmarks, action units and expression of each face onto a copy of the image.

        Returns
        -------
        numpy.ndarray
            The drawn image, shape (height, width, 3), uint8, RGB.
        """
        return draw(self.frame.image, [(code, landmarks_70(code.face)) for code in self.faces])

    def save(self, path: Path | str) -> None:
        """Write the image with the face codes drawn onto it.

        Parameters
        ----------
        path : pathlib.Path or str
            A file whose ending names the format, such as ``.png`` or ``.jpg``.

        Raises
        ------
        OSError
            When the file cannot be written, or its ending names no format that OpenCV knows.
        """
        try:
            written = cv2.imwrite(str(path), cv2.cvtColor(self.draw(), cv2.COLOR_RGB2BGR))
        except cv2.error:  # raised for an unknown ending
            written = False
        if not written:
            raise OSError(f"{path} cannot be written; a folder that exists and an ending such as .png are expected")


class CodedRecording:
    """The face codes of a recording, computed while it is read.

    Iterating yields one `CodedFrame` after the other and holds no more than a few images in memory; each new iteration
    reads the recording from its start, with a pipeline of its own, and gives the same codes.

    Parameters
    ----------
    source : Source
        What is read; see `open_source`.
    settings : PipelineSettings, optional
        Settings of all stages; defaults as in the ROS node. ``tracking.id_seed`` 0 is taken as 1, so that face ids are
        the same each time.
    stills : bool, default False
        Whether the images are pictures that have nothing to do with each other; see `code_recording`.
    neutral_from : pathlib.Path or str, optional
        Where the resting faces of stills come from.

    Raises
    ------
    SourceError
        When a folder holds too few pictures for a recording.
    ValueError
        When stills are asked for of something else, or ``neutral_from`` of no stills.

    See Also
    --------
    code_recording : Makes one from a path or a camera's number.
    """

    def __init__(
        self,
        source: Source,
        settings: PipelineSettings | None = None,
        stills: bool = False,
        neutral_from: Path | str = "",
    ) -> None:
        settings = settings or PipelineSettings()
        if not settings.tracking.id_seed:
            settings = replace(settings, tracking=replace(settings.tracking, id_seed=1))
        self._pictures = pictures_of(source) if stills else {}
        if neutral_from and not stills:
            raise ValueError(f"neutral_from is {str(neutral_from)!r}; it is for stills=True")
        if not stills and (why := too_few_to_follow(source, settings)):
            raise SourceError(why)
        self.source = source
        self.settings = settings
        self.stills = stills
        self.neutral_from = neutral_from

    def __iter__(self) -> Iterator[CodedFrame]:
        if self.stills:
            with contextlib.closing(StillCoder(self.settings, self.neutral_from)) as coder:
                yield from self._coded_stills(coder)
        else:
            with contextlib.closing(Pipeline(self.settings)) as pipeline:
                yield from self._coded(pipeline)

    def _coded_stills(self, coder: StillCoder) -> Iterator[CodedFrame]:
        for frame in self.source.frames():
            yield CodedFrame(frame, coder.code(frame, self._pictures[frame.index]))

    def _coded(self, pipeline: Pipeline) -> Iterator[CodedFrame]:
        if self.source.live:  # a camera's newest image, not the one after the next
            for frame in self.source.frames():
                yield CodedFrame(frame, pipeline.process(frame))
            return
        with contextlib.closing(pipeline.process_all(self.source.frames())) as coded:
            for frame, codes, _ in coded:
                yield CodedFrame(frame, codes)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Code the whole recording into a table of NumPy arrays.

        Returns
        -------
        dict of str to numpy.ndarray
            One array for each column, all of shape (n,), n the number of face codes: a row for each face in each
            frame. ``frame`` and ``stamp_ns`` are int64, the ids, ``neutral_state`` and ``expression`` are strings, all
            others float32: ``au12`` is the intensity 0..1 of action unit 12, NaN where nothing can be said. Of stills
            the first column, ``picture``, is the name of the file.

        Raises
        ------
        SourceError
            When a part of the recording cannot be read.
        """
        if not self.stills:
            with contextlib.closing(Pipeline(self.settings)) as pipeline:
                return _columns(pipeline.form, self._coded(pipeline))
        with contextlib.closing(StillCoder(self.settings, self.neutral_from)) as coder:
            table = _columns(coder.pipeline.form, self._coded_stills(coder))
        return {"picture": np.array([self._pictures[index] for index in table["frame"].tolist()], np.str_), **table}

    def table(self) -> Any:
        """Code the whole recording into a table.

        Returns
        -------
        pandas.DataFrame or dict of str to numpy.ndarray
            A data frame where pandas is installed, else what `columns` returns; ``table["au12"]`` works with both.

        Raises
        ------
        SourceError
            When a part of the recording cannot be read.
        """
        table = self.columns()
        try:
            import pandas
        except ModuleNotFoundError:
            return table
        return pandas.DataFrame(table)

    def save_video(self, path: Path | str) -> None:
        """Write the recording with the face codes drawn onto it.

        Parameters
        ----------
        path : pathlib.Path or str
            A file ending in ``.webm``; browsers play it. It appears, whole, when all is written.

        Raises
        ------
        OSError
            When the video cannot be written.
        SourceError
            When a part of the recording cannot be read.
        """
        with VideoWriter(Path(path), self.source.fps) as video:
            for coded in self:
                video.write(coded.draw(), coded.frame.stamp_ns)


def code_recording(
    recording: Path | str | int,
    settings: PipelineSettings | None = None,
    *,
    topic: str = "",
    fps: float = DEFAULT_FPS,
    begin_s: float = 0.0,
    end_s: float | None = None,
    stills: bool = False,
    neutral_from: Path | str = "",
) -> CodedRecording:
    """Code the faces of a video, a folder of images, a ROS 2 bag or a camera.

    Nothing is computed before the result is iterated over or asked for its table.

    Parameters
    ----------
    recording : pathlib.Path, str or int
        A video file, a folder of images in the order of their names, a ROS 2 bag (MCAP or SQLite), or the number of a
        camera of this machine; a camera never ends, so iterate over it.
    settings : PipelineSettings, optional
        Settings of all stages; the defaults are those of the ROS node.
    topic : str, optional
        The image topic of a bag that has several.
    fps : float, optional
        Images per second of a folder of images.
    begin_s : float, optional
        Seconds after the first image at which to begin.
    end_s : float, optional
        Seconds after the first image at which to end; None for the end of the recording.
    stills : bool, default False
        Whether the images are pictures that have nothing to do with each other: each is coded alone, without tracking,
        smoothing, or a resting face that is learnt over time. A folder of pictures or one picture is expected.
    neutral_from : pathlib.Path or str, optional
        Where the resting faces of stills come from: a picture or neutral (.npz) for every face, or a table (.csv) of
        persons; see `still_coder.StillCoder`. Without it from the mean face.

    Returns
    -------
    CodedRecording
        Iterable over `CodedFrame`; ``table()`` gives one row for each face in each frame.

    Raises
    ------
    SourceError
        When the recording is missing, empty, or of no known kind.
    ValueError
        When ``begin_s`` and ``end_s`` are no range.
    ModuleNotFoundError
        When a bag is given and rosbags is not installed.

    Examples
    --------
    >>> from facial_coding_ros import code_recording
    >>> table = code_recording("interview.mp4").table()  # doctest: +SKIP
    >>> table[["frame", "face_id", "au06", "au12", "expression"]]  # doctest: +SKIP

    >>> for coded in code_recording(0):  # doctest: +SKIP
    ...     for face in coded.faces:
    ...         print(face.face.face_id, face.expression.label)
    """
    settings = settings or PipelineSettings()
    taken = still_settings(settings).image if stills else settings.image
    if isinstance(recording, int):
        return CodedRecording(camera_source(recording).limited(taken.max_rate_hz), settings, stills, neutral_from)
    span = WHOLE if not begin_s and end_s is None else Span(begin_s, np.inf if end_s is None else end_s)
    source = open_source(recording, topic, fps, span, taken)
    return CodedRecording(source, settings, stills, neutral_from)


def code_image(image: Path | str | ImageArray, settings: PipelineSettings | None = None) -> CodedFrame:
    """Code the faces of one picture.

    With one picture nobody's own neutral face is known: action units are measured against the mean face of the training
    set and have a low confidence. A video of a few seconds is far more accurate.

    Parameters
    ----------
    image : pathlib.Path, str or numpy.ndarray
        A picture file, or an array of shape (height, width, 3), uint8, RGB.
    settings : PipelineSettings, optional
        Settings of all stages. A face counts at its first sight, whatever ``tracking.confirm_hits`` says.

    Returns
    -------
    CodedFrame
        The picture and the face codes of everybody in it.

    Raises
    ------
    SourceError
        When the file is missing or is no picture.
    ValueError
        When the array has another shape or type.

    Examples
    --------
    >>> from facial_coding_ros import code_image
    >>> code_image("team.jpg").save("team_coded.png")  # doctest: +SKIP
    """
    settings = settings or PipelineSettings()
    frame = Frame(_read(image, settings), stamp_ns=0)
    with contextlib.closing(StillCoder(settings)) as coder:
        return CodedFrame(frame, coder.code(frame))


def _read(image: Path | str | ImageArray, settings: PipelineSettings) -> ImageArray:
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"an image of shape {image.shape}, {image.dtype}; (height, width, 3), uint8 is expected")
        return image
    if not Path(image).is_file():
        raise SourceError(f"{image} is not there; a picture file is expected")
    try:
        return read_still(Path(image), settings.image)
    except (OSError, ValueError) as error:
        raise SourceError(f"{error}; for a video use code_recording") from None


def _columns(form: CodeForm, coded: Iterator[CodedFrame]) -> dict[str, NDArray[Any]]:
    """The columns of `face_codes.table`, whole numbers and texts with their own types."""
    texts: list[Sequence[Any]] = []
    values: list[NDArray[np.float32]] = []
    for entry in coded:
        for code in entry.faces:
            texts.append(words(entry.frame.index, entry.frame.stamp_ns, code))
            values.append(numbers(code))
    names = columns(form)
    floats = [name for name in names if name not in WORDS]
    matrix = np.array(values, np.float32).reshape(len(values), len(floats))
    table: dict[str, NDArray[Any]] = dict(zip(floats, matrix.T.copy(), strict=True))
    for position, name in enumerate(WORDS):
        column = [row[position] for row in texts]
        table[name] = np.array(column, np.int64 if name in ("frame", "stamp_ns") else np.str_)
    return {name: table[name] for name in names}
