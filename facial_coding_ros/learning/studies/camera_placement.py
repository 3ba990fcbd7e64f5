# SPDX-License-Identifier: Apache-2.0
"""How sure and how right action units are by face width, head turn, light and blur: the curves of the placement guide.

    standalone/env python -m facial_coding_ros.learning.studies.camera_placement PORTRAITS ICT_FOLDER --out FOLDER

Portraits of real people, animated with known action units, are made small, dark and blurred; rendered people with known
action units turn their heads. Each picture is coded alone, against the person's own resting face seen well.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...action_units import CODES
from ...command_line import run_command
from ...errors import UserError
from ...pipeline import Pipeline, PipelineSettings
from ...still_coder import still_settings
from ...types import FaceCode, FloatArray, Frame, ImageArray, Registered
from ..synthesis.dataset import SetOptions, plan_person, render_person
from ..synthesis.expressions import sample_expression
from ..synthesis.portrait import AnimatedPortrait
from ..synthesis.render_head import HeadModel
from ..synthesis.render_person import Geometry

CANVAS = (1280, 720)
WELL_PX = 200
"""Width of a face that is seen well, where something else than the width is looked at."""
UNITS: tuple[Mapping[int, float], ...] = (
    {12: 0.7, 6: 0.5},
    {12: 0.4, 25: 0.5},
    {1: 0.7, 2: 0.7},
    {4: 0.7},
    {15: 0.6, 17: 0.5},
    {25: 0.6, 26: 0.6},
)
SHOWN = 0.2
"""Intensity from which an action unit counts as shown, FACS's A."""
Curves = dict[str, list[dict[str, float | None]]]


@dataclass(frozen=True)
class Condition:
    """One point of a curve. value: on its axis, in the axis's own unit."""

    axis: str
    value: float


@dataclass(frozen=True)
class MeasuredPicture:
    """One picture. truth, told: (units,) intensities; confidence: (units,); None where no face was found."""

    condition: Condition
    truth: FloatArray
    told: FloatArray | None
    confidence: FloatArray | None


