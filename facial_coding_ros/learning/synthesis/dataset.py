# SPDX-License-Identifier: Apache-2.0
"""A set of rendered people as the tracker sees them: made in chunks, picked up again where it stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...action_units import CODES
from ...errors import UserError
from ...npz import open_npz
from ...types import MESH_POINTS, FloatArray, ImageArray
from .expressions import KINDS, ExpressionSample, Manner, offsets, sample_expression, with_lips
from .render import render
from .render_head import IDENTITIES, LANDMARKS, HeadModel
from .render_look import STYLES, PersonLook, PictureLook
from .render_person import Geometry, RenderedPerson
from .tracked_picture import PictureTracker

PEOPLE_PER_CHUNK = 10
RENDERER = 2
"""Number of what draws and tracks: another makes another set of the same seed. 1 drew brows too high and the lids'
edges where they do not move, and saw each picture once, as a still one."""
NEUTRALS, TURNS, REPEATS = 6, 1, 2
"""Of each person's pictures: resting, resting with the head turned, expressions shown a second time."""
FEWEST_PICTURES = NEUTRALS + TURNS + 2 * REPEATS
OTHER_SITTINGS = 0.2
"""Share of pictures with another camera, place and light than the person's others."""
_UPPER_LIP, _LOWER_LIP = LANDMARKS[62], LANDMARKS[66]


@dataclass(frozen=True)
class SetOptions:
    """What a set is made of. pictures: of each person."""

    people: int = 400
    pictures: int = 20
    seed: int = 0
    styles: tuple[str, ...] = STYLES


@dataclass(frozen=True)
class RenderedPicture:
    """One picture and the truth about it. landmarks_cm: (68, 3), head axes, without the head's turn."""

    image: ImageArray
    sample: ExpressionSample
    right: FloatArray
    left: FloatArray
    group: int
    look: PictureLook
    landmarks_cm: FloatArray


@dataclass(frozen=True)
class PicturePlan:
    """What one picture will show. group numbers the expressions of a person, shown again where it repeats."""

    sample: ExpressionSample
    look: PictureLook
    group: int


@dataclass(frozen=True)
class PersonPlan:
    """Everything about a random person but the pictures themselves. identity: (100,) weights of unit variance."""

    identity: FloatArray
    look: PersonLook
    manner: Manner
    pictures: tuple[PicturePlan, ...]


def plan_person(options: SetOptions, person: int) -> PersonPlan:
    """The person of that number of a set: the same numbers for the same seed."""
    rng, style = np.random.default_rng([options.seed, person]), options.styles[person % len(options.styles)]
    identity, person_look = rng.standard_normal(IDENTITIES).astype(np.float32), PersonLook.sample(rng, style)
    manner = Manner.sample(rng)
    sitting = PictureLook.sample(rng, style)
    shown: list[ExpressionSample] = []
    plans = []
    for number in range(options.pictures):
        resting = number < NEUTRALS + TURNS
        repeated = number - (options.pictures - REPEATS)
        if resting:
            sample = sample_expression(rng, "neutral")
        elif repeated >= 0:
            sample = shown[NEUTRALS + TURNS + repeated]
        else:
            sample = sample_expression(rng)
        if repeated < 0:
            shown.append(sample)
        group = next(i for i, other in enumerate(shown) if other is sample)
        pose_deg = 4.0 if resting else 6.0
        elsewhere = rng.random() < OTHER_SITTINGS
        look = PictureLook.sample(rng, style, pose_deg) if elsewhere else sitting.next_picture(rng, pose_deg)
        if NEUTRALS <= number < NEUTRALS + TURNS:
            angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(15, 30)
            look = replace(look, yaw_deg=float(size * np.cos(angle)), pitch_deg=float(size * np.sin(angle)))
        plans.append(PicturePlan(sample, look, group))
    return PersonPlan(identity, person_look, manner, tuple(plans))


