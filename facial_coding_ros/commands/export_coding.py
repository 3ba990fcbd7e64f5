# SPDX-License-Identifier: Apache-2.0
"""Joins the coding models (DFECS, FACS, latent, expression) into one graph: one call for all faces of a frame.

With --check-inputs it stores instead, beside each model as NAME_check.npz, what faces of the demo clip give it: on
these, engines are compared with ONNX Runtime. Files that hold the same already are left alone.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from ..coding.coding_parts import MODELS, coding_parts
from ..coding.frame_faces import FrameFaces
from ..coding.fusion import CODING, INPUTS, MODEL, OUTPUTS, fuse
from ..errors import UserError
from ..image.sources import open_source
from ..inference import InferenceSettings, ModelError
from ..inference.model_files import write_check_inputs
from ..inference.onnx_runtime import OnnxRuntimeSession
from ..models import share_folder
from ..npz import open_npz
from ..pipeline import Pipeline, PipelineSettings
from ..tracking import TrackingSettings
from ..types import FloatArray

CHECK_FACES = 8
CHECK_EVERY = 25
SAME = 1e-4
"""Largest difference of stored inputs that is no reason to write others, in proportion to the largest value."""
ORDER = TrackingSettings(id_seed=2)
"""Faces of a frame stand in the order of their ids: always the same."""


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
        if arguments.check_inputs:
            return _store_check_inputs(folder)
        difference = fuse(coding_parts(folder), out, stored_inputs(folder), OUTPUTS)
    except ImportError as error:
        raise UserError(f"The onnx package is needed ({error}); standalone/setup tensorrt brings it.") from None
    except (FileNotFoundError, ModelError) as error:
        raise UserError(str(error)) from None
    print(f"{out}: {', '.join(CODING)}; largest difference {difference:.2g}")
    return 0


def stored_inputs(folder: Path) -> dict[str, FloatArray]:
    """The check inputs of the joined graph, of the folder or else the shipped ones."""
    return _stored(folder / MODEL) or _stored(share_folder("models") / MODEL)


def _stored(model: Path) -> dict[str, FloatArray]:
    """The check inputs beside a model; nothing where there are none."""
    path = model.with_name(f"{model.stem}_check.npz")
    if not path.is_file():
        return {}
    with open_npz(path) as file:
        return {name: np.asarray(file[name], np.float32) for name in file.files}


def _store_check_inputs(folder: Path) -> int:
    values = demo_inputs()
    _store(folder / MODEL, values)
    for part in coding_parts(folder):
        session = OnnxRuntimeSession(part.model)
        inputs = {tensor.name: values[part.inputs[tensor.name]] for tensor in session.inputs}
        values.update({f"{part.model.name}.{name}": output for name, output in session.run(inputs).items()})
        if part.model.name in MODELS:
            _store(part.model.path, inputs)
    return 0


def _store(model: Path, inputs: dict[str, FloatArray]) -> None:
    before = _stored(model)
    if before.keys() == inputs.keys() and all(_same(before[name], array) for name, array in inputs.items()):
        print(f"{model}: its check inputs are as before")
        return
    path = write_check_inputs(model, inputs)
    print(f"{path}: {', '.join(f'{name} {array.shape}' for name, array in inputs.items())}")


def _same(one: FloatArray, other: FloatArray) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=SAME * float(np.abs(other).max(initial=0)))


def demo_inputs() -> dict[str, FloatArray]:
    """Inputs of the joined graph, of faces of the demo clip, as the pipeline gives them."""
    taken: list[dict[str, FloatArray]] = []
    settings = PipelineSettings(tracking=ORDER, inference=InferenceSettings(backend="onnxruntime"))
    with closing(Pipeline(settings)) as pipeline:
        for index, frame in enumerate(islice(open_source(share_folder("demo") / "two_people.mp4").frames(), 500)):
            faces = pipeline.tracker.track(frame)
            if not faces:
                continue
            registered = pipeline.registration.register([face.mesh for face in faces])
            neutrals = [
                pipeline.neutral.update(face.subject_key, own, face, frame.stamp_ns)
                for face, own in zip(faces, registered, strict=True)
            ]
            if index and index % CHECK_EVERY == 0:
                taken.append(pipeline.coding.inputs(FrameFaces(frame, faces, registered, neutrals)))
            pipeline.coding.code(frame, faces, registered, neutrals)
    return {name: np.concatenate([one[name] for one in taken])[:CHECK_FACES] for name in INPUTS}
