# SPDX-License-Identifier: Apache-2.0
"""Sights written into a Rerun recording: image, mesh, curves and events, on the timelines image_time and nth_frame.

Entities: camera/image with faces (boxes, names) and landmarks in it; mesh/PERSON; people/PERSON/action_units/AUn,
/expression/LABEL, /affect/valence and arousal, /attention, /neutral, /events/KIND; events, the last of them as a text;
log, a line for each event; colours, a picture of what the colours of the curves mean.
"""

from __future__ import annotations

import functools
import io
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator

import cv2
import numpy as np
import rerun as rr
from numpy.typing import NDArray
from PIL import Image

from ..drawing.overlay import AU_NAMES, NEUTRAL_COLOURS
from ..drawing.surface import motion_colours, vertex_normals
from ..events import Phase
from ..types import UNSURE, FaceCode, NeutralState
from .blueprint import FRAME, SHOWN_PEOPLE, TIME, blueprint
from .colours import (
    AFFECT_COLOURS,
    EXPRESSION_COLOURS,
    NEUTRAL_COLOUR,
    colour_of_au,
    colour_of_kind,
    picture_of_colours,
)
from .sights import SeenFace, Sight

_LARGEST_SIDE_PX = 1280
_JPEG_QUALITY = 75
_FLUSH_NS = 250_000_000
_APART = 2.3  # between the meshes of two people, in inter-ocular distances
_EVENT_LEVELS = (3.5, 3.75, 4.0, 4.25)  # above the four states of the neutral; a kind keeps its own
_EVENTS_SHOWN = 14
_REMEMBERED_PEOPLE = 100
_NEW_LAYOUT_NS = 1_000_000_000
_FIRST_LOOK = (0.25, 0.25, 0.75)  # along which Rerun looks at first; x to the right, y down


@functools.cache
def towards_viewer() -> NDArray[np.float64]:
    """(3, 3) rotation that turns a face to where Rerun looks from at first: seen from the front, and upright."""
    away = np.array(_FIRST_LOOK) / np.linalg.norm(_FIRST_LOOK)
    down = np.array((0.0, 1.0, 0.0)) - away[1] * away
    down /= np.linalg.norm(down)
    return np.stack([np.cross(down, away), down, away], axis=1)


@functools.cache
def triangles() -> NDArray[np.uint32]:
    """(852, 3) of the mesh's 468 surface points. Read when the first mesh is drawn: MediaPipe has them."""
    from ..learning.synthesis.topology import mesh_triangles

    return mesh_triangles().astype(np.uint32)


def name_of(code: FaceCode) -> str:
    return code.face.person_id or code.face.face_id


def values_of(code: FaceCode) -> Iterator[tuple[str, float]]:
    """Curve, below the person's entity, and its value."""
    for au, intensity in zip(code.aus.codes, code.aus.intensity.tolist(), strict=True):
        yield f"action_units/AU{au}", intensity
    estimate = code.expression
    for label, share in zip(estimate.labels, estimate.probability.tolist(), strict=True):
        yield f"expression/{label}", share
    yield "expression/unsure", estimate.unsure
    yield "affect/valence", estimate.valence
    yield "affect/arousal", estimate.arousal
    if not math.isnan(code.attention):
        yield "attention", code.attention
    yield "neutral", float(code.neutral_state)


class Curves:
    """Values of curves until they are sent: a column at once is a hundred times cheaper than one value each."""

    def __init__(self, recording: rr.RecordingStream) -> None:
        self._recording = recording
        self._rows: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        self._since_ns: int | None = None

    def add(self, path: str, sight: Sight, value: float) -> None:
        self._rows[path].append((sight.stamp_ns, sight.index, value))
        self._since_ns = sight.stamp_ns if self._since_ns is None else self._since_ns

    def due(self, stamp_ns: int) -> bool:
        return self._since_ns is not None and abs(stamp_ns - self._since_ns) >= _FLUSH_NS

    def send(self) -> None:
        for path, rows in self._rows.items():
            stamps, indices, values = zip(*rows, strict=True)
            rr.send_columns(
                path,
                indexes=[rr.TimeNanosColumn(TIME, list(stamps)), rr.TimeSequenceColumn(FRAME, list(indices))],
                columns=rr.Scalar.columns(scalar=list(values)),
                recording=self._recording,
            )
        self._rows.clear()
        self._since_ns = None


