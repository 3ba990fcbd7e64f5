# SPDX-License-Identifier: Apache-2.0
"""Joins the coding models (DFECS, FACS, latent, expression) into one graph: one call for all faces of a frame.

With --check-inputs it stores instead, beside each model as NAME_check.npz, what faces of the demo clip give it: on
these, engines are compared with ONNX Runtime.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from ..coding.fusion import MODEL, coding_parts, fuse
from ..errors import UserError
from ..inference import InferenceSettings, ModelError, open_session
from ..inference.model_files import write_check_inputs
from ..models import share_folder
from ..types import FloatArray

CHECK_FACES = 8
CHECK_EVERY = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, default=None, help="folder of the single models; else the shipped ones")
    parser.add_argument("--out", type=Path, help=f"file to write; default {MODEL}, in --models where that is given")
    parser.add_argument("--check-inputs", action="store_true", help="store the models' check inputs instead")


def run(arguments: argparse.Namespace) -> int:
    folder = arguments.models or share_folder("models")
    out = arguments.out or (arguments.models or Path()) / MODEL
    if out.suffix != ".onnx":
        raise UserError(f"--out {out}: a name that ends in .onnx is expected")
    if arguments.check_inputs and arguments.models is None:
        raise UserError("--check-inputs writes beside the models; name their folder with --models")
    try:
        parts = coding_parts(folder)
        if arguments.check_inputs:
            return _store_check_inputs(folder)
        if len(parts) < 2:
            raise UserError(f"{folder} holds {len(parts)} of the coding models; two or more are joined.")
        difference = fuse(parts, out)
    except ImportError as error:
        raise UserError(f"The onnx package is needed ({error}); standalone/setup tensorrt brings it.") from None
    except (FileNotFoundError, ModelError) as error:
        raise UserError(str(error)) from None
    print(f"{out}: {', '.join(part.model.name for part in parts)}; largest difference {difference:.2g}")
    return 0


def _store_check_inputs(folder: Path) -> int:
    values = demo_inputs()
    for part in coding_parts(folder):
        session = open_session(part.model.path, InferenceSettings(backend="onnxruntime"))
        inputs = {tensor.name: values[part.inputs[tensor.name]] for tensor in session.inputs}
        inputs = {tensor.name: inputs[tensor.name].reshape(-1, *tensor.shape) for tensor in session.inputs}
        path = write_check_inputs(part.model.path, inputs)
        values.update({f"{part.model.name}.{name}": output for name, output in session.run(inputs).items()})
        print(f"{path}: {', '.join(f'{name} {array.shape}' for name, array in inputs.items())}")
    return 0


def demo_inputs() -> dict[str, FloatArray]:
    """What fusion.CODING names, of faces of the demo clip; each one's first frame stands for its neutral."""
    from ..coding.facs.confidence import Views, noise_scale
    from ..image.sources import open_source
    from ..keypoints import SCHEMES, Registration, motion
    from ..tracking import TrackingSettings, make_tracker
    from ..types import Registered

    tracker, registration = make_tracker(TrackingSettings()), Registration()
    weights = SCHEMES["68"].mesh_weights
    neutrals: dict[str, Registered] = {}
    taken: dict[str, list[FloatArray]] = {"kpm": [], "dense": [], "noise_scale": [], "points": [], "neutral": []}
    for index, frame in enumerate(islice(open_source(share_folder("demo") / "two_people.mp4").frames(), 500)):
        faces = tracker.track(frame)
        if not faces or len(taken["kpm"]) >= CHECK_FACES:
            continue
        for face, registered in zip(faces, registration.register([face.mesh for face in faces]), strict=True):
            neutral = neutrals.setdefault(face.subject_key, registered)
            if index % CHECK_EVERY or neutral is registered:
                continue
            moved = motion(registered, neutral)
            taken["kpm"].append(moved.kpm)
            taken["dense"].append(moved.dense)
            views = Views.of([face])
            taken["noise_scale"].append(noise_scale(views.turn_deg, views.eye_distance_px))
            for name, source in (("points", registered), ("neutral", neutral)):
                taken[name].append((weights[:, : len(source.dense)] @ source.dense).astype(np.float32))
    tracker.close()
    return {name: np.stack(rows[:CHECK_FACES]) for name, rows in taken.items()}
