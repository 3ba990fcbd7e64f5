# SPDX-License-Identifier: Apache-2.0
"""How well FACS action units are estimated.

set: on rendered people that the model was not trained on. codes: face codes of a labelled video or bag, as
`facial_coding replay` writes them, against a CSV of intensities per frame, DISFA's label folder or BP4D's occurrence.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..action_units import CODES
from ..coding.facs import FacsEstimator
from ..coding.facs.outputs import stronger_side
from ..errors import UserError
from ..keypoints import Registration
from ..learning.facs.au_labels import FacsLabelError, matched, read_labels
from ..learning.facs.motion_sets import MotionSet, load_motions
from ..learning.facs.report import agreement_table, draw_calibration, draw_confusion, draw_intensity, percent
from ..learning.facs.scoring import PRESENT_FROM, agreement, calibration, confusion, icc_of_units, share
from ..learning.facs.study import SMILE_COMPANIONS, FacsSplit, invented
from ..types import FloatArray

_SHARED = {25: (26, 27), 26: (25, 27), 27: (25, 26), 43: (45,), 45: (43,), 16: (25,), 10: (25,), 22: (25,)}
TOGETHER = {CODES.index(code): [CODES.index(other) for other in others] for code, others in _SHARED.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True)
    rendered = kinds.add_parser("set", help="rendered people")
    rendered.add_argument("sets", type=Path, nargs="+", help="folders of rendered sets")
    rendered.add_argument("--everyone", action="store_true", help="all people: the sets were not trained on")
    rendered.add_argument("--seed", type=int, default=0, help="of the training, to find its test people; default 0")
    rendered.add_argument("--model", type=Path, help="default: the one that ships")
    rendered.add_argument("--out", type=Path, default=Path("facs_evaluation"), help="default %(default)s")
    codes = kinds.add_parser("codes", help="face codes of a labelled recording")
    codes.add_argument("codes", type=Path, help="face_codes.csv of facial_coding replay")
    codes.add_argument("labels", type=Path, help="CSV, DISFA's folder of a subject, or BP4D's occurrence CSV")
    codes.add_argument("--person", default="", help="face_id or person_id, where there are several")
    codes.add_argument("--first-frame", type=int, help="number of the recording's first frame in the labels")
    codes.add_argument("--out", type=Path, help="also write the table to this file")


def run(arguments: argparse.Namespace) -> int:
    try:
        return _set(arguments) if arguments.kind == "set" else _codes(arguments)
    except (FacsLabelError, FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def _codes(arguments: argparse.Namespace) -> int:
    labels = read_labels(arguments.labels, arguments.first_frame)
    truth, estimate, codes = matched(labels, arguments.codes, arguments.person)
    known = np.isfinite(truth).all(1)
    truth, estimate = truth[known], np.nan_to_num(estimate[known])
    # One person: intervals from stretches of a hundred frames, which are not independent of each other either.
    each, mean = agreement(truth, estimate, np.arange(len(truth)) // 100)
    lines = [
        f"# {arguments.codes.name} against {arguments.labels.name}",
        "",
        f"{len(truth)} frames; 95 % intervals over stretches of 100 frames.",
        "" if not labels.occurrence else "Presence only is coded: ICC and correlation are against 0 and 1.",
        "",
        *agreement_table(codes, each, mean),
    ]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("\n".join(lines) + "\n")
    return 0


def _set(arguments: argparse.Namespace) -> int:
    everything = load_motions(arguments.sets, Registration(), arguments.seed)
    if not arguments.everyone:
        everything = everything.take(FacsSplit.of(everything, arguments.seed).test)
    estimator = FacsEstimator.load(arguments.model)
    data, found = everything.take(~everything.just_found), everything.take(everything.just_found)
    sides, presence = estimator.infer(data.motion, data.noise_scale)
    truth, estimate = stronger_side(data.sides), stronger_side(sides)
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_confusion(arguments.out / "confusion.png", CODES, confusion(truth, estimate, TOGETHER))
    draw_calibration(arguments.out / "calibration.png", presence, truth, CODES)
    draw_intensity(arguments.out / "intensity.png", truth, estimate, CODES)
    lines = _page(arguments, data, truth, estimate, sides, presence)
    just_found = stronger_side(estimator.infer(found.motion, found.noise_scale)[0])
    lines += _just_found(stronger_side(found.sides), just_found, found)
    (arguments.out / "rendered_people.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def _page(
    arguments: argparse.Namespace,
    data: MotionSet,
    truth: FloatArray,
    estimate: FloatArray,
    sides: FloatArray,
    presence: FloatArray,
) -> list[str]:
    each, mean = agreement(truth, estimate, data.person)
    options = " --everyone" if arguments.everyone else f" --seed {arguments.seed}"
    lines = [
        "# Rendered people the model was not trained on",
        "",
        f"Command: `facial_coding evaluate facs set SET{options}`, 2-core x86-64. "
        f"{len(np.unique(data.person))} people, {len(truth)} motions; 95 % intervals by person. Faces as the node sees "
        "them after a while: landmarks smoothed over three images, against the mean of some resting pictures.",
        "",
        *agreement_table(CODES, each, mean),
        "",
        "## False action units",
        "",
        "| | share |",
        "|---|---|",
    ]
    for name, rows, limit in (
        ("resting face, any unit above 0.3 that is not there", data.resting, 0.3),
        ("head turned 15 to 30 degrees, any unit above 0.25 that is not there", data.turned, 0.25),
    ):
        lines.append(f"| {name} | {percent(share(invented(estimate, truth, limit)[rows], data.person[rows]))} |")
    lines += [
        "",
        "Units most often above 0.25 in turned heads: "
        + _most((estimate > 0.25)[data.turned] & (truth < 0.15)[data.turned])
        + ".",
    ]
    lines += _smiles(data, estimate) + _one_sided(data, sides) + _conditions(data, truth, estimate)
    bins = calibration(presence.reshape(-1), (truth >= PRESENT_FROM).reshape(-1))
    known = bins[:, 2] > 0
    error = float((np.abs(bins[known, 0] - bins[known, 1]) * bins[known, 2]).sum() / bins[known, 2].sum())
    lines += [
        "",
        "## Probability of presence",
        "",
        f"Expected calibration error over all units: {error:.3f}. Plots: calibration.png. Medians by true intensity: "
        "intensity.png. Confusions: confusion.png.",
    ]
    return lines


def _just_found(truth: FloatArray, estimate: FloatArray, data: MotionSet) -> list[str]:
    icc = icc_of_units(truth, estimate)
    resting = percent(share(invented(estimate, truth, 0.3)[data.resting], data.person[data.resting]))
    return [
        "",
        "## Faces just found",
        "",
        "The same pictures with the landmarks of the first image, unsmoothed, against one to six resting pictures: "
        f"mean ICC {np.nanmean(icc):.2f}, AU12 {icc[CODES.index(12)]:.2f}, resting faces with a unit above 0.3: "
        f"{resting}.",
    ]


def _most(flags: np.ndarray) -> str:
    order = np.argsort(-flags.mean(0))[:5]
    return ", ".join(f"AU{CODES[k]} {100 * flags[:, k].mean():.0f} %" for k in order if flags[:, k].any()) or "none"


def _smiles(data: MotionSet, estimate: FloatArray) -> list[str]:
    from ..learning.synthesis.expressions import KINDS

    at = CODES.index(12)
    rows = (data.kind == KINDS.index("smile")) & (data.sides[:, :, at].min(1) >= 0.3)
    people, found = data.person[rows], estimate[rows]
    rank = (found > found[:, [at]]).sum(1)
    false = [k for k in range(len(CODES)) if CODES[k] not in SMILE_COMPANIONS]
    truth = stronger_side(data.sides[rows])
    wrong = (found[:, false] > 0.3) & (truth[:, false] < 0.15)
    truly = (truth > truth[:, [at]]).sum(1) == 0
    order = np.argsort(-wrong.mean(0))[:5]
    return [
        "",
        "## Smiles (AU12 of 0.3 and more on both sides, with what comes along)",
        "",
        f"AU12 first: {percent(share(rank == 0, people))}; among two: {percent(share(rank <= 1, people))}. In truth it "
        f"is first in {100 * truly.mean():.0f} %; of these it is estimated first in "
        f"{percent(share(rank[truly] == 0, people[truly]))}, among two in "
        f"{percent(share(rank[truly] <= 1, people[truly]))}. Invented above 0.3: "
        + ", ".join(f"AU{CODES[false[k]]} {100 * wrong[:, k].mean():.0f} %" for k in order)
        + ".",
    ]


def _one_sided(data: MotionSet, sides: FloatArray) -> list[str]:
    title = "## One-sided action units (difference of the sides of 0.4 and more)"
    lines = ["", title, "", "| | cases | seen on its side |", "|---|---|---|"]
    for code in (2, 4, 10, 12, 14, 15, 20, 45):
        at = CODES.index(code)
        apart = data.sides[:, 0, at] - data.sides[:, 1, at]
        rows = np.abs(apart) >= 0.4
        agrees = (sides[rows, 0, at] - sides[rows, 1, at]) * np.sign(apart[rows]) > 0.05
        if rows.sum() >= 5:
            lines.append(f"| AU{code} | {rows.sum()} | {percent(share(agrees, data.person[rows]))} |")
    return lines


def _conditions(data: MotionSet, truth: FloatArray, estimate: FloatArray) -> list[str]:
    from ..learning.synthesis.render_look import STYLES

    groups = {
        "head within 8 degrees": data.turn_deg < 8,
        "8 to 15 degrees": (data.turn_deg >= 8) & (data.turn_deg < 15),
        "15 degrees and more": data.turn_deg >= 15,
        "eye distance under 30 px": data.eye_distance_px < 30,
        "30 to 60 px": (data.eye_distance_px >= 30) & (data.eye_distance_px < 60),
        "60 px and more": data.eye_distance_px >= 60,
    } | {f"style {name}": data.style == number for number, name in enumerate(STYLES)}
    lines = ["", "## By view", "", "| | motions | mean ICC | ICC of AU12 |", "|---|---|---|---|"]
    for name, rows in groups.items():
        icc = icc_of_units(truth[rows], estimate[rows])
        if np.isfinite(icc).any():
            lines.append(f"| {name} | {rows.sum()} | {np.nanmean(icc):.2f} | {icc[CODES.index(12)]:.2f} |")
    return lines
