# SPDX-License-Identifier: Apache-2.0
"""A set of animated portraits as the tracker sees them, in the form of the rendered sets.

People, expressions, turns and cameras are drawn as for rendered people (`dataset.plan_person`), but the skin is that of
photographs. The truth is what the face was warped to: AU25 is measured between its lips, AU26 and AU27 are its jaw.
"""

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
from ...face_model.ict import IctFaces
from ...keypoints import SCHEMES
from ...types import MESH_POINTS, FloatArray, ImageArray
from .dataset import NEUTRALS, PersonPlan, SetOptions, plan_person, tile
from .expressions import KINDS, ExpressionSample, Manner, offsets, with_lips
from .portrait import AnimatedPortrait, Turn
from .render import camera_faults
from .render_look import STYLES, PictureLook
from .tracked_picture import PictureTracker

ANIMATOR = 1
"""Number of what draws: another makes another set of the same seed."""
EYE_DISTANCE_PX = 100.0
"""Portraits are made this small first; the largest faces of a set have 95 px."""
_HEAD_AXES = np.array([1, -1, -1], np.float32)  # x left, y up, z near; its own inverse
_AT_45 = [CODES.index(43), CODES.index(45)]
_UPPER_LIP, _LOWER_LIP = 62, 66  # of the 68 landmarks
_PARTED_CHANCE = 0.12
_GREY_CHANCE = 0.15


class PortraitError(Exception):
    """The folder holds no portraits that can be animated; the text says why."""


@dataclass(frozen=True)
class ShownPortrait:
    """One picture and the truth about it. landmarks_cm: (68, 3), head axes, without the head's turn."""

    image: ImageArray
    sample: ExpressionSample
    right: FloatArray
    left: FloatArray
    landmarks_cm: FloatArray


