# SPDX-License-Identifier: Apache-2.0
"""Whether a neutral stays when people raise and lower their brows soon after they came.

    python -m facial_coding_ros.learning.studies.raised_brows PORTRAITS [--work FOLDER] [--people 26]

PORTRAITS: folder of photographs, NAME_neutral.jpg. Each person rests for 2.5 to 9 s and then raises and lowers the
brows, talks and smiles for half a minute, with 0.5 to 2.5 s of rest in between. The people are other ones than those on
whom events are judged. What was coded is kept in --work, so that a change of the estimator is judged within a minute.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...action_units import CODES
from ...coding.facs import FacsEstimator
from ...command_line import run_command
from ...keypoints import Registration
from ...neutral import NeutralKeeper
from ...neutral.vectors import DENSE_SIZE, to_vector
from ...types import FloatArray
from ..events.coded_performances import Coded, pictures, read, record
from ..events.scripts import Act, Script, expression, speech, with_blinks
from .events import others

FPS, SIDE, SECONDS = 15.0, 240, 32.0
_LONG_PEOPLE = 20
"""Of `events.others`, the first are for the long recordings there."""
UNITS = {"brow_raise": (1, 2), "frown": (4,)}
_ACTS = ("brow_raise", "brow_raise", "brow_raise", "frown", "talks", "smile")
_RAISES = ((1, 2), (1, 2), (1,), (2,))
_SETTLED_S = 3.0
_FALSE, _SEEN, _CLEAR = 0.3, 0.28, 0.35
"""A unit at rest from which it is a false one; that an act must reach; that it has against the true neutral."""


@dataclass(frozen=True)
class NeutralOutcome:
    """Of one person. error, largest: of the neutral while at rest, mean and largest, eye distances. false_share: of the
    frames at rest in which some unit is a false one. acts, missed: raises and frowns, and those that were not seen."""

    error: float
    largest: float
    false_share: float
    acts: int
    missed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("portraits", type=Path, help="folder with NAME_neutral.jpg")
    parser.add_argument("--work", type=Path, default=Path("raised_brows"), help="where what was coded is kept")
    parser.add_argument("--first", type=int, default=0, help="people to leave out; default %(default)s")
    parser.add_argument("--people", type=int, default=26, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    arguments.work.mkdir(parents=True, exist_ok=True)
    names = others(arguments.portraits)
    outcomes = []
    for number in range(_LONG_PEOPLE + arguments.first, _LONG_PEOPLE + arguments.first + arguments.people):
        name, script = names[number], raises(500 + number)
        path = arguments.work / f"{name}@brows.pkl"
        record(path, pictures(arguments.portraits, name, script, FPS, SIDE), FPS)
        outcomes.append(one := judged(read(path), script))
        print(f"{name}: error {1000 * one.error:.1f}, at most {1000 * one.largest:.1f}; false {one.false_share:.0%} of "
              f"rest; missed {one.missed} of {one.acts}")  # fmt: skip
    errors = 1000 * np.array([[one.error, one.largest] for one in outcomes])
    median, ninth = np.median(errors, 0), np.quantile(errors, 0.9, 0)
    print(
        f"\n{len(outcomes)} people; error of the neutral at rest, 0.001 eye distances: mean {median[0]:.1f} / "
        f"{ninth[0]:.1f}, largest {median[1]:.1f} / {ninth[1]:.1f} (median / 90th percentile); with a false unit in "
        f"5 % of rest: {sum(one.false_share > 0.05 for one in outcomes)}; raises and frowns missed: "
        f"{sum(one.missed for one in outcomes)} of {sum(one.acts for one in outcomes)}"
    )
    return 0


def raises(seed: int) -> Script:
    rng = np.random.default_rng(seed)
    at, acts = float(rng.uniform(2.5, 9)), list[Act]()
    while at < SECONDS - 3:
        kind, size = str(rng.choice(_ACTS)), float(rng.uniform(0.5, 1))
        times_s = (float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.6, 2.5)), float(rng.uniform(0.3, 0.6)))
        if kind == "talks":
            act = speech(at, 2.5, 0.8, rng)
        else:
            codes = _RAISES[rng.integers(4)] if kind == "brow_raise" else UNITS.get(kind, ())
            units = {12: size, 6: 0.7 * size} if kind == "smile" else dict.fromkeys(codes, size)
            act = expression(kind, at, times_s, units, size)
        if at + act.length_s > SECONDS - 0.5:
            break
        acts.append(act)
        at += act.length_s + float(rng.uniform(0.5, 2.5))
    return with_blinks(acts, SECONDS, rng, seed)


def judged(recording: Coded, script: Script) -> NeutralOutcome:
    """The neutral is learnt again from the kept meshes; the true one is the median of all frames at rest."""
    seen = [(stamp_ns, codes[0].face) for stamp_ns, codes in recording if codes]
    registered = Registration().register([face.mesh for _, face in seen])
    keeper = NeutralKeeper()
    neutrals = np.array(
        [
            to_vector(known.registered)
            for (stamp_ns, face), points in zip(seen, registered, strict=True)
            if (known := keeper.update(face.subject_key, points, face, stamp_ns)).registered is not None
        ]
    )
    faces = np.array([to_vector(points) for points in registered])
    at_s = np.array([(stamp_ns - recording[0][0]) / 1e9 for stamp_ns, _ in seen])
    rests = ~np.any([(at_s > a.start_s - 0.1) & (at_s < a.start_s + a.length_s + 0.1) for a in script.acts], axis=0)
    true = np.median(faces[rests], axis=0)
    off = np.sqrt(((neutrals - true)[:, :DENSE_SIZE].reshape(len(faces), -1, 3) ** 2).sum(2).mean(1))
    found, at_best = intensities(faces - neutrals), intensities(faces - true)
    settled = rests & (at_s > _SETTLED_S)
    acts = missed = 0
    for act in script.acts:
        if columns := [CODES.index(unit) for unit in UNITS.get(act.kind, ())]:
            during = (at_s >= act.start_s) & (at_s < act.start_s + act.length_s)
            if at_best[during][:, columns].max() > _CLEAR:
                acts, missed = acts + 1, missed + int(found[during][:, columns].max() < _SEEN)
    false_share = float((found[settled].max(1) > _FALSE).mean())
    return NeutralOutcome(float(off[settled].mean()), float(off[settled].max()), false_share, acts, missed)


def intensities(motion: FloatArray) -> FloatArray:
    """(n, 24), the stronger side, of motions (n, 1540)."""
    points, model = motion[:, :DENSE_SIZE].reshape(len(motion), -1, 3), FacsEstimator.load()
    parts = [points[first : first + 64] for first in range(0, len(points), 64)]
    return np.concatenate([model.infer(part, np.ones(len(part), np.float32))[0].max(1) for part in parts])


if __name__ == "__main__":
    sys.exit(run_command("raised_brows", __doc__ or "", add_arguments, run))
