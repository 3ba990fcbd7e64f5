# SPDX-License-Identifier: Apache-2.0
"""A page about expressions told of labelled stills: confusion, reliability, examples of errors."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...coding.expression.labels import EXPRESSION_LABELS
from ...types import FloatArray, ImageArray
from .expression_scores import FIVE, HEAD, ExpressionFigures, calibration, confusion
from .fusion_training import prior_weights

EXAMPLES = 24
_EXAMPLE_PX = 120
_STYLE = "body{font:15px sans-serif;max-width:60em;margin:2em auto}td,th{padding:.2em .6em;text-align:right}"


@dataclass(frozen=True)
class ToldStills:
    """What was told of n stills. probability: (n, 8). label: (n,), that of each picture."""

    probability: FloatArray
    label: NDArray[np.int64]


def draw_confusion(told: ToldStills, path: Path) -> None:
    """A PNG. Needs matplotlib."""
    from matplotlib.figure import Figure

    table = confusion(told.probability, told.label)
    figure = Figure(figsize=(6, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.nan_to_num(table), cmap="Blues", vmin=0, vmax=1)
    counts = np.bincount(told.label, minlength=len(EXPRESSION_LABELS))
    for (row, column), share in np.ndenumerate(table):
        if np.isfinite(share):
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(EXPRESSION_LABELS)), EXPRESSION_LABELS, rotation=40, ha="right")
    names = [f"{name} ({count})" for name, count in zip(EXPRESSION_LABELS, counts, strict=True)]
    axes.set_yticks(range(len(EXPRESSION_LABELS)), names)
    axes.set_xlabel("likeliest label, % of the row")
    axes.set_ylabel("label given to the picture (pictures)")
    figure.savefig(path, dpi=110)


def draw_reliability(told: ToldStills, path: Path) -> None:
    """A PNG: as pictures come, and with labels as common as the prior says. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    first = told.label < FIVE
    for name, inside, weight in (
        ("as pictures come", np.ones(len(first), bool), None),
        ("first five labels, as the prior", first, prior_weights(told.label[first])),
    ):
        rows, error = calibration(told.probability[inside], told.label[inside], weight)
        axes.plot(rows[:, 0], rows[:, 1], marker="o", label=f"{name}: expected error {error:.3f}")
    axes.set(xlabel="probability of the likeliest label", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", fontsize=9)
    figure.savefig(path, dpi=110)


def write_page(
    folder: Path, title: str, tables: Mapping[str, ExpressionFigures], told: ToldStills, errors: Sequence[ImageArray]
) -> None:
    """index.html with tables, confusion.png, reliability.png and errors.png. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_confusion(told, folder / "confusion.png")
    draw_reliability(told, folder / "reliability.png")
    head = "".join(f"<th>{html.escape(part.strip())}</th>" for part in HEAD.split("\n")[0].strip("| ").split("|"))
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{html.escape(part.strip())}</td>" for part in figures.row().strip("| ").split("|"))
        + "</tr>"
        for name, figures in tables.items()
    )
    pictures = "<img src=confusion.png><img src=reliability.png>"
    if errors:
        sheet = np.concatenate([np.concatenate(list(errors[i : i + 8]), 1) for i in range(0, len(errors) // 8 * 8, 8)])
        cv2.imwrite(str(folder / "errors.png"), sheet[..., ::-1])
        pictures += "<h2>Surest errors</h2><img src=errors.png>"
    (folder / "index.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(title)}</h1><table><tr><th></th>{head}</tr>{rows}</table>{pictures}",
        encoding="utf-8",
    )


def surest_errors(told: ToldStills, count: int = EXAMPLES) -> NDArray[np.intp]:
    """Places of wrong answers, the surest first, at most `count`."""
    wrong = np.flatnonzero(told.probability.argmax(1) != told.label)
    return wrong[np.argsort(-told.probability[wrong].max(1))][:count]


def example(image: ImageArray, said: str, told: str) -> ImageArray:
    """A picture with its label and what was told under it."""
    share = _EXAMPLE_PX / max(image.shape[:2])
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    out = np.full((_EXAMPLE_PX + 30, _EXAMPLE_PX, 3), 255, np.uint8)
    out[: small.shape[0], : small.shape[1]] = small
    for row, text in enumerate((f"label {said}", f"told {told}")):
        at = (2, _EXAMPLE_PX + 12 + 14 * row)
        cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return out
