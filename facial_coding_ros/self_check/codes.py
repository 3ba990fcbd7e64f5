# SPDX-License-Identifier: Apache-2.0
"""Whether the models make of the stored pictures the codes that they made on the reference machine."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import yaml

from ..models import model_path
from ..npz import open_npz
from ..pipeline import Pipeline, PipelineSettings
from ..tracking.reference_answers import ReferenceAnswers
from ..types import FaceCode, FloatArray, Frame
from .finding import Finding, Level

FILE = "reference_codes.npz"
STEP_NS = 40_000_000
ALLOWED = {"action units": 0.1, "DFECS": 0.3, "latent": 0.15}
"""Largest difference: two to three times that of two processors whose crops are rounded differently."""
TIMED_FRAMES = 20


@dataclass(frozen=True)
class PictureCodes:
    """Codes of the faces of the second stored picture, from left to right; the first shows them at rest.

    codes: name -> (faces, n). face_s: seconds a face from image to codes.
    """

    codes: dict[str, FloatArray]
    face_s: float


def codes_of_pictures(settings: PipelineSettings) -> PictureCodes:
    """Through the whole pipeline. Raises ValueError or FileNotFoundError as Pipeline does."""
    rest, expression = ReferenceAnswers.load().pictures
    tracking = replace(settings.tracking, id_seed=1, confirm_hits=1, smoothing=False, max_faces=2)
    neutral = replace(settings.neutral, store="")
    with closing(Pipeline(replace(settings, tracking=tracking, neutral=neutral))) as pipeline:
        pipeline.process(Frame(rest, 0, 0))
        faces = pipeline.faces
        registered = pipeline.registration.register([face.mesh for face in faces])
        subjects = [face.subject_key for face in faces]
        pipeline.give_neutrals(dict(zip(subjects, registered, strict=True)))
        codes = pipeline.process(Frame(expression, STEP_NS, 1))
        start = time.perf_counter()
        for index in range(2, 2 + TIMED_FRAMES):
            pipeline.process(Frame(expression, index * STEP_NS, index))
        face_s = (time.perf_counter() - start) / TIMED_FRAMES / max(len(codes), 1)
    ordered = sorted(codes, key=lambda code: code.face.region.xmin)
    return PictureCodes({name: _rows(ordered, name) for name in ALLOWED}, face_s)


def check_codes(settings: PipelineSettings) -> list[Finding]:
    """The codes against the stored ones, and the time they take.

    Raises ValueError or FileNotFoundError when a model or the stored codes cannot be used.
    """
    path = model_path(FILE)
    made_with = yaml.safe_load(path.with_suffix(".yaml").read_text(encoding="utf-8"))["made_with"]
    with open_npz(path) as file:
        stored = {name: np.asarray(file[name], np.float32) for name in ALLOWED}
    found = codes_of_pictures(settings)
    timing = Finding("time", Level.OK, f"{found.face_s * 1e3:.1f} ms a face, image to codes, two faces at 640 x 360")
    for name, expected in stored.items():
        if found.codes[name].shape != expected.shape:
            text = f"{name} of shape {found.codes[name].shape}; {expected.shape} expected, as {made_with} gave"
            return [Finding("codes", Level.ERROR, text), timing]
    apart = {name: float(np.nanmax(np.abs(found.codes[name] - stored[name]))) for name in ALLOWED}
    good = all(apart[name] <= allowed for name, allowed in ALLOWED.items())
    good &= all(np.array_equal(np.isnan(found.codes[name]), np.isnan(stored[name])) for name in ALLOWED)
    words = ", ".join(f"{name} by {apart[name]:.3f} ({allowed:g})" for name, allowed in ALLOWED.items())
    text = f"differ from those of {made_with}, at most (and allowed): {words}"
    return [Finding("codes", Level.OK if good else Level.ERROR, text), timing]


def _rows(codes: list[FaceCode], name: str) -> FloatArray:
    values = {
        "action units": [code.aus.intensity for code in codes],
        "DFECS": [code.dfecs for code in codes],
        "latent": [code.latent for code in codes],
    }
    return np.array(values[name], np.float32)
