# SPDX-License-Identifier: Apache-2.0
"""Recipes: what is trained and how, as YAML files in config/au_networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...au_networks.specs import NetworkSpec
from ...models import share_folder
from ...yaml_files import YamlFileError, read_yaml_file
from .training import AuTrainingSettings


class RecipeError(ValueError):
    """A recipe that cannot be used; the text says which, what is wrong and what is allowed."""


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained."""

    spec: NetworkSpec
    settings: AuTrainingSettings

    def changed(self, changes: Sequence[str]) -> Recipe:
        """With `name=value` changes of the network or the training. Raises RecipeError."""
        network, training = self.spec.to_mapping(), dataclasses.asdict(self.settings)
        for change in changes:
            name, equals, text = change.partition("=")
            if not equals or (name not in network and name not in training):
                raise RecipeError(f"{change!r}: NAME=VALUE is expected, NAME of {sorted([*network, *training])}.")
            (network if name in network else training)[name] = _value(text)
        names = {change.partition("=")[0] for change in changes}
        if "aus" in names and "neighbours" not in names:
            network["neighbours"] = 0  # the published number for the new action units
        return _recipe({"network": network, "training": training}, "the changed recipe")


def _value(text: str) -> Any:
    """As in a recipe; 1e-4 is a number too, which YAML 1.1 takes for a word."""
    value = yaml.safe_load(text)
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def recipe_names() -> list[str]:
    """Those that come with the package."""
    return sorted(path.stem for path in (share_folder("config") / "au_networks").glob("*.yaml"))


def read_recipe(name: Path | str) -> Recipe:
    """A recipe of the package by name, or a file. Raises RecipeError."""
    path = Path(name)
    if path.suffix != ".yaml":
        path = share_folder("config") / "au_networks" / f"{name}.yaml"
    try:
        values = read_yaml_file(path)
    except FileNotFoundError:
        raise RecipeError(f"No recipe {path}; the package has {', '.join(recipe_names())}.") from None
    except (YamlFileError, OSError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from None
    return _recipe(values, str(path))


def _recipe(values: Any, source: str) -> Recipe:
    if not isinstance(values, Mapping) or set(values) != {"network", "training"}:
        raise RecipeError(f"{source}: two parts are expected, network and training.")
    known = {field.name: field for field in dataclasses.fields(AuTrainingSettings)}
    training = dict(values["training"] or {})
    if unknown := sorted(set(training) - set(known)):
        raise RecipeError(f"{source}: unknown settings {', '.join(unknown)}; there are {', '.join(known)}.")
    try:
        return Recipe(NetworkSpec.from_mapping(values["network"]), AuTrainingSettings(**training))
    except (ValueError, TypeError) as error:
        raise RecipeError(f"{source}: {error}") from None
