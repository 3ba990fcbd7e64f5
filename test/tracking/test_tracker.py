# SPDX-License-Identifier: Apache-2.0
"""The tracker on composed scenes with known truth, and on its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facial_coding_ros.learning.tracking.scenes import (
    Block,
    FacePlace,
    background,
    between,
    crossing,
    judge,
    meeting,
    paste,
    portrait,
    shoot,
)
from facial_coding_ros.tracking import Tracker, TrackingSettings, make_tracker, visibility_codes
from facial_coding_ros.tracking.search import FaceSearch
from facial_coding_ros.types import CameraIntrinsics, Face, Frame, Region

SETTINGS = TrackingSettings(id_seed=1)
SECOND = 1_000_000_000
AT_ONCE = replace(SETTINGS, confirm_hits=1, smoothing=False)


@pytest.fixture(scope="module")
def one_tracker() -> Iterator[Tracker]:
    tracker = make_tracker(SETTINGS)
    yield tracker
    tracker.close()


@pytest.fixture
def tracker(one_tracker: Tracker) -> Tracker:
    """The networks are loaded once; each test begins anew."""
    one_tracker.configure(SETTINGS)
    one_tracker.reset()
    return one_tracker


def still(*places: tuple[str, FacePlace], width: int = 640, height: int = 480) -> np.ndarray:
    image = background(width, height).copy()
    for person, place in places:
        paste(image, person, place)
    return image


@pytest.mark.parametrize(("width", "height", "size"), [(640, 480, 40), (1280, 720, 60)])
@pytest.mark.parametrize("person", ["collins", "hopper"])
def test_small_faces_are_found_in_five_positions(
    tracker: Tracker, width: int, height: int, size: int, person: str
) -> None:
    tracker.configure(AT_ONCE)
    found = 0
    for x, y in [(0.5, 0.5), (0.15, 0.25), (0.85, 0.25), (0.15, 0.75), (0.85, 0.75)]:
        tracker.reset()
        place = FacePlace(x * width, y * height, size)
        faces = tracker.track(Frame(still((person, place), width=width, height=height), 0))
        assert len(faces) <= 1
        found += any(np.hypot(*(f.mesh[:, :2].mean(axis=0) - (place.x, place.y))) < 0.2 * size for f in faces)
    assert found == 5


def test_tiles_find_faces_of_half_that_size(tracker: Tracker) -> None:
    image = still(("hopper", FacePlace(500, 200, 30)), ("collins", FacePlace(300, 560, 30)), width=1280, height=720)
    tracker.configure(replace(AT_ONCE, tiles=True))
    assert len(tracker.track(Frame(image, 0))) == 2


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (400, 400)])
@pytest.mark.parametrize("person", ["collins", "hopper"])
def test_a_face_larger_than_the_image_is_found(tracker: Tracker, width: int, height: int, person: str) -> None:
    tracker.configure(AT_ONCE)
    side = min(width, height)
    image = still((person, FacePlace(width / 2, height / 2, 1.15 * side)), width=width, height=height)
    (face,) = tracker.track(Frame(image, 0))
    assert np.hypot(*(face.mesh[:, :2].mean(axis=0) - (width / 2, height / 2))) < 0.1 * side


def test_one_who_comes_close_later_is_found_within_half_a_second(tracker: Tracker) -> None:
    empty, close = background(640, 480), still(("hopper", FacePlace(320, 240, 560)))
    seen = [bool(tracker.track(Frame(close if i >= 15 else empty, i * 33_333_333, i))) for i in range(35)]
    assert not any(seen[:15]) and all(seen[15 + 16 :])


def test_a_face_that_grows_until_it_is_cut_off_is_followed(tracker: Tracker) -> None:
    def where(time: float) -> dict[str, FacePlace]:
        return {"hopper": FacePlace(320, 240, between(time, 0.3, 2.3, 120, 600))}

    score = judge(shoot(2.6, 30, where), tracker.track, skip_s=0.2)
    assert len(score.ids["hopper"]) == 1 and score.seen["hopper"] == 1 and not score.false_faces


@pytest.mark.parametrize("tilt_deg", [-150, -120, -90, -60, 45, 75, 105, 135, 165, 180])
@pytest.mark.parametrize("person", ["collins", "hopper"])
def test_a_face_at_any_roll_is_found_within_a_second_and_followed(
    tracker: Tracker, person: str, tilt_deg: float
) -> None:
    empty = background(640, 480)
    images = {tilt: still((person, FacePlace(300, 250, 100, tilt))) for tilt in (0, tilt_deg)}
    upright = track_for(tracker, images[0], range(5))[0]
    tracker.reset()
    track_for(tracker, empty, range(20))
    (face,) = track_for(tracker, images[tilt_deg], range(20, 50))
    assert np.hypot(*(face.mesh[:, :2].mean(axis=0) - (300, 250))) < 10
    assert abs((face.pose.roll_deg - upright.pose.roll_deg - tilt_deg + 180) % 360 - 180) < 2
    assert abs(face.pose.yaw_deg - upright.pose.yaw_deg) < 3 and abs(face.pose.pitch_deg - upright.pose.pitch_deg) < 3
    assert face.visibility.face > 0.8


def track_for(tracker: Tracker, image: np.ndarray, numbers: range) -> tuple[Face, ...]:
    """The faces of the last of these frames, which all show the image."""
    for number in numbers:
        faces = tracker.track(Frame(image, number * 33_333_333, number))
    return faces


def test_a_head_that_turns_once_around_is_followed(tracker: Tracker) -> None:
    def where(time: float) -> dict[str, FacePlace]:
        return {"hopper": FacePlace(320, 240, 120, between(time, 0.5, 3.5, 0, 360))}

    score = judge(shoot(4, 30, where), tracker.track, skip_s=0.2)
    assert len(score.ids["hopper"]) == 1 and score.seen["hopper"] == 1 and not score.false_faces


def test_a_camera_that_is_mounted_turned(tracker: Tracker) -> None:
    """A minute of lying faces is told, and with the parameter they are found on the first frame."""
    image = still(("hopper", FacePlace(320, 240, 120, 180)))
    for second in range(62 * 2):
        tracker.track(Frame(image, second * SECOND // 2))
    assert tracker.statistics.turned_deg == 180
    tracker.configure(replace(AT_ONCE, image_rotation=180))
    tracker.reset()
    (face,) = tracker.track(Frame(image, 0))
    assert abs(face.pose.roll_deg) > 170
    with pytest.raises(ValueError, match="image_rotation is 45; allowed: 0, 90, 180, 270"):
        TrackingSettings(image_rotation=45)


def test_the_wide_view_costs_no_run_of_its_own() -> None:
    search, counts = FaceSearch(), []
    for alone in (True, False):
        for turn in range(24):
            views = search.views(640, 480, False, alone, turned=False)
            search.done(turn)
            counts.append((alone, len(views), sum(view.side > 640 for view in views)))
    assert counts[0] == (True, 4, 1) and all(views == 1 for _, views, _ in counts[1:])
    assert [sum(wide for on, _, wide in counts[1:] if on is alone) for alone in (True, False)] == [5, 2]


def test_the_judge_sees_a_swap(tracker: Tracker) -> None:
    """A tracker that exchanges its ids half-way is found out."""

    def swapping(frame: Frame) -> list[Face]:
        faces = list(tracker.track(frame))
        if frame.index > 10 and len(faces) == 2:
            faces = [replace(faces[0], face_id=faces[1].face_id), replace(faces[1], face_id=faces[0].face_id)]
        return faces

    people = {"collins": FacePlace(160, 240, 80), "hopper": FacePlace(480, 240, 80)}
    score = judge(shoot(1.5, 10, lambda _: people), swapping)
    assert (score.switches, score.shared) == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("fps", "seconds", "size"), [(15, 1.5, 90), (15, 3.0, 60), (30, 1.5, 140)])
def test_no_id_switches_when_people_cross(tracker: Tracker, fps: float, seconds: float, size: float) -> None:
    score = judge(shoot(seconds + 1, fps, crossing(seconds, size=size)), tracker.track, skip_s=0.4)
    assert (score.switches, score.shared, score.false_faces, score.duplicates) == (0, 0, 0, 0)
    assert score.seen["hopper"] == 1.0
    assert score.seen["collins"] > 0.6  # she is behind for part of the way


@pytest.mark.slow
def test_no_id_switches_with_dropped_frames_or_when_people_meet(tracker: Tracker) -> None:
    dropped = np.random.default_rng(3).random(100) < 0.2
    score = judge(shoot(3, 15, crossing(2), keep=lambda index: not dropped[index]), tracker.track, skip_s=0.4)
    assert (score.switches, score.shared, score.false_faces, score.duplicates) == (0, 0, 0, 0)
    tracker.reset()
    score = judge(shoot(4, 15, meeting()), tracker.track)
    assert (score.switches, score.shared, score.false_faces, score.duplicates) == (0, 0, 0, 0)


def test_one_who_leaves_and_returns_keeps_the_id_within_max_lost_s(tracker: Tracker) -> None:
    def away(absence: float) -> tuple[str, ...]:
        tracker.reset()

        def where(time: float) -> dict[str, FacePlace]:
            return {} if 1.0 <= time < 1.0 + absence else {"collins": FacePlace(300, 240, 90)}

        return judge(shoot(2.0 + absence, 10, where), tracker.track).ids["collins"]

    assert len(away(1.0)) == 1
    assert len(away(2.5)) == 2


@pytest.mark.parametrize("gap_s", [0.0, 0.6])
def test_another_person_in_the_same_place_gets_another_id(tracker: Tracker, gap_s: float) -> None:
    def where(time: float) -> dict[str, FacePlace]:
        if time < 1.5:
            return {"collins": FacePlace(320, 240, 90)}
        return {} if time < 1.5 + gap_s else {"hopper": FacePlace(320, 240, 90)}

    seen: list[str] = []
    for shot in shoot(3.5, 15, where):
        seen += [face.face_id for face in tracker.track(shot.frame)]
    assert len(set(seen)) == 2
    assert seen[0] != seen[-1]


def test_a_block_that_passes_lowers_visibility_and_keeps_the_id(tracker: Tracker) -> None:
    low, ids = 1.0, set()

    def blocks(time: float) -> list[Block]:
        x = between(time, 0.8, 2.3, -150, 640)
        return [Block(x, 140, x + 130, 340)]

    for shot in shoot(3, 15, lambda _: {"collins": FacePlace(320, 240, 90)}, blocks):
        for face in tracker.track(shot.frame):
            ids.add(face.face_id)
            low = min(low, face.visibility.face)
    assert len(ids) == 1
    assert low < 0.6
    assert face.visibility.face > 0.9


@pytest.mark.parametrize(
    ("top", "bottom", "code"), [(-0.65, -0.22, 70), (-0.27, -0.02, 71), (0.1, 0.9, 72)], ids=["brows", "eyes", "mouth"]
)
def test_hidden_parts_are_told(tracker: Tracker, top: float, bottom: float, code: int) -> None:
    tracker.configure(AT_ONCE)
    for person in ("collins", "hopper"):
        tracker.reset()
        image = still((person, FacePlace(320, 240, 120)))
        (open_face,) = tracker.track(Frame(image, 0))
        assert visibility_codes(open_face.visibility) == ()
        cv2.rectangle(image, (240, int(240 + top * 120)), (400, int(240 + bottom * 120)), (90, 90, 90), -1)
        (hidden,) = tracker.track(Frame(image, 33_000_000))
        assert code in visibility_codes(hidden.visibility)
        assert hidden.visibility.face < 0.75 * open_face.visibility.face


def test_score_falls_with_blur_and_distance(tracker: Tracker) -> None:
    tracker.configure(AT_ONCE)
    near = tracker.track(Frame(still(("collins", FacePlace(320, 240, 90))), 0))[0].visibility.face
    tracker.reset()
    far = tracker.track(Frame(still(("collins", FacePlace(320, 240, 40))), 0))[0].visibility.face
    tracker.reset()
    blurred = cv2.GaussianBlur(still(("collins", FacePlace(320, 240, 90))), (0, 0), 6)
    faces = tracker.track(Frame(blurred, 0))
    assert near > 0.95
    assert far < 0.85
    assert not faces or faces[0].visibility.face < 0.5


def test_stamps_that_jump_back_start_anew_with_new_ids(tracker: Tracker) -> None:
    scene = [shot.frame for shot in shoot(0.6, 15, lambda _: {"collins": FacePlace(320, 240, 90)})]
    first = {face.face_id for frame in scene for face in tracker.track(frame)}
    before = tracker.statistics.resets
    second = {face.face_id for frame in scene for face in tracker.track(frame)}
    assert tracker.statistics.resets == before + 1
    assert len(first) == len(second) == 1
    assert not first & second
    assert next(iter(first)).isalnum()
    assert next(iter(first)).islower()


def test_same_frames_same_answer_to_the_last_digit() -> None:
    scene = [shot.frame for shot in shoot(2.0, 10, crossing(1.2, size=70))]
    runs = []
    for _ in range(2):
        tracker = make_tracker(SETTINGS)
        runs.append([tracker.track(frame) for frame in scene])
        tracker.close()
    assert sum(len(faces) for faces in runs[0]) > 20
    for one, two in zip(*runs, strict=True):
        assert [face.face_id for face in one] == [face.face_id for face in two]
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a.mesh, b.mesh)
            assert a.visibility == b.visibility


def test_ids_differ_over_restarts_without_a_seed() -> None:
    ids = set()
    for _ in range(2):
        tracker = make_tracker(TrackingSettings(confirm_hits=1, workers=1))
        ids.add(tracker.track(Frame(still(("hopper", FacePlace(320, 240, 120))), 0))[0].face_id)
        tracker.close()
    assert len(ids) == 2


def test_of_too_many_faces_the_nearest_stay_and_the_rest_is_counted(tracker: Tracker) -> None:
    tracker.configure(replace(AT_ONCE, max_faces=2))
    image = still(
        ("collins", FacePlace(100, 120, 60)),
        ("hopper", FacePlace(300, 240, 110)),
        ("collins", FacePlace(500, 240, 90)),
        ("hopper", FacePlace(560, 400, 60)),
    )
    faces = tracker.track(Frame(image, 0))
    assert sorted(round(float(face.mesh[:, 0].mean()) / 100) for face in faces) == [3, 5]
    assert tracker.statistics.faces_left_out == 2


def test_whose_place_a_nearer_face_takes_is_no_longer_followed(tracker: Tracker) -> None:
    tracker.configure(replace(SETTINGS, max_faces=1))
    far, near = FacePlace(160, 240, 60), FacePlace(450, 240, 120)
    shots = shoot(2.0, 15, lambda s: {"collins": far} | ({"hopper": near} if s >= 0.5 else {}))
    faces = [tracker.track(shot.frame) for shot in shots]
    assert all(len(one) == 1 for one in faces[2:]), "always one, never two, never none between them"
    where = [float(one[0].mesh[:, 0].mean()) for one in faces[2:]]
    came = next(index for index, x in enumerate(where) if x > 300)
    assert all(x < 300 for x in where[:came]) and all(x > 300 for x in where[came:]), "one change, no going to and fro"
    assert len({one[0].face_id for one in faces[2:]}) == 2


def test_fewer_faces_allowed_while_running_leave_the_nearest_at_once(tracker: Tracker) -> None:
    places = {"collins": FacePlace(160, 240, 60), "hopper": FacePlace(450, 240, 120)}
    frames = [shot.frame for shot in shoot(2.0, 15, lambda _: places)]
    for frame in frames[:10]:
        both = tracker.track(frame)
    assert len(both) == 2
    nearest = max(both, key=lambda face: face.mesh[:, 0].mean()).face_id
    tracker.configure(replace(SETTINGS, max_faces=1))
    assert [[face.face_id for face in tracker.track(frame)] for frame in frames[10:]] == [[nearest]] * len(frames[10:])


def test_persons_are_carried_corrected_and_forgotten(tracker: Tracker) -> None:
    frames = [shot.frame for shot in shoot(1.0, 10, lambda _: {"collins": FacePlace(320, 240, 90)})]
    for frame in frames[:4]:
        faces = tracker.track(frame)
    face_id = faces[0].face_id
    assert faces[0].subject_key == face_id
    tracker.set_person(face_id, "anna")
    assert tracker.track(frames[4])[0].person_id == "anna"
    tracker.set_person(face_id, "eva")
    assert tracker.track(frames[5])[0].subject_key == "eva"
    for number in range(1000):  # matches of faces that another camera sees
        tracker.set_person(f"elsewhere{number}", "anna")
    assert tracker.track(frames[6])[0].subject_key == "eva"
    tracker.clear_person(face_id)
    assert tracker.track(frames[7])[0].person_id == ""


def test_add_on_mode_uses_the_other_nodes_ids(tracker: Tracker) -> None:
    image = still(("collins", FacePlace(160, 240, 90)), ("hopper", FacePlace(480, 240, 90)))
    boxes = {
        "b_right": Region(435 / 640, 195 / 480, 525 / 640, 285 / 480),
        "a_left": Region(115 / 640, 195 / 480, 205 / 640, 285 / 480),
        "c_nobody": Region(0.45, 0.0, 0.55, 0.12),
    }
    for index in range(3):
        faces = tracker.track_regions(Frame(image, index * 33_000_000, index), boxes)
    assert [face.face_id for face in faces] == ["a_left", "b_right"]
    np.testing.assert_allclose([face.mesh[:, 0].mean() for face in faces], [160, 480], atol=4)
    faces = tracker.track_regions(Frame(image, 100_000_000, 3), {"b_right": boxes["b_right"]})
    assert [face.face_id for face in faces] == ["b_right"]
    assert tracker.statistics.live_tracks == 1
    tracker.set_person("a_left", "ada")
    tracker.configure(replace(tracker.settings, max_faces=1))
    wider = boxes | {"a_left": Region(0.15, 0.38, 0.35, 0.62)}
    faces = tracker.track_regions(Frame(image, 50_000_000, 4), wider)  # a stamp that jumps back
    assert [(face.face_id, face.person_id) for face in faces] == [("a_left", "ada")], "the widest, still ada"
    assert tracker.statistics.faces_left_out == 2


def test_landmarks_agree_with_facemesh(tracker: Tracker) -> None:
    FaceMesh = pytest.importorskip("mediapipe.python.solutions.face_mesh").FaceMesh

    image = np.ascontiguousarray(portrait("collins"))
    tracker.configure(AT_ONCE)
    with FaceMesh(max_num_faces=1, refine_landmarks=True) as reference:
        for index in range(5):
            (face,) = tracker.track(Frame(image, index * 33_000_000, index))
            answer = reference.process(image).multi_face_landmarks[0]
    expected = np.array([(point.x * 512, point.y * 512, point.z * 512) for point in answer.landmark])
    assert np.abs(face.mesh - expected).max() < 1.5  # a pixel and a half on a face of 100: both follow a moving region
    assert np.abs(face.mesh - expected).mean() < 0.4


def test_metric_place_with_a_camera(tracker: Tracker) -> None:
    tracker.configure(AT_ONCE)
    camera = CameraIntrinsics(640, 480, 600.0, 600.0, 320.0, 240.0)
    image = still(("collins", FacePlace(320, 240, 60)), ("hopper", FacePlace(500, 240, 120)))
    left, right = sorted(tracker.track(Frame(image, 0, camera=camera)), key=lambda face: float(face.mesh[0, 0]))
    assert left.pose.position_m is not None
    assert right.pose.position_m is not None
    assert left.pose.position_m[2] == pytest.approx(2 * right.pose.position_m[2], rel=0.12)
    assert 0.4 < right.pose.position_m[2] < 0.9  # a head of about 13 cm seen 120 px high and wide
    assert right.pose.position_m[0] == pytest.approx(right.pose.position_m[2] * (500 - 320) / 600, rel=0.1)
    assert np.linalg.det(right.pose.rotation) == pytest.approx(1, abs=1e-4)


def test_images_that_are_none_are_refused(tracker: Tracker) -> None:
    for wrong in (np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="image is"):
            tracker.track(Frame(wrong, 0))
    assert tracker.track(Frame(np.zeros((4, 6, 3), np.uint8), 0)) == ()
