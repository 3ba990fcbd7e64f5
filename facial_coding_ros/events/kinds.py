# SPDX-License-Identifier: Apache-2.0
"""Kinds of events as data: config/events.yaml, and a file of the user's own on top of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..models import share_folder
from .expression_change import LONGEST_HOLD_S, ExpressionRule
from .level import COMBINATIONS, LevelRule
from .signals import measure
from .swings import SwingRule

Rule = LevelRule | SwingRule | ExpressionRule

RULES: dict[str, type[Rule]] = {"level": LevelRule, "swings": SwingRule, "expression": ExpressionRule}
STANDARD = "events.yaml"


def read_kinds(own: Path | None = None) -> tuple[Rule, ...]:
    """The kinds of config/events.yaml, with those of one's own file added or changed.

    An entry of the own file replaces single settings of the kind of its name; `false` takes a kind away.
    Raises ValueError naming the file, the kind and what is allowed; OSError when a file cannot be read.
    """
    path = share_folder("config") / STANDARD
    entries = _entries(path)
    for kind, entry in (_entries(own) if own is not None else {}).items():
        if entry is False:
            if kind not in entries:
                raise ValueError(f"{own}: there is no kind {kind!r} to take away; there are {', '.join(entries)}")
            del entries[kind]
        elif isinstance(entry, dict):
            before = entries.get(kind, {})
            same_rule = entry.get("rule", before.get("rule")) == before.get("rule")
            entries[kind] = (before if same_rule else {}) | entry
        else:
            raise ValueError(f"{own}: {kind}: settings are expected, or false to take the kind away; it is {entry!r}")
    where = str(own or path)
    return tuple(rule_of(kind, entry, where) for kind, entry in entries.items())


def _entries(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; a YAML file of kinds of events is expected")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}") from None
    entries = content.get("kinds") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise ValueError(f"{path}: a mapping `kinds:` from names to settings is expected")
    return {str(kind): entry for kind, entry in entries.items()}


def rule_of(kind: str, entry: Mapping[str, Any], where: str = "events") -> Rule:
    """A kind from its settings. Raises ValueError."""

    def wrong(what: str) -> ValueError:
        return ValueError(f"{where}: {kind}: {what}")

    if not (kind.isidentifier() and kind == kind.lower()):
        raise wrong("a kind is named by lower-case letters, digits and _")
    settings = dict(entry)
    name = settings.pop("rule", None)
    if name not in RULES:
        raise wrong(f"rule is {name!r}; allowed: {', '.join(RULES)}")
    rule = RULES[name]
    fields = {field.name: field for field in dataclasses.fields(rule) if field.name != "kind"}
    for setting, value in settings.items():
        if setting not in fields:
            raise wrong(f"there is no setting {setting!r}; allowed: {', '.join(fields)}")
        settings[setting] = _converted(setting, value, fields[setting], wrong)
    needed = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in settings]
    if needed:
        raise wrong(f"{needed[0]} is missing")
    made = rule(kind, **settings)
    _check(made, wrong)
    return made


def _converted(setting: str, value: Any, field: Any, wrong: Any) -> Any:
    if setting == "measures":
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
            raise wrong(f"measures is {value!r}; a list of names is expected")
        return tuple(names)
    if setting == "unless":
        if not isinstance(value, dict) or not all(_is_number(limit) for limit in value.values()):
            raise wrong(f"unless is {value!r}; measures and the values under which they must stay are expected")
        return tuple((str(name), float(limit)) for name, limit in value.items())
    wanted = {"str": str, "bool": bool}.get(str(field.type), float)
    if wanted is float:
        if not _is_number(value):
            raise wrong(f"{setting} is {value!r}; a number is expected")
        return float(value)
    if type(value) is not wanted:
        raise wrong(f"{setting} is {value!r}; a {wanted.__name__} is expected")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9


def _check(rule: Rule, wrong: Any) -> None:
    if isinstance(rule, ExpressionRule) and not 0 <= rule.hold_s <= LONGEST_HOLD_S:
        raise wrong(f"hold_s is {rule.hold_s:g}; allowed for an expression: 0 to {LONGEST_HOLD_S:g}")
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if field.name.endswith("_s") and not 0 <= value <= 600:
            raise wrong(f"{field.name} is {value:g}; allowed: 0 to 600")
        if field.name == "least_confidence" and not 0 <= value <= 1:
            raise wrong(f"least_confidence is {value:g}; allowed: 0 to 1")
        if field.name in ("still_deg", "turned_deg") and not 0 <= value <= 90:
            raise wrong(f"{field.name} is {value:g}; allowed: 0 to 90")
        if field.name == "least_deg" and not 0 < value <= 90:
            raise wrong(f"least_deg is {value:g}; allowed: above 0, to 90")
    names: tuple[str, ...] = ()
    if isinstance(rule, LevelRule):
        names = (*rule.measures, *(name for name, _ in rule.unless))
        if rule.combine not in COMBINATIONS:
            raise wrong(f"combine is {rule.combine!r}; allowed: {', '.join(COMBINATIONS)}")
        if not (rule.above < rule.below if rule.falling else rule.above > rule.below):
            order = "below `below`, as it is falling" if rule.falling else "above `below`"
            raise wrong(f"above is {rule.above:g}, below is {rule.below:g}; `above` must lie {order}")
        units = any(name.startswith(("au", "p_")) or name in ("talking", "attention") for name in rule.measures)
        if units and not 0 <= rule.below <= 1 >= rule.above >= 0:
            raise wrong(f"above is {rule.above:g}, below is {rule.below:g}; allowed for these measures: 0 to 1")
    elif isinstance(rule, SwingRule):
        names = (rule.measure, rule.across, *(name for name, _ in rule.unless))
    for name in names:
        try:
            measure(name)
        except ValueError as error:
            raise wrong(str(error)) from None
