# SPDX-License-Identifier: Apache-2.0
"""People of the ICT face model as labelled recordings, for trying what reads data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..face_model.ict import AU_SHAPES, IctFaces
from ..image.sources import DEFAULT_FPS
from .labelled import LabelledSequence, presence, sequence


def read(path: Path) -> Iterator[LabelledSequence]:
    """Ten people of the model, each with every action unit by itself at full strength."""
    model = IctFaces.load(path)
    aus = tuple(AU_SHAPES)
    for number, person in enumerate(model.people(10, np.random.default_rng(0))):
        points = np.stack([person] + [person + model.au_offsets({au: 1.0}) for au in aus])
        intensity = np.vstack([np.zeros(len(aus)), np.eye(len(aus)) * 5]).astype(np.float32)
        yield sequence(
            "ict", f"person{number}", f"person{number}", range(len(points)), np.arange(len(points)) / DEFAULT_FPS, aus,
            presence(intensity, 1.0), intensity, neutral=[1] + [0] * len(aus), points=points.astype(np.float32),
        )  # fmt: skip
