# SPDX-License-Identifier: Apache-2.0
"""Tables and plots of how the estimator agrees with known action units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...types import FloatArray
from .scoring import Agreement, calibration


def interval(value: tuple[float, float, float]) -> str:
    """A figure with its interval, or a dash."""
    return "-" if np.isnan(value[0]) else f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})"


def percent(value: tuple[float, float, float]) -> str:
    """A share with its interval, in percent."""
    return "-" if np.isnan(value[0]) else f"{100 * value[0]:.1f} % ({100 * value[1]:.1f} to {100 * value[2]:.1f})"


def agreement_table(codes: Sequence[int], each: Sequence[Agreement], mean: Agreement) -> list[str]:
    """Lines of a table: one for each unit, then the mean; 95 % intervals by person."""
    lines = ["| | frames present | ICC(3,1) | correlation | F1 | AUC |", "|---|---|---|---|---|---|"]
    for name, found in [*zip([f"AU{code}" for code in codes], each, strict=True), ("**mean**", mean)]:
        cells = (interval(found.icc), interval(found.r), interval(found.f1), interval(found.auc))
        lines.append(f"| {name} | {found.frames} | " + " | ".join(cells) + " |")
    return lines


def draw_confusion(path: Path, codes: Sequence[int], matrix: FloatArray) -> None:
    """Mean estimate (columns) where one unit leads in truth (rows), as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(matrix, cmap="viridis", vmin=0, vmax=0.7)
    names = [str(code) for code in codes]
    axes.set_xticks(range(len(codes)), names, fontsize=8)
    axes.set_yticks(range(len(codes)), names, fontsize=8)
    axes.set_xlabel("estimated AU (mean intensity)")
    axes.set_ylabel("AU that leads in truth")
    for i, j in zip(*np.nonzero(np.nan_to_num(matrix) >= 0.08), strict=True):
        colour = "white" if matrix[i, j] < 0.4 else "black"
        axes.text(j, i, f"{matrix[i, j]:.1f}".lstrip("0"), ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, shrink=0.8)
    figure.savefig(path, bbox_inches="tight")


def draw_calibration(path: Path, probability: FloatArray, truth: FloatArray, codes: Sequence[int]) -> None:
    """Stated probability of presence against how often the unit is there; all units, and each.

    probability: (n, units). truth: (n, units) intensities.
    """
    from matplotlib.figure import Figure

    columns = 6
    rows = -(-(len(codes) + 1) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.1 * rows), dpi=100, layout="constrained")
    for place in range(len(codes) + 1):
        axes = figure.add_subplot(rows, columns, place + 1)
        chosen = slice(None) if place == 0 else [place - 1]
        bins = calibration(probability[:, chosen].reshape(-1), (truth[:, chosen] >= 0.2).reshape(-1), 8)
        enough = bins[:, 2] >= 8
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        axes.plot(bins[enough, 0], bins[enough, 1], marker="o", markersize=3, linewidth=1)
        axes.set_title("all" if place == 0 else f"AU{codes[place - 1]}", fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.tick_params(labelsize=6)
    figure.supxlabel("stated probability of presence", fontsize=9)
    figure.supylabel("share present", fontsize=9)
    figure.savefig(path)


def draw_intensity(path: Path, truth: FloatArray, estimate: FloatArray, codes: Sequence[int]) -> None:
    """Mean estimate (with quartiles) against true intensity, each unit: is it monotonic?"""
    from matplotlib.figure import Figure

    columns = 6
    rows = -(-len(codes) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.1 * rows), dpi=100, layout="constrained")
    edges = np.array([-0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 1.01])
    for place in range(len(codes)):
        axes = figure.add_subplot(rows, columns, place + 1)
        at = np.digitize(truth[:, place], edges) - 1
        points = [
            (truth[at == b, place].mean(), *np.percentile(estimate[at == b, place], [50, 25, 75]))
            for b in range(len(edges) - 1)
            if (at == b).sum() >= 5
        ]
        if points:
            x, middle, low, high = np.array(points).T
            axes.fill_between(x, low, high, alpha=0.25)
            axes.plot(x, middle, marker="o", markersize=3, linewidth=1)
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        axes.set_title(f"AU{codes[place]}", fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.tick_params(labelsize=6)
    figure.supxlabel("true intensity", fontsize=9)
    figure.supylabel("estimate: median and quartiles", fontsize=9)
    figure.savefig(path)
