# SPDX-License-Identifier: Apache-2.0
"""Parts of the tracker: pose, smoothing, task files, ids, and the recordings of real people."""

from __future__ import annotations

import gc
import json
import os
import weakref
import zipfile
from functools import partial
from itertools import islice, permutations
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.linalg import subspace_angles

from facial_coding_ros.command_line import run_command
from facial_coding_ros.face_model.ict import IctFaces, turned
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.learning.studies import shape as shape_study
from facial_coding_ros.learning.tracking.shape_learning import ShapeViews, distances, fit_shape
from facial_coding_ros.tracking import TrackingSettings, make_tracker
from facial_coding_ros.tracking.mediapipe_graph import MediaPipeGraph
from facial_coding_ros.tracking.pose import FRONTAL_PITCH_DEG, PoseEstimator
from facial_coding_ros.tracking.shape import DIRECTIONS, Shape, ShapeMemory, ShapeReader
from facial_coding_ros.tracking.smoothing import OneEuroFilter
from facial_coding_ros.tracking.tracks import ANOTHER, FaceIds
from facial_coding_ros.types import SURFACE_POINTS, CameraIntrinsics, Face, Frame

from ..conftest import CLIP


@pytest.fixture(scope="module")
def faces() -> IctFaces:
    return IctFaces.load()


def as_mesh(points: np.ndarray, size: float = 60.0, x: float = 300.0, y: float = 200.0) -> np.ndarray:
    """Points (468, 3) in eye distances as a mesh (478, 3) in pixels."""
    mesh = np.zeros((478, 3), np.float32)
    mesh[:468] = points * size
    return mesh + np.array([x, y, 0], np.float32)


@pytest.mark.parametrize(
    "turn", [(0, 0, 0), (25, 0, 0), (-25, 0, 0), (0, 15, 0), (0, -15, 0), (0, 0, 20), (20, -10, 15)]
)
def test_pose_of_turned_faces(faces: IctFaces, turn: tuple[float, float, float]) -> None:
    estimator = PoseEstimator(faces)
    frontal = turned(faces.neutral, 0, -FRONTAL_PITCH_DEG, 0)
    (pose,) = estimator.poses(as_mesh(turned(frontal, *turn)).T[None])
    np.testing.assert_allclose((pose.yaw_deg, pose.pitch_deg, pose.roll_deg), turn, atol=0.05)
    # The nose points where the head is turned to: yaw > 0 to the image's right, pitch > 0 up.
    nose = pose.rotation @ (0, 0, 1)
    if turn[0]:
        assert np.sign(nose[0]) == np.sign(turn[0])
    if turn[1]:
        assert np.sign(nose[1]) == -np.sign(turn[1])
    assert nose[2] < 0


def test_place_of_a_face_in_front_of_a_pinhole_camera(faces: IctFaces) -> None:
    estimator = PoseEstimator(faces)
    camera = CameraIntrinsics(640, 480, 600.0, 600.0, 320.0, 240.0)
    metres = turned(faces.neutral, 0, -FRONTAL_PITCH_DEG, 0) * faces.eye_distance_cm / 100
    for place in ((0.0, 0.0, 1.0), (0.3, -0.1, 1.0), (-0.4, 0.2, 1.5)):
        points = metres + np.array(place, np.float32)
        mesh = np.zeros((478, 3), np.float32)
        mesh[:468, :2] = points[:, :2] / points[:, 2:] * 600 + (320, 240)
        mesh[:468, 2] = (points[:, 2] - place[2]) * 600 / place[2]
        position = estimator.poses(mesh.T[None], camera)[0].position_m
        assert position is not None
        np.testing.assert_allclose(position, points[168], rtol=0.03, atol=0.025)


