# SPDX-License-Identifier: Apache-2.0
"""What RViz and Foxglove draw, received over DDS as they receive it."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

import yaml
from facial_coding_msgs.msg import FaceCode, FaceCodeArray
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from visualization_msgs.msg import Marker, MarkerArray

from facial_coding_ros.nodes.markers import lines_of
from facial_coding_ros.nodes.messages import face_code_of, stamp_ns_of

from ..conftest import CLIP, REPOSITORY
from ..ros import Client, forwards_and_back, images_of, node, running

FOCAL = 900.0
LAYOUT = json.loads((REPOSITORY / "config" / "foxglove_layout.json").read_text())


def camera_info(image: np.ndarray) -> CameraInfo:
    height, width = image.shape[:2]
    k = [FOCAL, 0.0, width / 2, 0.0, FOCAL, height / 2, 0.0, 0.0, 1.0]
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.0] * 5, k=k)
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [FOCAL, 0.0, width / 2, 0.0, 0.0, FOCAL, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def of_same_stamp(shown: list[MarkerArray], codes: list[FaceCodeArray]) -> tuple[MarkerArray, FaceCodeArray] | None:
    by_stamp = {stamp_ns_of(message.header): message for message in codes if len(message.faces) == 2}
    for message in reversed(shown):
        stamp_ns = stamp_ns_of(message.markers[0].header)
        if len(message.markers) > 1 and stamp_ns in by_stamp:
            return message, by_stamp[stamp_ns]
    return None


def test_heads_stand_where_the_faces_are_and_go_with_the_camera() -> None:
    images = images_of(CLIP)
    height, width = images[0].shape[:2]
    with Client() as client, node(stall_s=0.5) as process:
        shown: list[MarkerArray] = client.collect(MarkerArray, "/facial_coding/markers")
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera = client.camera()
        info = camera_info(images[0])
        timer = client.node.create_timer(0.05, lambda: camera.infos.publish(info))
        walk = forwards_and_back(images)
        camera.send_until(lambda: of_same_stamp(shown, codes), walk, process, "markers of two people")
        found = of_same_stamp(shown, codes)
        assert found is not None
        message, said = found
        client.wait(lambda: len(shown[-1].markers) == 1, "the markers to go", process)
        timer.cancel()
    clearing, *rest = message.markers
    assert clearing.action == Marker.DELETEALL
    assert sorted(marker.ns for marker in rest) == sorted(["head", "axes", "gaze", "name"] * 2)
    assert len({(marker.ns, marker.id) for marker in rest}) == len(rest)
    assert {marker.header.frame_id for marker in rest} == {"camera_optical_frame"}
    names = {marker.text.partition(",")[0]: marker for marker in rest if marker.ns == "name"}
    for face in said.faces:
        text = names[face.face_id]
        assert text.text == "\n".join(lines_of(face_code_of(face)))
        head = next(marker for marker in rest if marker.ns == "head" and marker.id == text.id)
        at = head.pose.position
        assert 0.2 < at.z < 5 and math.dist((at.x, at.y, at.z), (0, 0, 0)) < face.distance_m + 0.2
        x, y = FOCAL * at.x / at.z / width + 0.5, FOCAL * at.y / at.z / height + 0.5
        assert face.roi_xmin < x < face.roi_xmax and face.roi_ymin < y < face.roi_ymax
        assert text.pose.position.y < at.y, "above the head: the camera's y points down"
        gaze = next(marker for marker in rest if marker.ns == "gaze" and marker.id == text.id)
        assert gaze.points[1].z < -0.3, "towards the camera"
    assert [marker.action for marker in shown[-1].markers] == [Marker.DELETEALL]
    for path in LAYOUT["configById"]["Plot!aus"]["paths"]:  # Foxglove finds a unit by its place in the message
        place = int(path["value"].rpartition("[")[2].rstrip("]"))
        assert path["label"].split()[0] == f"AU{said.faces[0].au[place]}"


def test_without_a_distance_there_are_no_markers(client: Client) -> None:
    with node() as process:
        shown: list[MarkerArray] = client.collect(MarkerArray, "/facial_coding/markers")
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera = client.camera()
        until = lambda: any(len(message.faces) == 2 for message in codes) and len(shown) > 3  # noqa: E731
        camera.send_until(until, forwards_and_back(images_of(CLIP)), process, "face codes of two people")
    assert all(len(message.markers) == 1 for message in shown)


@pytest.mark.skipif(find_spec("foxglove_msgs") is None, reason="needs foxglove_msgs, which is not on PyPI")
def test_annotations_lie_on_the_faces_of_the_image(client: Client) -> None:
    from foxglove_msgs.msg import ImageAnnotations, PointsAnnotation

    images = images_of(CLIP)
    height, width = images[0].shape[:2]
    with node() as process:
        shown: list[Any] = client.collect(ImageAnnotations, "/facial_coding/annotations")
        codes: list[FaceCodeArray] = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera = client.camera()

        def both() -> tuple[Any, FaceCodeArray] | None:
            by_stamp = {stamp_ns_of(message.header): message for message in codes if len(message.faces) == 2}
            for message in shown:
                stamp = message.points[0].timestamp if message.points else None
                if stamp is not None and stamp.sec * 10**9 + stamp.nanosec in by_stamp:
                    return message, by_stamp[stamp.sec * 10**9 + stamp.nanosec]
            return None

        camera.send_until(both, forwards_and_back(images), process, "annotations of two people")
        message, said = both()  # type: ignore[misc]
    boxes = [part for part in message.points if part.type == PointsAnnotation.LINE_LOOP]
    dots = [part for part in message.points if part.type == PointsAnnotation.POINTS]
    for face, box, points in zip(said.faces, boxes, dots, strict=True):
        corner = box.points[0].x / width, box.points[0].y / height
        np.testing.assert_allclose(corner, (face.roi_xmin, face.roi_ymin), atol=1e-5)
        landmarks = np.array([(point.x / width, point.y / height) for point in points.points])
        np.testing.assert_allclose(landmarks, np.stack([face.landmark_x, face.landmark_y], 1), atol=1e-5)
    assert [text.text for text in message.texts] == [
        line for face in said.faces for line in lines_of(face_code_of(face))
    ]


TYPES_SHOWN = {
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
}
"""RViz's displays and what they subscribe to."""


