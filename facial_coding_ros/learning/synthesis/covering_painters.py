# SPDX-License-Identifier: Apache-2.0
"""What each thing before a face looks like, at random: its outline and its surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...tracking.regions import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from ...types import FloatArray, ImageArray
from .textures import texture

_JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)
"""Mesh points from the person's left ear around the chin to the right one."""
_NOSE_LINE = (168, 6, 197, 195, 5, 4, 1, 2)
"""From between the eyes to below the tip of the nose."""


@dataclass(frozen=True)
class Layer:
    """What is painted. alpha: (height, width) 0..1. surface: (height, width, 3). hides: whether what is behind it
    cannot be seen. cover: where it hides, when that is not all of alpha."""

    alpha: FloatArray
    surface: FloatArray
    hides: bool = True
    cover: FloatArray | None = None


class FaceAxes:
    """A face's own axes in an image: x along the eyes to the image's right, y down the face, in eye distances."""

    def __init__(self, image: ImageArray, mesh: FloatArray) -> None:
        self.image, self.mesh = image, mesh[:, :2].astype(np.float64)
        right, left = self.mesh[[RIGHT_EYE_OUTER, 133]].mean(0), self.mesh[[LEFT_EYE_OUTER, 362]].mean(0)
        self.middle, along = (right + left) / 2, left - right
        # The eye distance foreshortens on a turned head; the height of the face does not.
        height = float(np.linalg.norm(self.mesh[152] - self.mesh[10]))
        self.unit = max(float(np.linalg.norm(along)), 0.38 * height)
        self.x = along / max(float(np.linalg.norm(along)), 1e-6)
        self.y = np.array((-self.x[1], self.x[0]))

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def at(self, x: Any, y: Any) -> NDArray[np.float64]:
        """(n, 2) pixels of places in the face's axes."""
        return np.asarray(
            self.middle
            + self.unit * (np.multiply.outer(np.asarray(x), self.x) + np.multiply.outer(np.asarray(y), self.y))
        )

    def own(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places in the face's axes of pixels (n, 2)."""
        apart = (points - self.middle) / self.unit
        return np.stack((apart @ self.x, apart @ self.y), -1)

    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Place of each pixel in the face's axes: x and y, (height, width) each."""
        down, across = np.indices(self.shape, np.float64)
        own = self.own(np.stack([across, down], -1))
        return own[..., 0], own[..., 1]

    def filled(self, outline: NDArray[np.float64], soft: float = 0.012) -> FloatArray:
        """Alpha of a polygon in pixels, with soft edges."""
        alpha = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(alpha, [np.round(outline * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        return self.softened(alpha, soft)

    def softened(self, alpha: Any, soft: float = 0.012) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(soft * self.unit, 0.4)), np.float32) / 255

    def mean_colour(self, points: tuple[int, ...]) -> FloatArray:
        height, width = self.shape
        places = np.clip(np.round(self.mesh[list(points)]).astype(int), 0, (width - 1, height - 1))
        return np.asarray(np.median(self.image[places[:, 1], places[:, 0]], axis=0), np.float32)


def _mask(face: FaceAxes, rng: np.random.Generator, top: float | None = None) -> list[Layer]:
    """Over nose, mouth and chin; one in five leaves the nose free. top: place of its edge on _NOSE_LINE."""
    low = rng.random() < 0.2
    place = (rng.uniform(6.3, 7.3) if low else rng.uniform(1.0, 4.8)) if top is None else top
    line = face.mesh[list(_NOSE_LINE)]
    ridge = np.array([np.interp(min(place, 7.0), np.arange(8), line[:, k]) for k in range(2)])
    ridge = ridge + max(place - 7, 0) * 0.3 * face.unit * face.y
    first = int(rng.integers(1, 5))
    jaw = face.mesh[list(_JAW[first : len(_JAW) - first])]
    centre = jaw.mean(0)
    jaw = centre + (jaw - centre) * rng.uniform(0.92, 1.1) + face.y * face.unit * rng.uniform(-0.02, 0.15)
    bridge = face.own(ridge[None])[0]
    cheeks = face.at([bridge[0] + 0.3, bridge[0] - 0.3], [bridge[1] + rng.uniform(0.02, 0.25)] * 2)
    outline = np.concatenate([jaw, cheeks[1:], ridge[None], cheeks[:1]])
    alpha = face.filled(outline)
    surface = texture(face.shape, face.unit, rng, "plain" if rng.random() < 0.45 else "")
    across, down = face.grid()
    if rng.random() < 0.6:  # pleats
        surface = surface * (1 - 0.18 * (np.sin(down * rng.uniform(14, 26)) > 0.75))[..., None]
    depth = rng.uniform(0, 0.45)  # it bends around the face, or stands out in the middle
    surface = surface * (1 - depth * np.abs(across - bridge[0]) ** rng.uniform(1, 2))[..., None]
    layers = [Layer(alpha, np.asarray(surface, np.float32))]
    if rng.random() < 0.7:
        straps = np.zeros(face.shape, np.uint8)
        for cheek, ear in ((jaw[0], face.mesh[454]), (jaw[-1], face.mesh[234])):
            cv2.line(straps, _pixel(cheek), _pixel(ear), (255,), max(int(0.03 * face.unit), 1), cv2.LINE_AA)
        layers.append(Layer(face.softened(straps, 0.003), np.full((*face.shape, 3), rng.uniform(30, 240), np.float32)))
    return layers


def _scarf(face: FaceAxes, rng: np.random.Generator, top: float | None = None) -> list[Layer]:
    """Around neck and lower face, up to a wavy edge."""
    mouth, nose = face.own(face.mesh[[13, 5]])[:, 1]
    edge = rng.uniform(nose - 0.25, mouth - 0.12) if top is None else top
    x = np.linspace(-2.6, 2.6, 25)
    wave = 0.1 * np.sin(x * rng.uniform(1, 4) + rng.uniform(0, 6)) + rng.uniform(-0.15, 0.15) * x
    outline = face.at(np.concatenate([x, [2.6, -2.6]]), np.concatenate([edge + wave, [6, 6]]))
    surface = texture(face.shape, face.unit, rng)
    _, down = face.grid()
    folds = np.sin(down * rng.uniform(4, 12) + rng.uniform(0, 6))
    return [Layer(face.filled(outline), np.asarray(surface * (1 - 0.15 * folds)[..., None], np.float32))]


def _hand(face: FaceAxes, rng: np.random.Generator, where: str = "") -> list[Layer]:
    """Fingers, and often a palm, of the person's own skin or another's."""
    where = where or str(
        rng.choice(["mouth", "eye", "eyes", "side", "brow", "nose"], p=[0.4, 0.15, 0.15, 0.15, 0.1, 0.05])
    )
    centres = {"mouth": (rng.normal(0, 0.15), 1.05 + rng.normal(0, 0.1)), "eye": (rng.choice((-0.5, 0.5)), 0.0),
               "eyes": (0.0, 0.0), "side": (rng.choice((-0.75, 0.75)), 0.4), "brow": (rng.normal(0, 0.4), -0.4),
               "nose": (0.0, 0.55), "cheek": (rng.choice((-1.15, 1.15)), 0.9), "chin": (rng.normal(0, 0.2), 1.95),
               "forehead": (rng.normal(0, 0.3), -1.15)}  # fmt: skip
    x, y = (float(value) for value in centres[where])
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array((np.cos(angle), np.sin(angle)))
    sideways = np.array((-direction[1], direction[0]))
    width, length = rng.uniform(0.17, 0.26), rng.uniform(0.8, 1.5)
    alpha, ridges = np.zeros(face.shape, np.uint8), np.zeros(face.shape, np.uint8)
    fingers = int(rng.integers(3, 5))
    spread = rng.uniform(0, 0.25)
    skin = face.mean_colour((50, 280, 205, 425)) if rng.random() < 0.7 else _skin(rng)
    for number in range(fingers):
        off = (number - (fingers - 1) / 2) * width * rng.uniform(0.95, 1.15)
        tip = np.array((x, y)) + sideways * off * (1 + spread) + direction * (length / 2 - 0.12 * abs(number - 1.3))
        root = np.array((x, y)) + sideways * off - direction * length / 2
        ends = face.at([tip[0], root[0]], [tip[1], root[1]])
        thick = max(int(width * face.unit), 2)
        cv2.line(alpha, _pixel(ends[0]), _pixel(ends[1]), (255,), thick, cv2.LINE_AA)
        cv2.line(
            ridges, _pixel(ends[0]), _pixel(ends[1]), (int(rng.integers(150, 255)),), max(thick // 2, 1), cv2.LINE_AA
        )
    if rng.random() < 0.85:
        palm = np.array((x, y)) - direction * (length / 2 + 0.35)
        centre = face.at([palm[0]], [palm[1]])[0]
        size = (0.5 * fingers * width * face.unit * 1.15, 0.65 * face.unit)
        turn = float(np.degrees(np.arctan2(*(face.at([sideways[0]], [sideways[1]])[0] - face.middle)[::-1])))
        cv2.ellipse(alpha, (_pixel(centre), (2 * size[0], 2 * size[1]), turn), (255,), -1, cv2.LINE_AA)
        wrist = face.at([palm[0] - 3 * direction[0]], [palm[1] - 3 * direction[1]])[0]
        cv2.line(alpha, _pixel(centre), _pixel(wrist), (255,), max(int(0.6 * face.unit), 2), cv2.LINE_AA)
    light = cv2.GaussianBlur(ridges, (0, 0), max(0.05 * face.unit, 0.6)).astype(np.float32)[..., None] / 255
    surface = skin * (0.72 + 0.33 * light) * rng.uniform(0.8, 1.15)
    surface = surface + rng.normal(0, rng.uniform(1, 5), (*face.shape, 1))
    return [Layer(face.softened(alpha), np.asarray(surface, np.float32))]


def _cup(face: FaceAxes, rng: np.random.Generator) -> list[Layer]:
    """Raised to the mouth: a mug, a glass that cannot be seen through, a can or a bottle."""
    mouth = face.own(face.mesh[[13]])[0]
    x, top = mouth[0] + rng.normal(0, 0.12), mouth[1] - rng.uniform(0.15, 0.5)
    wide, narrow, tall = rng.uniform(0.45, 0.9), rng.uniform(0.7, 1.0), rng.uniform(1.0, 2.2)
    turn = rng.normal(0, 0.25)
    corners = np.array([(-wide, 0), (wide, 0), (narrow * wide, tall), (-narrow * wide, tall)])
    cos, sin = np.cos(turn), np.sin(turn)
    corners = corners @ np.array([[cos, sin], [-sin, cos]]) + (x, top)
    alpha = face.filled(face.at(corners[:, 0], corners[:, 1]), 0.006)
    ring = np.zeros(face.shape, np.uint8)
    (left, right), height = face.at(corners[:2, 0], corners[:2, 1]), rng.uniform(0.06, 0.22) * face.unit
    middle, angle = (left + right) / 2, float(np.degrees(np.arctan2(*(right - left)[::-1])))
    cv2.ellipse(
        ring, (_pixel(middle), (float(np.linalg.norm(right - left)), 2 * height), angle), (255,), -1, cv2.LINE_AA
    )
    surface = texture(face.shape, face.unit, rng)
    across, _ = face.grid()
    surface = (
        surface * (1 - rng.uniform(0, 0.5) * np.clip((across - x + rng.normal(0, 0.2)) / wide, -1, 1) ** 2)[..., None]
    )
    layers = [Layer(np.maximum(alpha, face.softened(ring, 0.006)), np.asarray(surface, np.float32))]
    if rng.random() < 0.5:  # fingers around it
        layers += _hand(face, rng, "chin")
    return layers


def _hair(face: FaceAxes, rng: np.random.Generator, where: str = "") -> list[Layer]:
    """Strands from the top: a fringe down to brows or eyes, or over one eye."""
    where = where or str(rng.choice(["fringe", "long fringe", "one side"]))
    above = face.at([0.0], [-1.9])[0]
    height, width = face.shape
    at = np.clip(np.round(above).astype(int), 0, (width - 1, height - 1))
    colour = face.image[at[1], at[0]].astype(np.float32) if rng.random() < 0.4 else _hair_colour(rng)
    brow, eye = face.own(face.mesh[[105, 145]])[:, 1]
    ends = {
        "fringe": brow + 0.12,
        "long fringe": eye + 0.12,
        "one side": eye + 0.5,
        "beside": eye + 1.2,
        "short": brow - 0.3,
    }
    reach = {"one side": (-0.15, 1.1), "beside": (1.0, 1.5)}.get(where, (-1.15, 1.15))
    side = rng.choice((-1, 1))
    alpha, shine = np.zeros(face.shape, np.uint8), np.zeros(face.shape, np.float32)
    for _ in range(int(rng.uniform(140, 320))):
        start, end = np.array((rng.uniform(-1.0, 1.0), -2.0)), np.array((side * rng.uniform(*reach), ends[where]))
        if where in ("fringe", "long fringe", "short"):
            start[0] = end[0] + rng.normal(0, 0.2)
        end[1] += rng.normal(0, 0.07)
        bow = (start + end) / 2 + rng.normal(0, 0.12, 2)
        t = np.linspace(0, 1, 12)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bow + t**2 * end
        points = np.round(face.at(curve[:, 0], curve[:, 1])).astype(np.int32)
        thick = max(int(rng.uniform(0.02, 0.06) * face.unit), 1)
        cv2.polylines(alpha, [points], False, (255,), thick, cv2.LINE_AA)
        cv2.polylines(shine, [points], False, (float(rng.uniform(0.6, 1.35)),), thick, cv2.LINE_AA)
    return [Layer(face.softened(alpha, 0.004), np.asarray(colour * shine[..., None], np.float32))]


def _glasses(face: FaceAxes, rng: np.random.Generator, dark: bool, shift: float = 0.0) -> list[Layer]:
    """Two lenses, bridge and arms. dark: sunglasses, black, tinted or mirrored; otherwise clear with thin frames."""
    # Sizes of worn glasses: lenses are 40 to 65 mm wide, eyes 62 mm apart.
    wide, high = rng.uniform(0.34, 0.47), rng.uniform(0.26, 0.45) if dark else rng.uniform(0.2, 0.4)
    power = rng.uniform(2, 5)
    around = np.linspace(0, 2 * np.pi, 60)
    shape_x = wide * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** (2 / power)
    shape_y = high * np.sign(np.sin(around)) * np.abs(np.sin(around)) ** (2 / power)
    lens, frame = np.zeros(face.shape, np.uint8), np.zeros(face.shape, np.uint8)
    thick = max(int(rng.uniform(0.02, 0.09) * face.unit), 1)
    tilt = rng.uniform(-0.1, 0.15)
    for eye, sign in ((face.mesh[[33, 133, 159, 145]], -1), (face.mesh[[263, 362, 386, 374]], 1)):
        centre = face.own(eye).mean(0) + np.array((0, 0.06 + shift))
        outline = face.at(centre[0] + shape_x, centre[1] + shape_y + sign * shape_x * tilt)
        points = np.round(outline).astype(np.int32)
        cv2.fillPoly(lens, [points], (255,), cv2.LINE_AA)
        cv2.polylines(frame, [points], True, (255,), thick, cv2.LINE_AA)
        ends = face.at([centre[0] + sign * wide, centre[0] + sign * 1.0], [centre[1] - 0.05, centre[1] - 0.1])
        cv2.line(frame, _pixel(ends[0]), _pixel(ends[1]), (255,), thick, cv2.LINE_AA)
    bridge = face.at([-0.5 + wide, 0.5 - wide], [shift, shift])
    cv2.line(frame, _pixel(bridge[0]), _pixel(bridge[1]), (255,), thick, cv2.LINE_AA)
    colour = np.full((*face.shape, 3), rng.choice((rng.uniform(5, 60), rng.uniform(60, 220))), np.float32)
    frames = Layer(face.softened(frame, 0.004), colour, hides=False)
    glass = face.softened(lens, 0.004)
    across, down = face.grid()
    if not dark:
        streak = np.clip(1 - np.abs(np.sin(across * 3 + down * 3 + rng.uniform(0, 6))) / 0.25, 0, 1)
        white = np.full((*face.shape, 3), 235, np.float32)
        return [Layer(np.asarray(glass * streak * rng.uniform(0, 0.35), np.float32), white, hides=False), frames]
    tint = rng.uniform(5, 45) * np.ones(3)
    if rng.random() < 0.3:
        tint = tint * rng.uniform(0.6, 2.5, 3)
    surface = np.ones((*face.shape, 3)) * tint * (1 + rng.uniform(0, 1.2) * np.clip(down + 0.3, 0, 1))[..., None]
    if rng.random() < 0.45:  # what they mirror
        seen = texture(face.shape, 2.5 * face.unit, rng, str(rng.choice(["shaded", "blotches", "stripes"])))
        surface = surface + rng.uniform(0.1, 0.8) * cv2.GaussianBlur(seen, (0, 0), max(0.08 * face.unit, 0.5))
    opaque = rng.uniform(0.9, 1.0)
    return [Layer(np.asarray(glass * opaque, np.float32), np.asarray(surface, np.float32), cover=glass), frames]


def _object(face: FaceAxes, rng: np.random.Generator, beside: bool = False) -> list[Layer]:
    """Paper, book, telephone, tablet, a shoulder: a straight or round patch of any surface."""
    places = ((0, -0.4), (-0.5, 0), (0.5, 0), (0, 0), (0, 0.6), (0, 1.1), (-0.8, 0.5), (0.8, 0.5))
    x, y = (float(v) for v in places[rng.integers(len(places))])
    if beside:
        turn = rng.uniform(0, 2 * np.pi)
        x, y = 2.0 * np.cos(turn), 0.6 + 2.6 * np.sin(turn)
    w, h = rng.uniform(0.35, 1.3), rng.uniform(0.25, 1.0)
    turn = rng.normal(0, 0.4)
    if rng.random() < 0.65:
        corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)])
    else:
        around = np.linspace(0, 2 * np.pi, 40)
        corners = np.stack((w * np.cos(around), h * np.sin(around)), 1)
    cos, sin = np.cos(turn), np.sin(turn)
    corners = corners @ np.array([[cos, sin], [-sin, cos]]) + (x + rng.normal(0, 0.1), y + rng.normal(0, 0.1))
    return [Layer(face.filled(face.at(corners[:, 0], corners[:, 1])), texture(face.shape, face.unit, rng))]


