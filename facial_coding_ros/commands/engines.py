# SPDX-License-Identifier: Apache-2.0
"""TensorRT's engines: build them before the first start, list, verify or clear them.

facial_coding engines build                     every shipped model, for the GPU of this machine
facial_coding engines build NET.onnx --precision fp16
facial_coding engines build --target SM86 SM89  checks, without a GPU, that TensorRT-RTX can build them; keeps nothing
facial_coding engines list
facial_coding engines verify                    compares every engine with ONNX Runtime again
facial_coding engines clear [--model NAME]
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from ..errors import UserError
from ..inference import InferenceSettings, ModelError, ModelFile, what_tensorrt_lacks
from ..inference.agreement import difference_between
from ..inference.engines import EngineCache, EngineError
from ..inference.gpu import Gpu, GpuError
from ..inference.half import to_half
from ..inference.onnx_runtime import OnnxRuntimeSession
from ..inference.tensorrt_backend import EngineTools, open_tensorrt
from ..inference.tensorrt_library import TensorRtError, TensorRtLibrary
from ..models import share_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    settings = InferenceSettings()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("job", choices=("build", "list", "verify", "clear"))
    parser.add_argument("models", nargs="*", type=Path, help="ONNX files with their cards; none: the shipped ones")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default=settings.precision)
    parser.add_argument("--max-batch", type=int, default=settings.max_batch, help="most faces in one batch")
    parser.add_argument("--cache", default=settings.cache, help="folder of the engines")
    parser.add_argument("--target", nargs="+", default=[], metavar="SM", help="build for these GPUs; keeps nothing")
    parser.add_argument("--model", default="", help="clear: only the engines of this model")


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cache = EngineCache(arguments.cache)
    if arguments.job == "list":
        return _list(cache)
    if arguments.job == "verify":
        return _verify(cache)
    if arguments.job == "clear":
        try:
            print(f"{cache.clear(arguments.model)} engines removed from {cache.folder}")
        except OSError as error:
            raise UserError(f"{error.filename or cache.folder} cannot be removed: {error.strerror or error}") from None
        return 0
    models = [_read(path) for path in arguments.models or sorted(share_folder("models").glob("*.onnx"))]
    if not models:
        raise UserError(f"There are no ONNX files in {share_folder('models')}; name some.")
    return _build_for(models, arguments) if arguments.target else _build(models, arguments)


def _read(path: Path) -> ModelFile:
    try:
        return ModelFile.read(path)
    except (FileNotFoundError, ModelError) as error:
        raise UserError(str(error)) from None


def _build(models: list[ModelFile], arguments: argparse.Namespace) -> int:
    if missing := what_tensorrt_lacks():
        raise UserError(f"Engines are built on the GPU they are for, and {missing}. (--target needs no GPU.)")
    try:
        settings = InferenceSettings(
            backend="tensorrt", precision=arguments.precision, max_batch=arguments.max_batch, cache=arguments.cache
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    failed = 0
    for model in models:
        try:
            session = open_tensorrt(model, settings, OnnxRuntimeSession(model))
            print(f"{model.name}: {session.backend}")
            session.close()
        except (GpuError, TensorRtError, ModelError) as error:
            failed += 1
            print(f"{model.name}: {error}")
    return 1 if failed else 0


def _build_for(models: list[ModelFile], arguments: argparse.Namespace) -> int:
    """Builds for other GPUs than this machine's, to see that it can be done."""
    try:
        library = TensorRtLibrary.find()
    except TensorRtError as error:
        raise UserError(f"TensorRT-RTX is needed to build for other GPUs: {error}. standalone/setup tensorrt") from None
    failed = 0
    for model in models:
        for target in arguments.target:
            start = time.monotonic()
            try:
                graph = to_half(model.graph, model.name) if arguments.precision == "fp16" else model.graph
                plan = library.build(graph, model.name, arguments.max_batch, (target,))
            except (TensorRtError, ModelError) as error:
                failed += 1
                print(f"{model.name}, {arguments.precision}, {target}: {error}")
                continue
            took = time.monotonic() - start
            print(f"{model.name}, {arguments.precision}, {target}: {len(plan) / 1e6:.2f} MB in {took:.1f} s")
    return 1 if failed else 0


def _list(cache: EngineCache) -> int:
    entries = cache.entries()
    for path, engine in entries:
        if isinstance(engine, EngineError):
            print(engine)
        else:
            state = f"refused: {engine.refused}" if engine.refused else f"{len(engine.plan) / 1e6:.2f} MB"
            print(f"{path.name}: {engine.key}; {state}; difference {engine.difference:.2g} of what is allowed")
    print(f"{len(entries)} engines in {cache.folder}")
    return 0


def _verify(cache: EngineCache) -> int:
    """Whether every engine is whole, and, where its GPU is, answers as ONNX Runtime does."""
    lacking, failed = what_tensorrt_lacks(), 0
    for path, engine in cache.entries():
        if isinstance(engine, EngineError):
            failed += 1
            print(engine)
        elif engine.refused:
            print(f"{path.name}: refused, {engine.refused}")
        elif lacking:
            print(f"{path.name}: whole; not compared, {lacking}")
        else:
            gpu = Gpu()
            tools = EngineTools(TensorRtLibrary.find(gpu.capability), gpu, cache)
            try:
                model = ModelFile.read(engine.source)
                if tools.key(model, engine.key.precision, engine.key.max_batch) != engine.key:
                    print(f"{path.name}: stale, not for {model.name} as it is now, {tools.library} or {gpu}")
                    continue
                session = tools.session(model, engine)
                difference = difference_between(session, OnnxRuntimeSession(model), engine.key.max_batch)
                session.close()
            except (FileNotFoundError, ModelError, GpuError, TensorRtError) as error:
                failed += 1
                print(f"{path.name}: {error}")
                continue
            failed += not difference <= 1
            print(f"{path.name}: difference {difference:.2g} of what is allowed")
    return 1 if failed else 0
