"""Image in, face codes out: the only place that knows the order of the stages.

The live node, replay, demo and benchmarks all run this, so that a recording gives the same numbers as the live run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from .au_networks.async_runner import NetworkBeside
from .au_networks.live import NetworkSettings
from .coding.coding_graph import Arrays, Coder, CodingGraph
from .coding.dfecs import DfecsEncoder, DfecsSettings
from .coding.expression import EXPRESSION_LABELS, AuExpression, ExpressionSettings
from .coding.facs import BlendshapeFacs, FacsEstimator, FacsSettings, Views
from .coding.perceptual.coder import PerceptualCoder
from .coding.rows import spread
from .image.prefetch import ahead
from .inference import InferenceSettings
from .keypoints import Registration, RegistrationSettings, motion
from .neutral import NeutralKeeper, NeutralSettings
from .tracking import TrackingSettings, make_tracker
from .types import ActionUnits, CodeForm, Face, FaceCode, Frame, Neutral, NeutralState, Region, Registered

if TYPE_CHECKING:
    from .tracking.tracker import Sighting

_SWITCH_S = 0.0001


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of every stage, in the order of the data."""

    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    neutral: NeutralSettings = field(default_factory=NeutralSettings)
    facs: FacsSettings = field(default_factory=FacsSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    dfecs: DfecsSettings = field(default_factory=DfecsSettings)
    expression: ExpressionSettings = field(default_factory=ExpressionSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)


class StageTimes:
    """Mean seconds per frame of each stage since the last `take`."""

    def __init__(self) -> None:
        self._total: dict[str, float] = {}
        self._frames = 0

    def measure(self, stage: str) -> Measured:
        """Adds the time of a `with` block."""
        return Measured(self, stage)

    def add(self, stage: str, seconds: float) -> None:
        self._total[stage] = self._total.get(stage, 0.0) + seconds

    def frame_done(self) -> None:
        self._frames += 1

    def take(self) -> dict[str, float]:
        """Mean seconds per frame by stage; starts anew."""
        # Changed hands first: another thread may be adding.
        (totals, frames), (self._total, self._frames) = (self._total, self._frames), ({}, 0)
        return {stage: total / max(frames, 1) for stage, total in list(totals.items())}


class Measured:
    """The block of StageTimes.measure; contextlib's way takes several times as long."""

    __slots__ = ("_stage", "_start", "_times")

    def __init__(self, times: StageTimes, stage: str) -> None:
        self._times, self._stage = times, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *raised: object) -> None:
        self._times.add(self._stage, time.perf_counter() - self._start)


def _facs(settings: PipelineSettings, inference: InferenceSettings) -> FacsEstimator | BlendshapeFacs:
    """Beside a network the keypoints' action units still serve the expression rules."""
    if settings.facs.source != "blendshapes":
        return FacsEstimator.load(settings=settings.facs, inference=inference)
    if settings.tracking.backend != "tasks":
        raise ValueError("facs.source is 'blendshapes'; that needs tracking.backend 'tasks' and tracking.task_file")
    return BlendshapeFacs(settings.facs)


