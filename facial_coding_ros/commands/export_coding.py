# SPDX-License-Identifier: Apache-2.0
"""Joins the coding models (DFECS, FACS, latent, expression) into one graph: one call for all faces of a frame.

With --check-inputs it stores instead, beside each model as NAME_check.npz, what faces of the demo clip give it: on
these, engines are compared with ONNX Runtime.
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
    for place in (folder, share_folder("models")):
        path = (place / MODEL).with_name(f"{Path(MODEL).stem}_check.npz")
        if path.is_file():
            with open_npz(path) as file:
                return {name: np.asarray(file[name], np.float32) for name in file.files}
    return {}


def _store_check_inputs(folder: Path) -> int:
    values = demo_inputs()
    path = write_check_inputs(folder / MODEL, values)
    print(f"{path}: {', '.join(f'{name} {array.shape}' for name, array in values.items())}")
    for part in coding_parts(folder):
        session = OnnxRuntimeSession(part.model)
        inputs = {tensor.name: values[part.inputs[tensor.name]] for tensor in session.inputs}
        values.update({f"{part.model.name}.{name}": output for name, output in session.run(inputs).items()})
        if part.model.name in MODELS:
            path = write_check_inputs(part.model.path, inputs)
            print(f"{path}: {', '.join(f'{name} {array.shape}' for name, array in inputs.items())}")
    return 0


def demo_inputs() -> dict[str, FloatArray]:
    """Inputs of the joined graph, of faces of the demo clip, as the pipeline gives them."""
    taken: list[dict[str, FloatArray]] = []
    settings = PipelineSettings(inference=InferenceSettings(backend="onnxruntime"))
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
