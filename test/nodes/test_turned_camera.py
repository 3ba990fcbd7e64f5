# SPDX-License-Identifier: Apache-2.0
"""A camera that is mounted turned, over DDS: what the node says, and clips that are turned back."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_msgs.msg import FaceCodeArray  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from facial_coding_ros.learning.tracking.scenes import FacePlace, background, paste  # noqa: E402

from ..ros import Client, node, running  # noqa: E402

SAYS = "for a minute most faces stood turned by 180 degrees"


def test_the_node_says_once_that_its_camera_is_turned() -> None:
    image = background(320, 240).copy()
    paste(image, "hopper", FacePlace(160, 120, 100, 180))
    with Client() as client, node() as process:
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera = client.camera()
        camera.STEP_NS = 900_000_000  # a minute of image time in some seconds
        camera.send_until(lambda: SAYS in process.log, repeat(image), process, "word of the turned camera")
        assert "set tracking.image_rotation to 180" in process.log
        client.wait(lambda: any(message.faces for message in codes), "codes of the face", process)
        rolls = [face.roll_deg for message in codes for face in message.faces]
        assert all(170 < abs(roll) <= 180 for roll in rolls)
        told = camera.stamp_ns
        camera.send_until(lambda: camera.stamp_ns > told + 130e9, repeat(image), process, "two more minutes")
        assert process.log.count(SAYS) == 1


def test_the_clip_player_turns_a_recording_back(tmp_path: Path) -> None:
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[:12, :16] = (0, 0, 255)  # red, top left
    cv2.imwrite(str(tmp_path / "0.png"), cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE))
    arguments = ["-p", f"clip:={tmp_path}", "-p", "image_rotation:=90", "-p", "loop:=true"]
    with Client() as client:
        images: list[Image] = client.collect(Image, "image")
        infos: list[CameraInfo] = client.collect(CameraInfo, "camera_info")
        with running("facial_coding_ros.nodes.clip_player", *arguments) as process:
            client.wait(lambda: images and infos, "an image and its calibration", process)
    shown = np.frombuffer(bytes(images[0].data), np.uint8).reshape(images[0].height, images[0].width, 3)
    np.testing.assert_array_equal(shown[..., ::-1] if images[0].encoding == "rgb8" else shown, picture)
    assert (infos[0].width, infos[0].height) == (32, 24)
