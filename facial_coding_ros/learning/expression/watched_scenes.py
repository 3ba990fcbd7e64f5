# SPDX-License-Identifier: Apache-2.0
"""Scenes as the pipeline sees them: what each witness tells, frame by frame, with the neutral of that moment.

What is kept on the disk is what the pipeline sees; what the coding models tell of it is told by the models of now.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...coding.coding_graph import Coder
from ...coding.expression.au_rules import AuExpression
from ...coding.expression.fused_source import MOTION, AppearanceFilter, face_sizes_px, latent_shares
from ...coding.expression.labels import EXPRESSION_LABELS, ExpressionSettings
from ...coding.expression.resting import RestingAppearance
from ...coding.expression.witness_fusion import Witnesses
from ...coding.facs import FacsEstimator, Views
from ...coding.facs.confidence import noise_scale
from ...coding.formula import Formula
from ...coding.frame_faces import FrameFaces
from ...coding.perceptual.coder import PerceptualCoder
from ...coding.protocols import ExpressionEvidence
from ...coding.settings import CodingSettings
from ...inference import InferenceSettings
from ...npz import open_npz
from ...pipeline import Pipeline, PipelineSettings
from ...types import Expression, FloatArray, Frame, Neutral, NeutralState, Registered, Visibility
from .portrait_scenes import BETWEEN, SceneFrame

_REGISTERED = Registered(np.zeros((68, 2), np.float32), np.zeros((468, 3), np.float32))
"""Stands for a neutral where only its state and error count."""
_CHUNK = 64


@dataclass(frozen=True)
class WatchedFrames:
    """n frames of scenes, one person in each.

    features: (n, d) float16; points, neutral: (n, 1404), neutral 0 where there is none; motion: (n,), of the dense
    points against the neutral; latent: (n, 8); aus: (n, 9); state, error: (n,), of the neutral; visible: (n, 4), face,
    brows, eyes, lower face; size_px, turn_deg, eye_distance_px (n,); stamp_ns, label, kind, covered: (n,), see
    SceneFrame; scene: (n,), number of the scene.
    """

    features: NDArray[np.float16]
    points: FloatArray
    neutral: FloatArray
    motion: FloatArray
    latent: FloatArray
    aus: FloatArray
    state: NDArray[np.int64]
    error: FloatArray
    visible: FloatArray
    size_px: FloatArray
    turn_deg: FloatArray
    eye_distance_px: FloatArray
    stamp_ns: NDArray[np.int64]
    label: NDArray[np.int64]
    kind: NDArray[np.int64]
    covered: NDArray[np.bool_]
    scene: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    def save(self, path: Path) -> None:
        """As npz. Raises OSError."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> WatchedFrames:
        """Raises OSError, or ValueError when the file is none of these."""
        with open_npz(path) as file:
            return cls(**{field.name: file[field.name] for field in fields(cls)})

    @classmethod
    def joined(cls, parts: Sequence[WatchedFrames]) -> WatchedFrames:
        """One after the other; scenes are numbered anew."""
        numbered = [replace(part, scene=np.full(len(part), number)) for number, part in enumerate(parts)]
        return cls(*(np.concatenate([getattr(part, field.name) for part in numbered]) for field in fields(cls)))

    def retold(self, perceptual: PerceptualCoder, estimator: FacsEstimator) -> WatchedFrames:
        """The same frames with what these models tell of them: latent and action units.

        perceptual: has not been used before, for it remembers the scenes' faces.
        """
        latent = np.zeros_like(self.latent)
        seen = [Visibility(*map(float, row)) for row in self.visible]
        points = self.points.reshape(len(self), -1, 3).astype(np.float32)
        neutral = self.neutral.reshape(points.shape).astype(np.float32)
        known = np.flatnonzero(self.state != NeutralState.NONE)
        neutrals = {i: self._neutral(i, Registered(_REGISTERED.sparse, neutral[i])) for i in known.tolist()}
        for i, own in neutrals.items():
            face = [Registered(_REGISTERED.sparse, points[i])]
            latents, _ = perceptual.estimate(face, [own], [str(self.scene[i])], int(self.stamp_ns[i]))
            latent[i] = perceptual.classifier.run(latents)["probability"][0]
        units = estimator.unknown(len(self))
        for start in range(0, len(known), _CHUNK):
            rows = known[start : start + _CHUNK].tolist()
            view = Views(
                tuple(self.turn_deg[rows].tolist()),
                tuple(self.eye_distance_px[rows].tolist()),
                tuple(seen[i] for i in rows),
            )
            noise = noise_scale(view.turn_deg, view.eye_distance_px)[:, None]
            told = estimator.session.run({"motion": points[rows] - neutral[rows], "noise_scale": noise})
            for i, own_units in zip(rows, estimator.units(told, view, [neutrals[i] for i in rows]), strict=True):
                units[i] = own_units
        return replace(self, latent=latent, aus=AuExpression().shares(units))

    def _neutral(self, i: int, registered: Registered | None) -> Neutral:
        return Neutral(NeutralState(int(self.state[i])), registered, float(self.error[i]))

    def witnesses(self, appearance: FloatArray) -> Witnesses:
        """As the fused source has them. appearance: (n, 8), log-probabilities of a head, frame by frame."""
        steadied, rests, seconds = np.empty_like(appearance), np.empty_like(appearance), np.empty(len(self), np.float32)
        neutrals = [self._neutral(i, _REGISTERED if self.state[i] else None) for i in range(len(self))]
        steady, resting = AppearanceFilter(), RestingAppearance()
        for i in range(len(self)):
            key, stamp_ns = str(self.scene[i]), int(self.stamp_ns[i])
            steadied[i] = steady.update([key], appearance[i : i + 1], stamp_ns)[0]
            visible = float(self.visible[i, 0])
            rests[i], seconds[i] = resting.update(
                key, steadied[i], float(self.motion[i]), neutrals[i], visible, stamp_ns
            )
        seen = [Visibility(*map(float, row)) for row in self.visible]
        return Witnesses(steadied, rests, seconds, self.latent, self.aus, neutrals, seen, self.size_px.tolist())