def test_the_configurations_name_topics_that_there_are_with_their_types(client: Client) -> None:
    rviz = yaml.safe_load((REPOSITORY / "config" / "faces.rviz").read_text())
    panels, used = set(LAYOUT["configById"]), json.dumps(LAYOUT["layout"])
    assert all(f'"{panel}"' in used for panel in panels)
    displays = [display for display in rviz["Visualization Manager"]["Displays"] if "Topic" in display]
    shown = {display["Topic"]["Value"]: TYPES_SHOWN[display["Class"]] for display in displays}
    assert set(shown) == {"/annotated", "/facial_coding/markers"}
    image = LAYOUT["configById"]["Image!camera"]["imageMode"]
    assert image["imageTopic"] == "/image" and list(image["annotations"]) == ["/facial_coding/annotations"]
    shown |= {topic: shown[topic] for topic in LAYOUT["configById"]["3D!faces"]["topics"]}
    shown[LAYOUT["configById"]["RawMessages!events"]["topicPath"]] = "facial_coding_msgs/msg/FaceEvent"
    shown[LAYOUT["configById"]["DiagnosticSummary!health"]["topicToRender"]] = "diagnostic_msgs/msg/DiagnosticArray"
    for panel in ("Plot!aus", "Plot!affect"):
        for path in LAYOUT["configById"][panel]["paths"]:
            topic, _, field = path["value"].partition(".faces[0].")
            shown[topic] = "facial_coding_msgs/msg/FaceCodeArray"
            assert field.partition("[")[0] in FaceCode.get_fields_and_field_types(), path
    annotator = running("facial_coding_ros.nodes.annotator", "-r", "face_codes:=facial_coding/face_codes")
    with node() as process, annotator:
        published = client.node.get_publishers_info_by_topic
        client.wait(lambda: all(published(topic) for topic in shown), f"all of {sorted(shown)}", process)
        assert {topic: published(topic)[0].topic_type for topic in shown} == shown
        for display in displays:  # who asks for more than is offered hears nothing
            wanted, offered = display["Topic"], published(display["Topic"]["Value"])[0].qos_profile
            assert wanted["Reliability Policy"] == "Best Effort" or offered.reliability == ReliabilityPolicy.RELIABLE
            assert wanted["Durability Policy"] == "Volatile"
