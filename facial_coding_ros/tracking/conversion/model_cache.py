# SPDX-License-Identifier: Apache-2.0
"""The converted networks: of a folder, or made from the installed wheel once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import logging
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from ...inference.engines import default_folder
from ...inference.model_files import ModelError, ModelFile, one_line, write_whole
from .networks import DETECTOR, LANDMARKS, MEDIAPIPE, OTHER_WAYS, ConvertedNetwork
from .wheel import wheel_folder

_log = logging.getLogger(__name__)

CONVERSION_S = 600
"""Longest that a conversion may take: it is seconds on a desktop computer."""


@dataclass(frozen=True)
class TrackerModels:
    """The tracker's networks as files, read and checked against their cards."""

    detector: ModelFile
    landmarks: ModelFile


def tracker_models(folder: Path | str = "") -> TrackerModels:
    """The networks in a folder of `facial_coding convert-tracker`; without one, those made on this machine.

    The latter lie in facial_coding/models in the user's cache folder. Raises ModelError saying what is missing and
    what to do.
    """
    if not folder:
        return made_models(default_folder().with_name("models"))
    folder = Path(folder).expanduser()
    try:
        return TrackerModels(*(_of_this_version(folder, one) for one in (DETECTOR, LANDMARKS)))
    except (OSError, ModelError) as error:
        raise ModelError(
            f"tracking.networks names {folder}, and {one_line(error)} Make the folder with `facial_coding "
            "convert-tracker`."
        ) from None


def _of_this_version(folder: Path, network: ConvertedNetwork) -> ModelFile:
    """Raises FileNotFoundError, or ModelError, also when its card tells of other inputs and outputs than ours."""
    model = ModelFile.read(folder / f"{network.name}.onnx")
    if any(model.card.get(key) != network.card[key] for key in ("inputs", "outputs")):
        raise ModelError(f"{model.path} was converted by another version of this package.")
    return model


def made_models(folder: Path) -> TrackerModels:
    """The networks kept in the folder; made when they are not there, are damaged, or are of another file or converter.

    They are made from the installed wheel, which may be gone afterwards. Where they cannot be kept: a warning, and
    again at the next start. Raises ModelError saying what is missing and what to do.
    """
    wheel = wheel_folder()
    detector, landmarks = (_valid(folder, one, wheel) for one in (DETECTOR, LANDMARKS))
    if detector is not None and landmarks is not None:
        return TrackerModels(detector, landmarks)
    if wheel is None:
        raise ModelError(
            f"The tracker's networks come from MediaPipe's wheel, {MEDIAPIPE}, which is not installed, and {folder} "
            f"does not hold them: install it, or {OTHER_WAYS}."
        )
    _log.info("Converting MediaPipe's networks to %s; this is done once.", folder)
    files = _converted_elsewhere()
    try:
        write_files(folder, files)
    except OSError as error:
        _log.warning("%s cannot be kept (%s); the networks are converted again at the next start.", folder, error)
    return TrackerModels(*(_from_bytes(folder / f"{one.name}.onnx", files) for one in (DETECTOR, LANDMARKS)))


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Each whole or as before, the cards last: they make the others valid. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda one: one.endswith(".yaml")):
        write_whole(folder / name, files[name])


def _valid(folder: Path, network: ConvertedNetwork, wheel: Path | None) -> ModelFile | None:
    """The kept network, if it is what the wheel's file and the converter would give now."""
    source = wheel / network.source if wheel is not None else None
    try:
        kept = ModelFile.read(folder / f"{network.name}.onnx")
        made_from = network.made_from(source.read_bytes() if source is not None and source.is_file() else None)
        return kept if made_from.items() <= kept.card.items() else None
    except FileNotFoundError:
        return None
    except (OSError, ModelError) as error:
        _log.warning("%s; it is made anew.", one_line(error))
        return None


def _converted_elsewhere() -> dict[str, bytes]:
    """In a process of its own: MediaPipe, protobuf and onnx are loaded there and leave this one as it is."""
    # Modules come from where this process has them, never from the current folder.
    program = f"import sys; sys.path[:] = {sys.path!r}; from {__package__}.convert import main; sys.exit(main())"
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=CONVERSION_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"MediaPipe's networks could not be converted ({one_line(error)}); {OTHER_WAYS}.") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ModelError(said[-1] if said else f"The conversion of MediaPipe's networks ended with {done.returncode}.")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as files:
        return {name: files[name].tobytes() for name in files}


def _from_bytes(path: Path, files: Mapping[str, bytes]) -> ModelFile:
    graph = files[path.name]
    card = yaml.safe_load(files[path.with_suffix(".yaml").name])
    return ModelFile(path, card, graph, hashlib.sha256(graph).hexdigest())
