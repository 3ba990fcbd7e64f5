# SPDX-License-Identifier: Apache-2.0
"""Image in, face codes out: the only place that knows the order of the stages.

    tracking -> registration -> neutral -> coding -> temporal (speech, gaze, attention, blinks)

Each stage is an object whose one main method takes the result of the stage before. The live node, replay, demo and
benchmarks all run this pipeline, so that a recording gives the same numbers as the live run.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .au_networks.live import NetworkSettings
from .coding.dfecs import DfecsSettings
from .coding.expression import ExpressionSettings
from .coding.facs import FacsSettings
from .coding.gaze_attention import AttentionSettings
from .coding.output_settings import NO_EXPRESSION, NO_UNITS, OUTPUTS, Outputs, OutputSettings
from .coding.protocols import BLENDSHAPES
from .coding.settings import CodingSettings
from .coding.stage import CodingStage
from .coding.temporal import TemporalStage
from .events.settings import EventSettings
from .image.prefetch import prefetch, quick_thread_switches
from .image.settings import ImageSettings
from .inference import InferenceSettings, give_back_freed
from .keypoints import Registration, RegistrationSettings
from .neutral import NeutralKeeper, NeutralSettings
from .neutral.provided import ProvidedNeutrals
from .stage_times import StageTimes
from .tracking import TrackingSettings, make_tracker
from .types import CodeForm, Face, FaceCode, Frame, Neutral, Region, Registered

if TYPE_CHECKING:
    from .tracking.interface import Sighting


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of every stage, in the order of the data.

    Each is a frozen dataclass whose values are checked when it is made; the names, defaults and ranges are those of the
    node's parameters (`stage.name`).

    Parameters
    ----------
    image : ImageSettings
        Which images are taken.
    tracking : TrackingSettings
        How faces are found and followed.
    registration : RegistrationSettings
        How head pose and size are removed.
    neutral : NeutralSettings
        How resting faces are learnt and kept.
    facs : FacsSettings
        Where action units come from.
    network : NetworkSettings
        The image network, where action units come from one.
    dfecs : DfecsSettings
        The data-driven action units.
    expression : ExpressionSettings
        How expressions are estimated and filtered over time.
    attention : AttentionSettings
        Where the robot's face is, and how near to it the gaze must be.
    events : EventSettings
        Which events are looked for, and how long they are remembered.
    outputs : OutputSettings
        What face codes hold.
    inference : InferenceSettings
        What computes the models: ONNX Runtime or TensorRT.

    Examples
    --------
    >>> from facial_coding_ros import PipelineSettings
    >>> from facial_coding_ros.tracking import TrackingSettings
    >>> settings = PipelineSettings(tracking=TrackingSettings(max_faces=2))
    """

    image: ImageSettings = field(default_factory=ImageSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    neutral: NeutralSettings = field(default_factory=NeutralSettings)
    facs: FacsSettings = field(default_factory=FacsSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    dfecs: DfecsSettings = field(default_factory=DfecsSettings)
    expression: ExpressionSettings = field(default_factory=ExpressionSettings)
    attention: AttentionSettings = field(default_factory=AttentionSettings)
    events: EventSettings = field(default_factory=EventSettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)

    @property
    def coding(self) -> CodingSettings:
        """Those of the coding stage."""
        return CodingSettings(self.facs, self.network, self.dfecs, self.expression, self.registration, self.outputs)


class Pipeline:
    """Frames in, face codes out.

    Not thread-safe: one thread at a time. Close it when done (``contextlib.closing``).

    Parameters
    ----------
    settings : PipelineSettings, optional
        Settings of all stages.
    background : bool, default False
        Whether a slow image network runs in a thread of its own, as on a robot; action units then are those of the
        newest frame that it has finished.

    Attributes
    ----------
    faces : tuple of Face
        The faces of the last frame.
    times : StageTimes
        Mean seconds of each stage.

    Raises
    ------
    ValueError
        When settings do not fit together, or a model file is damaged or of another kind.
    FileNotFoundError
        When a model file is missing.

    Examples
    --------
    >>> from facial_coding_ros import Frame, Pipeline
    >>> pipeline = Pipeline()
    >>> for code in pipeline.process(Frame(image, stamp_ns=0)):  # doctest: +SKIP
    ...     print(code.face.face_id, code.expression.label, code.aus.intensity)
    """

    def __init__(self, settings: PipelineSettings | None = None, background: bool = False) -> None:
        self.settings = settings or PipelineSettings()
        most = self.settings.tracking.max_faces
        inference = replace(self.settings.inference, max_batch=max(most, self.settings.inference.max_batch))
        with ExitStack() as undo:  # what was made before something fails is closed
            self.tracker = make_tracker(self.settings.tracking, inference)
            undo.callback(self.tracker.close)
            self.registration = Registration(self.settings.registration)
            self.neutral = NeutralKeeper(self.settings.neutral)
            undo.callback(self.neutral.close)
            self.coding = CodingStage(self.settings.coding, inference, background)
            undo.callback(self.coding.close)
            self._check_needs()
            undo.pop_all()
        self.temporal = TemporalStage(self.settings.attention)
        self.times = StageTimes()
        self.faces: tuple[Face, ...] = ()
        self._provided = ProvidedNeutrals()
        give_back_freed()

    def _check_needs(self) -> None:
        if BLENDSHAPES in self.coding.needs and self.settings.tracking.landmark_backend != "tasks":
            raise ValueError(
                f"facs.source is {self.settings.facs.source!r}; that needs tracking.landmark_backend 'tasks' and "
                "tracking.task_file"
            )
        wanted, there = self.coding.landmark_network, self.tracker.source.landmark_network
        if wanted and there and wanted != there:
            raise ValueError(
                f"the appearance head was made for the landmark network {wanted[:12]}..., and the installed MediaPipe "
                f"has {there[:12]}...: train it anew (facial_coding train expression), or set expression.source to "
                "'latent' or 'aus'"
            )

    def process(
        self, frame: Frame, regions: Mapping[str, Region] | None = None, wanted: Outputs = OUTPUTS
    ) -> tuple[FaceCode, ...]:
        """Code one frame.

        Parameters
        ----------
        frame : Frame
            The newest image; its stamp is later than that of the frame before, or tracking starts anew.
        regions : mapping of str to Region, optional
            Boxes of faces that something else tracks, by face id (add-on mode); without it faces are found here.
        wanted : frozenset of str, optional
            Which outputs are computed for this frame, of "facs", "dfecs", "latent" and "expression"; the others are
            left empty. With an empty set, faces are only tracked and their neutrals learnt.

        Returns
        -------
        tuple of FaceCode
            One for each face in sight, sorted by face id; a new face counts from its third frame on
            (``tracking.confirm_hits``).
        """
        with self.times.measure("tracking"):
            faces = self.tracker.track(frame) if regions is None else self.tracker.track_regions(frame, regions)
        return self._codes(frame, faces, wanted)

    def process_all(self, frames: Iterable[Frame]) -> Generator[tuple[Frame, tuple[FaceCode, ...], float], None, None]:
        """Code the frames of a recording, faster than `process` one by one.

        Faces are followed into the next frame while those of one are coded, which a camera's newest frame does not
        allow. Use nothing of the pipeline between two frames.

        Parameters
        ----------
        frames : iterable of Frame
            The frames in their order.

        Yields
        ------
        frame : Frame
            Each frame.
        codes : tuple of FaceCode
            Its face codes, as `process` gives them.
        seconds : float
            The time that took.
        """

        def followed() -> Iterator[tuple[Frame, tuple[Sighting, ...], float]]:
            for frame in frames:
                start = time.perf_counter()
                sightings = self.tracker.follow(frame)
                yield frame, sightings, time.perf_counter() - start

        with quick_thread_switches(), prefetch(followed(), 1) as next_ones:
            for frame, sightings, following_s in next_ones:
                start = time.perf_counter()
                faces = self.tracker.faces(frame, sightings)
                self.times.add("tracking", following_s + time.perf_counter() - start)
                codes = self._codes(frame, faces)
                yield frame, codes, following_s + time.perf_counter() - start

    def _codes(self, frame: Frame, faces: tuple[Face, ...], wanted: Outputs = OUTPUTS) -> tuple[FaceCode, ...]:
        """All stages after tracking."""
        codes: tuple[FaceCode, ...] = ()
        wanted &= self.settings.outputs.wanted
        if faces:
            with self.times.measure("registration"):
                registered = self.registration.register([face.mesh for face in faces])
            with self.times.measure("neutral"):
                neutrals = self._neutrals(frame, faces, registered)
        if faces and not wanted:
            codes = tuple(
                FaceCode(face, neutral.state, neutral.uncertainty, NO_UNITS, NO_EXPRESSION)
                for face, neutral in zip(faces, neutrals, strict=True)
            )
        elif faces:
            with self.times.measure("coding"):
                codes = self.coding.code(frame, faces, registered, neutrals, wanted)
            with self.times.measure("temporal"):
                codes = self.temporal.update(codes, frame.stamp_ns)
        self.faces = faces
        self.times.frame_done()
        return codes

    def _neutrals(self, frame: Frame, faces: Sequence[Face], registered: Sequence[Registered]) -> list[Neutral]:
        """Those of faces of a frame, with this frame in."""
        for face in faces:
            self._provided.give(self.neutral, face, frame.stamp_ns)
        return [
            self.neutral.update(face.subject_key, points, face, frame.stamp_ns)
            for face, points in zip(faces, registered, strict=True)
        ]

    def give_neutrals(
        self, by_subject: Mapping[str, Registered] | None = None, everyone: Registered | None = None
    ) -> None:
        """Provide resting faces, taken when a face or person first appears.

        Parameters
        ----------
        by_subject : mapping of str to Registered, optional
            A resting face for each person id or face id.
        everyone : Registered, optional
            One for everybody who has none.
        """
        self._provided = ProvidedNeutrals(by_subject, everyone)

    @property
    def form(self) -> CodeForm:
        """What the face codes of this pipeline hold."""
        return self.coding.form

    @property
    def backend(self) -> str:
        """What computes landmarks and models, for diagnostics."""
        return f"landmarks: {self.tracker.backend}; models: {self.coding.backend}"

    def apply(self, settings: PipelineSettings) -> None:
        """Apply the settings that may change while running.

        Parameters
        ----------
        settings : PipelineSettings
            All settings; those that are not live had their effect when the pipeline was made.
        """
        self.settings = settings
        self.tracker.configure(settings.tracking)
        self.neutral.configure(settings.neutral)
        self.coding.configure(settings.coding)
        self.temporal.configure(settings.attention)

    def join(self, face_id: str, person_id: str, anonymous: bool = False) -> tuple[str, ...]:
        """Say which person a face is, so that the person's resting face is used and learnt.

        Parameters
        ----------
        face_id : str
            The face.
        person_id : str
            The person, who may be known already; empty takes back what was said.
        anonymous : bool
            The person's id does not last, and its resting face is not stored. With an empty person_id: so was that of
            the person whom the face was held for, and it is gone; what was learnt stays with the face.

        Returns
        -------
        tuple of str
            Whose resting face went over: that of somebody anonymous whom the face was held for before, and the face's
            own.
        """
        if not person_id:
            self.tracker.clear_person(face_id)
            formers = self.neutral.anonymous_before(face_id, "") if anonymous else ()
            for former in formers:
                self.neutral.adopt(former, face_id, person=False)
                self.coding.adopt(former, face_id)
            return formers
        self.tracker.set_person(face_id, person_id)
        self.neutral.set_anonymous(person_id, anonymous)
        formers = (*self.neutral.anonymous_before(face_id, person_id), face_id)
        for former in formers:
            self.neutral.adopt(former, person_id)
            self.coding.adopt(former, person_id)
        return formers

    def forget(self, person_id: str) -> bool:
        """Delete what was learnt about a person, in memory and in the store.

        Parameters
        ----------
        person_id : str
            The person, in view or not; somebody in view is learnt anew from the next frame on.

        Returns
        -------
        bool
            Whether a resting face was known.

        Raises
        ------
        StoreError
            When the store cannot be written; then nothing is deleted.
        """
        known = self.neutral.forget(person_id)
        self.coding.forget(person_id)
        return known

    def reset(self) -> None:
        """Forget all tracks; resting faces of persons stay."""
        self.tracker.reset()

    def close(self) -> None:
        """Free what the stages hold."""
        self.coding.close()
        self.neutral.close()
        self.tracker.close()