WIDTHS_PX = (20, 26, 32, 40, 51, 64, 80, 110, 150, 220, 320)
LIGHTS = (0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 1.6, 2.4)
"""Light over that of the portrait, with a sensor's noise of 4 of 255."""
BLURS = (0.0, 0.01, 0.02, 0.03, 0.045, 0.06, 0.09)
"""Deviation of the blur in widths of the face."""
TURNS_DEG = (0, 10, 20, 30, 40, 50, 60)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("portraits", type=Path, help="folder with NAME_neutral.jpg")
    parser.add_argument("ict", type=Path, help="folder of ICT-FaceKit, as `facial_coding synthesize` takes it")
    parser.add_argument("--out", type=Path, default=Path("camera_placement"), help="folder; default: %(default)s")
    parser.add_argument("--people", type=int, default=8, help="portraits, and rendered people; default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    pictures = sorted(arguments.portraits.glob("*_neutral.jpg"))
    if not pictures:
        raise UserError(f"{arguments.portraits} holds no NAME_neutral.jpg")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[MeasuredPicture] = []
    with closing(Pipeline(still_settings(PipelineSettings()))) as pipeline:
        step = max(len(pictures) // arguments.people, 1)
        for number, path in enumerate(pictures[::step][: arguments.people]):
            rows += of_portrait(pipeline, path, number)
        geometry = Geometry(HeadModel.load(arguments.ict))
        for number in range(arguments.people):
            rows += of_render(pipeline, geometry, number)
    curves = curves_of(rows)
    (arguments.out / "camera_placement.json").write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    draw(curves, arguments.out / "camera_placement.svg")
    print(json.dumps(curves, indent=1))
    return 0


def of_portrait(pipeline: Pipeline, path: Path, seed: int) -> Iterator[MeasuredPicture]:
    """Width, light and blur."""
    read = cv2.imread(str(path))[..., ::-1]
    image = np.ascontiguousarray(cv2.resize(read, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), np.uint8)
    try:
        portrait = AnimatedPortrait(image)
    except ValueError:  # no face is found in it
        return
    resting = coded(pipeline, portrait.frame({}, {}).image, None)
    if resting is None:
        return
    low, high = resting.face.mesh[:, :2].min(0), resting.face.mesh[:, :2].max(0)
    width, centre = float(high[0] - low[0]), (low + high) / 2
    rest = pipeline.registration.register([resting.face.mesh])[0]
    rng = np.random.default_rng(seed)
    for units in UNITS:
        shown = portrait.frame(units, units).image
        for condition, picture in _seen(shown, centre, width, rng):
            code = coded(pipeline, picture, rest)
            truth = np.array([units.get(code, 0.0) for code in CODES], np.float32)
            yield _measured(condition, truth, code)


def _seen(
    image: ImageArray, centre: FloatArray, width: float, rng: np.random.Generator
) -> Iterator[tuple[Condition, ImageArray]]:
    for pixels in WIDTHS_PX:
        yield Condition("width", float(pixels)), _noisy(placed(image, centre, pixels / width), rng)
    well = placed(image, centre, WELL_PX / width)
    for light in LIGHTS:
        yield Condition("light", light), _noisy(well.astype(np.float32) * light, rng, 4.0)
    for blur in BLURS:
        soft = cv2.GaussianBlur(well, (0, 0), blur * WELL_PX) if blur else well
        yield Condition("blur", 100 * blur), _noisy(soft, rng)


def placed(image: ImageArray, centre: FloatArray, scale: float) -> ImageArray:
    """On a canvas of CANVAS, the face in the middle."""
    if scale < 0.5:  # a plain warp would alias
        image = np.asarray(cv2.resize(image, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA), np.uint8)
        centre, scale = centre * 2 * scale, 0.5
    move = np.array([[scale, 0, CANVAS[0] / 2 - scale * centre[0]], [0, scale, CANVAS[1] / 2 - scale * centre[1]]])
    return np.asarray(
        cv2.warpAffine(
            image, move, CANVAS, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(128,) * 3
        ),
        np.uint8,
    )


def _noisy(image: np.ndarray, rng: np.random.Generator, noise: float = 2.0) -> ImageArray:
    grain = rng.normal(0, noise, (CANVAS[1], CANVAS[0], 1)).astype(np.float32)
    return np.clip(image.astype(np.float32) + grain, 0, 255).astype(np.uint8)


def of_render(pipeline: Pipeline, geometry: Geometry, number: int) -> Iterator[MeasuredPicture]:
    """Yaw and pitch, with random expressions; the head may turn to either side."""
    plan = plan_person(SetOptions(pictures=12, seed=5), number)
    rng = np.random.default_rng(number)
    base = replace(
        plan.pictures[0].look, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, eye_distance_px=80.0, blur_px=0.4,
        motion_blur_px=0.0, noise=0.008, jpeg_quality=95,
    )  # fmt: skip
    resting, *_ = plan.pictures
    conditions: list[Condition | None] = [None]
    shown = [replace(resting, look=base)]
    for _ in range(3):
        expressive = sample_expression(rng)
        for axis in ("yaw", "pitch"):
            for turn in TURNS_DEG:
                angle = float(turn * rng.choice((-1, 1)))
                look = replace(base, yaw_deg=angle) if axis == "yaw" else replace(base, pitch_deg=angle)
                shown.append(replace(resting, sample=expressive, look=look))
                conditions.append(Condition(axis, float(turn)))
    rest: Registered | None = None
    for condition, picture in zip(
        conditions, render_person(geometry, replace(plan, pictures=tuple(shown))), strict=True
    ):
        code = coded(pipeline, picture.image, rest)
        if condition is None:
            if code is None:
                return
            rest = pipeline.registration.register([code.face.mesh])[0]
        else:
            yield _measured(condition, np.maximum(picture.right, picture.left), code)


def coded(pipeline: Pipeline, image: ImageArray, rest: Registered | None) -> FaceCode | None:
    """The code of the face in a picture, None where there is none or several."""
    pipeline.reset()
    pipeline.give_neutrals(everyone=rest)
    codes = pipeline.process(Frame(np.ascontiguousarray(image), 0))
    return codes[0] if len(codes) == 1 else None


def _measured(condition: Condition, truth: FloatArray, code: FaceCode | None) -> MeasuredPicture:
    if code is None:
        return MeasuredPicture(condition, truth, None, None)
    return MeasuredPicture(condition, truth, code.aus.intensity, code.aus.confidence)


def curves_of(rows: list[MeasuredPicture]) -> Curves:
    """By axis: value, pictures, share found, mean confidence of shown units (0 where none is found), mean error of
    their intensity, and share of pictures with another unit above 0.3."""
    curves: Curves = {}
    for condition in dict.fromkeys(row.condition for row in rows):
        own = [row for row in rows if row.condition == condition]
        found = [row for row in own if row.told is not None and row.confidence is not None]
        errors: list[float] = []
        confidences: list[float] = []
        others: list[bool] = []
        for row in found:
            there = row.truth >= SHOWN
            assert row.told is not None and row.confidence is not None
            errors += np.abs(row.told - row.truth)[there].tolist()
            confidences += row.confidence[there].tolist()
            others.append(bool((row.told[row.truth < 0.05] > 0.3).any()))
        share = len(found) / len(own)
        curves.setdefault(condition.axis, []).append(
            {
                "value": condition.value,
                "pictures": len(own),
                "found": round(share, 3),
                "confidence": round(share * float(np.mean(confidences)) if confidences else 0.0, 3),
                "error": round(float(np.mean(errors)), 3) if errors else None,
                "others": round(float(np.mean(others)), 3) if others else None,
            }
        )
    return curves


LABELS = {
    "width": "face width, pixels (of 1280)",
    "yaw": "yaw, degrees",
    "pitch": "pitch, degrees",
    "light": "light, 1: a well-lit portrait",
    "blur": "blur, % of the face's width",
}


def draw(curves: Curves, path: Path) -> None:
    """One panel for each axis."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "camera_placement"}
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(LABELS), figsize=(15, 3.6), sharey=True, layout="constrained")
    for panel, (axis, label) in zip(panels, LABELS.items(), strict=True):
        points = curves[axis]
        x = [point["value"] for point in points]
        for name, label_of_it, colour, marker in (
            ("found", "share of faces found", "#999999", ""),
            ("confidence", "confidence of action units", "#0072b2", "."),
            ("error", "error of their intensity", "#d55e00", "."),
        ):
            y = [np.nan if point[name] is None else point[name] for point in points]
            panel.plot(x, y, color=colour, marker=marker, label=label_of_it)
        if axis in ("width", "light"):
            panel.set_xscale("log")
            ticks = {"width": (20, 40, 80, 160, 320), "light": (0.02, 0.1, 0.5, 2)}[axis]
            panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            panel.minorticks_off()
        panel.set_xlabel(label)
        panel.set_ylim(0, 1.03)
        panel.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(run_command("camera_placement", __doc__ or "", add_arguments, run))
