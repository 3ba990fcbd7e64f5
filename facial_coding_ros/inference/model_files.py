# SPDX-License-Identifier: Apache-2.0
"""A model file and its card: NAME.onnx with NAME.yaml beside it, checked before anything runs."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ..npz import open_npz
from ..types import FloatArray
from ..yaml_files import YamlFileError, read_yaml_file
from .graph_check import GraphError, check_graph

TOLERANCE = 1e-3
"""Largest difference between two backends' answers to the same inputs, where the card names none: in the unit of the
output, for outputs whose size is about 1; in proportion for outputs that are larger.
"""


class ModelError(ValueError):
    """A model that cannot be used; one line that says which file, what was found and what was expected."""


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file that is the one its card describes.

    graph: the bytes of the file, or empty where they were let go. sha256: of them.
    """

    path: Path
    card: dict[str, Any]
    graph: bytes
    sha256: str

    @classmethod
    def read(cls, path: Path | str) -> ModelFile:
        """Raises FileNotFoundError when the file or its card is missing, ModelError when they do not fit each other."""
        path = Path(path).expanduser()
        card_path = path.with_suffix(".yaml")
        for needed in (path, card_path):
            if not needed.is_file():
                raise FileNotFoundError(f"No file {needed}; a model is NAME.onnx with its card NAME.yaml beside it.")
        try:
            card = read_yaml_file(card_path)
        except YamlFileError as error:
            raise ModelError(f"{card_path} is not a readable model card: {one_line(error)}") from None
        if not isinstance(card, dict):
            raise ModelError(f"{card_path} is no model card: a YAML mapping is expected.")
        graph = path.read_bytes()
        found = hashlib.sha256(graph).hexdigest()
        # A card of several files names the hash of this one `onnx_sha256`.
        expected = card.get("onnx_sha256", card.get("sha256"))
        if found != expected:
            raise ModelError(
                f"{path} is damaged or not the file that {card_path.name} describes: its sha256 is {found[:12]}..., "
                f"the card says {str(expected)[:12]}... ({len(graph)} bytes)."
            )
        try:
            check_graph(graph)
        except GraphError as error:
            raise ModelError(f"{path} is refused: {error}.") from None
        return cls(path, card, graph, found)

    def without_graph(self) -> ModelFile:
        """The same without the bytes of its graph, some MiB; `open_session` reads them again."""
        return replace(self, graph=b"")

    def with_graph(self) -> ModelFile:
        """The same with the bytes of its graph, read again where they were let go.

        Raises FileNotFoundError when the file is gone, ModelError when it is another one by now.
        """
        if self.graph:
            return self
        graph = self.path.read_bytes()
        if hashlib.sha256(graph).hexdigest() != self.sha256:
            raise ModelError(f"{self.path} is no longer the file that was read when this process began; start it anew.")
        return replace(self, graph=graph)

    @property
    def name(self) -> str:
        return self.path.stem

    def names(self, key: str) -> tuple[str, ...] | None:
        """The card's `inputs` or `outputs`, where it lists them by name."""
        listed = self.card.get(key)
        return tuple(listed) if isinstance(listed, dict) else None

    def tolerance(self, output: str) -> float:
        """Largest allowed difference between backends in an output; the card's is one number, or one for each output.

        Raises ModelError when the card's is no positive number.
        """
        value = self.card.get("tolerance", TOLERANCE)
        if isinstance(value, dict):
            value = value.get(output, TOLERANCE)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < np.inf:
            raise ModelError(f"{self.path.with_suffix('.yaml')}: tolerance is {value!r}; a number above 0 is expected.")
        return float(value)

    def check_inputs(
        self, shapes: dict[str, tuple[int, ...]], batch: int, pixels: Sequence[str] = ()
    ) -> dict[str, FloatArray]:
        """Inputs on which backends are compared, `batch` of them.

        From NAME_check.npz beside the model; without that file noise between 0 and 1, the same every time, and between
        0 and 255 for pixels. shapes: of one element, by input name. Raises ModelError when the file does not fit.
        """
        path = _check_path(self.path)
        if not path.is_file():
            rng = np.random.default_rng(int(self.sha256[:12], 16))
            noise = {name: rng.random((batch, *shape), np.float32) for name, shape in shapes.items()}
            return {name: np.floor(256 * one) if name in pixels else one for name, one in noise.items()}
        try:
            with open_npz(path) as file:
                stored = {name: np.asarray(file[name], np.float32) for name in shapes}
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path} does not hold the inputs {', '.join(shapes)}: {one_line(error)}") from None
        for name, shape in shapes.items():
            if stored[name].shape[1:] != shape or not len(stored[name]):
                raise ModelError(f"{path}: {name} has shape {stored[name].shape}; (n, {str(shape)[1:]} is expected.")
        return {name: np.resize(value, (batch, *value.shape[1:])) for name, value in stored.items()}


def write_whole(path: Path, content: bytes) -> None:
    """The file is there with all its content, or as before. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_model(model: ModelFile, check_inputs: Mapping[str, NDArray[Any]]) -> None:
    """Graph, check inputs, and last the card that makes them valid. Raises OSError."""
    model.path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(model.path, model.graph)
    write_check_inputs(model.path, check_inputs)
    write_whole(model.path.with_suffix(".yaml"), yaml.safe_dump(model.card, sort_keys=False, width=110).encode())


def write_check_inputs(model: Path, values: Mapping[str, NDArray[Any]]) -> Path:
    """What `ModelFile.check_inputs` reads, beside the ONNX file; where it lies. Raises OSError."""
    content = io.BytesIO()
    np.savez_compressed(content, **values)
    write_whole(_check_path(model), content.getvalue())
    return _check_path(model)


def _check_path(model: Path) -> Path:
    return model.with_name(f"{model.stem}_check.npz")


def one_line(error: object) -> str:
    """A library's message as one line without its repetitions."""
    return " ".join(str(error).split()) or type(error).__name__