def _cap(face: FaceAxes, rng: np.random.Generator, low: bool = True) -> list[Layer]:
    """A cap, hat, hood or bandage, down over the brows or only onto the forehead."""
    brow = float(face.own(face.mesh[[105, 334]])[:, 1].mean())
    edge = brow + rng.uniform(0.05, 0.3) if low else brow - rng.uniform(0.3, 0.6)
    x = np.linspace(-1.6, 1.6, 15)
    lower = edge + rng.uniform(-0.1, 0.2) * (x / 1.6) ** 2
    outline = face.at(np.concatenate([x, [1.6, -1.6]]), np.concatenate([lower, [-4, -4]]))
    return [Layer(face.filled(outline), texture(face.shape, face.unit, rng))]


def _beard(face: FaceAxes, rng: np.random.Generator) -> list[Layer]:
    """Hairs around mouth and jaw that leave the lips free."""
    alpha = np.zeros(face.shape, np.uint8)
    jaw = face.mesh[list(_JAW[2:-2])]
    area = np.concatenate([jaw, face.at([-0.75, -0.45, 0.45, 0.75], [0.8, 0.75, 0.75, 0.8])])
    cv2.fillPoly(alpha, [np.round(area).astype(np.int32)], (255,))
    lips = face.mesh[[61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]]
    centre = lips.mean(0)
    cv2.fillPoly(alpha, [np.round(centre + (lips - centre) * 1.1).astype(np.int32)], (0,))
    noise = cv2.GaussianBlur(rng.random(face.shape).astype(np.float32), (0, 0), max(0.015 * face.unit, 0.5))
    grain = (noise - 0.5) / max(float(noise.std()), 1e-3)
    dense = np.clip(rng.uniform(0.2, 0.95) + 0.15 * grain, 0, 1)
    colour = _hair_colour(rng) * (1 + 0.25 * grain[..., None])
    return [Layer(face.softened(alpha, 0.05) * dense, np.asarray(colour, np.float32), hides=False)]


