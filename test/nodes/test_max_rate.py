# SPDX-License-Identifier: Apache-2.0
"""image.max_rate_hz: the node works on fewer images than the camera gives, and says so."""

from __future__ import annotations

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from facial_coding_msgs.msg import FaceCodeArray  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.clock import Clock  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from facial_coding_ros.nodes import input_watch  # noqa: E402
from facial_coding_ros.nodes.input_watch import InputWatch  # noqa: E402
from facial_coding_ros.nodes.messages import stamp_ns_of  # noqa: E402

from ..conftest import CLIP  # noqa: E402
from ..ros import Client, forwards_and_back, images_of, node  # noqa: E402


def test_of_15_images_a_second_5_are_worked_on_until_all_are_wanted() -> None:
    images = forwards_and_back(images_of(CLIP, 12))
    with Client() as client, node(image__max_rate_hz=5.0, image_reliability="reliable") as process:
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        diagnostics: list[DiagnosticArray] = client.collect(DiagnosticArray, "/diagnostics")
        camera = client.camera()

        def steps_s() -> np.ndarray:
            return np.diff([stamp_ns_of(message.header) for message in codes]) / 1e9

        def passed_over() -> int:
            values = diagnostics[-1].status[0].values if diagnostics else []
            return sum(int(one.value) for one in values if one.key == "images beyond image.max_rate_hz")

        camera.send_until(lambda: len(codes) >= 8 and passed_over() >= 10, images, process, "some of the images")
        assert steps_s().min() == pytest.approx(0.2, abs=1e-6)
        wanted = Parameter("image.max_rate_hz", value=0.0).to_parameter_msg()
        result = client.call(SetParameters, "/facial_coding/set_parameters", SetParameters.Request(parameters=[wanted]))
        assert result.results[0].successful
        camera.send_until(lambda: steps_s()[-1] == pytest.approx(1 / 15, abs=1e-3), images, process, "each image")


def test_an_image_that_waits_is_held_for_one_like_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera whose images are all refused stays unusable, however many of them were not looked at."""
    now = [100.0]
    monkeypatch.setattr(input_watch.time, "monotonic", lambda: now[0])
    watch = InputWatch(Clock())
    watch.usable()
    now[0] += 3
    watch.waiting()
    assert watch.age_s() == 0
    watch.refused()
    now[0] += 3
    watch.waiting()
    watch.pass_over()
    assert watch.age_s() == 3 and watch.passed_over == 1
