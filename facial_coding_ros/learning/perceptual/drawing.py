# SPDX-License-Identifier: Apache-2.0
"""Pictures of perceptual models: faces as lines, latent maps, traversals, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from ...keypoints import SCHEMES
from ...types import FloatArray

# Of the 68 points: part -> whether its line closes.
_LINES_68 = (
    (range(17), False),
    (range(17, 22), False),
    (range(22, 27), False),
    (range(27, 31), False),
    (range(31, 36), False),
    (range(36, 42), True),
    (range(42, 48), True),
    (range(48, 60), True),
    (range(60, 68), True),
)
# Of the 83 points, from the start of each part.
_LINES_83 = (
    (range(10), True),
    (range(10, 20), True),
    (range(20, 28), True),
    (range(28, 36), True),
    (range(36, 48), False),
    (range(48, 60), True),
    (range(60, 68), True),
    (range(68, 83), False),
)
COLOURS = {
    "neutral": "#8a8f98",
    "happy": "#e3a008",
    "sad": "#2f6fb0",
    "angry": "#c8324a",
    "surprised": "#8f4fc0",
    "disgusted": "#3c8d40",
    "scared": "#16324f",
    "contempt": "#a0683c",
    "negative": "#c8324a",
    "positive": "#3c8d40",
}


def draw_face(axes: Axes, points: FloatArray, keypoints: str, **style: Any) -> None:
    """Frontal points (k, 3), y down, as lines; the mesh as dots."""
    style = {"color": "black", "linewidth": 1.2, **style}
    if SCHEMES[keypoints].count == 68:
        lines: Sequence[tuple[range, bool]] = _LINES_68
    elif SCHEMES[keypoints].count == 83:
        lines = _LINES_83
        if keypoints == "bu3dfe83":  # eyes come first there
            points = points[[*range(16, 36), *range(16), *range(36, 83)]]
    else:
        axes.plot(points[:, 0], points[:, 1], ".", markersize=1, color=style["color"])
        lines = ()
    for indices, closed in lines:
        line = points[[*indices, indices[0]] if closed else list(indices)]
        axes.plot(line[:, 0], line[:, 1], **style)
    axes.set_aspect("equal")
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.axis("off")


def draw_traversals(
    decoded: NDArray[np.floating], steps: Sequence[float], names: Sequence[str], keypoints: str, path: Path
) -> None:
    """decoded: (dimensions, steps, k, 3) faces of a neutral person as one dimension goes from step to step; the middle
    step in grey behind each."""
    rows, columns = decoded.shape[:2]
    figure = Figure(figsize=(1.5 * columns + 1.1, 1.75 * rows))
    middle = decoded[:, columns // 2]
    for row in range(rows):
        for column in range(columns):
            axes = figure.add_subplot(rows, columns, row * columns + column + 1)
            draw_face(axes, middle[row], keypoints, color="#c9ccd1", linewidth=1.0)
            draw_face(axes, decoded[row, column], keypoints)
            if row == 0:
                axes.set_title(f"{steps[column]:+g} sd", fontsize=9)
            if column == 0:
                axes.text(
                    -0.08, 0.5, names[row], transform=axes.transAxes, rotation=90, va="center", ha="right", fontsize=8
                )
    figure.tight_layout(pad=0.3, rect=(0.05, 0, 1, 1))
    _save(figure, path)


def draw_maps(latents: Mapping[str, FloatArray], label: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Each representation (n, d) in its first three principal components, coloured by class: two views of them."""
    figure = Figure(figsize=(3.6 * len(latents), 6.6))
    for column, (name, values) in enumerate(latents.items()):
        projected = PCA(3).fit_transform(values)
        projected /= projected.std(0)
        for row, (i, j) in enumerate(((0, 1), (0, 2))):
            axes = figure.add_subplot(2, len(latents), row * len(latents) + column + 1)
            for index, word in enumerate(classes):
                chosen = projected[label == index]
                axes.scatter(chosen[:, i], chosen[:, j], s=9, color=COLOURS[word], label=word, alpha=0.8, linewidths=0)
            axes.set_xlabel(f"component {i + 1}", fontsize=8)
            axes.set_ylabel(f"component {j + 1}", fontsize=8)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(name)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(classes), fontsize=9, markerscale=2, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    _save(figure, path)


def draw_reliability(tables: Mapping[str, tuple[FloatArray, float]], path: Path) -> None:
    """Tables of classifier.reliability: mean confidence against accuracy, with the faces in each bin below."""
    figure = Figure(figsize=(3.7 * len(tables), 4.6))
    for column, (name, (table, error)) in enumerate(tables.items()):
        axes = figure.add_subplot(4, len(tables), (column + 1, column + 1 + 2 * len(tables)))
        axes.plot([0, 1], [0, 1], color="#b7bcc4", linewidth=1)
        spread = np.sqrt(np.maximum(table[:, 1] * (1 - table[:, 1]), 0.01) / table[:, 2])
        axes.errorbar(table[:, 0], table[:, 1], yerr=spread, marker="o", color="#2f6fb0", capsize=2, linewidth=1.2)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_title(f"{name}\ncalibration error {error:.3f}", fontsize=10)
        axes.set_ylabel("share that is right" if column == 0 else "")
        axes.set_xticklabels([])
        below = figure.add_subplot(4, len(tables), column + 1 + 3 * len(tables))
        below.bar(table[:, 0], table[:, 2], width=0.06, color="#9fb8d1")
        below.set_xlim(0, 1)
        below.set_xlabel("confidence")
        below.set_ylabel("faces" if column == 0 else "")
    figure.tight_layout()
    _save(figure, path)


def draw_confusion(
    tables: Mapping[str, NDArray[np.int64]], classes: Sequence[str], columns: Sequence[str], path: Path
) -> None:
    """Rows: true class; columns: what was said; each row as shares, the counts written in."""
    figure = Figure(figsize=(5.4 * len(tables), 5.0))
    for place, (name, table) in enumerate(tables.items()):
        axes = figure.add_subplot(1, len(tables), place + 1)
        axes.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(table):
            if count:
                dark = count > 0.6 * table[row].sum()
                axes.text(
                    column, row, str(count), ha="center", va="center", fontsize=8, color="white" if dark else "black"
                )
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(classes)), classes, fontsize=8)
        axes.set_title(name, fontsize=10)
    figure.tight_layout()
    _save(figure, path)


def draw_courses(
    seconds: NDArray[np.floating], courses: Mapping[str, NDArray[np.floating]], classes: Sequence[str], path: Path
) -> None:
    """Shares (n, classes) of a sequence over time, one panel for each filter."""
    figure = Figure(figsize=(9, 1.7 * len(courses)))
    for row, (name, shares) in enumerate(courses.items()):
        axes = figure.add_subplot(len(courses), 1, row + 1)
        for index, word in enumerate(classes):
            axes.plot(seconds, shares[:, index], color=COLOURS[word], label=word, linewidth=1.2)
        axes.set_ylim(0, 1)
        axes.set_ylabel(name, fontsize=8)
        if row + 1 < len(courses):
            axes.set_xticklabels([])
    axes.set_xlabel("seconds")
    figure.axes[0].legend(ncols=4, fontsize=7, loc="upper right")
    figure.tight_layout(pad=0.4)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with matplotlib.rc_context({"svg.hashsalt": "facial_coding"}):
        figure.savefig(path, dpi=110, metadata={"Software": None})
