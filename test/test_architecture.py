# SPDX-License-Identifier: Apache-2.0
"""Names of the source tree: one name stands for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "facial_coding_ros"

ROLES = {
    "__init__",
    "baselines",
    "card",
    "estimator",
    "evaluation",
    "export",
    "losses",
    "network",
    "networks",
    "registries",
    "registry",
    "report",
    "results",
    "settings",
    "training",
}
"""Modules of these names play the same role in the part of the package that they are in."""

RUNNERS = ("commands", "learning/studies")
"""A command or a study is named after the module that it runs."""


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_modules_of_one_name_play_one_role():
    places = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        inside = path.relative_to(SOURCE)
        if path.stem not in ROLES and inside.parent.as_posix() not in RUNNERS:
            places[path.stem].append(inside.as_posix())
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
