# SPDX-License-Identifier: Apache-2.0
"""The stages of the way from an image to a face code, one frozen dataclass each.

    Frame -> Face -> Registered -> Neutral -> Motion -> FaceCode

Arrays are float32 unless said otherwise. Points of an image are in pixels, x right, y down; z is MediaPipe's depth in
the same unit, smaller is nearer to the camera. "Left" and "right" are the person's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]

MESH_POINTS = 478
SURFACE_POINTS = 468
"""MediaPipe's face mesh: 468 points of the surface, then ten of the irises."""


@dataclass(frozen=True)
class CameraIntrinsics:
    """Pinhole camera, in pixels of an image of `width` x `height`."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True)
class Frame:
    """One image of the camera.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width, 3), uint8, RGB.
    stamp_ns : int
        The image's own time, in nanoseconds; it rises from frame to frame.
    index : int, default 0
        Number of the frame in a recording; counted since the start when live.
    frame_id : str, optional
        The camera's optical frame.
    camera : CameraIntrinsics, optional
        The camera's calibration; with it faces have a distance.
    recorded_ns : int, optional
        When a bag's recorder received the image, in nanoseconds; None where nobody recorded that.
    """

    image: ImageArray
    stamp_ns: int
    index: int = 0
    frame_id: str = ""
    camera: CameraIntrinsics | None = None
    recorded_ns: int | None = None


@dataclass(frozen=True)
class Region:
    """Axis-parallel box in an image, 0..1 of its width and height."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True)
