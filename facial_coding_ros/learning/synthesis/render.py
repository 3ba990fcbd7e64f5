# SPDX-License-Identifier: Apache-2.0
"""Renders a posed head without a graphics card: triangles from back to front through OpenCV.

Shading is done at the fine mesh's vertices (about as many as the tracker's input has pixels of face); hair, lashes,
wrinkles and rims are strokes fixed to the surface, so that they move with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...types import FloatArray, ImageArray
from .render_look import PictureLook
from .render_person import RenderedPerson, Strokes, Values, cross


def _f32(values: object) -> FloatArray:
    return np.asarray(values, np.float32)


_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_PIVOT = _f32([0.0, 0.0, 1.5])
_CENTRE = _f32([0.0, 0.5, 6.0])


def turned_head(points: Values, picture: PictureLook) -> FloatArray:
    """Points (n, 3) in head axes after the picture's head turn; signs as types.HeadPose."""
    yaw, pitch, roll = np.radians([picture.yaw_deg, picture.pitch_deg, picture.roll_deg])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    tilt = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return ((points - _PIVOT) @ (tilt @ turn @ nod).T + _PIVOT).astype(np.float32)


class _Canvas:
    """An image and the camera in front of it."""

    def __init__(self, picture: PictureLook, eye_distance_cm: float, rng: np.random.Generator) -> None:
        self.scale = max(picture.eye_distance_px, 65.0)
        self.distance = picture.distance_cm
        self.focal = self.scale / eye_distance_cm * (self.distance - 8.0)
        self.size = (int(4.6 * self.scale), int(5.2 * self.scale))
        self.middle = np.array([self.size[0] * rng.uniform(0.42, 0.58), self.size[1] * rng.uniform(0.42, 0.52)])
        self.image = _background(self.size, rng)

    def project(self, points: Values) -> FloatArray:
        """Pixels (n, 2) of points in cm."""
        moved = points - _CENTRE
        depth = self.distance - 6.0 - moved[:, 2]
        return np.stack(
            [self.middle[0] + self.focal * moved[:, 0] / depth, self.middle[1] - self.focal * moved[:, 1] / depth], 1
        )

    def fixed(self, pixels: Values) -> NDArray[np.int32]:
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def cm(self, length_cm: float) -> int:
        """Line thickness in pixels, at least 1."""
        return max(1, round(length_cm * self.focal / self.distance))


def _background(size: tuple[int, int], rng: np.random.Generator) -> ImageArray:
    grid = rng.uniform(0, 255, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3))
    contrast = rng.uniform(0.05, 0.9)
    grid = grid.mean((0, 1)) * (1 - contrast) + grid * contrast
    mode = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
    return np.clip(cv2.resize(grid, size, interpolation=mode), 0, 255).astype(np.uint8)


def _shadow(vertices: FloatArray, direction: Values, smooth: sparse.csr_matrix) -> FloatArray:
    """Share 0..1 of a light that is kept from each vertex by others (a coarse depth map seen from the light)."""
    side = np.cross([0, 1, 0.01], direction)
    side /= np.linalg.norm(side)
    up = np.cross(direction, side)
    cell = np.floor(np.stack([vertices @ side, vertices @ up], 1) / 0.5).astype(np.int64) + 64
    key = np.clip(cell[:, 0], 0, 127) * 128 + np.clip(cell[:, 1], 0, 127)
    depth = vertices @ direction
    nearest = np.full(128 * 128, -1e9)
    np.maximum.at(nearest, key, depth)
    hidden = np.clip((nearest[key] - depth - 0.8) / 0.6, 0, 1)
    return smooth @ (smooth @ hidden)


