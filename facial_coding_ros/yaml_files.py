# SPDX-License-Identifier: Apache-2.0
"""YAML files of users and model cards, read within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 4 << 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where PyYAML was built with it: ten times as quick
DEEPEST = 32
"""Levels of lists and mappings; a parameter file has four."""


class YamlFileError(ValueError):
    """A file that is no YAML, or beyond the bounds; the text is one line that names file and place."""


def read_yaml_file(path: Path) -> Any:
    """What the file holds. Raises YamlFileError, and OSError when it cannot be read."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.stat().st_size > MOST_BYTES:
        raise YamlFileError(f"{path} is larger than {MOST_BYTES >> 20} MiB; a YAML file of settings is expected")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFileError(f"{path} is not in UTF-8 (byte {error.start}); save it as UTF-8") from None
    return parsed_yaml(text, str(path))


def parsed_yaml(text: str, where: str) -> Any:
    """The value of a text. Raises YamlFileError, also for aliases: ROS does not read them either, and a few of them
    make a file that refers to itself or to millions of copies."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise YamlFileError(f"{where}, line {_line(event)}: an alias (*{event.anchor}) is not read")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise YamlFileError(f"{where}, line {_line(event)}: more than {DEEPEST} levels of lists and mappings")
        return yaml.load(text, Loader=_LOADER)
    except YamlFileError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
        raise YamlFileError(f"{where} is no readable YAML: {' '.join(str(error).split())}") from None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0