class HeadPose:
    """Head against camera.

    yaw_deg > 0 turns to the person's left, pitch_deg > 0 looks up, roll_deg > 0 tilts towards the person's left
    shoulder; all 0 when the face looks straight into the camera.
    rotation: (3, 3), canonical face axes (x to the person's left, y up, z out of the face) to camera axes
    (x right, y down, z away from the camera). position_m: (3,) of the sellion in the camera's optical frame; None
    without camera intrinsics.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    rotation: FloatArray
    position_m: FloatArray | None = None


@dataclass(frozen=True)
class Visibility:
    """How far the landmarks can be relied on, 0..1, for the whole face and by region."""

    face: float
    brows: float
    eyes: float
    lower_face: float


@dataclass(frozen=True)
class Face:
    """One tracked face in one frame.

    face_id: the track, short-lived; letters, digits and _ only. person_id: lasting; empty when not known.
    mesh: (478, 3), pixels.
    blendshapes: (52,) 0..1 in MediaPipe's order, only from the Tasks backend.
    features: (d,) of the landmark network's pass over the picture, only where the converted network computes it.
    """

    face_id: str
    mesh: FloatArray
    region: Region
    pose: HeadPose
    visibility: Visibility
    person_id: str = ""
    blendshapes: FloatArray | None = None
    features: FloatArray | None = None

    @property
    def subject_key(self) -> str:
        """Whose neutral and history this is: the person where known, else the face."""
        return self.person_id or self.face_id


@dataclass(frozen=True)
class Registered:
    """Keypoints of a face with head pose, size and the position of its parts removed.

    sparse: (68, 2), 68-point scheme in DFECS's registered frame (outer eye corners at (400, 1000) and (1000, 1000)).
    dense: (468, 3), mesh without irises rotated to frontal, centred between the eyes, distance between the eye centres
    1; x to the person's left (right in the image), y down, z away from the camera.
    """

    sparse: FloatArray
    dense: FloatArray


class NeutralState(IntEnum):
    """As the constants FaceCode.NEUTRAL_* of the messages."""

    NONE = 0
    LEARNING = 1
    READY = 2
    STALE = 3


@dataclass(frozen=True)
class Neutral:
    """A person's own resting face at one moment.

    uncertainty: standard error of the registered points, in inter-ocular distances; NaN while state is NONE, when
    `registered` is None too.
    """

    state: NeutralState
    registered: Registered | None
    uncertainty: float


@dataclass(frozen=True)
class Motion:
    """Registered minus neutral.

    kpm: (136,), DFECS's keypoint motion, x0..x67 then y0..y67, in its registered frame.
    dense: (468, 3), in inter-ocular distances.
    """

    kpm: FloatArray
    dense: FloatArray


def _empty() -> FloatArray:
    return np.empty(0, np.float32)


@dataclass(frozen=True)
class ActionUnits:
    """FACS action units of one face; all arrays have shape (n,) and the order of `codes`.

    Parameters
    ----------
    codes : tuple of int
        The FACS codes, such as 12 for the lip corner puller.
    intensity : numpy.ndarray
        0..1; 0.2, 0.4, 0.6, 0.8 and 1.0 stand for FACS's A to E. NaN where nothing can be said.
    confidence : numpy.ndarray
        0..1, how far the intensity can be relied on.
    left : numpy.ndarray
        Intensity of the person's left side; NaN where FACS scores no sides.
    right : numpy.ndarray
        Intensity of the person's right side; NaN where FACS scores no sides.
    presence : numpy.ndarray, optional
        Probability that the unit is there at all (A or more); empty from a source that gives none.

    References
    ----------
    P. Ekman, W. V. Friesen, J. C. Hager, *Facial Action Coding System*, 2002.
    """

    codes: tuple[int, ...]
    intensity: FloatArray
    confidence: FloatArray
    left: FloatArray
    right: FloatArray
    presence: FloatArray = field(default_factory=_empty)

    def __getitem__(self, code: int) -> float:
        """Intensity of an action unit; KeyError when it is not estimated."""
        try:
            return float(self.intensity[self.codes.index(code)])
        except ValueError:
            raise KeyError(f"AU{code} is not estimated; there are {self.codes}") from None


UNSURE = "unsure"


@dataclass(frozen=True)
class Expression:
    """What a face may express.

    Parameters
    ----------
    labels : tuple of str
        The expressions that are told apart.
    probability : numpy.ndarray
        Shape (n,), of each label; together with `unsure` they sum to 1.
    unsure : float
        Probability that is given to no label.
    label : str
        The likeliest label, or "unsure".
    confidence : float
        0..1, of the label.
    valence : float
        Unpleasant to pleasant, -1..1.
    arousal : float
        Calm to excited, -1..1.
    """

    labels: tuple[str, ...]
    probability: FloatArray
    unsure: float
    label: str
    confidence: float
    valence: float
    arousal: float


@dataclass(frozen=True)
class Gaze:
    """Where the eyes look, against the line from them to the camera.

    yaw_deg > 0 to the person's left, pitch_deg > 0 up, whatever the head's roll; 0, 0 is into the camera; NaN where it
    is not known. confidence: 0..1. direction: (3,) unit vector in the optical axes of the camera; None where it is not
    known.
    """

    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    confidence: float = 0.0
    direction: FloatArray | None = None


@dataclass(frozen=True)
class FaceCode:
    """All that is said about one face in one frame.

    Parameters
    ----------
    face : Face
        Who and where: ids, landmarks, box, head pose, visibility.
    neutral_state : NeutralState
        How well the person's resting face is known.
    neutral_uncertainty : float
        Standard error of the resting face, in inter-ocular distances; NaN while none is known.
    aus : ActionUnits
        FACS action units, measured against the resting face.
    expression : Expression
        Probabilities of expressions, valence and arousal.
    dfecs : numpy.ndarray, optional
        Shape (n,), the activations of the data-driven action units; NaN while no resting face is known.
    latent : numpy.ndarray, optional
        Shape (m,), the perceptual embedding; NaN while no resting face is known.
    aus_age_s : float, default 0.0
        How much older the frame is that the action units belong to; above 0 only with a slow image network.
    gaze : Gaze, optional
        Where the eyes look.
    attention : float, default NaN
        0..1, how much of it is on the robot's face; NaN while not known.
    talking : float, default NaN
        Probability that the person talks, by the mouth's movement; NaN while not known.

    References
    ----------
    S. C. Tripathi, R. Garg, arXiv 2406.05434, 2024 (`dfecs`); O. Mikheeva, C. H. Ek, H. Kjellström, *Perceptual Facial
    Expression Representation*, 2018 (`latent`).
    """

    face: Face
    neutral_state: NeutralState
    neutral_uncertainty: float
    aus: ActionUnits
    expression: Expression
    dfecs: FloatArray = field(default_factory=_empty)
    latent: FloatArray = field(default_factory=_empty)
    aus_age_s: float = 0.0
    gaze: Gaze = field(default_factory=Gaze)
    attention: float = math.nan
    talking: float = math.nan


@dataclass(frozen=True)
class CodeForm:
    """What the face codes of a pipeline hold: FACS codes, expression labels, sizes of the DFECS code and the latent."""

    aus: tuple[int, ...]
    labels: tuple[str, ...]
    dfecs: int = 0
    latent: int = 0