def _shade(person: RenderedPerson, vertices: FloatArray, normals: FloatArray, picture: PictureLook) -> FloatArray:
    g, look = person.geometry, person.look
    hollow = ((g.smooth @ vertices - vertices) * normals).sum(1)
    occlusion = 1 - np.clip((6 + 14 * look.age) * hollow, -0.15, 0.5)
    light = picture.ambient * (0.85 + 0.15 * normals[:, 1:2]) * occlusion[:, None]
    gloss = np.zeros(len(vertices))
    for lamp in picture.lights:
        facing = normals @ lamp.direction
        lit = np.clip((facing + 0.25) / 1.25, 0, 1)
        if picture.shadow:
            lit = lit * (1 - picture.shadow * _shadow(vertices, lamp.direction, g.smooth))
        light = light + lit[:, None] * lamp.colour * (0.4 + 0.6 * occlusion[:, None])
        half = lamp.direction + np.array([0, 0, 1.0])
        half /= np.linalg.norm(half)
        gloss += lamp.colour.mean() * np.clip(normals @ half, 0, 1) ** 24
    gloss *= picture.gloss * (1 - 0.8 * person.hair) * (1 + g.lips)
    return np.clip(person.albedo * light + gloss[:, None], 0, 1)


def render(
    person: RenderedPerson,
    vertices: FloatArray,
    picture: PictureLook,
    wrinkles: Mapping[str, float] | None = None,
    gaze_deg: tuple[float, float] = (0.0, 0.0),
) -> ImageArray:
    """A picture (height, width, 3) uint8 RGB of one head.

    vertices: (9409, 3), the person's neutral with the expression's offsets, in cm. wrinkles: strength 0..1 by key of
    the wrinkle curves. gaze_deg: of the eyes in the head, to the person's left and up.
    """
    rng = np.random.default_rng(picture.seed)
    g, look = person.geometry, person.look
    eye_distance = float(np.linalg.norm(person.eyes[1] - person.eyes[0]))
    canvas = _Canvas(picture, eye_distance, rng)
    posed = turned_head(vertices, picture)
    t = g.head.triangles
    a, b = (posed[t[:, 1]] - posed[t[:, 0]]).T, (posed[t[:, 2]] - posed[t[:, 0]]).T
    normal = np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], 1)
    normals = g.of_triangles @ normal
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    colours = _shade(person, posed, normals, picture)
    drawn = posed + normals * (person.hair * person.hair_lift)[:, None]
    pixels = canvas.project(drawn)

    brightness = float(np.mean(picture.ambient) + sum(lamp.colour.mean() for lamp in picture.lights) * 0.5)
    # The camera's automatic exposure brings a face most of the way to its own idea of middle grey.
    exposure = float((picture.exposure / max(np.median(colours[g.cheeks > 0.3]), 0.02)) ** 0.65)
    colours, brightness = np.clip(colours * exposure, 0, 1), brightness * exposure
    _behind(canvas, person, picture, brightness, rng)
    _eyes(canvas, person, vertices, picture, gaze_deg, brightness)
    _mouth(canvas, person, vertices, picture, brightness)
    corner = pixels[t]
    area = cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    seen = np.flatnonzero(area < 0)
    seen = seen[np.argsort(drawn[t[seen], 2].mean(1))]
    fills = (colours[t[seen]].mean(1) * 255).tolist()
    for polygon, colour in zip(canvas.fixed(corner[seen]), fills, strict=True):
        cv2.fillConvexPoly(canvas.image, polygon, colour, cv2.LINE_8, _SHIFT)

    facing = area < 0
    _draw_wrinkles(canvas, person, pixels, normals, wrinkles or {})
    _draw_strokes(canvas, person, posed, facing, brightness)
    _lids(canvas, person, pixels)
    if look.glasses:
        _glasses(canvas, person, picture)
    return camera_faults(canvas.image, picture, canvas.scale, rng)


