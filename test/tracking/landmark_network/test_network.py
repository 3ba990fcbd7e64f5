# SPDX-License-Identifier: Apache-2.0
"""The converted landmark network against MediaPipe's own graph, on the same squares of the same images."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.inference import InferenceSettings, ModelError, open_session
from facial_coding_ros.models import share_folder
from facial_coding_ros.tracking.conversion.model_cache import made_models
from facial_coding_ros.tracking.landmark_network.converter import FEATURE_COUNT, SIDE, convert_landmark_network
from facial_coding_ros.tracking.landmark_network.network import LandmarkNetwork, crop
from facial_coding_ros.tracking.mediapipe_graph import MediaPipeGraph
from facial_coding_ros.tracking.onnx_networks import open_landmarks
from facial_coding_ros.tracking.regions import LOGIT_SCALE, MIDDLE_LOGIT, Square, square_to_image
from facial_coding_ros.tracking.tflite.reader import TfliteError, read_tflite
from facial_coding_ros.types import FloatArray, ImageArray

from ...inference.test_session import write_model

pytestmark = pytest.mark.slow  # as a whole

pytest.importorskip("onnx", reason="onnx converts the network; `standalone/setup training`")
pytest.importorskip("mediapipe", reason="its graph is the reference")
ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")
FACE_PX = 190


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def network(folder: Path) -> LandmarkNetwork:
    return open_landmarks(made_models(folder).landmarks, ONNX_RUNTIME)[0]


@pytest.fixture(scope="module")
def mediapipe_graph() -> Iterator[MediaPipeGraph]:
    graph = MediaPipeGraph(workers=1)
    yield graph
    graph.close()


def rows(squares: list[Square]) -> FloatArray:
    return np.array([[s.x, s.y, s.side, s.angle] for s in squares], np.float32)


@pytest.fixture(scope="module")
def frames(mediapipe_graph: MediaPipeGraph) -> list[tuple[ImageArray, list[Square]]]:
    """Every 40th frame of the demo clip with squares: as detected, turned, off centre, and beyond the image's edge."""
    clip = cv2.VideoCapture(str(share_folder("demo") / "two_people.mp4"))
    found = []
    for index in range(int(clip.get(cv2.CAP_PROP_FRAME_COUNT))):
        read, frame = clip.read()
        if not read or index % 40:
            continue
        image = np.ascontiguousarray(frame[:, :, ::-1])
        squares = [
            d.square for d in mediapipe_graph.process(image, [], [Square.around(image.shape[1], image.shape[0])])[1]
        ]
        varied = [
            Square(s.x + dx * s.side, s.y, s.side * size, s.angle + turn)
            for s in squares
            for dx, size, turn in ((0, 1, 0), (0.05, 1.1, 0.4), (-0.05, 0.9, -0.7), (0.02, 1.6, 0.1))
        ]
        found.append((image, varied))
    assert sum(len(squares) for _, squares in found) >= 24
    return found