def render_person(geometry: Geometry, plan: PersonPlan) -> Iterator[RenderedPicture]:
    """All pictures of one person."""
    person = RenderedPerson(geometry, plan.identity, plan.look)
    rest_gap = person.neutral[_UPPER_LIP, 1] - person.neutral[_LOWER_LIP, 1]
    for picture in plan.pictures:
        sample = picture.sample
        vertices = person.neutral + offsets(sample, plan.manner, geometry.head.expression)
        gap = vertices[_UPPER_LIP, 1] - vertices[_LOWER_LIP, 1] - rest_gap
        right, left = with_lips(sample, float(gap))
        both = np.maximum(right, left)
        wrinkles = {str(code): float(both[CODES.index(code)]) for code in (1, 4, 6, 7, 9, 12)}
        image = render(person, vertices, picture.look, wrinkles, sample.gaze_deg)
        yield RenderedPicture(image, sample, right, left, picture.group, picture.look, vertices[list(LANDMARKS)])


def make_set(
    head: HeadModel, options: SetOptions, folder: Path, progress: Callable[[str], None] = lambda line: None
) -> dict[str, object]:
    """Writes chunk_*.npz, manifest.json and contact_sheet.png; returns the manifest.

    Chunks that are already there are kept. Raises ValueError when the folder holds a set made with other options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest_path = folder / "manifest.json"
    wanted = {**vars(options), "styles": list(options.styles), "codes": list(CODES), "kinds": list(KINDS)}
    wanted["renderer"] = RENDERER
    wanted["head"] = hashlib.sha256(head.neutral.tobytes() + head.identity.tobytes()).hexdigest()
    if manifest_path.is_file():
        there = json.loads(manifest_path.read_text())
        if {key: there.get(key) for key in wanted} != wanted:
            raise ValueError(f"{folder} holds a set made with other options; choose another folder or remove it.")
    manifest_path.write_text(json.dumps({**wanted, "complete": False}, indent=1))
    geometry, tracker = Geometry(head), PictureTracker()
    chunks = -(-options.people // PEOPLE_PER_CHUNK)
    try:
        for chunk in range(chunks):
            path = folder / f"chunk_{chunk:04d}.npz"
            if path.is_file():
                continue
            start = time.monotonic()
            first = chunk * PEOPLE_PER_CHUNK
            people = range(first, min(first + PEOPLE_PER_CHUNK, options.people))
            arrays, tiles = _make_chunk(geometry, tracker, options, people)
            with path.with_suffix(".tmp").open("wb") as file:
                np.savez_compressed(file, **arrays)
            path.with_suffix(".tmp").rename(path)
            if chunk < 4:
                cv2.imwrite(str(folder / f"sheet_{chunk:02d}.png"), tiles[..., ::-1])
            tracked = int(arrays["tracked"].sum())
            progress(
                f"chunk {chunk + 1} of {chunks}: {tracked} of {len(arrays['tracked'])} pictures tracked, "
                f"{time.monotonic() - start:.0f} s"
            )
    finally:
        tracker.close()
    data = load_set(folder)
    manifest = {
        **wanted,
        "complete": True,
        "frames": len(data["tracked"]),
        "tracked": int(data["tracked"].sum()),
        "tracker": tracker.name,
        "of_kind": {kind: int((data["kind"] == i).sum()) for i, kind in enumerate(KINDS)},
    }
    manifest_path.write_text(json.dumps(manifest, indent=1))
    sheets = [cv2.imread(str(path)) for path in sorted(folder.glob("sheet_*.png"))]
    if sheets:
        cv2.imwrite(str(folder / "contact_sheet.png"), np.vstack(sheets))
    return manifest


def _make_chunk(
    geometry: Geometry, tracker: PictureTracker, options: SetOptions, people: range
) -> tuple[dict[str, NDArray[Any]], ImageArray]:
    rows: dict[str, list[object]] = {}
    tiles: list[list[ImageArray]] = []
    for person in people:
        style = options.styles[person % len(options.styles)]
        line: list[ImageArray] = []
        for number, picture in enumerate(render_person(geometry, plan_person(options, person))):
            seen = tracker(picture.image)
            unseen = np.full((MESH_POINTS, 3), np.nan, np.float32)
            row = {
                "mesh": unseen if seen is None else seen.followed,
                "first_mesh": unseen if seen is None else seen.first,
                "tracked": seen is not None,
                "right": picture.right,
                "left": picture.left,
                "person": person,
                "number": number,
                "group": picture.group,
                "kind": KINDS.index(picture.sample.kind),
                "style": STYLES.index(style),
                "pose_deg": np.array([picture.look.yaw_deg, picture.look.pitch_deg, picture.look.roll_deg], np.float32),
                "eye_distance_px": np.float32(picture.look.eye_distance_px),
                "landmarks_cm": picture.landmarks_cm.astype(np.float32),
            }
            for key, value in row.items():
                rows.setdefault(key, []).append(value)
            if (number == 0 or number >= NEUTRALS) and len(line) < 8:
                line.append(tile(picture.image, None if seen is None else seen.followed))
        tiles.append(line)
    arrays = {key: np.stack([np.asarray(value) for value in values]) for key, values in rows.items()}
    widest = max(len(line) for line in tiles)
    blank = np.zeros((160, 140, 3), np.uint8)
    return arrays, np.vstack([np.hstack(line + [blank] * (widest - len(line))) for line in tiles])


def tile(image: ImageArray, mesh: FloatArray | None) -> ImageArray:
    """A picture at 140 x 160, with every sixth point of the mesh."""
    scale = np.array([140 / image.shape[1], 160 / image.shape[0]], np.float32)
    tile = np.asarray(cv2.resize(image, (140, 160), interpolation=cv2.INTER_AREA), np.uint8)
    for x, y in [] if mesh is None else (mesh[:468:6, :2] * scale).astype(int).tolist():
        cv2.circle(tile, (x, y), 0, (0, 255, 0), 1)
    return tile


def set_options(folder: Path) -> SetOptions:
    """The options that a set was made with. Raises FileNotFoundError without a manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return SetOptions(manifest["people"], manifest["pictures"], manifest["seed"], tuple(manifest["styles"]))