def _behind(
    canvas: _Canvas, person: RenderedPerson, picture: PictureLook, brightness: float, rng: np.random.Generator
) -> None:
    """Clothes, long hair, the back of the head."""
    cloth = rng.uniform(0, 255, 3) * min(brightness, 1)
    shoulders = canvas.project(
        _f32([[-24, -32, -4], [-20, -17, -4], [-8, -13, -4], [8, -13, -4], [20, -17, -4], [24, -32, -4]])
    )
    cv2.fillPoly(canvas.image, [canvas.fixed(shoulders)], cloth.tolist(), cv2.LINE_AA, _SHIFT)
    look = person.look
    if look.hair_height_cm >= 2.5:
        return
    hair = look.hair * 255 * min(brightness, 1)
    if look.long_hair:
        edge = _f32(
            [
                [-10, 6, -3],
                [-11, -4, -3],
                [-10.5, -15, -2],
                [-5, -16, -3],
                [5, -16, -3],
                [10.5, -15, -2],
                [11, -4, -3],
                [10, 6, -3],
            ]
        )
        cv2.fillPoly(
            canvas.image, [canvas.fixed(canvas.project(turned_head(edge, picture)))], (0.8 * hair).tolist(), 8, _SHIFT
        )
    centre = canvas.project(turned_head(_f32([[0, 6.5, -3]]), picture))[0]
    radius = canvas.cm(9.3 + person.hair_lift)
    cv2.circle(canvas.image, tuple(np.rint(centre).astype(int).tolist()), radius, hair.tolist(), -1, cv2.LINE_AA)


def _eyes(
    canvas: _Canvas,
    person: RenderedPerson,
    vertices: FloatArray,
    picture: PictureLook,
    gaze_deg: tuple[float, float],
    brightness: float,
) -> None:
    radius = person.geometry.head.eye_radius * 0.97
    across, up = np.radians(gaze_deg)
    look = np.array([np.sin(across) * np.cos(up), np.sin(up), np.cos(across) * np.cos(up)])
    for centre, loop in zip(person.eyes, (person.geometry.right_eye, person.geometry.left_eye), strict=True):
        moved = centre + (vertices - person.neutral)[loop].mean(0) * _f32([0.5, 0, 0.5])
        points = turned_head(_f32([moved, moved + radius * 0.92 * look]), picture)
        at, iris = np.rint(canvas.project(points) * 16).astype(int)
        white = np.array([225, 220, 215]) * min(brightness, 1.05)
        cv2.circle(
            canvas.image, tuple(at.tolist()), canvas.cm(radius) * 16, (0.75 * white).tolist(), -1, cv2.LINE_AA, 4
        )
        cv2.circle(canvas.image, tuple(at.tolist()), int(canvas.cm(radius) * 12.5), white.tolist(), -1, cv2.LINE_AA, 4)
        colour = person.look.iris * 255 * brightness
        size = canvas.focal / canvas.distance
        cv2.circle(
            canvas.image, tuple(iris.tolist()), int(0.62 * size * 16), (0.5 * colour).tolist(), -1, cv2.LINE_AA, 4
        )
        cv2.circle(canvas.image, tuple(iris.tolist()), int(0.54 * size * 16), colour.tolist(), -1, cv2.LINE_AA, 4)
        cv2.circle(canvas.image, tuple(iris.tolist()), int(0.24 * size * 16), (8, 8, 10), -1, cv2.LINE_AA, 4)
        glint = iris + np.array([3, -4]) * int(size)
        cv2.circle(canvas.image, tuple(glint.tolist()), int(0.1 * size * 16), (240, 240, 245), -1, cv2.LINE_AA, 4)


