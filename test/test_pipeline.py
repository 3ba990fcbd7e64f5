# SPDX-License-Identifier: Apache-2.0
"""A recording through the pipeline: the next frame is tracked while one is coded, with the same result."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import numpy as np
import pytest

from facial_coding_ros.image.sources import open_source
from facial_coding_ros.pipeline import Pipeline, PipelineSettings
from facial_coding_ros.tracking import TrackingSettings
from facial_coding_ros.types import Frame

from .conftest import CLIP

SETTINGS = PipelineSettings(tracking=TrackingSettings(id_seed=1))


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return list(islice(open_source(CLIP).frames(), 30))


def working_ahead() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_the_same_codes_as_frame_by_frame(frames: list[Frame]) -> None:
    with closing(Pipeline(SETTINGS)) as pipeline:
        expected = [pipeline.process(frame) for frame in frames]
    with closing(Pipeline(SETTINGS)) as pipeline:
        interval_s = sys.getswitchinterval()
        found = list(pipeline.process_all(iter(frames)))
        assert sys.getswitchinterval() == interval_s
        times = pipeline.times.take()
    assert [frame.index for frame, _, _ in found] == [frame.index for frame in frames]
    assert any(expected)
    for (_, codes, seconds), reference in zip(found, expected, strict=True):
        assert seconds > 0 and [code.face.face_id for code in codes] == [code.face.face_id for code in reference]
        for one, other in zip(codes, reference, strict=True):
            np.testing.assert_array_equal(one.face.mesh, other.face.mesh)
            np.testing.assert_array_equal(one.aus.intensity, other.aus.intensity)
            np.testing.assert_array_equal(one.latent, other.latent)
            assert one.expression.label == other.expression.label
    assert times["tracking"] > 0 and times["coding"] > 0


def test_an_error_of_the_source_comes_through_and_no_thread_stays(frames: list[Frame]) -> None:
    def broken() -> Iterator[Frame]:
        yield from frames[:3]
        raise OSError("the file ends here")

    with closing(Pipeline(SETTINGS)) as pipeline:
        with pytest.raises(OSError, match="the file ends here"):
            list(pipeline.process_all(broken()))
        assert not working_ahead()


def test_stopping_early_ends_the_thread(frames: list[Frame]) -> None:
    with closing(Pipeline(SETTINGS)) as pipeline:
        with closing(pipeline.process_all(iter(frames))) as coded:
            next(coded)
            assert working_ahead()
        assert not working_ahead()


def test_two_recordings_at_once_leave_the_interpreter_as_it_was(frames: list[Frame]) -> None:
    before_s = sys.getswitchinterval()
    with closing(Pipeline(SETTINGS)) as pipeline, closing(Pipeline(SETTINGS)) as other_pipeline:
        first, second = pipeline.process_all(iter(frames)), other_pipeline.process_all(iter(frames))
        next(first), next(second)
        assert sys.getswitchinterval() < before_s
        first.close()
        second.close()
    assert sys.getswitchinterval() == before_s