def is_of_portraits(folder: Path) -> bool:
    """Whether a set is of animated portraits; else it is of rendered people. Raises UserError when it is none."""
    try:
        return "portraits" in json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        raise UserError(f"{folder} holds no manifest.json; make a set with: facial_coding synthesize") from None


def how_made(folder: Path) -> str:
    """The command by which a set was made."""
    metadata = json.loads((folder / "manifest.json").read_text())
    source = f"{folder.name} --portraits FOLDER" if "portraits" in metadata else f"ICT-FaceKit {folder.name}"
    return (
        f"{folder.name}: facial_coding synthesize {source} --people {metadata['people']} "
        f"--pictures {metadata['pictures']} --seed {metadata['seed']}"
        + ("" if metadata["complete"] else ", not finished")
    )


def load_set(folder: Path) -> dict[str, NDArray[Any]]:
    """All chunks of a set, one row for each picture.

    mesh (n, 478, 3), as a followed face is seen; first_mesh (n, 478, 3), as a face is when it was just found (sets of
    renderer 1 have none); tracked (n,); right, left (n, 24); person, number, group, kind, style (n,); pose_deg (n, 3);
    eye_distance_px (n,); landmarks_cm (n, 68, 3).
    Raises FileNotFoundError when there are none, ValueError for a damaged chunk.
    """
    paths = sorted(folder.glob("chunk_*.npz"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no chunk_*.npz; make a set with: facial_coding synthesize")
    parts = []
    for path in paths:
        try:
            with open_npz(path) as arrays:
                parts.append({name: arrays[name] for name in arrays.files})
        except ValueError as error:
            raise ValueError(
                f"{path} cannot be read ({error}); remove it: the same facial_coding synthesize makes it again"
            ) from None
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
