# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from the settings: declared, read, changed while running, and written down as YAML."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..options import Option
from ..pipeline import PipelineSettings
from ..yaml_files import read_yaml_file
from .settings import NodeSettings, RosSettings

NODE_NAME = "facial_coding"


def declared() -> Iterator[tuple[str, Any, Option]]:
    """Name, default and Option of every parameter; a stage's are named `stage.setting`."""
    for prefix, settings in _sections(NodeSettings()):
        for entry in dataclasses.fields(settings):
            yield prefix + entry.name, entry.default, entry.metadata["option"]


def _sections(settings: NodeSettings) -> Iterator[tuple[str, Any]]:
    yield "", settings.ros
    for stage in dataclasses.fields(settings.pipeline):
        yield stage.name + ".", getattr(settings.pipeline, stage.name)


def build(values: Mapping[str, Any]) -> NodeSettings:
    """Settings from parameter values; what is missing keeps its default.

    Raises ValueError naming the parameter, the value and what is allowed.
    """
    stages = {}
    sections: dict[str, Any] = {"": RosSettings}
    sections |= {f.name + ".": type(getattr(PipelineSettings(), f.name)) for f in dataclasses.fields(PipelineSettings)}
    for prefix, kind in sections.items():
        names = [entry.name for entry in dataclasses.fields(kind)]
        found = {name: values[prefix + name] for name in names if prefix + name in values}
        try:
            stages[prefix] = kind(**found)
        except (TypeError, ValueError) as error:
            raise ValueError(f"parameter {prefix}{error}") from None
    ros = stages.pop("")
    return NodeSettings(ros, PipelineSettings(**{prefix[:-1]: stage for prefix, stage in stages.items()}))


def read_yaml(path: Path) -> dict[str, Any]:
    """Values of a ROS parameter file that are the node's. Raises OSError, or ValueError when it is no such file."""
    content = read_yaml_file(path)
    known = {name for name, _, _ in declared()}
    values = dict(_flat(content)) if isinstance(content, dict) else {}
    mark = "ros__parameters."
    ours = {name.partition(mark)[2]: value for name, value in values.items() if mark in name}
    if not ours:
        raise ValueError(f"{path} holds no ros__parameters")
    if unknown := [name for name in ours if name not in known and name != "use_sim_time"]:
        raise ValueError(f"{path}: no parameter {unknown[0]}; see config/facial_coding.yaml")
    return {name: value for name, value in ours.items() if name in known}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def fixed_while_running(names: Iterable[str]) -> list[str]:
    """Those of the parameters that only take effect when the node is configured."""
    live = {name: option.live for name, _, option in declared()}
    return [name for name in names if not live.get(name, True)]


def as_yaml() -> str:
    """config/facial_coding.yaml: every parameter with its default, meaning and range."""
    lines = [
        "# Every parameter of the node with its default. Made by: python -m facial_coding_ros.nodes.parameters",
        "# (live): may be changed while the node runs; the others take effect when it is configured.",
        "# Read by launch, by --params-file and, while the node runs, by: ros2 param load /facial_coding THIS_FILE",
        "/**:",
        "  ros__parameters:",
    ]
    section = ""
    for name, default, option in declared():
        stage, _, short = name.rpartition(".")
        if stage != section:
            lines += ["", f"    {stage}:"]
            section = stage
        indent = " " * (6 if stage else 4)
        live = " (live)" if option.live else ""
        allowed = "" if option.allowed() == "any" else f"; {option.allowed()}"
        about = option.description + allowed + live
        lines += [f"{indent}# {line}" for line in textwrap.wrap(about, 110 - len(indent))]
        lines.append(f"{indent}{short}: {_yaml(default)}")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value)


if __name__ == "__main__":
    sys.stdout.write(as_yaml())
