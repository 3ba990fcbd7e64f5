# SPDX-License-Identifier: Apache-2.0
"""The converted detector against MediaPipe's own, and against plain references."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facial_coding_ros.image.sources import open_source
from facial_coding_ros.inference import InferenceSettings, ModelError, open_session
from facial_coding_ros.learning.tracking.scenes import FacePlace, background, paste
from facial_coding_ros.tracking.conversion.model_cache import made_models
from facial_coding_ros.tracking.conversion.networks import DETECTOR, LANDMARKS
from facial_coding_ros.tracking.conversion.wheel import wheel_folder
from facial_coding_ros.tracking.detector.boxes import decode
from facial_coding_ros.tracking.detector.detector_graph import convert_detector
from facial_coding_ros.tracking.detector.network import DetectorNetwork
from facial_coding_ros.tracking.mediapipe_graph import MediaPipeGraph
from facial_coding_ros.tracking.onnx_networks import open_detector
from facial_coding_ros.tracking.reference_answers import BOX_SHARE, SCORE, box_difference
from facial_coding_ros.tracking.regions import Detection, Square
from facial_coding_ros.tracking.tflite.reader import TfliteError
from facial_coding_ros.types import ImageArray

from ...conftest import CLIP

pytest.importorskip("onnx", reason="onnx converts the network")
pytest.importorskip("mediapipe", reason="its graph is the reference")
ONNX_RUNTIME = InferenceSettings(backend="onnxruntime")
LEAST = 0.5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DetectorNetwork]:
    network = open_detector(made_models(tmp_path_factory.mktemp("models")).detector, ONNX_RUNTIME)
    yield network
    network.close()


@pytest.fixture(scope="module")
def mediapipe_graph() -> Iterator[MediaPipeGraph]:
    graph = MediaPipeGraph(detection_score=LEAST - 3 * SCORE, workers=0)
    yield graph
    graph.close()


def around(image: ImageArray) -> Square:
    return Square.around(image.shape[1], image.shape[0])


def scenes() -> Iterator[ImageArray]:
    """Two portraits in 60 places and sizes, some of them beyond the edge, some alone."""
    rng = np.random.default_rng(5)
    for index in range(60):
        width, height = ((640, 480), (1280, 720), (480, 640))[index % 3]
        image = background(width, height).copy()
        for person in ("collins", "hopper")[: 1 + index % 2]:
            size = float(rng.uniform(0.12, 0.5)) * min(width, height)
            paste(image, person, FacePlace(float(rng.uniform(0, width)), float(rng.uniform(0, height)), size))
        yield image


def compare(
    network: DetectorNetwork, graph: MediaPipeGraph, images: Sequence[ImageArray], views: Sequence[Square] = ()
) -> int:
    """How many faces are at the same place and as sure in both; one that only just reaches the score may miss."""
    count = 0
    for number, (image, view) in enumerate(zip(images, views or map(around, images), strict=True)):
        ours = network.find(image, [view], LEAST - 3 * SCORE)
        theirs = graph.process(image, [], [view])[1]
        for one, others in [*((face, theirs) for face in ours), *((face, ours) for face in theirs)]:
            if one.score < LEAST - 2 * SCORE:
                continue
            nearest = min(others, key=lambda other: abs(other.centre - one.centre))
            assert box_difference(nearest, one) <= BOX_SHARE, (number, one, nearest)
            assert abs(nearest.score - one.score) <= SCORE, (number, one, nearest)
            assert np.abs(nearest.eyes - one.eyes).max() <= 2 * BOX_SHARE * one.width, (number, one, nearest)
            count += 1
    return count // 2


@pytest.mark.slow
def test_equal_to_mediapipes_own_on_the_demo_clip_and_scenes(
    network: DetectorNetwork, mediapipe_graph: MediaPipeGraph
) -> None:
    frames = [frame.image for frame in open_source(CLIP).frames()][::9]
    assert compare(network, mediapipe_graph, frames) == 2 * len(frames) == 100
    assert compare(network, mediapipe_graph, list(scenes())) > 70


@pytest.mark.slow
def test_equal_to_mediapipes_own_on_portraits_and_clips(
    network: DetectorNetwork, mediapipe_graph: MediaPipeGraph, shared: Path
) -> None:
    portraits = [cv2.imread(str(path)) for path in sorted((shared / "data" / "portraits").glob("*.jpg"))]
    images = [np.ascontiguousarray(image[:, :, ::-1]) for image in portraits[::2]]
    assert compare(network, mediapipe_graph, images) >= len(images) > 40
    frames = [frame.image for frame in open_source(shared / "data" / "clips" / "smile.mov").frames()][::4]
    assert compare(network, mediapipe_graph, frames) >= len(frames) > 30


def test_parts_of_an_image_as_mediapipe_sees_them(network: DetectorNetwork, mediapipe_graph: MediaPipeGraph) -> None:
    image = background(1280, 720).copy()
    paste(image, "collins", FacePlace(200, 300, 90))
    paste(image, "hopper", FacePlace(1000, 400, 90))
    views = [Square(360, 360, 720), Square(920, 360, 720), Square(180, 300, 360)]
    assert compare(network, mediapipe_graph, [image] * 3, views) >= 3


def test_all_views_in_one_batch_answer_as_one_by_one(network: DetectorNetwork) -> None:
    """Whole, part, shrunk and turned; more than a batch holds too."""
    image = next(iter(open_source(CLIP).frames())).image
    whole = around(image)
    views = [whole, Square(270, 270, 540), replace(whole, side=1.6 * whole.side), replace(whole, angle=0.4)]
    together = network.find(image, views, LEAST)
    alone = [face for view in views for face in network.find(image, [view], LEAST)]
    assert len(together) == len(alone) == 7
    for one, other in zip(together, alone, strict=True):
        assert box_difference(one, other) < 1e-4 and abs(one.score - other.score) < 1e-4
    small = DetectorNetwork(network.session, max_views=3)
    assert len(small.find(image, views, LEAST)) == 7
    assert network.find(image, [], LEAST) == []


def test_turned_views_find_turned_heads_where_they_are(network: DetectorNetwork) -> None:
    """A head on its side is not seen upright; in a view turned with it, it is, and its eyes lie one above the other."""
    upright = background(640, 640).copy()
    paste(upright, "collins", FacePlace(400, 250, 120))
    lying = np.ascontiguousarray(np.rot90(upright, -1))  # a quarter clockwise: (x, y) -> (639 - y, x)
    view = Square(320, 320, 640)
    (standing,) = network.find(upright, [view], LEAST)
    (found,) = network.find(lying, [replace(view, angle=np.pi / 2)], LEAST)
    assert abs(found.centre - complex(640 - standing.centre.imag, standing.centre.real)) < 3
    expected = np.stack([640 - standing.eyes[:, 1], standing.eyes[:, 0]], axis=1)
    np.testing.assert_allclose(found.eyes, expected, atol=3)
    assert abs(found.square.angle - standing.square.angle - np.pi / 2) < 0.05


def test_nothing_grows_from_image_to_image(network: DetectorNetwork) -> None:
    image = next(iter(open_source(CLIP).frames())).image
    network.find(image, [around(image)], LEAST)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        network.find(image, [around(image)], LEAST)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 5000 and peak - before < 60_000  # a crop alone would be 110 KB


def test_decoding_and_suppression_by_hand() -> None:
    """Two overlapping cells become one face at their mean by score; a third, elsewhere, stays."""
    boxes, logits = np.zeros((16, 48, 48), np.float32), np.full((1, 48, 48), -9, np.float32)
    boxes[:4, 10, 10] = (2, 0, 40, 40)  # centre 44, 42
    boxes[:4, 10, 11] = (4, 0, 40, 40)  # centre 50, 42
    boxes[:4, 40, 40] = (0, 0, 20, 30)
    boxes[4:6, 10, 10] = boxes[4:6, 10, 11] = (-8, -6)  # right eye
    logits[0, 10, 10], logits[0, 10, 11], logits[0, 40, 40] = 2.0, 1.0, 0.5
    places, scores = decode(boxes, logits, 0.6)
    a, b, c = (1 / (1 + np.exp(-x)) for x in (2.0, 1.0, 0.5))
    np.testing.assert_allclose(scores, [a, c], rtol=1e-6)
    middle = (44 * a + 50 * b) / (a + b)
    np.testing.assert_allclose(places[0, :4], [middle - 20, 22, middle + 20, 62], rtol=1e-5)
    np.testing.assert_allclose(places[0, 4:6], [((42 - 8) * a + (46 - 8) * b) / (a + b), 36], rtol=1e-5)
    np.testing.assert_allclose(places[1, :4], [152, 147, 172, 177], rtol=1e-6)
    assert len(decode(boxes, logits, 0.7)[1]) == 1
    assert [len(part) for part in decode(boxes, logits, 0.95)] == [0, 0]
    boxes[2:4] = 0  # without size: nothing overlaps, and nothing hangs
    assert len(decode(boxes, logits, 0.6)[1]) == 3


@pytest.mark.slow
def test_other_models_and_files_are_refused(tmp_path: Path) -> None:
    models = made_models(tmp_path)
    with pytest.raises(ModelError, match=r"takes faces \(n, 192, 192, 3\) uint8; expected: views"):
        DetectorNetwork(open_session(models.landmarks, ONNX_RUNTIME))
    wheel = wheel_folder()
    assert wheel is not None
    whole = (wheel / DETECTOR.source).read_bytes()
    with pytest.raises(TfliteError, match="damaged"):
        convert_detector(whole[: len(whole) // 2])
    with pytest.raises(TfliteError, match="not the full-range face detector"):
        convert_detector((wheel / LANDMARKS.source).read_bytes())


def test_boxes_are_of_the_person_whose_eyes_they_hold(network: DetectorNetwork) -> None:
    image = next(iter(open_source(CLIP).frames())).image
    for face in network.find(image, [around(image)], LEAST):
        assert isinstance(face, Detection)
        (x0, y0), (x1, y1) = face.eyes
        assert face.xmin < x0 < x1 < face.xmin + face.width
        assert face.ymin < min(y0, y1) < max(y0, y1) < face.ymin + face.height