def _shadow(face: FaceAxes, rng: np.random.Generator) -> list[Layer]:
    """A hard shadow over a part of the face, through which everything is seen."""
    angle, off = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.9)
    normal = np.array((np.cos(angle), np.sin(angle)))
    along = np.array((-normal[1], normal[0]))
    middle = np.array((0, 0.5)) + off * normal
    corners = np.stack(
        [middle + 5 * along, middle - 5 * along, middle - 5 * along + 9 * normal, middle + 5 * along + 9 * normal]
    )
    alpha = face.filled(face.at(corners[:, 0], corners[:, 1]), rng.uniform(0.01, 0.2))
    return [
        Layer(
            np.asarray(alpha * rng.uniform(0.3, 0.7), np.float32), np.zeros((*face.shape, 3), np.float32), hides=False
        )
    ]


def _skin(rng: np.random.Generator) -> FloatArray:
    light, dark = np.array((235, 195, 170)), np.array((75, 48, 36))
    share = rng.random()
    return np.asarray(light * share + dark * (1 - share), np.float32)


def _hair_colour(rng: np.random.Generator) -> FloatArray:
    colours = ((20, 16, 15), (60, 40, 28), (110, 75, 45), (190, 150, 95), (150, 70, 35), (190, 190, 190))
    return np.array(colours[rng.integers(len(colours))], np.float32) * np.float32(rng.uniform(0.7, 1.2))


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


