# SPDX-License-Identifier: Apache-2.0
"""The node as a process, over DDS: what it publishes, and how it lives."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from array import array
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from facial_coding_msgs.msg import FaceCodeArray  # noqa: E402
from hri_msgs.msg import (  # noqa: E402
    Expression,
    FacialActionUnits,
    FacialLandmarks,
    IdsList,
    NormalizedRegionOfInterest2D,
)
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from facial_coding_ros.coding.expression import LISTED  # noqa: E402
from facial_coding_ros.nodes.clip_player import camera_info  # noqa: E402
from facial_coding_ros.nodes.messages import header_of  # noqa: E402
from facial_coding_ros.types import Frame, ImageArray  # noqa: E402

from ..ros import PATIENCE_S, Camera, Client, Process, node  # noqa: E402
from ..self_check.damaged_networks import less_sure_detector  # noqa: E402


def last_ids(tracked: list[IdsList]) -> list[str]:
    return list(tracked[-1].ids) if tracked else []


def see_people(client: Client, process: Process, images: Iterator[ImageArray]) -> tuple[Camera, list[IdsList]]:
    """Sends images until both people are tracked."""
    tracked = client.collect(IdsList, "/humans/faces/tracked")
    camera = client.camera()
    camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "two tracked faces")
    return camera, tracked


def test_says_what_rep155_asks_for(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        first, second = sorted(last_ids(tracked))
        assert first.islower() and first[0].isalpha() and first.isalnum()
        assert first != second
        kinds = {
            "roi": NormalizedRegionOfInterest2D,
            "landmarks": FacialLandmarks,
            "facs": FacialActionUnits,
            "expression": Expression,
            "cropped": Image,
            "aligned": Image,
            "frontalized": Image,
        }
        got = {name: client.collect(kind, f"/humans/faces/{first}/{name}") for name, kind in kinds.items()}
        camera.send_until(lambda: all(got.values()), images, process, "all topics of a face")
        stamp_ns = camera.stamp_ns
        for name, messages in got.items():
            header = messages[-1].header
            assert header.frame_id == "camera_optical_frame", name
            assert (header.stamp.sec * 10**9 + header.stamp.nanosec - 10**12) % Camera.STEP_NS == 0, name
            assert header.stamp.sec * 10**9 + header.stamp.nanosec <= stamp_ns

        roi, landmarks = got["roi"][-1], got["landmarks"][-1]
        assert 0 <= roi.xmin < roi.xmax <= 1 and 0 <= roi.ymin < roi.ymax <= 1
        points = np.array([(p.x, p.y) for p in landmarks.landmarks])
        assert points.shape == (70, 2)
        eyes = points[36:42].mean(0), points[42:48].mean(0)
        assert eyes[0][0] < eyes[1][0], "the person's right eye is left in the image"
        assert points[48:68, 1].mean() > eyes[0][1], "the mouth is below the eyes"
        for pupil, eye in zip((68, 69), eyes, strict=True):
            assert np.linalg.norm(points[pupil] - eye) < 0.2 * np.linalg.norm(eyes[1] - eyes[0])
        inside = (points > (roi.xmin - 0.02, roi.ymin - 0.02)) & (points < (roi.xmax + 0.02, roi.ymax + 0.02))
        assert inside.all()

        facs = got["facs"][-1]
        assert len(facs.intensity) == 99 and facs.confidence[12] > 0
        assert facs.confidence[3] == 0 and facs.intensity[3] == 0, "there is no AU3"
        assert all(0 <= value <= 1 for value in facs.intensity)
        assert got["expression"][-1].expression in LISTED
        for name in ("cropped", "aligned", "frontalized"):
            picture = got[name][-1]
            assert (picture.height, picture.width, len(picture.data)) == (128, 128, 128 * 128 * 3)
            assert np.array(picture.data).std() > 10, f"{name} is a picture"

        together = codes[-1]
        assert [face.face_id for face in together.faces] == [first, second]
        assert len(together.faces[0].au) == len(together.faces[0].au_intensity) == len(together.faces[0].au_confidence)
        assert 0 < together.processing_latency_s < 10


def test_distance_comes_with_camera_info(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, _ = see_people(client, process, images)
        camera.send_until(lambda: codes and codes[-1].faces, images, process, "face codes")
        assert np.isnan(codes[-1].faces[0].distance_m)
        info = camera_info(Frame(next(images), 0))

        def known() -> bool:
            camera.infos.publish(info)
            return bool(codes[-1].faces) and not np.isnan(codes[-1].faces[0].distance_m)

        camera.send_until(known, images, process, "a distance")
        assert 0.2 < codes[-1].faces[0].distance_m < 3


def test_a_camera_without_calibration_is_said_once(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, _ = see_people(client, process, images)
        info = camera_info(Frame(next(images), 0))
        info.k, info.p = [1.0] * 9, [0.0] * 12  # as some drivers send it

        def said() -> bool:
            camera.infos.publish(info)
            return "the camera is not calibrated, distances are unknown" in process.log

        camera.send_until(said, images, process, "a word about the calibration")
        count = len(codes)

        def again() -> bool:
            camera.infos.publish(info)
            return len(codes) > count + 3

        camera.send_until(again, images, process, "more face codes")
        assert process.log.count("the camera is not calibrated") == 1
        assert np.isnan(codes[-1].faces[0].distance_m)


def test_stalled_camera_leaves_nobody_and_restarts(client: Client, images: Iterator[ImageArray]) -> None:
    with node(stall_s=0.5) as process:
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera, tracked = see_people(client, process, images)
        client.wait(lambda: not last_ids(tracked), "an empty `tracked` after the stall", process)
        stall = tracked[-1].header.stamp
        assert stall.sec * 10**9 + stall.nanosec <= camera.stamp_ns, "the stamp is the last image's"
        warned = "a warning in the diagnostics"
        client.wait(lambda: diagnostics and diagnostics[-1].status[0].level == b"\x01", warned, process)
        assert "no image" in diagnostics[-1].status[0].message
        camera.close()
        again = client.camera()
        again.stamp_ns = 5_000_000_000  # a restarted camera, its clock set back
        again.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "faces after the restart")


def test_lifecycle(client: Client, images: Iterator[ImageArray]) -> None:
    def change(transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(client.call(ChangeState, "/facial_coding/change_state", request).success)

    with node(autostart=False) as process:
        assert change(Transition.TRANSITION_CONFIGURE)
        assert change(Transition.TRANSITION_ACTIVATE)
        camera, tracked = see_people(client, process, images)
        assert change(Transition.TRANSITION_DEACTIVATE)
        client.wait(lambda: not last_ids(tracked), "an empty `tracked` on deactivation", process)
        client.wait(lambda: camera.publisher.get_subscription_count() == 0, "the end of the subscription", process)
        assert change(Transition.TRANSITION_ACTIVATE)
        camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "faces after activation")
        assert change(Transition.TRANSITION_DEACTIVATE)
        assert change(Transition.TRANSITION_CLEANUP)
        assert change(Transition.TRANSITION_CONFIGURE)
        assert change(Transition.TRANSITION_ACTIVATE)
        camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "faces after cleaning up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_last_word_is_that_nobody_is_tracked(client: Client, images: Iterator[ImageArray], number: int) -> None:
    with node() as process:
        _, tracked = see_people(client, process, images)
        assert process.stop(number) == 0
        client.wait(lambda: not last_ids(tracked), "an empty `tracked` at the end")
        assert "Traceback" not in process.log


def test_two_nodes_by_mistake_are_noticed(client: Client) -> None:
    with node() as one, node("-r", "__ns:=/other"):
        client.wait(lambda: "each message replaces the whole set" in one.log, "a warning", one)
        assert "/other/facial_coding" in one.log


def test_silence_is_explained(client: Client) -> None:
    with node(no_image_warning_s=0.5, image_reliability="reliable") as process:
        client.wait(lambda: "No image on /image: it has no publisher. Nobody publishes images" in process.log, "a word")
        elsewhere = client.camera("/camera/color")
        client.wait(lambda: "Images are published on /camera/color" in process.log, "a hint at the topic", process)
        elsewhere.close()
        unheard = client.camera("/image", reliable=False)
        client.wait(lambda: "QoS of /test_client does not match" in process.log, "a word on QoS", process)
        unheard.close()


def test_a_picture_without_light_is_a_warning_and_a_deep_image_tells_its_range(
    client: Client, images: Iterator[ImageArray]
) -> None:
    with node() as process:
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera, _ = see_people(client, process, images)

        def told(words: str) -> bool:
            latest = diagnostics[-1].status[0] if diagnostics else None
            return latest is not None and latest.level == b"\x01" and words in latest.message

        assert not told("nearly")
        dark = (next(images) * 0.08).astype(np.uint8)
        camera.send_until(lambda: told("the picture is nearly black: 98 %"), cycle([dark]), process, "a dark picture")
        camera.send_until(
            lambda: diagnostics[-1].status[0].level == b"\x00", images, process, "diagnostics without a warning"
        )
        deep = Image(height=48, width=64, step=128, encoding="mono16")
        deep.data = array("B", np.full((48, 64), 700, "<u2").tobytes())

        def deep_told() -> bool:
            camera.stamp_ns += Camera.STEP_NS
            deep.header = header_of(camera.stamp_ns, "camera_optical_frame")
            camera.publisher.publish(deep)
            return told("(16-bit values: 700 to 700, 0 shown as black and 65535 as white)")

        client.wait(deep_told, "the range of a flat 16-bit picture", process)


def test_unusable_images_are_refused_and_the_node_goes_on(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        camera, tracked = see_people(client, process, images)
        for spoil, words in (
            ({"encoding": "thermal12"}, "image encoding 'thermal12'"),
            ({"step": 5}, "image step 5"),
            ({"height": 3}, "image data of"),
            ({"width": 0}, "image of 0x"),
        ):
            from facial_coding_ros.image.conversion import fill_image

            message = Image()
            fill_image(message, next(images))
            for name, value in spoil.items():
                setattr(message, name, value)

            def refused(message: Image = message, words: str = words) -> bool:
                camera.stamp_ns += Camera.STEP_NS
                message.header = header_of(camera.stamp_ns, "camera_optical_frame")
                camera.publisher.publish(message)
                return words in process.log

            client.wait(refused, words, process)
        before = len(tracked)
        camera.send_until(lambda: len(tracked) > before + 3, images, process, "life after bad images")
        assert process.log.count("Traceback") == 0


def test_a_camera_whose_images_cannot_be_used_is_as_good_as_dead(client: Client, images: Iterator[ImageArray]) -> None:
    with node(stall_s=0.3, no_image_warning_s=0.5) as process:
        camera, tracked = see_people(client, process, images)
        still = camera.stamp_ns

        def same_stamp() -> bool:
            camera.send(next(images), still)
            return not last_ids(tracked)

        client.wait(same_stamp, "an empty `tracked`", process)
        assert "its stamp, " in process.log and "is that of the image before" in process.log

        def explained() -> bool:
            camera.send(next(images), still)
            return "None of the images on /image can be used" in process.log

        client.wait(explained, "a warning", process)
        camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "faces again")


def test_transitions_that_fail_say_why_and_leave_nothing_behind(tmp_path: Path) -> None:
    foreign = tmp_path / "other.sqlite"
    with contextlib.closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        connection.commit()
    with node(neutral__store=foreign) as process:
        assert process.popen.wait(60) == 1
        assert "not configured:" in process.log and "is a database of another program" in process.log
    # Two types on one topic: the second subscription fails, the first one and the worker are there already.
    with node("-r", "camera_info:=/image") as process:
        assert process.popen.wait(60) == 1
        assert "not activated:" in process.log and "incompatible type" in process.log


def test_compressed_images(client: Client, images: Iterator[ImageArray]) -> None:
    with node(image_transport="compressed") as process:
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        camera = client.camera(compressed=True)
        camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "faces in JPEG images")


def test_a_machine_that_does_not_see_is_told_in_log_and_diagnostics(client: Client, tmp_path: Path) -> None:
    """The process ends, so that whoever started it notices; before that, diagnostics have said why."""
    pytest.importorskip("onnx")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    with node(tracking__networks=str(less_sure_detector(tmp_path))) as process:
        client.wait(lambda: diagnostics, "diagnostics of a node that refuses", None)
        status = diagnostics[0].status[0]
        assert status.level == status.ERROR and "does not see as it should: detector: " in status.message
        assert process.popen.wait(PATIENCE_S) == 1
        assert "not configured: this machine does not see as it should" in process.log
