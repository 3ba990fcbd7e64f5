# SPDX-License-Identifier: Apache-2.0
"""How far a head turn passes for an expression, with each way of registration; can learn W and the pose correction."""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from ...command_line import run_command
from ...face_model.ict import AU_SHAPES, IctFaces, turned
from ...keypoints import SPARSE, Registration, RegistrationSettings
from ...keypoints.learnt import load_arrays
from ...keypoints.registration import normalised
from ...types import SURFACE_POINTS, FloatArray, Registered
from ..neutral.seen_faces import SMILE, SeenFaces
from ..synthesis.dataset import how_made, is_of_portraits
from ..tracking.pose_correction import TurnedFaces, fit_pose_correction, of_plain_heads, of_set, of_stills
from .plain_heads import PlainHead, Plan, Pose, see

_RIDGE = 1e-3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ict", type=Path, help="folder with ICT-FaceKit's arrays")
    parser.add_argument(
        "--cache", type=Path, default=Path("/tmp/facial_coding_study"), help="folder for rendered faces"
    )
    parser.add_argument("--out", type=Path, default=Path("registration_study"), help="folder for the results")
    parser.add_argument(
        "--sets",
        type=Path,
        nargs="+",
        default=[],
        help="sets of `facial_coding synthesize`, of rendered people and of portraits, to learn pose correction from",
    )
    parser.add_argument("--stills", type=Path, help="labelled stills, to learn the pose correction from")
    parser.add_argument("--judge", type=Path, nargs="+", default=[], metavar="SET", help="sets of other people")
    parser.add_argument("--credit", default="", help="of portraits and stills, for the card's licence")
    parser.add_argument("--model", type=Path, metavar="FILE.npz", help="also learn, and write the model there")


def run(arguments: argparse.Namespace) -> int:
    arguments.cache.mkdir(parents=True, exist_ok=True)
    learning = _seen(arguments, "registration_learn.npz", learning_plans(), 11, one_size=False)
    testing = _seen(arguments, "registration_test.npz", testing_plans(), 21, one_size=True)
    sources, aside = _sources(arguments, learning)
    if arguments.model:
        pose = fit_pose_correction([faces for _, faces in sources.values()])
        write_model(arguments.model, fit_linear(), pose, sources, arguments)
    lines = report(testing)
    judged = {folder.name: of_set(folder) for folder in arguments.judge} | aside
    if judged:
        pose = load_arrays("registration", {"pose": (5, SURFACE_POINTS * 3)})["pose"]
        lines += other_people(judged, pose)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "README.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def _seen(arguments: argparse.Namespace, name: str, plans: list[Plan], seed: int, one_size: bool) -> SeenFaces:
    path = arguments.cache / name
    if not path.is_file():
        see(PlainHead.load(arguments.ict), plans, seed, one_size).save(path)
    return SeenFaces.load(path)


Sources = dict[str, tuple[str, list[TurnedFaces]]]
"""What the card says of each kind of people, and the people."""


def _sources(arguments: argparse.Namespace, learning: SeenFaces) -> tuple[Sources, dict[str, TurnedFaces]]:
    """Who the pose correction is learnt from; and of the stills those who are kept aside."""
    plain = of_plain_heads(learning)
    sources: Sources = {"plain": ("people of the ICT model, plain heads, neutral and smiling", [plain])}
    for name, about in (("rendered", "rendered people at rest"), ("portraits", "animated portraits at rest")):
        folders = [folder for folder in arguments.sets if is_of_portraits(folder) is (name == "portraits")]
        if folders:
            sources[name] = (about, [of_set(one) for one in folders])
    if arguments.stills is None:
        return sources, {}
    faces, aside = of_stills(arguments.stills, arguments.cache / "stills_neutral.npz")
    sources["stills"] = ("real people of whom there are several neutral stills", [faces])
    return sources, {"stills of people kept aside": aside}


def _pose(rng: np.random.Generator) -> Pose:
    yaw, pitch, roll = rng.uniform([-40, -25, -15], [40, 25, 15])
    return float(yaw), float(pitch), float(roll)


def learning_plans() -> list[Plan]:
    """48 people: frontal neutral and smile, and neutral and smile in random poses."""
    rng = np.random.default_rng(7)
    brows = {f"brow{part}_{side}": 1.0 for part in ("InnerUp", "OuterUp") for side in "LR"}
    still: Pose = (0, 0, 0)
    return [
        [({}, still), ({}, still), (SMILE, still), ({"jawOpen": 0.6}, still), (brows, still)]
        + [({}, _pose(rng)) for _ in range(14)]
        + [(SMILE, _pose(rng)) for _ in range(4)]
        for _ in range(48)
    ]