Painter = Callable[[FaceAxes, np.random.Generator], list[Layer]]
COVERINGS: Mapping[str, Painter] = {
    "mask": _mask,
    "scarf": _scarf,
    "hand": _hand,
    "cup": _cup,
    "hair": _hair,
    "sunglasses": lambda face, rng: _glasses(face, rng, dark=True),
    "object": _object,
    "cap": _cap,
}
"""What hides a part of a face."""
HARMLESS: Mapping[str, Painter] = {
    "glasses": lambda face, rng: _glasses(face, rng, dark=False),
    "sunglasses on the forehead": lambda face, rng: _glasses(face, rng, dark=True, shift=-rng.uniform(1.2, 1.6)),
    "mask below the chin": lambda face, rng: _mask(face, rng, top=rng.uniform(10.2, 11.5)),
    "scarf around the neck": lambda face, rng: _scarf(face, rng, top=rng.uniform(2.0, 2.6)),
    "hand at cheek, chin or forehead": lambda face, rng: _hand(
        face, rng, str(rng.choice(["cheek", "chin", "forehead"]))
    ),
    "hair beside": lambda face, rng: _hair(face, rng, str(rng.choice(["beside", "short"]))),
    "cap above the brows": lambda face, rng: _cap(face, rng, low=False),
    "object beside": lambda face, rng: _object(face, rng, beside=True),
    "beard": _beard,
    "shadow": _shadow,
}
"""What is near a face, or on it, and hides nothing that is coded, or little."""
OWN_COLOURS = ("hand", "hand at cheek, chin or forehead", "shadow")