class Scene:
    """Writes sights into a recording.

    window_s: seconds that the curves show; None for all of it. with_mesh: the sights have surfaces. at_end: for a file,
    which is laid out for people once, at its end, for those who were seen most.

    As people come, the layout is made anew, for those who were in view last, at most SHOWN_PEOPLE of them; where the
    curves show a window, those who left it lose their place.
    """

    def __init__(
        self, recording: rr.RecordingStream, window_s: float | None = None, with_mesh: bool = True, at_end: bool = False
    ) -> None:
        self._recording, self._window_s, self._with_mesh = recording, window_s, with_mesh
        self._at_end, self._frames_of = at_end, Counter[str]()
        self._last_events: deque[str] = deque(maxlen=_EVENTS_SHOWN)
        self._curves = Curves(recording)
        self._places: dict[str, int] = {}  # person -> place of the mesh
        self._in_view: set[str] = set()
        self._kinds: list[str] = []
        self._styled: set[str] = set()
        self._last_seen: dict[str, int] = {}
        self._shown: tuple[str, ...] = ()
        self._first_ns: int | None = None
        self._since_layout_ns: int | None = None
        recording.log("mesh", rr.ViewCoordinates.RDF, static=True)
        self._log_colours()
        self._lay_out(())

    def show(self, sight: Sight) -> None:
        """Adds one sight."""
        self._first_ns = sight.stamp_ns if self._first_ns is None else self._first_ns
        self._recording.set_time_nanos(TIME, sight.stamp_ns)
        self._recording.set_time_sequence(FRAME, sight.index)
        if sight.stamp_ns == self._first_ns and not sight.events:
            self._recording.log("events", rr.TextDocument("none yet"))
        self._image(sight)
        names = {name_of(face.code) for face in sight.faces}
        for face in sorted(sight.faces, key=lambda face: face.code.face.region.xmin):  # as they sit, from the left
            name = name_of(face.code)
            self._last_seen[name] = sight.stamp_ns
            self._frames_of[name] += 1
            self._mesh(name, face, names)
            for curve, value in values_of(face.code):
                path = _person(name, curve)
                self._style(path, curve)
                self._curves.add(path, sight, value)
        for gone in self._in_view - names:
            self._recording.log(_mesh_path(gone), rr.Clear(recursive=True))
            for path in [path for path in self._styled if path.startswith(f"{_person(gone)}/")]:
                if "/events/" not in path:
                    self._curves.add(path, sight, math.nan)  # the line ends here
        self._in_view = names
        self._forget_oldest()
        self._events(sight)
        if self._curves.due(sight.stamp_ns):
            self._curves.send()
        self._follow_people(sight.stamp_ns)

    def finish(self) -> None:
        """Sends what is still held back."""
        self._curves.send()
        if self._at_end:
            most = {name for name, _ in self._frames_of.most_common(SHOWN_PEOPLE)}
            self._lay_out(tuple(name for name in self._last_seen if name in most))

    def _image(self, sight: Sight) -> None:
        scale = 1.0
        if sight.image is not None:
            height, width = sight.image.shape[:2]
            scale = min(1.0, _LARGEST_SIDE_PX / max(height, width))
            image = cv2.cvtColor(sight.image, cv2.COLOR_RGB2BGR)
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            size = np.array([width, height, width, height], np.float32) * scale
            packed = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1].tobytes()
            self._recording.log("camera/image", rr.EncodedImage(contents=packed, media_type="image/jpeg"))
        else:
            size = np.array([640, 480, 640, 480], np.float32)
        if not sight.faces:
            self._recording.log("camera/image/faces", rr.Clear(recursive=False))
            self._recording.log("camera/image/landmarks", rr.Clear(recursive=False))
            return
        regions = [face.code.face.region for face in sight.faces]
        boxes = np.array([(r.xmin, r.ymin, r.xmax, r.ymax) for r in regions], np.float32) * size
        tints = [NEUTRAL_COLOURS[face.code.neutral_state] for face in sight.faces]
        labels = [label_of(face.code) for face in sight.faces]
        self._recording.log(
            "camera/image/faces",
            rr.Boxes2D(array=boxes, array_format=rr.Box2DFormat.XYXY, labels=labels, colors=tints, show_labels=True),
        )
        points = np.concatenate([face.landmarks for face in sight.faces]) * scale
        if len(points):
            points = points[np.isfinite(points).all(1)]
            self._recording.log(
                "camera/image/landmarks", rr.Points2D(points, colors=(90, 255, 170), radii=rr.Radius.ui_points(2.0))
            )

    def _mesh(self, name: str, face: SeenFace, in_view: set[str]) -> None:
        if face.surface is None:
            return
        path = _mesh_path(name)
        if path not in self._styled:
            self._styled.add(path)
            self._recording.log(path, rr.Mesh3D.from_fields(triangle_indices=triangles()), static=True)
        points = face.surface
        turn = towards_viewer()
        where = turn @ (self._place_of(name, in_view) * _APART, 0, 0)
        self._recording.log(path, rr.Transform3D(translation=where, mat3x3=turn))
        shape = {"vertex_positions": points, "vertex_normals": vertex_normals(points, triangles())}
        self._recording.log(
            path, rr.Mesh3D.from_fields(**shape, vertex_colors=motion_colours(face.motion, len(points)))
        )
        top = points[:, 1].min() - 0.25
        self._recording.log(
            f"{path}/name", rr.Points3D([[0, top, 0]], labels=[name], radii=0.005, colors=(200, 200, 200))
        )

    def _place_of(self, name: str, in_view: set[str]) -> int:
        """In the row of meshes: the one that this person had before, or else the first at which nobody in view is."""
        taken = {place for other, place in self._places.items() if other in in_view and other != name}
        place = self._places.get(name, -1)
        if place < 0 or place in taken:
            place = next(place for place in range(len(taken) + 1) if place not in taken)
            self._places = {other: kept for other, kept in self._places.items() if kept != place} | {name: place}
        return place

    def _style(self, path: str, curve: str) -> None:
        if path in self._styled:
            return
        self._styled.add(path)
        group, _, leaf = curve.partition("/")
        if group == "action_units":
            au = int(leaf[2:])
            style = rr.SeriesLine(color=colour_of_au(au), name=f"{leaf} {AU_NAMES.get(au, '')}".strip(), width=2)
        elif group == "expression":
            style = rr.SeriesLine(color=EXPRESSION_COLOURS.get(leaf, (120, 120, 120)), name=leaf, width=2)
        elif group == "neutral":
            style = rr.SeriesLine(color=NEUTRAL_COLOUR, name="neutral: 0 none, 1 learning, 2 ready, 3 stale", width=3)
        else:
            name = leaf or group
            style = rr.SeriesLine(color=AFFECT_COLOURS[name], name=name, width=2)
        self._recording.log(path, style, static=True)

    def _events(self, sight: Sight) -> None:
        for event in sight.events:
            name = event.person_id or event.face_id
            phase = {Phase.BEGIN: " begins", Phase.END: " ends", Phase.WITHDRAWN: " withdrawn"}.get(event.phase, "")
            what = " ".join(part for part in (event.side, event.kind, event.label) if part)
            self._recording.log("log", rr.TextLog(f"{name}: {what}{phase}", level=rr.TextLogLevel.INFO))
            since_s = (event.stamp_ns - (self._first_ns or 0)) / 1e9
            self._last_events.append(f"- `{since_s:7.2f} s` **{name}** {what.replace('_', ' ')}{phase}")
            if event.phase in (Phase.MOMENT, Phase.BEGIN):
                path = _person(name, f"events/{event.kind}")
                if event.kind not in self._kinds:
                    self._kinds.append(event.kind)
                    self._log_colours()
                if path not in self._styled:
                    self._styled.add(path)
                    colour = colour_of_kind(self._kinds, event.kind)
                    words = event.kind.replace("_", " ")
                    marker = rr.SeriesPoint(color=colour, marker="diamond", name=words, marker_size=5)
                    self._recording.log(path, marker, static=True)
                self._curves.add(path, sight, self._level(event.kind))
        if sight.events:
            text = "\n".join(reversed(self._last_events))
            self._recording.log("events", rr.TextDocument(text, media_type=rr.MediaType.MARKDOWN))

    def _level(self, kind: str) -> float:
        """Where events of a kind are marked."""
        return _EVENT_LEVELS[self._kinds.index(kind) % len(_EVENT_LEVELS)]

    def _log_colours(self) -> None:
        packed = io.BytesIO()
        Image.fromarray(picture_of_colours(self._kinds)).save(packed, "PNG")
        self._recording.log("colours", rr.EncodedImage(contents=packed.getvalue(), media_type="image/png"), static=True)

    def _forget_oldest(self) -> None:
        """Of those who went long ago: a viewer that stays open for days meets any number of people."""
        for name in sorted(self._last_seen, key=lambda name: self._last_seen[name])[:-_REMEMBERED_PEOPLE]:
            if name in self._in_view:
                continue
            del self._last_seen[name]
            self._places.pop(name, None)
            if not self._at_end:
                self._frames_of.pop(name, None)
            paths = f"{_person(name)}/"
            self._styled = {path for path in self._styled if not path.startswith(paths) and path != _mesh_path(name)}

    def _follow_people(self, stamp_ns: int) -> None:
        """Lays out anew, at most once a second: for others in view than are shown, without those out of the window."""
        if self._at_end:
            return
        stay_ns = math.inf if self._window_s is None else self._window_s * 1e9
        kept = {name: seen for name, seen in self._last_seen.items() if stamp_ns - seen <= stay_ns}
        if self._in_view <= set(self._shown) <= set(kept):
            return
        recently = self._since_layout_ns is not None and 0 <= stamp_ns - self._since_layout_ns < _NEW_LAYOUT_NS
        if not recently:
            latest = sorted(kept, key=lambda name: -kept[name])[:SHOWN_PEOPLE]
            self._since_layout_ns = stamp_ns
            self._lay_out(tuple(name for name in kept if name in latest))

    def _lay_out(self, people: tuple[str, ...]) -> None:
        self._shown = people
        paths = {name: _person(name) for name in people}
        self._recording.send_blueprint(blueprint(paths, self._window_s, self._with_mesh))


def label_of(code: FaceCode) -> str:
    """Name and expression: as short as a label in an image has to be."""
    if code.neutral_state is NeutralState.NONE:
        return f"{name_of(code)}: no neutral yet"
    estimate = code.expression
    sure = "" if estimate.label == UNSURE else f" {estimate.confidence:.0%}"
    return f"{name_of(code)}: {estimate.label}{sure}"


def _person(name: str, curve: str = "") -> str:
    path = f"people/{rr.escape_entity_path_part(name)}"
    return f"{path}/{curve}" if curve else path


def _mesh_path(name: str) -> str:
    return f"mesh/{rr.escape_entity_path_part(name)}"