def _rigid(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotation and shift with target = source @ rotation + shift, least squares."""
    a, b = source.mean(0), target.mean(0)
    u, _, vt = np.linalg.svd((source - a).T @ (target - b))
    u[:, 2] *= np.sign(np.linalg.det(u @ vt))
    return u @ vt, b - a @ (u @ vt)


def _mouth(
    canvas: _Canvas, person: RenderedPerson, vertices: FloatArray, picture: PictureLook, brightness: float
) -> None:
    """The dark of the mouth, the tongue and both rows of teeth; the lower ones follow the jaw."""
    g = person.geometry
    loop = turned_head(vertices[g.mouth], picture)
    cv2.fillPoly(canvas.image, [canvas.fixed(canvas.project(loop))], (38, 14, 14), cv2.LINE_AA, _SHIFT)
    opening = np.ptp(vertices[g.mouth, 1]) - np.ptp(person.neutral[g.mouth, 1])
    if opening < 0.05:
        return
    teeth = g.head.teeth + person.teeth_shift
    upper = g.head.teeth[:, 1] > -3.3
    rotation, shift = _rigid(person.neutral[g.jaw], vertices[g.jaw])
    lower = teeth[~upper] @ rotation + shift
    tongue = _f32([[0, -4.6, 7.6]]) @ rotation + shift
    at = np.rint(canvas.project(turned_head(_f32(tongue), picture))[0]).astype(int)
    red = np.array([150, 75, 75]) * 0.7 * brightness
    cv2.ellipse(
        canvas.image, tuple(at.tolist()), (canvas.cm(1.7), canvas.cm(0.7)), 0, 0, 360, red.tolist(), -1, cv2.LINE_AA
    )
    for row in (lower, teeth[upper]):
        posed = turned_head(_f32(row), picture)
        front = posed[:, 2] > posed[:, 2].max() - 4.5
        order = np.argsort(posed[front, 2])
        posed = posed[front][order]
        shade = np.clip(0.45 + 0.55 * (posed[:, 2] - posed[:, 2].min()) / 4.5, 0, 1) * min(brightness, 1.0)
        radius = canvas.cm(0.1)
        for pixel, value in zip(np.rint(canvas.project(posed)).astype(int).tolist(), shade.tolist(), strict=True):
            cv2.circle(canvas.image, pixel, radius, (225 * value, 215 * value, 195 * value), -1)


def _draw_wrinkles(
    canvas: _Canvas, person: RenderedPerson, pixels: Values, normals: FloatArray, wrinkles: Mapping[str, float]
) -> None:
    mask = np.zeros(canvas.image.shape[:2], np.uint8)
    for key, curves in person.geometry.wrinkles.items():
        strength = person.look.age * (0.12 + 0.5 * min(wrinkles.get(key, 0.0), 1.0))
        if strength < 0.03:
            continue
        for curve in curves:
            curve = curve[normals[curve, 2] > 0.15]
            if len(curve) > 1:
                cv2.polylines(
                    mask, [canvas.fixed(pixels[curve])], False, (255 * strength,), canvas.cm(0.12), cv2.LINE_AA, _SHIFT
                )
    if mask.any():
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.8, canvas.scale / 70)).astype(np.float32) / 255
        canvas.image = (canvas.image * (1 - soft)[..., None]).astype(np.uint8)


def _draw_strokes(
    canvas: _Canvas, person: RenderedPerson, posed: FloatArray, facing: NDArray[np.bool_], brightness: float
) -> None:
    look, t = person.look, person.geometry.head.triangles
    groups: list[tuple[Strokes, float, float, Values]] = [
        (brow, 0.05, 0.35 + 0.6 * look.brow_strength, look.brow_colour) for brow in person.brows
    ]
    if person.beard:
        groups.append((person.beard, 0.035, 0.5, 0.85 * look.hair))
    for strokes, thickness, strength, shade in groups:
        shown = facing[strokes.triangle]
        corners = posed[t[strokes.triangle[shown]]]
        root = (corners * strokes.place[shown][:, :, None]).sum(1)
        tip = root + ((corners[:, 1:] - corners[:, :1]) * strokes.along[shown][:, :, None]).sum(1)
        lines = np.stack([canvas.project(root), canvas.project(tip)], 1)
        layer = canvas.image.copy()
        colour = (shade * 255 * min(brightness, 1)).tolist()
        cv2.polylines(layer, list(canvas.fixed(lines)), False, colour, canvas.cm(thickness), cv2.LINE_AA, _SHIFT)
        canvas.image = np.asarray(cv2.addWeighted(layer, strength, canvas.image, 1 - strength, 0), np.uint8)


def _lids(canvas: _Canvas, person: RenderedPerson, pixels: Values) -> None:
    """Dark edges of the lids; the upper one with its lashes is the stronger."""
    look = person.look
    dark = (look.skin * 255 * 0.25).tolist()
    for loop in (person.geometry.right_lids, person.geometry.left_lids):
        # From the inner to the outer corner, over and under.
        x = person.geometry.head.neutral[loop, 0]
        start, end = sorted((int(x.argmin()), int(x.argmax())))
        halves = [loop[start : end + 1], np.concatenate([loop[end:], loop[: start + 1]])]
        halves.sort(key=lambda half: -float(person.geometry.head.neutral[half, 1].mean()))
        cv2.polylines(
            canvas.image,
            [canvas.fixed(pixels[halves[0]])],
            False,
            dark,
            canvas.cm(0.08 + 0.12 * look.lashes),
            cv2.LINE_AA,
            _SHIFT,
        )
        faint = (look.skin * 255 * 0.5).tolist()
        cv2.polylines(
            canvas.image, [canvas.fixed(pixels[halves[1]])], False, faint, canvas.cm(0.05), cv2.LINE_AA, _SHIFT
        )


def _glasses(canvas: _Canvas, person: RenderedPerson, picture: PictureLook) -> None:
    rng = np.random.default_rng(person.look.seed + 1)
    angle = np.linspace(0, 2 * np.pi, 25)
    width, height, square = rng.uniform(2.3, 2.8), rng.uniform(1.7, 2.4), rng.uniform(0.5, 1.0)
    ring = np.stack(
        [
            np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** square * width,
            np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** square * height - 0.4,
            np.full(25, 2.8),
        ],
        1,
    )
    colour = (rng.uniform(0.02, 0.4, 3) * 255).tolist()
    lines = [ring + centre for centre in person.eyes]
    inner = [person.eyes[0] + [width, 0, 2.8], person.eyes[1] + [-width, 0, 2.8]]
    lines.append(np.stack(inner))
    for centre, side in zip(person.eyes, (-1, 1), strict=True):
        hinge = centre + np.array([side * width, 0.3, 2.8])
        lines.append(np.stack([hinge, [side * 8.6, centre[1] + 0.3, 1.0]]))
    for line in lines:
        pixels = canvas.project(turned_head(_f32(line), picture))
        cv2.polylines(
            canvas.image, [canvas.fixed(pixels)], False, colour, canvas.cm(person.look.glasses), cv2.LINE_AA, _SHIFT
        )


def camera_faults(image: ImageArray, picture: PictureLook, scale: float, rng: np.random.Generator) -> ImageArray:
    """A picture (height, width, 3) in which the eyes are `scale` px apart, as the look's camera would give it."""
    blurred = cv2.GaussianBlur(image, (0, 0), 0.6)
    shrink = picture.eye_distance_px / scale
    if shrink < 1:
        blurred = cv2.resize(blurred, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(blurred, (0, 0), picture.blur_px)
    if picture.motion_blur_px > 1:
        length = int(picture.motion_blur_px) | 1
        kernel = np.zeros((length, length), np.float32)
        if rng.random() < 0.5:
            kernel[length // 2] = 1 / length
        else:
            kernel[:, length // 2] = 1 / length
        blurred = cv2.filter2D(blurred, -1, kernel)
    values = (blurred.astype(np.float32) / 255) ** picture.gamma * picture.tint
    values += rng.standard_normal(values.shape, np.float32) * picture.noise
    image = np.clip(values * 255, 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, picture.jpeg_quality])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