@pytest.mark.slow
def test_shape_tells_people_apart_but_not_their_expressions(faces: IctFaces) -> None:
    """Two portraits that are animated with action units and turn their heads, as the tracker sees them."""
    reader, tracker = ShapeReader(PoseEstimator(faces)), make_tracker(TrackingSettings(id_seed=1))
    seen: dict[str, list[Shape]] = {}
    for frame in islice(open_source(CLIP).frames(), 0, None, 3):
        for face in tracker.track(frame):
            seen.setdefault(face.face_id, []).append(reader(face.mesh))
    tracker.close()
    assert len(seen) == 2 and min(map(len, seen.values())) > 100
    for one, other in permutations(seen):
        memory = ShapeMemory()
        for shape in seen[one][:8]:
            memory.add(shape)
        own = [memory.unlikeness(shape) for shape in seen[one]]
        foreign = [memory.unlikeness(shape) for shape in seen[other]]
        assert np.quantile(own, 0.97) < 1 and max(own) < ANOTHER
        assert np.median(foreign) > ANOTHER and min(foreign) > max(own)


def test_learnt_directions_are_fishers() -> None:
    """Against scikit-learn's discriminant analysis, on people of 30 numbers of their own and loud expressions."""
    discriminant_analysis = pytest.importorskip("sklearn.discriminant_analysis", reason="training's packages")
    rng = np.random.default_rng(0)
    people, views = 200, 12
    mixing = np.linalg.qr(rng.normal(size=(3 * SURFACE_POINTS, 40)))[0]
    own = np.repeat(rng.normal(size=(people, 30)) * np.linspace(3, 0.5, 30), views, 0)
    changing = np.concatenate([rng.normal(0, 0.5, (people * views, 30)), rng.normal(0, 5, (people * views, 10))], 1)
    numbers = np.pad(own, ((0, 0), (0, 10))) + changing
    person = np.repeat(np.arange(people), views)
    angles_deg = np.zeros((len(person), 2), np.float32)
    mean, directions = fit_shape(ShapeViews((numbers @ mixing.T).astype(np.float32), angles_deg, person))
    theirs = discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen", n_components=DIRECTIONS)
    theirs.fit(numbers, person)
    assert subspace_angles(mixing.T @ directions, theirs.scalings_[:, :DIRECTIONS]).max() < 0.05
    shapes = (numbers @ mixing.T - mean) @ directions
    same, foreign = distances(shapes, ShapeViews(numbers, angles_deg, person), others=5)
    assert np.quantile(same, 0.97) == pytest.approx(1, abs=0.02) and np.quantile(foreign, 0.05) > 1.5


def test_smoothing_calms_noise_and_does_not_lag() -> None:
    rng = np.random.default_rng(0)
    settings = TrackingSettings()
    filtered = OneEuroFilter(settings.smoothing_min_cutoff_hz, settings.smoothing_beta)
    size, noise, rate = 90.0, 0.2, 30
    still = np.zeros((478, 3), np.float32)
    out = []
    for index in range(60):
        seen = still + rng.normal(0, noise, still.shape).astype(np.float32)
        out.append(filtered(seen, round(index * 1e9 / rate), size))
    assert np.diff(out[20:], axis=0).std() < 0.5 * noise * np.sqrt(2)
    filtered = OneEuroFilter(settings.smoothing_min_cutoff_hz, settings.smoothing_beta)
    speed = 300.0  # pixels a second, a brisk turn of the head
    for index in range(30):
        place = still + np.array([speed * index / rate, 0, 0], np.float32)
        lag = place - filtered(place, round(index * 1e9 / rate), size)
    assert abs(lag[:, 0]).max() / speed < 0.004  # seconds


def test_smoothing_starts_anew_after_a_gap_and_can_be_off() -> None:
    filtered = OneEuroFilter(1.0, 0.0)
    zero, one = np.zeros((478, 3), np.float32), np.ones((478, 3), np.float32)
    filtered(zero, 0, 90.0)
    assert 0 < filtered(one, 33_000_000, 90.0)[0, 0] < 1
    assert filtered(one, 5_000_000_000, 90.0)[0, 0] == 1