def testing_plans() -> list[Plan]:
    """24 other people, each before one camera: four frontal neutrals, a smile, and random poses."""
    rng = np.random.default_rng(70)
    plans: list[Plan] = []
    for _ in range(24):
        plan: Plan = []
        for _ in range(4):
            yaw, pitch, roll = rng.normal(0, 1, 3)
            plan.append(({}, (float(yaw), float(pitch), float(roll))))
        plan += [(SMILE, (0, 0, 0)), ({"jawOpen": 0.6}, (0, 0, 0))]
        plan += [({}, _pose(rng)) for _ in range(12)] + [(SMILE, _pose(rng)) for _ in range(6)]
        plans.append(plan)
    return plans


def fit_linear(count: int = 6000) -> FloatArray:
    """W (137, 136) from ICT people with expressions, turned by up to 40 degrees, in perspective."""
    rng, faces = np.random.default_rng(0), IctFaces.load()
    frontal = faces.people(count, rng)
    posed = np.zeros((count, SURFACE_POINTS, 3), np.float32)
    for i in range(count):
        codes = rng.choice(list(AU_SHAPES), rng.integers(0, 4), replace=False)
        frontal[i] += faces.au_offsets({int(code): float(rng.uniform(0.2, 1)) for code in codes})
        posed[i] = turned(frontal[i], *rng.uniform([-40, -25, -20], [40, 25, 20]))
    distance = rng.uniform(7, 25, (count, 1, 1)).astype(np.float32)
    seen = posed[..., :2] * distance / (distance + posed[..., 2:])
    x, y = (normalised(SPARSE.from_columns(mesh.transpose(0, 2, 1))) for mesh in (seen, frontal[..., :2]))
    rows, wanted = (p.reshape(count, -1).astype(np.float64) for p in (x, y))
    rows = np.concatenate([rows, np.ones((count, 1))], 1)
    gram = rows.T @ rows + _RIDGE * count * 1e-3 * np.eye(rows.shape[1])
    return np.asarray(np.linalg.solve(gram, rows.T @ wanted), np.float32)


def _is_neutral(seen: SeenFaces) -> np.ndarray:
    return (seen.shapes == 0).all(1)


def _is_smile(seen: SeenFaces) -> np.ndarray:
    return seen.shapes[:, seen.shape_names.index("mouthSmile_L")] > 0


def _is_frontal(seen: SeenFaces) -> np.ndarray:
    return (np.abs(seen.pose) < 5).all(1)


def write_model(
    path: Path, linear: FloatArray, pose: FloatArray, sources: Sources, arguments: argparse.Namespace
) -> None:
    """The model and its card."""
    np.savez_compressed(path, linear=linear, pose=pose.astype(np.float16))
    learnt = "; ".join(
        f"{sum(len(np.unique(part.person)) for part in parts)} {about}" for about, parts in sources.values()
    )
    command = ["python -m facial_coding_ros.learning.studies.registration ICT_FOLDER"]
    if arguments.sets:
        command.append("--sets " + " ".join(folder.name for folder in arguments.sets))
    if arguments.stills:
        command.append(f"--stills {arguments.stills.name}")
    licence = "MIT, as ICT-FaceKit (USC Institute for Creative Technologies), see ict_mesh.yaml"
    card = {
        "name": "registration",
        "what": "What registration has learnt of head pose.",
        "made_by": " ".join([*command, "--model models/registration.npz"]),
        "trained_on": "linear, 6000 faces of the ICT model with up to three action units, turned by up to 40 degrees "
        f"yaw, 25 pitch, 20 roll, in perspective. pose, {learnt}, each kind counted alike: turned heads against the "
        "same people seen ahead, through MediaPipe Face Mesh 0.10.21, and mirrored",
        "data": [how_made(folder) for folder in arguments.sets],
        "licence": f"{licence}; {arguments.credit}" if arguments.credit else licence,
        "arrays": {
            "linear": "(137, 136), normalised x0..x67, y0..y67, 1 of a turned face -> normalised frontal x0..x67, "
            "y0..y67",
            "pose": "(5, 1404), features u, v, u^2, u v, v^2 of the turn -> what to subtract from the frontal mesh "
            "(468, 3), in eye distances; u, v are the image x and y of the axis out of the face",
        },
        "metrics": "see docs/keypoints.md",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110, allow_unicode=True))