@pytest.mark.parametrize("crops", ["as MediaPipe", "as they are"])
def test_equal_to_mediapipes_own_graph(
    crops: str,
    network: LandmarkNetwork,
    mediapipe_graph: MediaPipeGraph,
    frames: list[tuple[ImageArray, list[Square]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the same crops the network is MediaPipe's; ours may be nearer to the truth, which moves points a little."""
    if crops == "as MediaPipe":
        monkeypatch.setattr(cv2.ipp, "setUseIPP_NotExact", lambda _leave: None)
    means, worst, depths, presences = [], [], [], []
    for image, squares in frames:
        meshes, presence, _ = network.locate(image, rows(squares))
        theirs, _ = mediapipe_graph.process(image, squares)
        for mesh, logit, landmarks in zip(meshes, presence, theirs, strict=True):
            assert landmarks is not None
            scale = FACE_PX / np.ptp(landmarks.mesh[:, 0])
            apart = np.linalg.norm(mesh[:, :2] - landmarks.mesh[:, :2], axis=1) * scale
            means.append(apart.mean())
            worst.append(apart.max())
            depths.append(np.abs(mesh[:, 2] - landmarks.mesh[:, 2]).mean() * scale)
            # The tracker's probability goes back to the logit it came from.
            odds = landmarks.presence / (1 - landmarks.presence)
            presences.append(abs(logit - (MIDDLE_LOGIT + LOGIT_SCALE * np.log(odds))))
    # 0.3 px in the mean are asked for. What is there comes from the crop's interpolation; it is largest in the refined
    # eyes of faces that lie askew in a tight square.
    if crops == "as MediaPipe":
        assert np.mean(means) < 0.05 and max(means) < 0.2
        assert max(worst) < 1 and max(depths) < 0.2
        assert max(presences) < 0.5
    else:
        assert np.mean(means) < 0.3


def test_crops_are_true_interpolations(frames: list[tuple[ImageArray, list[Square]]]) -> None:
    """Within rounding where OpenCV has IPP; its own code counts in 1/32 pixels."""
    allowed = 0.51 if cv2.ipp.useIPP() else 8.0
    image, squares = frames[0]
    height, width = image.shape[:2]
    y, x = np.mgrid[:SIDE, :SIDE]
    for row in rows(squares):
        (a, b, c), (d, e, f) = square_to_image(row, SIDE)
        across, down = a * x + b * y + c, d * x + e * y + f
        left, top = np.floor(across).astype(int), np.floor(down).astype(int)
        near_x, near_y = (across - left)[..., None], (down - top)[..., None]
        expected = np.zeros((SIDE, SIDE, 3))
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            share = (near_x if dx else 1 - near_x) * (near_y if dy else 1 - near_y)
            expected += share * image[np.clip(top + dy, 0, height - 1), np.clip(left + dx, 0, width - 1)]
        found = crop(image, row, np.empty((SIDE, SIDE, 3), np.uint8))
        assert np.abs(found - expected).max() <= allowed
    assert not cv2.ipp.useIPP_NotExact()


def test_a_batch_is_as_its_faces_one_by_one(
    network: LandmarkNetwork, frames: list[tuple[ImageArray, list[Square]]]
) -> None:
    image, squares = frames[0]
    together, presence, features = network.locate(image, rows(squares[:4]))
    for index in range(4):
        mesh, logit, own = network.locate(image, rows(squares[index : index + 1]))
        np.testing.assert_allclose(together[index], mesh[0], atol=2e-3)
        np.testing.assert_allclose(presence[index], logit[0], atol=2e-3)
        np.testing.assert_allclose(features[index], own[0], atol=2e-3)
    assert features.shape == (4, FEATURE_COUNT)
    assert np.abs(features[0] - features[1]).max() > 1  # of different faces


def test_more_faces_than_a_batch_holds(network: LandmarkNetwork, frames: list[tuple[ImageArray, list[Square]]]) -> None:
    image, squares = frames[0]
    small = LandmarkNetwork(network.session, max_faces=3)
    meshes, *_ = small.locate(image, rows(squares))
    np.testing.assert_allclose(meshes, network.locate(image, rows(squares))[0], atol=2e-3)
    assert small.locate(image, np.empty((0, 4), np.float32))[0].shape == (0, 478, 3)


def test_from_the_first_image_on_nothing_but_the_answers_is_allocated(
    folder: Path, frames: list[tuple[ImageArray, list[Square]]]
) -> None:
    image, squares = frames[0]
    (network,) = open_landmarks(made_models(folder).landmarks, ONNX_RUNTIME)
    for count in (8, 3, 1):
        some = rows((squares * 2)[:count])
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            meshes, presence, features = network.locate(image, some)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # Python's own small change; a crop alone would be 110 KB, and its floats 442 KB.
        assert peak - before < meshes.nbytes + presence.nbytes + features.nbytes + 3000
    network.close()


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"takes x \(n, 3\); expected: faces \(n, 192, 192, 3\) uint8"):
        LandmarkNetwork(open_session(write_model(tmp_path), ONNX_RUNTIME))


def mediapipe_file(name: str) -> bytes:
    import mediapipe

    return (Path(mediapipe.__file__).parent / "modules" / name).read_bytes()


def test_damaged_and_foreign_files_are_refused() -> None:
    whole = mediapipe_file("face_landmark/face_landmark_with_attention.tflite")
    assert len(read_tflite(whole).operations) == 712
    with pytest.raises(TfliteError, match="TFL3 is not its mark"):
        read_tflite(b"PK\x03\x04" + bytes(100))
    with pytest.raises(TfliteError, match="damaged"):
        read_tflite(whole[: len(whole) // 2])
    with pytest.raises(TfliteError, match="not the landmark network"):
        convert_landmark_network(mediapipe_file("face_detection/face_detection_short_range.tflite"), [], [])