def test_ids_are_names_and_never_repeat() -> None:
    ids = FaceIds(7)
    many = [ids.new() for _ in range(50_000)]
    assert len(set(many)) == len(many)
    assert all(len(one) == 6 and one.isalpha() and one.islower() for one in many[:100])
    assert many[:3] == [one for again in [FaceIds(7)] for one in (again.new(), again.new(), again.new())]
    assert many[0] != FaceIds(8).new()


def test_a_closed_graph_is_freed() -> None:
    """Threads and 20 MiB each, whenever a robot's node is configured anew."""
    pytest.importorskip("mediapipe")
    graph = MediaPipeGraph(workers=0)
    alive = weakref.ref(graph)
    graph.close()
    del graph
    gc.collect()
    assert alive() is None


@pytest.mark.skipif(not os.environ.get("FACE_LANDMARKER_TASK"), reason="FACE_LANDMARKER_TASK names no task file")
def test_a_real_task_file() -> None:
    """Both people of the demo clip, one id each, where our own graph sees them, with their blendshapes."""
    task_file = os.environ["FACE_LANDMARKER_TASK"]
    ours, theirs = (
        make_tracker(settings)
        for settings in (
            TrackingSettings(id_seed=1, landmark_backend="tasks", task_file=task_file),
            TrackingSettings(id_seed=1),
        )
    )
    ids: set[str] = set()
    smiles, apart, both = [], [], 0
    for frame in open_source(CLIP).frames():
        faces, same = ours.track(frame), theirs.track(frame)
        ids.update(face.face_id for face in faces)
        if len(faces) == len(same) == 2:
            both += 1
            pairs = zip(*(sorted(some, key=lambda face: face.region.xmin) for some in (faces, same)), strict=True)
            apart += [
                np.linalg.norm(a.mesh[:, :2] - b.mesh[:, :2], axis=1).mean() / np.ptp(b.mesh[:, 0]) for a, b in pairs
            ]
        for face in faces:
            assert face.blendshapes is not None and face.blendshapes.shape == (52,)
            smiles.append(float(face.blendshapes[44:46].mean()))  # mouthSmileLeft, mouthSmileRight
    ours.close()
    theirs.close()
    assert len(ids) == 2 and both > 400
    assert np.mean(apart) < 0.02 and max(apart) < 0.06
    assert min(smiles) < 0.1 and max(smiles) > 0.4


def test_task_files_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")

    def refusal(path: str, error: type[Exception]) -> str:
        with pytest.raises(error) as caught:
            make_tracker(TrackingSettings(landmark_backend="tasks", task_file=path))
        text = str(caught.value)
        assert "\n" not in text
        assert "https://" in text
        return text

    assert "not set" in refusal("", FileNotFoundError)
    assert "nothing.task" in refusal(str(tmp_path / "nothing.task"), FileNotFoundError)
    (tmp_path / "text.task").write_text("no bundle")
    assert "no FaceLandmarker bundle" in refusal(str(tmp_path / "text.task"), ValueError)
    with zipfile.ZipFile(tmp_path / "half.task", "w") as bundle:
        bundle.writestr("face_detector.tflite", b"x")
    assert "lacks face_landmarks_detector.tflite" in refusal(str(tmp_path / "half.task"), ValueError)
    with zipfile.ZipFile(tmp_path / "broken.task", "w") as bundle:
        bundle.writestr("face_detector.tflite", b"x")
        bundle.writestr("face_landmarks_detector.tflite", b"x")
    assert "cannot be loaded" in refusal(str(tmp_path / "broken.task"), ValueError)


@pytest.mark.parametrize("network", ["face_landmark.tflite", "face_landmark_with_attention.tflite"])
def test_a_bundle_put_together_from_the_wheel_is_not_trusted(tmp_path: Path, network: str) -> None:
    """Its networks load, but their answers are not those of the landmarker's."""
    mediapipe = pytest.importorskip("mediapipe")
    from skimage import data

    modules = Path(mediapipe.__file__).parent / "modules"
    with zipfile.ZipFile(tmp_path / "made.task", "w") as bundle:
        bundle.write(modules / "face_detection" / "face_detection_short_range.tflite", "face_detector.tflite")
        bundle.write(modules / "face_landmark" / network, "face_landmarks_detector.tflite")
    with pytest.raises(ValueError, match="download"):
        tracker = make_tracker(TrackingSettings(landmark_backend="tasks", task_file=str(tmp_path / "made.task")))
        for index in range(3):
            tracker.track(Frame(data.astronaut(), index * 33_000_000, index))


