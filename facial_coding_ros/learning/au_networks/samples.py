# SPDX-License-Identifier: Apache-2.0
"""Prepared faces as training and test batches."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ...au_networks.specs import NetworkSpec
from ...keypoints.schemes import SPARSE
from ...types import FloatArray, ImageArray
from .networks import Batch
from .prepared import PreparedFaces

Sample = tuple[Tensor, Tensor, Tensor]


class FaceSamples(Dataset[Sample]):
    """Aligned crops (3, crop, crop) uint8, landmarks (68, 2) and labels (N,) of some rows of prepared faces.

    training: crops from anywhere in the aligned image, half of them mirrored, colours changed by up to `jitter`
    (0.4 halves or nearly doubles brightness, contrast and saturation); else the middle crop. The draw depends on the
    seed, the epoch and the row alone.
    """

    def __init__(
        self,
        faces: PreparedFaces,
        rows: NDArray[np.int64],
        spec: NetworkSpec,
        training: bool,
        jitter: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.faces = faces
        self.rows = rows
        self.alignment = spec.alignment
        self.labels = faces.columns(spec.aus)
        self.training = training
        self.jitter = jitter
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        row = int(self.rows[index])
        image, landmarks = self.faces.image(row), self.faces.landmarks[row]
        if self.training:
            rng = np.random.default_rng((self.seed, self.epoch, row))
            crop, points = self._augmented(*self.alignment.align(image, landmarks), rng)
        else:
            crop, points = self.alignment.test_crop(image, landmarks)
        pixels = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))
        return pixels, torch.from_numpy(points), torch.from_numpy(self.labels[row].astype(np.int64))

    def _augmented(
        self, image: ImageArray, points: FloatArray, rng: np.random.Generator
    ) -> tuple[ImageArray, FloatArray]:
        side = self.alignment.crop
        x, y = rng.integers(0, self.alignment.size - side + 1, 2)
        crop, points = image[y : y + side, x : x + side], points - np.array([x, y], np.float32)
        if rng.random() < 0.5:
            crop, points = crop[:, ::-1], mirrored(points, side)
        return jittered(crop, self.jitter, rng), np.ascontiguousarray(points)


def mirrored(points: FloatArray, side: int) -> FloatArray:
    """Landmarks (68, 2) of the mirror image of a crop."""
    flipped = points[list(SPARSE.mirror)].copy()
    flipped[:, 0] = side - 1 - flipped[:, 0]
    return flipped


def jittered(image: ImageArray, amount: float, rng: np.random.Generator) -> ImageArray:
    """Brightness, contrast and saturation, each times 1 - amount to 1 + amount."""
    if amount == 0.0:
        return np.ascontiguousarray(image)
    brightness, contrast, saturation = rng.uniform(1 - amount, 1 + amount, 3)
    pixels = image.astype(np.float32) * brightness
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    pixels = contrast * pixels + (1 - contrast) * grey.mean()
    pixels = saturation * pixels + (1 - saturation) * grey[:, :, None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stacks samples; faces become float."""
    faces, landmarks, labels = (torch.stack(part) for part in zip(*samples, strict=True))
    return Batch(faces.float(), landmarks, labels)
