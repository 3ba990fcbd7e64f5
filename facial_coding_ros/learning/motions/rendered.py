# SPDX-License-Identifier: Apache-2.0
"""Rendered people as MediaPipe sees them (made by `facial_coding synthesize`): what a live model is trained on.

Between a face and its tracked mesh lies the tracker, which pulls every face towards the faces it knows. A rendered set
shows how: each action unit's motion after tracking, and what is left over from picture to picture. Poses drawn from
that response serve as training data without limit; the pictures themselves as what to check with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...coding.expression.labels import EXPRESSION_LABELS
from ...datasets.expression_set import ExpressionSet, Split, centred_and_scaled, lower_lids
from ...keypoints import SCHEMES, Registration
from ...types import FloatArray
from ..synthesis.dataset import load_set
from ..synthesis.expressions import KINDS
from .posed import Pose, PosedSettings, draw_poses, set_of_poses

# Kind of picture -> class. Speech and blinks are no expression; single and mixed action units are nobody's.
CLASS_OF_KIND = {
    "neutral": "neutral",
    "talk": "neutral",
    "blink": "neutral",
    "smile": "happy",
    "sadness": "sad",
    "anger": "angry",
    "surprise": "surprised",
    "disgust": "disgusted",
    "fear": "scared",
    "contempt": "contempt",
}
NEUTRAL_PICTURES = 2
"""Of each person's resting pictures, how many make the neutral face; the others are faces of the set."""

AT_REST, AT_FULL = (0.25, 0.6), 0.8
"""Share of a picture's residual in a video: a rendered person's pictures differ in camera, light and pose, a video's
frames hardly. Resting faces in two clips moved by 0.006 to 0.008 eye distances a coordinate, in rendered pictures by
0.029; in a full expression most of the residual is the person's own manner, which stays."""

NEUTRAL_ERROR = 0.12
"""Mean strength of what an early estimate of the neutral takes for an expression: about FACS's trace."""

RESPONSE_CODES = tuple(code for code in CODES if code not in (25, 26, 43))
"""AU25 and AU26 follow from the jaw and the lips here, AU43 is AU45."""


@dataclass(frozen=True)
class RenderedSet:
    """faces: n pictures. right, left: (n, 24) true intensities in the order of CODES. kind: (n,) index into KINDS."""

    faces: ExpressionSet
    right: FloatArray
    left: FloatArray
    kind: NDArray[np.int64]


def load_rendered(folder: Path, keypoints: str = "68") -> RenderedSet:
    """All tracked pictures but those that make the neutrals. Raises FileNotFoundError when the folder holds no set."""
    data = load_set(folder)
    scheme = SCHEMES[keypoints]
    tracked = data["tracked"].astype(bool)
    dense = np.stack([r.dense for r in Registration().register(data["mesh"][tracked])])
    points = scheme.from_mesh(dense)
    points = centred_and_scaled(points, lower_lids(points, scheme))
    number, person, kind = (data[name][tracked].astype(np.int64) for name in ("number", "person", "kind"))
    resting = (kind == KINDS.index("neutral")) & (number < NEUTRAL_PICTURES)
    people = np.unique(person[resting])
    neutrals = np.stack([points[resting & (person == p)].mean(0) for p in people])
    keep = ~resting & np.isin(person, people)
    label = np.array([EXPRESSION_LABELS.index(CLASS_OF_KIND[k]) if k in CLASS_OF_KIND else -1 for k in KINDS])[kind]
    strength = np.maximum(data["right"], data["left"])[tracked].max(1)
    degree = np.where(label > 0, np.clip(np.ceil(4 * strength), 1, 4), 0).astype(np.int64)
    faces = ExpressionSet(
        name=f"rendered-{folder.name}",
        keypoints=keypoints,
        points=points[keep],
        neutrals=neutrals,
        person=np.searchsorted(people, person[keep]),
        ids=tuple(f"R{p:04d}_{n:02d}" for p, n in zip(person[keep], number[keep], strict=True)),
        label=label[keep],
        degree=degree[keep],
        classes=EXPRESSION_LABELS,
    )
    right, left = (data[side][tracked][keep].astype(np.float32) for side in ("right", "left"))
    return RenderedSet(faces, right, left, kind[keep])