def report(seen: SeenFaces) -> list[str]:
    """The table: motion of a turned neutral head over motion of a smile, by way of registration."""
    base = RegistrationSettings()
    ways = [
        ("nothing but scale and place", replace(base, frontalisation="none", affine=False, part_similarity=False)),
        ("affine, no frontalisation", replace(base, frontalisation="none", part_similarity=False)),
        ("all, no frontalisation", replace(base, frontalisation="none")),
        ("linear W", replace(base, frontalisation="linear", pose_correction=False)),
        ("rotation", replace(base, pose_correction=False)),
        ("rotation and pose correction", base),
        ("  without the affine", replace(base, affine=False)),
        ("  without the per-part similarity", replace(base, part_similarity=False)),
        ("  without both", replace(base, affine=False, part_similarity=False)),
    ]
    lines = _HEADING.splitlines()
    for title, source in (("Seen through MediaPipe", seen.mesh), ("True geometry", seen.true)):
        lines += ["", f"## {title}", "", _COLUMNS, "|---|" + "---|" * 9]
        for name, settings in ways:
            registered = Registration(settings).register(source)
            lines.append(f"| {name} | " + " | ".join(_row(seen, registered)) + " |")
    return lines


def other_people(judged: dict[str, TurnedFaces], pose: FloatArray) -> list[str]:
    """The table: what is left of the turns of other people with the pose correction that ships."""
    lines = ["", "## Other people", "", *_OTHERS.splitlines()]
    for name, faces in judged.items():
        without, with_it = (np.median(faces.left(one)) for one in (np.zeros_like(pose), pose))
        lines.append(f"| {name} | {len(faces.turn)} | {without:.4f} | {with_it:.4f} | {faces.explained(pose):.2f} |")
    return lines


_OTHERS = """\
Turned heads at rest against the same people seen ahead, and neutral stills against the mean of the same person's (which
differ in more than the turn): root mean square over the dense points, median, in inter-ocular distances.

| | pictures | without pose correction | with it | of the squares it takes out |
|---|---|---|---|---|"""


_HEADING = """\
# Head turns against a smile

`python -m facial_coding_ros.learning.studies.registration ICT_FOLDER`, 2-core x86-64.

24 people of the ICT model that the learnt parts have not seen, each drawn before one camera: four neutral frontal
images, a full smile (AU12 and AU6), 12 neutral images in random poses up to 40 degrees yaw, 25 pitch, 15 roll.
Motion is against the mean of the person's frontal neutrals, root mean square over the points; the numbers are the
median motion of turned neutral heads as a share of the median motion of the frontal smile. 0: a turn is invisible;
1: it moves as much as a full smile. "still" is a frontal neutral against the mean of the others: the tracker's noise.
KPM: the 68 points in DFECS's registered frame. Dense: 468 points in three dimensions (no affine or parts there).
"like a smile": size of the turned heads' motion along the smile's own direction, median, dense."""
_COLUMNS = (
    "| way | KPM all | KPM still | KPM yaw 0-20 | KPM yaw 20-40 | dense all | dense still | dense yaw 0-20 "
    "| dense yaw 20-40 | like a smile |"
)


def _row(seen: SeenFaces, registered: list[Registered]) -> list[str]:
    sparse = np.stack([r.sparse for r in registered])
    dense = np.stack([r.dense for r in registered])
    columns: list[str] = []
    neutral, front, smile = _is_neutral(seen), _is_frontal(seen), _is_smile(seen)
    yaw = np.abs(seen.pose[:, 0])
    for points in (sparse, dense):
        motion = np.full_like(points, np.nan)
        for person in np.unique(seen.person):
            own = seen.person == person
            rest = np.flatnonzero(own & neutral & front)
            motion[own] = points[own] - points[rest].mean(0)
            # A frontal neutral is held against the mean of the other ones.
            motion[rest] *= len(rest) / (len(rest) - 1)
        size = np.sqrt((motion**2).sum(2).mean(1))
        unit = np.median(size[smile & front])
        rows = (
            neutral & ~front,
            neutral & front,
            neutral & ~front & (yaw < 20),
            neutral & ~front & (yaw >= 20),
        )
        columns += [f"{np.median(size[row]) / unit:.2f}" for row in rows]
    typical = motion[smile & front].mean(0)
    along = (motion * typical).sum((1, 2)) / (typical**2).sum()
    columns.append(f"{np.median(np.abs(along[neutral & ~front])):.2f}")
    return columns


if __name__ == "__main__":
    sys.exit(run_command("registration", __doc__ or "", add_arguments, run))
