# SPDX-License-Identifier: Apache-2.0
"""Messages from face codes: geometry and values worked out by hand; frames as they are sent."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node

from facial_coding_ros.coding.expression import ExpressionSettings
from facial_coding_ros.face_model.ict import IctFaces
from facial_coding_ros.nodes import humans, messages
from facial_coding_ros.types import (
    ActionUnits,
    Expression,
    Face,
    FaceCode,
    Frame,
    HeadPose,
    NeutralState,
    Region,
    Visibility,
)

from ..ros import Client

HEADER = messages.header_of(3_000_000_007, "camera_optical_frame")
# Canonical axes (left, up, out of the face) of a face that looks into the camera, in camera axes (right, down, away).
FRONTAL = np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]], np.float32)


def face(rotation: np.ndarray = FRONTAL, position: tuple[float, ...] | None = (0.1, -0.2, 1.5)) -> Face:
    surface = IctFaces.load().neutral * 60 + np.array([320, 240, 0])
    mesh = np.vstack([surface, np.repeat(surface[[159, 386]], 5, axis=0)]).astype(np.float32)
    pose = HeadPose(0, 0, 0, rotation, None if position is None else np.array(position, np.float32))
    return Face("fab", mesh, Region(0.4, 0.3, 0.6, 0.7), pose, Visibility(0.9, 0.9, 0.2, 0.8))


def code(**change: object) -> FaceCode:
    values = [np.array(v, np.float32) for v in ([0.8, 0.5], [0.9, 0.0], [0.8, np.nan], [0.3, np.nan])]
    expression = Expression(("neutral", "happy"), np.array([0.2, 0.7], np.float32), 0.1, "happy", 0.7, 0.5, 0.25)
    return FaceCode(face(), NeutralState.READY, 0.01, ActionUnits((12, 26), *values), expression, **change)  # type: ignore[arg-type]


def rotated(q: object, vector: tuple[float, float, float]) -> np.ndarray:
    """Vector turned by a quaternion message."""
    u, w, v = np.array([q.x, q.y, q.z]), q.w, np.array(vector, float)  # type: ignore[attr-defined]
    return v + 2 * np.cross(u, np.cross(u, v) + w * v)


def test_face_frame_looks_back_at_the_camera() -> None:
    head, gaze = messages.transforms(HEADER, face())
    assert (head.header.frame_id, head.child_frame_id) == ("camera_optical_frame", "face_fab")
    assert (gaze.header.frame_id, gaze.child_frame_id) == ("face_fab", "gaze_fab")
    place = head.transform.translation
    np.testing.assert_allclose([place.x, place.y, place.z], [0.1, -0.2, 1.5], atol=1e-6)
    turn = head.transform.rotation
    np.testing.assert_allclose(rotated(turn, (1, 0, 0)), [0, 0, -1], atol=1e-6)  # x out of the face, to the camera
    np.testing.assert_allclose(rotated(turn, (0, 0, 1)), [0, -1, 0], atol=1e-6)  # z up
    np.testing.assert_allclose(rotated(turn, (0, 1, 0)), [1, 0, 0], atol=1e-6)  # y to the person's left
    looking = rotated(turn, tuple(rotated(gaze.transform.rotation, (0, 0, 1))))
    np.testing.assert_allclose(looking, [0, 0, -1], atol=1e-6)  # the optical z axis of the gaze


def test_no_frame_without_a_distance() -> None:
    assert messages.transforms(HEADER, face(position=None)) == []


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, math.pi, 3.0])
def test_quaternion_of_a_rotation(angle: float) -> None:
    c, s = math.cos(angle), math.sin(angle)
    x, y, z, w = messages.quaternion(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32))
    assert (x, y) == pytest.approx((0, 0), abs=1e-6)
    assert abs(z * math.sin(angle / 2) + w * math.cos(angle / 2)) == pytest.approx(1, abs=1e-6)


def test_facs_by_code() -> None:
    message = messages.facs(HEADER, code())
    assert message.intensity[12] == pytest.approx(0.8) and message.confidence[12] == pytest.approx(0.9)
    assert (message.intensity[26], message.confidence[26]) == (0, 0), "no confidence: not estimated"
    assert message.intensity[71] == pytest.approx(0.8), "the eyes are not visible"
    assert message.intensity[70] == message.intensity[72] == message.intensity[73] == 0
    assert message.header.stamp.sec == 3 and message.header.stamp.nanosec == 7


def test_expression_carries_the_confidence_of_its_own_label() -> None:
    held = messages.expression(HEADER, code(), "neutral")
    assert (held.expression, held.valence, held.arousal) == ("neutral", 0.5, 0.25)
    assert held.confidence == pytest.approx(0.2), "the likeliest is happy, the label after the dwell time neutral"


def test_face_code_survives_the_message() -> None:
    given = code(dfecs=np.array([0.1, 0.2], np.float32), latent=np.array([1.5], np.float32), aus_age_s=0.25)
    back = messages.face_code_of(messages.face_code(given, 480, 640))
    assert back.face.face_id == "fab" and back.neutral_state is NeutralState.READY and back.aus_age_s == 0.25
    for name in ("intensity", "confidence", "left", "right"):
        np.testing.assert_array_equal(getattr(back.aus, name), getattr(given.aus, name))
    np.testing.assert_array_equal(back.dfecs, given.dfecs)
    np.testing.assert_array_equal(back.latent, given.latent)
    assert back.expression.label == "happy" and back.expression.labels == ("neutral", "happy")


def test_aligned_eyes_are_level_and_at_their_place() -> None:
    tilted = face()
    c, s = math.cos(0.5), math.sin(0.5)
    turned = (tilted.mesh[:, :2] - 300) @ np.array([[c, s], [-s, c]]) + 300
    tilted.mesh[:, :2] = turned
    eyes = [messages.landmarks_70(tilted)[a:b].mean(0) for a, b in ((36, 42), (42, 48))]
    for eye, column in zip(eyes, (0.32, 0.68), strict=True):
        image = np.zeros((480, 640, 3), np.uint8)
        y, x = np.round(eye[::-1]).astype(int)
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
        crop = np.array(messages.aligned(HEADER, image, tilted).data).reshape(128, 128, 3)[..., 0]
        rows, columns = np.nonzero(crop > 127)
        assert rows.mean() == pytest.approx(0.38 * 128, abs=1.5)
        assert columns.mean() == pytest.approx(column * 128, abs=1.5)


def test_publishers_of_a_face_are_nothing_that_the_executor_waits_for(client: Client) -> None:
    """They come and go in the worker's thread; the executor's would end with an InvalidHandle, once in minutes."""
    before = list(client.node.waitables)
    said = humans.Humans(client.node, ExpressionSettings(), add_on=False)
    own = [waitable for waitable in client.node.waitables if waitable not in before]
    said.publish(Frame(np.zeros((48, 64, 3), np.uint8), 1), (code(),))
    assert sum(p.topic_name.startswith("/humans/faces") for p in client.node.publishers) == 1 + len(humans.ALL_TOPICS)
    assert [waitable for waitable in client.node.waitables if waitable not in before] == own
    said.destroy()
    assert not [p.topic_name for p in client.node.publishers if p.topic_name.startswith("/humans/faces")]


class Broadcaster:
    """In the place of tf2_ros's, which PyPI lacks: the same constructor, method and `pub_tf`."""

    def __init__(self, node: Node) -> None:
        self.pub_tf = node.create_publisher(TransformStamped, "/tf_one_by_one", 10)
        self.sent: list[int] = []

    def sendTransform(self, transforms: list[TransformStamped]) -> None:  # noqa: N802  tf2_ros's name
        self.sent.append(len(transforms))
        for transform in transforms:
            self.pub_tf.publish(transform)


def test_frames_are_sent_as_long_as_faces_are(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(humans, "TransformBroadcaster", Broadcaster)
    received = client.collect(TransformStamped, "/tf_one_by_one")
    said = humans.Humans(client.node, ExpressionSettings(), add_on=False)
    client.wait(lambda: client.node.count_subscribers("/tf_one_by_one"), "the subscription")
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 3_000_000_007, frame_id="camera_optical_frame")
    said.publish(frame, (code(),))
    said.publish(frame, (dataclasses.replace(code(), face=face(position=None)),))
    said.publish(frame, ())
    client.wait(lambda: len(received) == 2, "two transforms")
    assert said._transforms.sent == [2], "no empty messages while no distance is known"
    assert [one.child_frame_id for one in received] == ["face_fab", "gaze_fab"]
    assert received[0].header.stamp.nanosec == 7
    assert any(p.topic_name == "/tf_one_by_one" for p in client.node.publishers)
    said.destroy()
    assert not any(p.topic_name == "/tf_one_by_one" for p in client.node.publishers), "each activation would leave one"