class Pipeline:
    """Turns frames into face codes. Not thread-safe: one thread at a time.

    background: a slow image network runs in a thread of its own. faces: those of the last frame. Raises ValueError or
    FileNotFoundError when a model or a setting cannot be used.
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
            self.facs = _facs(self.settings, inference)
            by_network = self.settings.facs.source == "network"
            self.network = NetworkBeside(self.settings.network, background, inference) if by_network else None
            if self.network is not None:
                undo.callback(self.network.close)
            self.dfecs = DfecsEncoder.load(self.settings.dfecs, inference)
            self.perceptual = PerceptualCoder(
                self.settings.expression, registration=self.settings.registration, inference=inference
            )
            coders: dict[str, Coder] = {
                "dfecs": self.dfecs,
                "perceptual_m2": self.perceptual,
                "perceptual_expression": self.perceptual.classifier,
            }
            if isinstance(self.facs, FacsEstimator):
                coders["facs"] = self.facs
            alone = ("perceptual_expression",) if self.perceptual.steadies else ()
            self._graph = CodingGraph(coders, inference, alone)
            undo.callback(self._graph.close)
            self._graph.warm_up(*range(1, inference.max_batch + 1))
            undo.pop_all()
        self.expression = AuExpression(self.settings.expression)
        self.times = StageTimes()
        self.faces: tuple[Face, ...] = ()
        self._given: dict[str, Registered] = {}
        self._given_to_everyone: Registered | None = None

    def process(self, frame: Frame, regions: Mapping[str, Region] | None = None) -> tuple[FaceCode, ...]:
        """Face codes of one frame, sorted by face id. `regions`: faces another node tracks, by id (add-on mode)."""
        with self.times.measure("tracking"):
            faces = self.tracker.track(frame) if regions is None else self.tracker.track_regions(frame, regions)
        return self._codes(frame, faces)

    def process_all(self, frames: Iterable[Frame]) -> Generator[tuple[Frame, tuple[FaceCode, ...], float], None, None]:
        """Frames of a recording, their codes as `process` gives them, and the seconds that took.

        Faces are followed into the next frame while those of one are coded, which a camera's newest frame does not
        allow: use nothing of the tracker meanwhile.
        """

        def followed() -> Iterator[tuple[Frame, tuple[Sighting, ...], float]]:
            for frame in frames:
                start = time.perf_counter()
                sightings = self.tracker.follow(frame)
                yield frame, sightings, time.perf_counter() - start

        # Following mostly waits outside of Python; it should not wait for the interpreter as long again.
        interval_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        try:
            with ahead(followed(), 1) as next_ones:
                for frame, sightings, following_s in next_ones:
                    start = time.perf_counter()
                    faces = self.tracker.faces(frame, sightings)
                    self.times.add("tracking", following_s + time.perf_counter() - start)
                    codes = self._codes(frame, faces)
                    yield frame, codes, following_s + time.perf_counter() - start
        finally:
            sys.setswitchinterval(interval_s)

    def _codes(self, frame: Frame, faces: tuple[Face, ...]) -> tuple[FaceCode, ...]:
        codes = self._code(frame, faces) if faces else ()
        self.faces = faces
        self.times.frame_done()
        return codes

    def _code(self, frame: Frame, faces: tuple[Face, ...]) -> tuple[FaceCode, ...]:
        stamp_ns = frame.stamp_ns
        with self.times.measure("registration"):
            registered = self.registration.register([face.mesh for face in faces])
        with self.times.measure("neutral"):
            for face in faces:
                self._take_given(face.owner, stamp_ns, bool(face.person_id))
            neutrals = [
                self.neutral.update(face.owner, points, face, stamp_ns)
                for face, points in zip(faces, registered, strict=True)
            ]
        with self.times.measure("coding"):
            known = [i for i, neutral in enumerate(neutrals) if neutral.registered is not None]
            views, answers = self._answers(
                [faces[i] for i in known], [registered[i] for i in known], [neutrals[i] for i in known]
            )
            aus = self._action_units(faces, neutrals, known, views, answers)
            some = self.dfecs.codes(answers["dfecs"]) if known else np.empty((0, len(self.dfecs.names)), np.float32)
            dfecs = spread(some, known, len(faces))
            owners = [face.owner for face in faces]
            seen = [face.visibility.face for face in faces]
            latents, expressions = self.perceptual.expressions(
                answers.get("perceptual_m2", {}), neutrals, owners, stamp_ns, seen, answers.get("perceptual_expression")
            )
            if self.settings.expression.source == "aus":
                expressions = self.expression.estimate(aus)
        ages_s = [0.0] * len(faces)
        if self.network is not None:
            with self.times.measure("network"):
                newest = self.network.update(frame, faces)
                aus, ages_s = [units for units, _ in newest], [age_s for _, age_s in newest]
        return tuple(
            FaceCode(face, neutral.state, neutral.uncertainty, units, expression, codes, latent, age_s)
            for face, neutral, units, expression, codes, latent, age_s in zip(
                faces, neutrals, aus, expressions, dfecs, latents, ages_s, strict=True
            )
        )

    def _answers(
        self, faces: Sequence[Face], registered: Sequence[Registered], neutrals: Sequence[Neutral]
    ) -> tuple[Views, dict[str, Arrays]]:
        """What the models say of faces that have a neutral, by model."""
        views = Views.of(faces)
        if not faces:
            return views, {}
        resting = [neutral.registered for neutral in neutrals if neutral.registered is not None]
        motions = [motion(face, rest) for face, rest in zip(registered, resting, strict=True)]
        given = {"dfecs": self.dfecs.given(motions), "perceptual_m2": self.perceptual.given(registered, resting)}
        if isinstance(self.facs, FacsEstimator):
            given["facs"] = self.facs.given(motions, views)
        if not self.perceptual.steadies:
            given["perceptual_expression"] = {}  # the latent, which the graph has
        return views, self._graph.run(given)

    def _action_units(
        self,
        faces: tuple[Face, ...],
        neutrals: list[Neutral],
        known: list[int],
        views: Views,
        answers: dict[str, Arrays],
    ) -> list[ActionUnits]:
        """Of all faces; those without a neutral, and so without motion, are unknown."""
        if isinstance(self.facs, BlendshapeFacs):
            return self.facs.estimate(faces)
        if len(known) == len(faces):
            return self.facs.units(answers["facs"], views, neutrals)
        aus = self.facs.unknown(len(faces))
        if known:
            told = self.facs.units(answers["facs"], views, [neutrals[i] for i in known])
            for i, units in zip(known, told, strict=True):
                aus[i] = units
        return aus

    def give_neutrals(
        self, by_owner: Mapping[str, Registered] | None = None, everyone: Registered | None = None
    ) -> None:
        """Neutrals set by hand, taken when an owner first appears: each its own, or one for everyone."""
        self._given = dict(by_owner or {})
        self._given_to_everyone = everyone

    def _take_given(self, owner: str, stamp_ns: int, person: bool) -> None:
        given = self._given.pop(owner, None)
        if given is None and self._given_to_everyone is not None:
            unknown = self.neutral.neutral(owner, stamp_ns).state is NeutralState.NONE
            given = self._given_to_everyone if unknown else None
        if given is not None:
            self.neutral.set_neutral(owner, given, stamp_ns, person)

    @property
    def form(self) -> CodeForm:
        """What the face codes of this pipeline hold."""
        aus = self.facs.codes if self.network is None else self.network.codes
        return CodeForm(aus, EXPRESSION_LABELS, len(self.dfecs.names), self.perceptual.dimensions)

    @property
    def backend(self) -> str:
        """What computes landmarks and models, for diagnostics."""
        text = f"landmarks: {self.tracker.backend}; models: {self._graph.backend}"
        return text if self.network is None else f"{text}; image network: {self.network.backend}"

    def apply(self, settings: PipelineSettings) -> None:
        """Takes over settings that may change while running; the others had their effect when this was made."""
        self.settings = settings
        self.tracker.configure(settings.tracking)
        self.neutral.settings = settings.neutral
        self.facs.settings = settings.facs
        if self.network is not None:
            self.network.settings = settings.network
        self.expression.settings = settings.expression
        self.perceptual.settings = settings.expression

    def join(self, face_id: str, person_id: str) -> None:
        """A face turns out to be a person, who may be known already; an empty person_id takes that back."""
        if person_id:
            self.tracker.set_person(face_id, person_id)
            self.neutral.adopt(face_id, person_id)
        else:
            self.tracker.clear_person(face_id)

    def reset(self) -> None:
        """Forgets all tracks; baselines of persons stay."""
        self.tracker.reset()

    def close(self) -> None:
        if self.network is not None:
            self.network.close()
        self._graph.close()
        self.neutral.close()
        self.tracker.close()