@dataclass(frozen=True)
class TrackerResponse:
    """motion: (2 units, k, 3) seen motion of each unit of RESPONSE_CODES at full strength, right side, then left.
    residual: (n, k, 3) what else moved in each picture, with the strength (n,) of its expression.
    neutrals: (p, k, 3)."""

    keypoints: str
    motion: FloatArray
    residual: FloatArray
    strength: FloatArray
    neutrals: FloatArray

    @classmethod
    def fit(cls, rendered: RenderedSet, ridge: float = 3.0) -> TrackerResponse:
        """Ridge of the seen motion on the true action units, over the pictures and their mirror images."""
        units, seen, neutrals = _units_and_motion(rendered)
        flat = seen.reshape(len(seen), -1)
        gram = units.T @ units + ridge * np.eye(units.shape[1], dtype=np.float32)
        motion = np.linalg.solve(gram, units.T @ flat)
        return cls(
            keypoints=rendered.faces.keypoints,
            motion=motion.reshape(-1, *seen.shape[1:]).astype(np.float32),
            residual=(flat - units @ motion).reshape(seen.shape).astype(np.float32),
            strength=units.max(1),
            neutrals=neutrals,
        )

    def of_others(self, rendered: RenderedSet) -> TrackerResponse:
        """The same motion, with the residuals and neutrals of other people: what a model was not fitted to."""
        units, seen, neutrals = _units_and_motion(rendered)
        residual = seen - np.tensordot(units, self.motion, 1)
        return replace(self, residual=residual, strength=units.max(1), neutrals=neutrals)

    def seen(self, poses: list[Pose], people: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Faces (n, k, 3) of the poses and the people's neutrals (people, k, 3).

        A person's neutral lies between those of two rendered people; a pose's residual is that of a picture whose
        expression is about as strong, times what a video leaves of it (AT_REST, AT_FULL).
        """
        pairs = rng.integers(len(self.neutrals), size=(people, 2))
        share = rng.uniform(-0.2, 1.2, size=(people, 1, 1)).astype(np.float32)
        neutrals = share * self.neutrals[pairs[:, 0]] + (1 - share) * self.neutrals[pairs[:, 1]]
        units = np.array(
            [[side.get(code, 0.0) for side in (p.right, p.left) for code in RESPONSE_CODES] for p in poses]
        )
        order = np.argsort(self.strength)
        near = np.searchsorted(self.strength[order], units.max(1)) + rng.integers(-60, 61, size=len(poses))
        residual = self.residual[order[np.clip(near, 0, len(order) - 1)]]
        person = np.array([pose.person for pose in poses])
        at_rest = rng.uniform(*AT_REST, size=people)[person]
        share = at_rest + (AT_FULL - at_rest) * np.minimum(units.max(1), 1)
        faces = neutrals[person] + np.tensordot(units.astype(np.float32), self.motion, 1)
        faces = faces + share[:, None, None].astype(np.float32) * residual
        scheme = SCHEMES[self.keypoints]
        lids = lower_lids(self.neutrals, scheme)
        return centred_and_scaled(faces, lids), centred_and_scaled(neutrals, lids)


def _units_and_motion(rendered: RenderedSet) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Intensities (2 n, 2 units), seen motion (2 n, k, 3) and neutrals of the pictures and their mirror images."""
    faces = rendered.faces
    scheme = SCHEMES[faces.keypoints]
    columns = [CODES.index(code) for code in RESPONSE_CODES]
    right, left = rendered.right[:, columns], rendered.left[:, columns]
    seen = faces.points - faces.neutrals[faces.person]
    used = faces.neutrals[np.unique(faces.person)]
    return (
        np.concatenate([np.hstack([right, left]), np.hstack([left, right])]),
        np.concatenate([seen, scheme.mirrored(seen)]),
        np.concatenate([used, scheme.mirrored(used)]),
    )


def posed_as_seen(response: TrackerResponse, settings: PosedSettings, seed: int) -> ExpressionSet:
    """The posed set of `settings`, its poses as the tracker shows them."""
    rng = np.random.default_rng(seed)
    poses = draw_poses(settings, rng)
    points, neutrals = response.seen(poses, settings.people, rng)
    name = f"posed-as-seen-{seed}"
    return set_of_poses(name, response.keypoints, points, neutrals, poses, "S", EXPRESSION_LABELS)


def joined(name: str, first: ExpressionSet, second: ExpressionSet) -> ExpressionSet:
    """Both sets; people stay apart. Raises ValueError when their keypoints or classes differ."""
    if (first.keypoints, first.classes) != (second.keypoints, second.classes):
        raise ValueError(f"{first.name} and {second.name} are of different keypoints or classes")
    return ExpressionSet(
        name=name,
        keypoints=first.keypoints,
        points=np.concatenate([first.points, second.points]),
        neutrals=np.concatenate([first.neutrals, second.neutrals]),
        person=np.concatenate([first.person, second.person + len(first.neutrals)]),
        ids=first.ids + second.ids,
        label=np.concatenate([first.label, second.label]),
        degree=np.concatenate([first.degree, second.degree]),
        classes=first.classes,
    )


class LiveParts(NamedTuple):
    """split: test holds pictures only. posed_test: poses with the residuals of the test people. test_response: for
    sequences of them."""

    split: Split
    posed_test: ExpressionSet
    test_response: TrackerResponse


def live_parts(folder: Path, keypoints: str = "68", people: int = 300, seed: int = 0) -> LiveParts:
    """What the live model learns from: rendered people split 70/15/15, and poses as the tracker shows them.

    The response's motion is that of the training people; its residuals and neutrals are each part's own.
    """
    rendered = load_rendered(folder, keypoints)
    parts = rendered.faces.split(seed, (0.7, 0.15, 0.15))
    own = []
    for part in parts:
        rows = np.isin(rendered.faces.person, np.unique(part.person))
        own.append(RenderedSet(part, rendered.right[rows], rendered.left[rows], rendered.kind[rows]))
    response = TrackerResponse.fit(own[0])
    responses = (response, response.of_others(own[1]), response.of_others(own[2]))
    counts = (people, max(10, people // 6), max(10, people // 6))
    posed = [
        posed_as_seen(one, PosedSettings(people=n, contempt=True, neutral_error=NEUTRAL_ERROR), 3 * seed + i)
        for i, (one, n) in enumerate(zip(responses, counts, strict=True))
    ]
    split = Split(
        joined("live-training", posed[0], parts.training),
        joined("live-validation", posed[1], parts.validation),
        parts.test,
    )
    return LiveParts(split, posed[2], responses[2])
