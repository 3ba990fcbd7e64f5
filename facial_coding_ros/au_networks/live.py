"""Live use of an exported network: all faces of a frame in one batch, ONNX Runtime alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import yaml
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    RuntimeException,
)
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotSupported

from ..keypoints.schemes import SPARSE
from ..options import Settings, option
from ..types import ActionUnits, Face, FloatArray, ImageArray
from .specs import NetworkSpec

FULL_POSE_DEG, NO_POSE_DEG = 20.0, 60.0
"""Head turn up to which the answers count in full, and from which they count for nothing: training faces are mostly
frontal.
"""
FULL_FACE_PX, NO_FACE_PX = 90.0, 25.0
"""Width of a face in the image, likewise: below, the crop is enlarged from few pixels."""

BROWS, EYES = frozenset({1, 2, 4}), frozenset({5, 6, 7, 43, 45})


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Action units from an image network."""

    model: str = option("", "path of an exported network (ONNX) with its card (YAML) beside it")
    rate_hz: float = option(5.0, "how often the network runs at most, in image time", low=0.1, high=120.0, live=True)
    threads: int = option(0, "threads of the network; 0: as many as there are cores", low=0, high=256)
    provider: str = option("cpu", "what runs it", choices=("cpu", "cuda", "tensorrt"))


PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


class ModelError(ValueError):
    """A model file that cannot be used; the text says which, what is wrong and what was expected."""


class NetworkAus:
    """An exported network. One thread at a time.

    Raises ModelError for a file or card that is missing, damaged, of another kind, or not of one another, and when
    ONNX Runtime has no such provider.
    """

    def __init__(self, path: Path | str, threads: int = 0, provider: str = "cpu") -> None:
        self.path = Path(path)
        self.card = _read_card(self.path)
        self.spec = _spec_of(self.card, self.path)
        wanted = PROVIDERS[provider][0]
        if wanted not in onnxruntime.get_available_providers():
            raise ModelError(f"This ONNX Runtime has no {wanted}; it has {onnxruntime.get_available_providers()}.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(self.path), options, providers=PROVIDERS[provider])
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotSupported, RuntimeException) as error:
            raise ModelError(f"{self.path} cannot be opened: {error}") from None
        self._check_graph()

    @property
    def codes(self) -> tuple[int, ...]:
        """The action units, in the order of the answers."""
        return self.spec.aus

    def estimate(self, image: ImageArray, faces: Sequence[Face]) -> list[ActionUnits]:
        """Action units of each face, in order. image: (height, width, 3) uint8, RGB, the frame the faces lie in.

        presence is the answer, the probability that the action unit is there, 0.5 being the threshold; intensity
        repeats it, for these networks are not trained on intensities. confidence is how far that probability is from
        undecided, lowered by head pose, small faces and poor visibility of the region. left and right are nan but for
        OpenGraphAU's sided outputs. A face that cannot be aligned has confidence 0.
        """
        if not faces:
            return []
        crops, points, aligned = self._inputs(image, faces)
        probability = np.clip(self.probability(crops, points), 0.0, 1.0)
        probability[~aligned] = 0.0
        return [self._units(*each) for each in zip(faces, probability, aligned, strict=True)]

    def probability(self, crops: FloatArray, landmarks: FloatArray) -> FloatArray:
        """Raw answers (n, outputs) for aligned crops (n, 3, crop, crop), RGB, 0..255, and landmarks (n, 68, 2)."""
        given = {"faces": crops, "landmarks": landmarks}
        inputs = {value.name: given[value.name] for value in self._session.get_inputs()}
        return np.asarray(self._session.run(None, inputs)[0], np.float32)

    def _inputs(self, image: ImageArray, faces: Sequence[Face]) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """Crops, landmarks and whether each face could be aligned; the others are grey."""
        side = self.spec.alignment.crop
        crops = np.full((len(faces), 3, side, side), 128, np.float32)
        points = np.full((len(faces), 68, 2), side / 2, np.float32)
        aligned = np.zeros(len(faces), bool)
        for index, face in enumerate(faces):
            try:
                crop, points[index] = self.spec.alignment.test_crop(image, SPARSE.from_mesh(face.mesh)[:, :2])
            except ValueError:
                continue
            crops[index] = crop.transpose(2, 0, 1)
            aligned[index] = True
        return crops, points, aligned

    def _units(self, face: Face, answers: FloatArray, aligned: np.bool_) -> ActionUnits:
        count = len(self.codes)
        decided = np.abs(2 * answers[:count] - 1)
        trust = np.array([_trust(face, code) if aligned else 0.0 for code in self.codes], np.float32)
        left = np.full(count, np.nan, np.float32)
        right = left.copy()
        for pair, code in enumerate(self.spec.sided):
            column = self.codes.index(code)
            left[column], right[column] = answers[count + 2 * pair : count + 2 * pair + 2]
        confidence = (decided * trust).astype(np.float32)
        return ActionUnits(self.codes, answers[:count], confidence, left, right, presence=answers[:count])

    def _check_graph(self) -> None:
        side = self.spec.alignment.crop
        expected: dict[str, list[Any]] = {"faces": [3, side, side]}
        if self.spec.takes_landmarks:
            expected["landmarks"] = [68, 2]
        found = {value.name: list(value.shape[1:]) for value in self._session.get_inputs()}
        outputs = [list(value.shape[1:]) for value in self._session.get_outputs()]
        if found != expected or outputs != [[len(self.spec.outputs)]]:
            raise ModelError(
                f"{self.path} takes {found} and gives {outputs}; its card asks for {expected} and "
                f"{[[len(self.spec.outputs)]]}."
            )


def _trust(face: Face, code: int) -> float:
    """0..1: what is known of the face's pose, size and visibility, for one action unit."""
    turned = float(np.hypot(face.pose.yaw_deg, face.pose.pitch_deg))
    width = float(np.ptp(face.mesh[:, 0]))
    pose = np.clip((NO_POSE_DEG - turned) / (NO_POSE_DEG - FULL_POSE_DEG), 0.0, 1.0)
    size = np.clip((width - NO_FACE_PX) / (FULL_FACE_PX - NO_FACE_PX), 0.0, 1.0)
    seen = face.visibility
    region = seen.brows if code in BROWS else seen.eyes if code in EYES else seen.lower_face
    return float(pose * size * seen.face * region)


def _read_card(path: Path) -> dict[str, Any]:
    card_path = path.with_suffix(".yaml")
    if not path.is_file() or not card_path.is_file():
        raise ModelError(f"{path} and its card {card_path.name} are expected; one of them is missing.")
    try:
        card = yaml.safe_load(card_path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{card_path} is no YAML: {error}") from None
    if not isinstance(card, dict) or "network" not in card or "sha256" not in card:
        raise ModelError(f"{card_path} is not the card of an action unit network.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != card["sha256"]:
        raise ModelError(f"{path} is not the file its card describes, or is damaged: the sha256 differs.")
    return card


def _spec_of(card: dict[str, Any], path: Path) -> NetworkSpec:
    try:
        spec = NetworkSpec.from_mapping(card["network"])
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path.with_suffix('.yaml')}: {error}") from None
    if card.get("output_names") != list(spec.outputs):
        raise ModelError(f"{path.with_suffix('.yaml')}: output_names are not those of its network, {spec.outputs}.")
    return spec