class Animator:
    """Draws what a plan says on a portrait.

    image: (height, width, 3) uint8 RGB, one resting face, roughly frontal. Raises ValueError when no face is found.
    """

    def __init__(self, image: ImageArray, faces: IctFaces) -> None:
        self._shapes = {name: faces.shape(name) * _HEAD_AXES for name in faces.expression_names}
        self._cm = faces.eye_distance_cm
        first = AnimatedPortrait(image, faces=faces)
        shrink = EYE_DISTANCE_PX / first.eye_distance_px
        if shrink < 1:
            image = np.asarray(cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
            first = AnimatedPortrait(image, faces=faces)
        self.portrait = first

    def show(self, sample: ExpressionSample, manner: Manner, look: PictureLook, seed: int) -> ShownPortrait:
        """One picture. seed: of what is not in the plan of rendered people: parted lips, grey pictures."""
        rng = np.random.default_rng([seed, look.seed])
        parted = float(rng.uniform(0.1, 1)) if rng.random() < _PARTED_CHANCE and sample.kind != "neutral" else 0.0
        surface = self.portrait.surface(*_ideal(sample, manner, self._shapes, parted))
        landmarks_cm = SCHEMES["68"].from_mesh(surface[None])[0] * _HEAD_AXES * self._cm
        gap_cm = float(landmarks_cm[_UPPER_LIP, 1] - landmarks_cm[_LOWER_LIP, 1])
        right, left = with_lips(sample, gap_cm)
        picture = self.portrait.show(surface, Turn(look.yaw_deg, look.pitch_deg, look.roll_deg)).image
        lit = _lit(picture, look)
        if rng.random() < _GREY_CHANCE:
            lit = np.repeat(cv2.cvtColor(lit, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        image = camera_faults(lit, look, self.portrait.eye_distance_px, rng)
        return ShownPortrait(image, sample, right, left, landmarks_cm.astype(np.float32))


def _ideal(
    sample: ExpressionSample, manner: Manner, shapes: dict[str, FloatArray], parted: float
) -> tuple[FloatArray, float, tuple[float, float]]:
    """Arguments of `AnimatedPortrait.surface`: lids are closed by their own edges, not by the model's shape."""
    shut = float(sample.right[_AT_45[1]]), float(sample.left[_AT_45[1]])
    right, left = sample.right.copy(), sample.left.copy()
    right[_AT_45] = left[_AT_45] = 0
    still = replace(sample, right=right, left=left, gaze_deg=(0.0, 0.0))  # the eyes of a portrait stay
    return np.asarray(offsets(still, manner, shapes) * _HEAD_AXES, np.float32), parted, shut


def _lit(image: ImageArray, look: PictureLook) -> ImageArray:
    """The picture in another light: brighter towards the look's first light, at its exposure."""
    height, width = image.shape[:2]
    towards = look.lights[0].direction
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    uneven = 0.6 * (1 - float(look.ambient.mean()))
    slope = np.exp(uneven * (x * np.float32(towards[0]) - y * np.float32(towards[1])))
    gain = slope * np.float32((look.exposure / 0.5) ** 0.5)
    return np.clip(image * gain[..., None] * (look.ambient / look.ambient.mean()).astype(np.float32), 0, 255).astype(
        np.uint8
    )


def portrait_files(folder: Path, pattern: str) -> list[Path]:
    """The pictures of a folder, sorted by name. Raises PortraitError when there are none."""
    found = sorted(p for p in folder.glob(pattern) if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise PortraitError(f"{folder} holds no .jpg or .png that matches {pattern!r}; name a folder of portraits.")
    return found


def make_portrait_set(
    files: list[Path], options: SetOptions, folder: Path, progress: Callable[[str], None] = lambda line: None
) -> dict[str, object]:
    """Writes chunk_*.npz, one for each portrait, manifest.json and contact_sheet.png; returns the manifest.

    files: one resting person each. options.people is their number. Chunks that are already there are kept. Raises
    ValueError when the folder holds a set made with other options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest_path = folder / "manifest.json"
    wanted: dict[str, Any] = {**vars(options), "styles": list(options.styles), "codes": list(CODES)}
    wanted |= {"kinds": list(KINDS), "animator": ANIMATOR, "portraits": [path.name for path in files]}
    wanted["pictures_sha256"] = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    if manifest_path.is_file():
        there = json.loads(manifest_path.read_text())
        if {key: there.get(key) for key in wanted} != wanted:
            raise ValueError(f"{folder} holds a set made with other options; choose another folder or remove it.")
    manifest_path.write_text(json.dumps({**wanted, "complete": False}, indent=1))
    faces, tracker, refused = IctFaces.load(), PictureTracker(), []
    frames = tracked = 0
    try:
        for person, path in enumerate(files):
            chunk = folder / f"chunk_{person:04d}.npz"
            if chunk.is_file():
                continue
            start = time.monotonic()
            try:
                rows = list(_rows(path, faces, tracker, options, person, folder))
            except ValueError as error:
                refused.append(path.name)
                progress(f"{path.name}: {error}")
                continue
            arrays = {key: np.stack([np.asarray(row[key]) for row in rows]) for key in rows[0]}
            with chunk.with_suffix(".tmp").open("wb") as file:
                np.savez_compressed(file, **arrays)
            chunk.with_suffix(".tmp").rename(chunk)
            frames, tracked = frames + len(rows), tracked + int(arrays["tracked"].sum())
            progress(f"portrait {person + 1} of {len(files)}: {time.monotonic() - start:.0f} s")
    finally:
        tracker.close()
    manifest = {**wanted, "complete": True, "refused": refused, "tracker": tracker.name}
    manifest_path.write_text(json.dumps(manifest, indent=1))
    sheets = [cv2.imread(str(path)) for path in sorted(folder.glob("sheet_*.png"))]
    if sheets:
        cv2.imwrite(str(folder / "contact_sheet.png"), np.vstack(sheets))
    return {**manifest, "frames": frames, "tracked": tracked}


def _rows(
    path: Path, faces: IctFaces, tracker: PictureTracker, options: SetOptions, person: int, folder: Path
) -> Iterator[dict[str, NDArray[Any] | bool | int]]:
    """Of each picture of a person; the first people leave a line for the contact sheet."""
    read = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if read is None:
        raise ValueError("is no picture")
    plan: PersonPlan = plan_person(options, person)
    animator = Animator(np.ascontiguousarray(read[..., ::-1]), faces)
    tiles: list[ImageArray] = []
    for number, planned in enumerate(plan.pictures):
        shown = animator.show(planned.sample, plan.manner, planned.look, options.seed)
        seen = tracker(shown.image)
        unseen = np.full((MESH_POINTS, 3), np.nan, np.float32)
        look = planned.look
        if (number == 0 or number >= NEUTRALS) and len(tiles) < 8:
            tiles.append(tile(shown.image, None if seen is None else seen.followed))
        yield {
            "mesh": unseen if seen is None else seen.followed,
            "first_mesh": unseen if seen is None else seen.first,
            "tracked": seen is not None,
            "right": shown.right,
            "left": shown.left,
            "person": person,
            "number": number,
            "group": planned.group,
            "kind": KINDS.index(planned.sample.kind),
            "style": STYLES.index(options.styles[person % len(options.styles)]),
            "pose_deg": np.array([look.yaw_deg, look.pitch_deg, look.roll_deg], np.float32),
            "eye_distance_px": np.asarray(min(look.eye_distance_px, animator.portrait.eye_distance_px), np.float32),
            "landmarks_cm": shown.landmarks_cm,
        }
    if person < 12:
        cv2.imwrite(str(folder / f"sheet_{person:02d}.png"), np.hstack(tiles)[..., ::-1])
