# SPDX-License-Identifier: Apache-2.0
"""The search for new faces beside the following of known ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.inference import InferenceSettings
from facial_coding_ros.learning.tracking.scenes import FacePlace, background, between, paste, shoot
from facial_coding_ros.tracking import TrackingSettings
from facial_coding_ros.tracking.beside import MOST_VIEWS
from facial_coding_ros.tracking.conversion.model_cache import tracker_models
from facial_coding_ros.tracking.onnx_networks import OnnxNetworks
from facial_coding_ros.tracking.pose import PoseEstimator
from facial_coding_ros.tracking.regions import Detection, Landmarks, Square
from facial_coding_ros.tracking.shape import ShapeReader
from facial_coding_ros.tracking.tracker import FaceTracker
from facial_coding_ros.types import Face, Frame, ImageArray

SETTINGS = TrackingSettings(id_seed=1, confirm_hits=1)
STEP_NS = 33_333_333


class Found(Future[list[Detection]]):
    """Comes when it comes: `at_once`, or only when somebody waits for it."""

    def __init__(self, networks: OnnxNetworks, image: ImageArray, views: Sequence[Square], at_once: bool) -> None:
        super().__init__()
        self._find = lambda: networks.begin_search(image.copy(), views).result()
        if at_once:
            self.set_result(self._find())

    def result(self, timeout: float | None = None) -> list[Detection]:
        if not self.done():
            self.set_result(self._find())
        return super().result(timeout)


class Searcher:
    """A backend whose searches are seen, and whose answers come as they are told to."""

    detects_always, turned_views, shape_spread, landmark_network, backend = False, True, 1.0, "", "for a test"

    def __init__(self, networks: OnnxNetworks) -> None:
        self.networks = networks
        self.at_once = True
        self.at_once_searches = 0

    def process(
        self, image: ImageArray, squares: Sequence[Square], views: Sequence[Square] = ()
    ) -> tuple[list[Landmarks | None], list[Detection]]:
        self.at_once_searches += bool(views)
        return self.networks.process(image, squares, views)

    def close(self) -> None: ...


class BesideSearcher(Searcher):
    beside_searches = 0
    views: Sequence[Sequence[Square]] = ()
    """Of each search beside."""

    def begin_search(self, image: ImageArray, views: Sequence[Square]) -> Future[list[Detection]]:
        self.beside_searches += 1
        self.views = [*self.views, views]
        return Found(self.networks, image, views, self.at_once)


@pytest.fixture(scope="module")
def networks() -> Iterator[OnnxNetworks]:
    networks = OnnxNetworks(tracker_models(), InferenceSettings(backend="onnxruntime"))
    yield networks
    networks.close()


def tracker_on(source: Any, settings: TrackingSettings = SETTINGS) -> FaceTracker:
    pose = PoseEstimator(IctFaces.load())
    return FaceTracker(settings, source, pose, ShapeReader(pose))


def arrival(seconds: float = 1.6, fps: float = 30) -> list[Frame]:
    """One person all the time, a second one from 0.7 s on, who walks in."""

    def where(time: float) -> dict[str, FacePlace]:
        people = {"collins": FacePlace(160, 240, 90)}
        if time >= 0.7:
            people["hopper"] = FacePlace(between(time, 0.7, 2.0, 560, 420), 220, 100)
        return people

    return [shot.frame for shot in shoot(seconds, fps, where)]


def assert_same(one: Sequence[tuple[Face, ...]], two: Sequence[tuple[Face, ...]]) -> None:
    assert [[face.face_id for face in faces] for faces in one] == [[face.face_id for face in faces] for faces in two]
    for a, b in zip(one, two, strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left.mesh, right.mesh)


def test_a_newcomer_comes_one_frame_later_than_with_a_search_at_once(networks: OnnxNetworks) -> None:
    frames, first = arrival(), []
    for kind in (Searcher, BesideSearcher):
        source = kind(networks)
        tracker = tracker_on(source)
        counts = [len(tracker.track(frame)) for frame in frames]
        assert counts[0] == 1 and counts[-1] == 2 and max(counts) == 2
        first.append(counts.index(2))
        if isinstance(source, BesideSearcher):
            # The first image, on which nobody is followed yet, is searched at once, all others beside.
            assert source.at_once_searches == 1 and source.beside_searches >= 3
    assert first[1] == first[0] + 1


def test_the_numbers_do_not_depend_on_when_an_answer_comes(networks: OnnxNetworks) -> None:
    seen = []
    for at_once in (True, False):
        source = BesideSearcher(networks)
        source.at_once = at_once
        tracker = tracker_on(source)
        seen.append([tracker.track(frame) for frame in arrival()])
    assert_same(*seen)
    # The real thing; and whoever gives an image may write the next one into the same memory.
    tracker = tracker_on(networks)
    buffer = np.empty_like(arrival(0.1)[0].image)
    again = []
    for frame in arrival():
        buffer[...] = frame.image
        again.append(tracker.track(replace(frame, image=buffer)))
        buffer[...] = 0
    assert_same(seen[0], again)


def test_a_search_of_many_views_is_shared_out_over_frames(networks: OnnxNetworks) -> None:
    """With tiles: no frame waits for more than three views, all are seen, and the numbers are as with one of them."""
    settings, seen = replace(SETTINGS, tiles=True), []
    for at_once in (True, False):
        source = BesideSearcher(networks)
        source.at_once = at_once
        tracker = tracker_on(source, settings)
        seen.append([tracker.track(frame) for frame in arrival()])
        assert len(seen[-1][-1]) == 2
        assert max(map(len, source.views)) == MOST_VIEWS == 3
        whole_search = [view for views in source.views[:5] for view in views]
        assert len(set(whole_search)) == 13 and len({view.side for view in whole_search}) == 2
        assert source.at_once_searches == 1
    assert_same(*seen)


def test_what_is_left_of_a_search_is_given_up_with_the_last_face(networks: OnnxNetworks) -> None:
    one, empty = background(640, 480).copy(), background(640, 480)
    paste(one, "collins", FacePlace(320, 240, 120))
    source = BesideSearcher(networks)
    tracker = tracker_on(source, replace(SETTINGS, tiles=True, max_lost_s=0.0))
    begun = until_begun(tracker, source, one)
    searches, beside = source.at_once_searches, source.beside_searches
    for index in range(begun + 1, begun + 12):
        tracker.track(Frame(empty, index * STEP_NS, index))
    assert source.beside_searches < beside + 4 and source.at_once_searches > searches


def test_at_few_frames_a_second_and_with_nobody_it_is_at_once(networks: OnnxNetworks) -> None:
    slow = BesideSearcher(networks)
    tracker = tracker_on(slow)
    counts = [len(tracker.track(frame)) for frame in arrival(fps=10)]
    assert counts[-1] == 2 and slow.at_once_searches >= 3 and slow.beside_searches == 0
    nobody = BesideSearcher(networks)
    tracker = tracker_on(nobody)
    for index in range(30):
        tracker.track(Frame(background(640, 480), index * STEP_NS, index))
    assert nobody.at_once_searches >= 8 and nobody.beside_searches == 0


def until_begun(tracker: FaceTracker, source: BesideSearcher, image: ImageArray) -> int:
    """The number of the frame on which a search was begun beside."""
    before = source.beside_searches
    for index in range(60):
        tracker.track(Frame(image, index * STEP_NS, index))
        if source.beside_searches > before:
            return index
    raise AssertionError("no search was begun in two seconds")


def test_an_answer_that_came_too_late_or_of_another_stream_is_given_up(networks: OnnxNetworks) -> None:
    one, empty = background(640, 480).copy(), background(640, 480)
    paste(one, "collins", FacePlace(320, 240, 120))
    source = BesideSearcher(networks)
    tracker = tracker_on(source)
    for _ in range(2):  # a gap, then a stamp that jumps back
        begun = until_begun(tracker, source, one)
        before = source.at_once_searches
        gap_ns = 5_000_000_000
        assert tracker.track(Frame(empty, begun * STEP_NS + gap_ns, begun + 1)) == ()
        assert source.at_once_searches == before + 1
    begun = until_begun(tracker, source, one)
    tracker.close()


def test_a_detector_that_fails_beside_is_no_silent_loss(
    networks: OnnxNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = background(640, 480).copy()
    paste(image, "collins", FacePlace(320, 240, 120))
    source = BesideSearcher(networks)
    tracker = tracker_on(source)
    source.at_once = False
    begun = until_begun(tracker, source, image)

    def fails(*_: object) -> None:
        raise ValueError("the detector is gone")

    monkeypatch.setattr(networks._detector, "find_in", fails)
    with pytest.raises(ValueError, match="the detector is gone"):
        tracker.track(Frame(image, (begun + 1) * STEP_NS, begun + 1))
