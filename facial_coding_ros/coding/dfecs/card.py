# SPDX-License-Identifier: Apache-2.0
"""The card of a DFECS model: NAME.yaml beside NAME.npz (for training tools) and NAME.onnx (for the node)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...inference.model_files import ModelError
from ...models import model_path
from ...yaml_files import YamlFileError, read_yaml_file

KIND = "dfecs"
SCHEME = "68"


@dataclass(frozen=True)
class Card:
    """What the node needs of a card. names: of the AUs. folder: where the model's files are."""

    path: Path
    names: tuple[str, ...]
    content: dict[str, Any]

    @property
    def graph(self) -> Path:
        return self.path.with_suffix(".onnx")

    @property
    def arrays(self) -> Path:
        return self.path.with_suffix(".npz")

    @classmethod
    def read(cls, model: str | Path) -> Card:
        """Of a name in models/ or a path. Raises ModelError when it is no DFECS model, another scheme or damaged."""
        path = find_card(model)
        try:
            content = read_yaml_file(path)
        except YamlFileError as error:
            raise ModelError(f"{path} is not a readable model card: {error}") from None
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind != KIND:
            raise ModelError(f"{path} is not a DFECS model: its kind is {kind!r}; {KIND!r} is expected")
        if content.get("scheme") != SCHEME:
            raise ModelError(
                f"{path} is for keypoint scheme {content.get('scheme')!r}; the node measures scheme {SCHEME!r}"
            )
        names = content.get("names")
        if not (isinstance(names, list) and names and all(isinstance(n, str) for n in names)):
            raise ModelError(f"{path} does not name its action units (names: a list)")
        card = cls(path, tuple(names), content)
        for file, key in ((card.arrays, "sha256"), (card.graph, "onnx_sha256")):
            if not file.is_file():
                raise ModelError(f"{file} is missing; it belongs beside {path.name}")
            if digest(file) != content.get(key):
                raise ModelError(f"{file} is not the file that {path.name} describes: the sha256 differs")
        return card


def file_of(model: Path, ending: str) -> Path:
    """A file of a model that is named with or without .yaml, .npz or .onnx; other dots are part of its name."""
    name = model.stem if model.suffix in (".yaml", ".npz", ".onnx") else model.name
    return model.with_name(name + ending)


def find_card(model: str | Path) -> Path:
    """The path of a card: a bare name is in models/, never in the current folder; anything else a path.

    Raises FileNotFoundError naming what is there.
    """
    path = file_of(Path(model).expanduser(), ".yaml")
    if isinstance(model, str) and len(path.parts) == 1 and "/" not in model:
        return model_path(path.name)
    if path.is_file():
        return path
    raise FileNotFoundError(f"No DFECS model card {path}.")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
