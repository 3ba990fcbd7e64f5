# SPDX-License-Identifier: Apache-2.0
"""Interpretability by people: a sheet to print, and how far raters agree (Fleiss 1971)."""

from __future__ import annotations

import csv
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .muscles import ACTIONS
from .pictures import gallery, inline

QUESTION = (
    "Does the motion look like facial muscles pulling? Tick 'yes' when one to three of the muscle actions listed below "
    "would move the face so; 'no' when none would; then write the numbers of the actions."
)

_STYLE = (
    "body{font:12px sans-serif}main{display:grid;grid-template-columns:repeat(4,1fr);gap:4px}img{width:100%}"
    "div{break-inside:avoid}ol{columns:2}"
)


def write_sheet(path: Path, units: ArrayLike, seed: int = 0) -> list[int]:
    """A printable page of AUs (k, 136) in a shuffled order without names. Returns which AU each number shows."""
    units = np.asarray(units)
    order = np.random.default_rng(seed).permutation(len(units)).tolist()
    actions = "".join(
        f"<li>{html.escape(action.name)} <i>({html.escape(action.muscle)})</i></li>" for action in ACTIONS
    )
    blocks = []
    for number, unit in enumerate(order, start=1):
        picture = inline(gallery(units[[unit]], [f"motion {number}"], 1), f"motion {number}", 70)
        boxes = "&#9744; yes &nbsp; &#9744; no &nbsp; actions: ____ &nbsp; ____ &nbsp; ____"
        blocks.append(f"<div>{picture}<p>{number}. {boxes}</p></div>")
    title = "Action units: rating sheet"
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style><h1>{title}'
        "</h1><p>Rater: ____________ &nbsp; Date: __________</p>"
        f"<p>{html.escape(QUESTION)}</p><ol>{actions}</ol><main>{''.join(blocks)}</main></html>\n"
    )
    return order


def read_ratings(path: Path) -> list[list[str]]:
    """Answers of a CSV with one row for each motion and one column for each rater, under a header.

    Raises ValueError when a row has another number of answers.
    """
    with path.open(newline="") as file:
        rows = [[cell.strip().lower() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    if len(rows) < 3 or len(rows[0]) < 2:
        raise ValueError(f"{path}: a header, two motions and two raters are expected at least")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]) or not all(row):
            raise ValueError(f"{path}, line {number}: {len(rows[0])} answers are expected, one of each rater")
    return rows[1:]


def fleiss_kappa(answers: Sequence[Sequence[str]]) -> float:
    """Agreement of raters beyond chance, 1 when all agree on everything; NaN when only one answer was ever given.

    answers: one row for each motion, one answer of each rater. Raises ValueError for fewer than two raters or rows of
    different length.
    """
    raters = {len(row) for row in answers}
    if len(raters) != 1 or min(raters) < 2:
        raise ValueError(f"rows of {sorted(raters)} answers; the same two or more raters for every motion are expected")
    n = raters.pop()
    kinds = sorted({answer for row in answers for answer in row})
    counts = np.array([[list(row).count(kind) for kind in kinds] for row in answers], float)
    agreement = ((counts**2).sum(1) - n) / (n * (n - 1))
    chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return float("nan") if chance == 1 else float((agreement.mean() - chance) / (1 - chance))