def faces_of(path: Path, every: int = 1, **settings: object) -> list[tuple[Face, ...]]:
    video = cv2.VideoCapture(str(path))
    rate = video.get(cv2.CAP_PROP_FPS)
    tracker = make_tracker(TrackingSettings(id_seed=1, **settings))
    answers = []
    index = 0
    while True:
        there, image = video.read()
        if not there:
            break
        if index % every == 0:
            frame = Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), round(index * 1e9 / rate), index)
            answers.append(tracker.track(frame))
        index += 1
    tracker.close()
    assert answers
    return answers


def test_two_people_turning_their_heads(shared: Path) -> None:
    answers = faces_of(shared / "data/clips/head-pose-face-detection-female-and-male.gif")
    assert all(len(faces) == 2 for faces in answers[2:])
    assert len({face.face_id for faces in answers for face in faces}) == 2
    woman = min(answers[-1], key=lambda face: float(face.mesh[0, 0]))
    man = max(answers[-1], key=lambda face: float(face.mesh[0, 0]))
    assert woman.pose.yaw_deg < -20  # she looks to her right, the image's left
    assert man.pose.roll_deg < -25  # both tilt to their right shoulder
    assert woman.pose.roll_deg < -25


@pytest.mark.slow
def test_nothing_is_reported_where_nobody_is(shared: Path) -> None:
    assert not any(faces_of(shared / "data/clips/no_face.mp4"))
    answers = faces_of(shared / "data/clips/noface_face.mov")
    first = next(index for index, faces in enumerate(answers) if faces)
    assert not any(answers[:95])
    assert 95 <= first <= 110
    assert sum(len(faces) == 1 for faces in answers[first:]) >= len(answers) - first - 1  # the last frame shows nobody
    assert len({face.face_id for faces in answers[first:] for face in faces}) == 1


@pytest.mark.slow
def test_study_of_shape_on_a_rendered_set(tmp_path: Path, faces: IctFaces, capsys: pytest.CaptureFixture[str]) -> None:
    """24 people in six views each, in a set's form; the shapes are ICT's own, so they are easily told apart."""
    study = partial(run_command, "shape", "", shape_study.add_arguments, shape_study.run)
    assert study([str(tmp_path)]) == 1
    assert "facial_coding synthesize" in capsys.readouterr().err
    rng = np.random.default_rng(0)
    people, views = 24, 6
    meshes = [
        as_mesh(turned(person + rng.normal(0, 0.002, person.shape), *rng.uniform(-15, 15, 3)))
        for person in faces.people(people, rng)
        for _ in range(views)
    ]
    meshes[0][:] = np.nan
    tracked = np.arange(people * views) > 0
    arrays = {"mesh": np.array(meshes), "tracked": tracked, "person": np.repeat(np.arange(people), views)}
    np.savez(tmp_path / "chunk_0000.npz", **arrays)  # type: ignore[arg-type]
    assert study([str(tmp_path), "--out", str(tmp_path / "shape.json")]) == 0
    content = json.loads((tmp_path / "shape.json").read_text())
    assert content["people"] == people and content["views"] == people * views - 1
    assert content["own_median"] < 1 < content["others_median"] and content["others_within_limit"] < 0.2
    few = {name: values[: 3 * views] for name, values in arrays.items()}
    np.savez(tmp_path / "chunk_0000.npz", **few)  # type: ignore[arg-type]
    assert study([str(tmp_path)]) == 1 and "at least 8 are needed" in capsys.readouterr().err
