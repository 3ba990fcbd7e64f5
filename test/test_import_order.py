# SPDX-License-Identifier: Apache-2.0
"""The house: which room of the package may import which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import REPOSITORY

PACKAGE = "facial_coding_ros"
GROUND = (
    "types", "registry", "options", "errors", "command_line", "npz", "yaml_files", "action_units", "models", "worker",
    "niceness", "stage_times", "face_model",
)  # fmt: skip
ROBOT = (
    "inference", "image", "keypoints", "tracking", "neutral", "au_networks", "coding", "events", "face_codes",
    "drawing", "pipeline", "still_coder", "recordings", "dds_profile", "self_check", "nodes", "node_commands", "client",
)  # fmt: skip
LEARNING = ("datasets", "learning", "evaluation", "viewing", "commands", "cli", "__main__")
ORDER = (*GROUND, *ROBOT, *LEARNING)
"""Rooms from the lowest; a room imports only itself and rooms before it."""


def modules(root: Path) -> dict[str, Path]:
    """Of a package's folder: dotted name -> file; a package's own name stands for its __init__."""
    found = {}
    for path in root.rglob("*.py"):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that a module imports, anywhere in its text."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                if full in known:
                    yield full
                elif base in known:
                    yield base


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports of a room that is written later, or of one that ORDER does not have."""
    place = {name: i for i, name in enumerate(ORDER)}
    wrong = []
    for name, targets in graph.items():
        for target in targets:
            here, there = room(name), room(target)
            if here == PACKAGE or there == PACKAGE:
                continue  # the package itself, which only hands names on
            if here not in place or there not in place or place[there] > place[here]:
                wrong.append(f"{name} -> {target}")
    return sorted(wrong)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other (Tarjan's strongly connected components of two or more)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for target in graph.get(name, ()):
            if target not in number:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], number[target])
        if low[name] == number[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in number:
            visit(name)
    return found


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules(REPOSITORY / PACKAGE)
    return {name: set(imported(name, path, known)) - {name} for name, path in known.items()}


def test_every_room_has_its_place(graph: dict[str, set[str]]) -> None:
    assert {room(name) for name in graph} - {PACKAGE} <= set(ORDER)


def test_no_import_runs_upwards(graph: dict[str, set[str]]) -> None:
    assert upward(graph) == []


def test_there_is_no_circle(graph: dict[str, set[str]]) -> None:
    assert sorted(circles(graph)) == []


def test_what_the_robot_runs_knows_nothing_of_learning(graph: dict[str, set[str]]) -> None:
    """All that the node's programs need, directly or not."""
    needed: set[str] = set()
    waiting = [name for name in graph if room(name) in ("nodes", "client", "pipeline")]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += graph[name]
    assert len(needed) > 50
    assert {name for name in needed if room(name) in LEARNING} == set()


def test_packages_only_hand_names_on() -> None:
    """A docstring, imports and __all__. The package itself also sets what numpy reads, and loads its names lazily."""
    for path in (REPOSITORY / PACKAGE).rglob("__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            handed_on = isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign, ast.AnnAssign))
            assert handed_on or path.parent == REPOSITORY / PACKAGE, f"{path}:{node.lineno}"


def test_a_wrong_import_is_found(tmp_path: Path) -> None:
    root = tmp_path / PACKAGE
    for name, text in {
        "types.py": "from .coding import stage",
        "coding/stage.py": "def late():\n    from ..learning import training",
        "coding/one.py": "from . import other",
        "coding/other.py": "from .one import thing",
        "learning/training.py": "from ..coding.stage import Stage",
        "attic.py": "import numpy",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    known = modules(root)
    graph = {name: set(imported(name, path, known)) for name, path in known.items()}
    p = PACKAGE
    assert upward(graph) == [f"{p}.coding.stage -> {p}.learning.training", f"{p}.types -> {p}.coding.stage"]
    assert sorted(circles(graph)) == [
        [f"{p}.coding.one", f"{p}.coding.other"],
        [f"{p}.coding.stage", f"{p}.learning.training"],
    ]
    assert {room(name) for name in graph} - set(ORDER) == {"attic"}


def test_tests_are_not_imported_by_benchmarks_or_docs() -> None:
    for folder in ("benchmark", "docs", "examples", PACKAGE):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                assert not any(name.split(".")[0] == "test" for name in names), path


def test_tests_mirror_the_sources() -> None:
    """A folder of tests stands for a folder, or a module, of the package, or of the repository."""
    for folder in (REPOSITORY / "test").rglob("*"):
        if folder.is_dir() and folder.name != "__pycache__":
            inside = folder.relative_to(REPOSITORY / "test")
            assert (REPOSITORY / PACKAGE / inside).is_dir() or (REPOSITORY / inside).is_dir(), folder
