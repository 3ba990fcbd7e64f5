# SPDX-License-Identifier: Apache-2.0
"""Pictures of action units and reconstructions: motion arrows on the mean face."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from numpy.typing import ArrayLike

from .muscles import Placed

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Lines of the 68-point face.
_LINES = (
    range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36), (*range(36, 42), 36), (*range(42, 48), 42),
    (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip
_MOST_UNITS = 60.0
"""Longest arrow that is drawn for an AU, in units of the registered frame."""


def gallery(units: ArrayLike, titles: Sequence[str], columns: int = 4) -> Figure:
    """AUs (k, 136) as arrows from the mean face; each AU's longest arrow is 60 units long."""
    units = np.asarray(units)
    rows = -(-len(units) // columns)
    figure = Figure(figsize=(3.1 * columns, 3.5 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, unit, title in zip(grid.flat, units, titles, strict=False):
        moved = unit.reshape(2, 68).T
        size = np.linalg.norm(moved, axis=1)
        draw_arrows(axes, moved * (_MOST_UNITS / max(size.max(), 1e-9)), title)
    return figure


def draw_arrows(axes: Axes, moved: ArrayLike, title: str) -> None:
    """One motion (68, 2) on the mean face."""
    mean, moved = Placed().mean, np.asarray(moved)
    for line in _LINES:
        axes.plot(*mean[list(line)].T, color="0.75", linewidth=1)
    shown = np.linalg.norm(moved, axis=1) > 3
    axes.quiver(
        *mean[shown].T, *moved[shown].T, angles="xy", scale_units="xy", scale=1, color="#b22222", width=0.006,
        headwidth=4, headlength=5, minlength=0.5,
    )  # fmt: skip
    _frame(axes, title)


def reconstructions(motions: ArrayLike, answers: Sequence[tuple[str, ArrayLike]], titles: Sequence[str]) -> Figure:
    """One row for each motion (n, 136): the face that was seen (grey) under each answer (n, 136) (red)."""
    motions = np.asarray(motions)
    figure = Figure(figsize=(3.1 * len(answers), 3.3 * len(motions)), layout="constrained")
    grid = figure.subplots(len(motions), len(answers), squeeze=False)
    mean = Placed().mean
    for row, (motion, title) in enumerate(zip(motions, titles, strict=True)):
        for column, (name, answer) in enumerate(answers):
            axes = grid[row, column]
            seen = mean + motion.reshape(2, 68).T
            made = mean + np.asarray(answer)[row].reshape(2, 68).T
            for line in _LINES:
                axes.plot(*seen[list(line)].T, color="0.6", linewidth=2.5)
                axes.plot(*made[list(line)].T, color="#b22222", linewidth=1)
            error = float(np.linalg.norm(motion - np.asarray(answer)[row])) / max(float(np.linalg.norm(motion)), 1e-9)
            label = f"{name}: error {100 * error:.0f} %"
            _frame(axes, f"{title}\n{label}" if column == 0 else label)
    return figure


def _frame(axes: Axes, title: str) -> None:
    axes.set_xlim(220, 1180)
    axes.set_ylim(2230, 560)
    axes.set_aspect("equal")
    axes.axis("off")
    lines = [part for line in title.split("\n") for part in textwrap.wrap(line, 40)]
    axes.set_title("\n".join(lines), fontsize=8)


def png(figure: Figure, dpi: int = 80) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def inline(figure: Figure, about: str, dpi: int = 80) -> str:
    """A figure as an HTML image that holds its own data."""
    return embedded(png(figure, dpi), about)


def embedded(image: bytes, about: str) -> str:
    """A PNG as an HTML image that holds its own data."""
    return f'<img alt="{about}" src="data:image/png;base64,{base64.b64encode(image).decode()}">'
