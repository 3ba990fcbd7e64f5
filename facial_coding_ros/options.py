# SPDX-License-Identifier: Apache-2.0
"""Settings of the stages: frozen dataclasses whose fields carry their range and meaning.

One declaration serves the core (checked when made), the command line and the ROS parameters.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
_SHOWN = 80
"""Letters of a value that are repeated to the user."""


def shown(value: Any) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} letters)"


@dataclass(frozen=True)
class Option:
    """Meaning and range of one setting.

    choices: what a text may be, or a function that says it, such as Registry.names. live: may change while running.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    live: bool = False

    def allowed_choices(self) -> tuple[str, ...]:
        """The texts that are allowed now; empty when any is."""
        return self.choices() if callable(self.choices) else self.choices

    def allowed(self) -> str:
        """What is allowed, in words."""
        if choices := self.allowed_choices():
            return "one of " + ", ".join(repr(choice) for choice in choices)
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"at least {self.low:g}"
        if self.high is not None:
            return f"at most {self.high:g}"
        return "any"

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError naming the setting, the value and what is allowed."""
        choices = self.allowed_choices()
        wrong = bool(choices) and value not in choices
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            wrong |= not math.isfinite(value)
            wrong |= self.low is not None and value < self.low
            wrong |= self.high is not None and value > self.high
        if wrong:
            raise ValueError(f"{name} is {shown(value)}; allowed: {self.allowed()}")


def option(default: Any, description: str, **limits: Any) -> Any:
    """A dataclass field with its Option. Limits: low, high, choices, live."""
    return field(default=default, metadata={"option": Option(description, **limits)})


class Settings:
    """Base of the stages' settings: checks every field when made. Raises ValueError or TypeError."""

    def __post_init__(self) -> None:
        for declared in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, declared.name)
            if "option" in declared.metadata:
                expected = type(declared.default)
                if expected is float and type(value) is int:
                    object.__setattr__(self, declared.name, value := float(value))
                if type(value) is not expected:
                    raise TypeError(
                        f"{declared.name} is {shown(value)}; {_TYPES.get(expected, expected.__name__)} is expected"
                    )
                declared.metadata["option"].check(declared.name, value)
