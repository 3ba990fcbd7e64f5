# SPDX-License-Identifier: Apache-2.0
"""Keypoint motions by a word of the command line: `KIND` or `KIND:PATH`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...datasets.motions import MotionError, Motions, check_kpm, joined
from ...datasets.registry import find, motion_sets
from ...image.sources import SourceError
from ...keypoints import RegistrationSettings
from .ict_motions import SETTINGS, MeshNoise, synthesise
from .tracked_motions import recorded_motions, rendered_motions

MADE = {
    "ict": "faces of the ICT model in all three settings (no path)",
    **{f"ict-{name}": f"faces of the ICT model, setting {name} (no path)" for name in SETTINGS},
    "recording": "video, folder of images or ROS 2 bag",
    "renders": "folder of `facial_coding synthesize`",
}
"""Motions that are made here; data sets of motions are in datasets.registry."""
ICT_PEOPLE, ICT_EACH = 102, 100


def kinds() -> dict[str, str]:
    """Words for `open_data`, each with what it stands for."""
    return MADE | {name: reader.layout for name, reader in motion_sets().items()}


def open_data(
    spec: str,
    seed: int = 1,
    topic: str = "",
    on_frame: Callable[[int, int], None] = lambda done, expected: None,
    people: int = ICT_PEOPLE,
    registration: RegistrationSettings | None = None,
) -> Motions:
    """Motions of a KIND or KIND:PATH. seed, people: of ICT faces. Raises MotionError saying what is wrong."""
    kind, _, where = spec.partition(":")
    dataset = find(kind)
    if kind not in MADE and dataset is not None:
        kind = dataset.name
    known = kinds()
    if kind not in known:
        listed = "; ".join(f"{name}: {about}" for name, about in known.items())
        raise MotionError(f"no kind of data {kind!r}; there are {listed}")
    if kind == "ict" or kind.startswith("ict-"):
        names = list(SETTINGS) if kind == "ict" else [kind.removeprefix("ict-")]
        own = people // len(names)
        noise = MeshNoise.measured()
        found = joined([synthesise(SETTINGS[n], own, ICT_EACH, seed, noise, registration).motions for n in names])
    else:
        path = Path(where).expanduser()
        if not where or not path.exists():
            raise MotionError(f"{spec}: {where or 'no path'} does not exist; {kind}:PATH, {known[kind]}, is expected")
        try:
            found = _read(kind, path, topic, on_frame, registration)
        except SourceError as error:
            raise MotionError(str(error)) from None
    if registration is None or registration == RegistrationSettings():
        check_kpm(found.kpm)
    return found


def _read(
    kind: str,
    path: Path,
    topic: str,
    on_frame: Callable[[int, int], None],
    registration: RegistrationSettings | None,
) -> Motions:
    if kind == "recording":
        return recorded_motions(path, topic, registration, on_frame, on_damage=lambda problem: None)
    if kind == "renders":
        return rendered_motions(path, registration)
    return motion_sets()[kind].read(path)


def split(motions: Motions, share: float = 0.25, seed: int = 0) -> tuple[Motions, Motions]:
    """Training and held-out motions: every fourth person; with fewer than four people the last minutes of each.

    Raises MotionError when there are neither several people nor times.
    """
    people = np.unique(motions.person)
    if len(people) >= 4:
        shuffled = np.random.default_rng(seed).permutation(people)
        held = np.isin(motions.person, shuffled[: max(1, round(share * len(people)))])
    elif np.isfinite(motions.time_s).all():
        held = np.zeros(len(motions), bool)
        for one in people:
            own = motions.person == one
            held |= own & (motions.time_s > np.quantile(motions.time_s[own], 1 - share))
    else:
        raise MotionError(
            f"{len(people)} people without times: nothing can be held out; 4 people or times are expected"
        )
    return motions.take(~held), motions.take(held)
