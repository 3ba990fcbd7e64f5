# SPDX-License-Identifier: Apache-2.0
"""Implementations by name; each registers itself where it is defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")
Factory = TypeVar("Factory", bound=Callable[..., object])


class Registry(Generic[Made]):
    """Factories of one kind of object, by the name that settings use for them.

    Parameters
    ----------
    what : str
        What the objects are, for messages.

    Examples
    --------
    >>> shapes: Registry[float] = Registry("shape")
    >>> @shapes.register("square")
    ... def square(side: float) -> float:
    ...     return side * side
    >>> shapes.create("square", 2.0)
    4.0
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._factories: dict[str, Callable[..., Made]] = {}

    def register(self, name: str) -> Callable[[Factory], Factory]:
        """Decorator of a class or function that makes the object. Raises ValueError when the name is taken."""

        def add(factory: Factory) -> Factory:
            if name in self._factories:
                raise ValueError(f"there is a {self.what} of the name {name!r} already")
            self._factories[name] = factory  # type: ignore[assignment]
            return factory

        return add

    def unregister(self, name: str) -> None:
        """Takes a name out again; KeyError when it is not there."""
        del self._factories[name]

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._factories))

    def create(self, name: str, *arguments: object, **named: object) -> Made:
        """The object of this name. Raises ValueError naming what there is when nothing has registered under it."""
        if name not in self._factories:
            raise ValueError(f"no {self.what} is called {name!r}; there are {', '.join(self.names()) or 'none'}")
        return self._factories[name](*arguments, **named)