class WitnessRecorder:
    """protocols.ExpressionSource that tells nothing and keeps what the witnesses tell."""

    landmark_network = ""
    coders: Mapping[str, Coder | Formula] = {}

    def __init__(self) -> None:
        self._rules = AuExpression()
        self.rows: list[dict[str, Any]] = []

    def inputs(self, faces: FrameFaces) -> dict[str, FloatArray]:
        """None."""
        return {}

    def estimate(self, evidence: ExpressionEvidence) -> list[Expression]:
        """Unsure of all faces; the first is kept."""
        given = evidence.faces
        face, neutral, seen = given.faces[0], given.neutrals[0], given.faces[0].visibility
        resting, view = neutral.registered, Views.of(given.faces[:1])
        if face.features is not None:
            dense = given.registered[0].dense.ravel()
            self.rows.append(
                {
                    "features": face.features.astype(np.float16),
                    "points": dense,
                    "neutral": np.zeros_like(dense) if resting is None else resting.dense.ravel(),
                    "motion": math.nan if resting is None else float(evidence.outputs[MOTION]["size"][0, 0]),
                    "latent": latent_shares(evidence)[0],
                    "aus": self._rules.shares(evidence.action_units)[0],
                    "state": int(neutral.state),
                    "error": neutral.uncertainty if math.isfinite(neutral.uncertainty) else 1.0,
                    "visible": (seen.face, seen.brows, seen.eyes, seen.lower_face),
                    "size_px": face_sizes_px(given)[0],
                    "turn_deg": view.turn_deg[0],
                    "eye_distance_px": view.eye_distance_px[0],
                    "stamp_ns": given.frame.stamp_ns,
                }
            )
        nothing = np.zeros(len(EXPRESSION_LABELS), np.float32)
        return [Expression(EXPRESSION_LABELS, nothing, 1.0, "unsure", 1.0, 0.0, 0.0) for _ in given.faces]

    def adopt(self, face_id: str, person_id: str) -> None:
        """Nothing is learnt of a face."""

    def forget(self, subject_key: str) -> None:
        """Nothing is learnt of a face."""

    def configure(self, settings: CodingSettings) -> None:
        """Nothing is set."""

    def close(self) -> None:
        """Nothing is open."""


def watch(frames: Iterable[SceneFrame], settings: PipelineSettings | None = None) -> WatchedFrames | None:
    """What a pipeline that begins with this scene sees of it; None: too little of the face."""
    settings = settings or PipelineSettings(
        expression=ExpressionSettings(source="latent"), inference=InferenceSettings(backend="onnxruntime")
    )
    shown: dict[int, SceneFrame] = {}
    with closing(Pipeline(settings)) as pipeline:
        pipeline.coding.source.close()
        recorder = WitnessRecorder()
        pipeline.coding.source = recorder
        for frame in frames:
            shown[frame.stamp_ns] = frame
            pipeline.process(Frame(frame.image, frame.stamp_ns))
    if len(recorder.rows) < 2:
        return None
    columns = {name: np.array([row[name] for row in recorder.rows]) for name in recorder.rows[0]}
    columns = {name: own.astype(np.float32) if own.dtype == np.float64 else own for name, own in columns.items()}
    of = [shown[int(stamp)] for stamp in columns["stamp_ns"]]
    return WatchedFrames(
        **columns,
        label=np.array([frame.label for frame in of]),
        kind=np.array([frame.kind for frame in of]),
        covered=np.array([frame.covered for frame in of]),
        scene=np.zeros(len(of), np.int64),
    )


def watched_scenes(
    scenes: Sequence[tuple[str, Callable[[], Iterable[SceneFrame]]]], cache: Path, say: Callable[[str], None]
) -> tuple[WatchedFrames, NDArray[np.str_]]:
    """Frames of all scenes, and the name of the person in each (n,); kept in `cache`, so that it goes on where it was.

    scenes: name of the person, one for each, and what makes the frames. Latents and action units are told by the
    shipped models of now, whatever they were when a scene was watched. Raises OSError.
    """
    parts, people = [], []
    for number, (person, make) in enumerate(scenes):
        path = cache / f"scene_{person.replace(' ', '_')}.npz"
        nothing = path.with_suffix(".none")
        if not path.is_file() and not nothing.is_file():
            try:
                watched = watch(make())
            except ValueError:  # no face is found in the portrait
                watched = None
            nothing.touch() if watched is None else watched.save(path)
            say(f"scenes: {number + 1} of {len(scenes)} watched")
        if path.is_file():
            parts.append(WatchedFrames.load(path))
            people.append(person)
    inference = InferenceSettings(backend="onnxruntime")
    frames = WatchedFrames.joined(parts).retold(
        PerceptualCoder(inference=inference), FacsEstimator.load(inference=inference)
    )
    return frames, np.array(people)[frames.scene]


def told_frames(frames: WatchedFrames) -> NDArray[np.bool_]:
    """(n,): frames that show something, which those between two expressions do not."""
    return np.asarray(frames.label != BETWEEN)
