"""Keypoint motions by a word of the command line: `KIND` or `KIND:PATH`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...datasets import bp4d_landmarks, ck_plus, disfa_landmarks
from ...datasets.landmark_files import read_csv
from ...datasets.motions import MotionError, Motions, check_kpm, joined
from ...image.sources import SourceError
from ...keypoints import RegistrationSettings
from .ict_motions import SETTINGS, MeshNoise, synthesise
from .tracked_motions import recorded_motions, rendered_motions

KINDS = {
    "ict": "faces of the ICT model in all three settings (no path)",
    **{f"ict-{name}": f"faces of the ICT model, setting {name} (no path)" for name in SETTINGS},
    "recording": "video, folder of images or ROS 2 bag",
    "renders": "folder of `facial_coding synthesize`",
    "landmarks": "CSV of 68 keypoints: person, time_s, neutral, x0..x67, y0..y67",
    "motions": "file of keypoint motions that `facial_coding train dfecs --keep-motions` wrote",
    "ck+": "CK+'s folder",
    "disfa": "DISFA's folder",
    "bp4d": "BP4D's folder",
}
ICT_PEOPLE, ICT_EACH = 102, 100


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
    if kind not in KINDS:
        kinds = "; ".join(f"{name}: {about}" for name, about in KINDS.items())
        raise MotionError(f"no kind of data {kind!r}; there are {kinds}")
    if kind.startswith("ict"):
        names = list(SETTINGS) if kind == "ict" else [kind.removeprefix("ict-")]
        own = people // len(names)
        noise = MeshNoise.measured()
        found = joined([synthesise(SETTINGS[n], own, ICT_EACH, seed, noise, registration).motions for n in names])
    else:
        path = Path(where).expanduser()
        if not where or not path.exists():
            raise MotionError(f"{spec}: {where or 'no path'} does not exist; {kind}:PATH, {KINDS[kind]}, is expected")
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
    readers: dict[str, Callable[[Path], Motions]] = {
        "landmarks": read_csv,
        "motions": Motions.load,
        "ck+": ck_plus.read_motions,
        "disfa": disfa_landmarks.read_motions,
        "bp4d": bp4d_landmarks.read_motions,
    }
    return readers[kind](path)


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
