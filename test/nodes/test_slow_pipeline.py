# SPDX-License-Identifier: Apache-2.0
"""A pipeline that needs longer for an image than `stall_s`: the camera lives, and nobody is said to have gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from hri_msgs.msg import IdsList
from rclpy.parameter import Parameter

from facial_coding_ros.nodes import input_watch
from facial_coding_ros.nodes.facial_coding import FacialCodingNode
from facial_coding_ros.pipeline import Pipeline
from facial_coding_ros.types import ImageArray

from ..ros import PATIENCE_S, Client

TAKES_S = 0.4
"""For an image."""
STALL_S, STEP_S = 0.5, 0.05
"""In seconds of the test's own clock, by which a pause of a busy machine is no pause of the camera."""


def test_a_slow_pipeline_is_no_stalled_camera(
    client: Client, images: Iterator[ImageArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Pipeline.process

    def slow(self: Pipeline, *arguments: Any) -> Any:
        time.sleep(TAKES_S)
        return quick(self, *arguments)

    now_s = [1000.0]
    monkeypatch.setattr(Pipeline, "process", slow)
    monkeypatch.setattr(input_watch, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    overrides = [Parameter("stall_s", value=STALL_S), Parameter("tracking.confirm_hits", value=1)]
    node = FacialCodingNode(context=client.context, parameter_overrides=overrides)
    client.executor.add_node(node)
    try:
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        camera = client.camera()
        node.trigger_configure()
        node.trigger_activate()
        client.wait(camera.publisher.get_subscription_count, "the node's subscription")
        end = time.monotonic() + PATIENCE_S
        while sum(bool(message.ids) for message in tracked) < 3:
            assert time.monotonic() < end, "waited in vain for tracked faces"
            camera.send(next(images))
            now_s[0] += STEP_S
            pause = time.monotonic() + 0.02
            while time.monotonic() < pause:
                client.executor.spin_once(timeout_sec=0.005)
        first = next(i for i, message in enumerate(tracked) if message.ids)
        assert all(message.ids for message in tracked[first:]), "the same people are in each image"
    finally:
        node.trigger_shutdown()
        client.executor.remove_node(node)
        node.destroy_node()
