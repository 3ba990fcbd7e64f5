# SPDX-License-Identifier: Apache-2.0
"""Resting faces by hand, persons, parameters and add-on mode, over DDS."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_msgs.msg import FaceCode, FaceCodeArray, FaceEvent  # noqa: E402
from facial_coding_msgs.srv import CalibrateNeutral, ForgetPerson, ListNeutrals, ResetNeutral  # noqa: E402
from hri_msgs.msg import FacialActionUnits, IdsList, IdsMatch, NormalizedRegionOfInterest2D  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, SetParameters  # noqa: E402
from rclpy.parameter import parameter_dict_from_yaml_file  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from facial_coding_ros.types import ImageArray  # noqa: E402

from ..conftest import REPOSITORY  # noqa: E402
from ..ros import Client, node  # noqa: E402
from .test_node import last_ids, see_people  # noqa: E402


def test_neutral_by_hand(client: Client, people: list[ImageArray], images: Iterator[ImageArray]) -> None:
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        events = client.collect(FaceEvent, "/facial_coding/events")
        camera, tracked = see_people(client, process, images)
        first, _ = sorted(last_ids(tracked))

        def calibrate(
            face_id: str, pictures: Iterator[ImageArray], duration_s: float = 1.0
        ) -> CalibrateNeutral.Response:
            request = CalibrateNeutral.Request(face_id=face_id, duration_s=duration_s)

            def send() -> None:
                if camera.publisher.get_subscription_count():
                    camera.send(next(pictures))
                client.executor.spin_once(timeout_sec=0.03)

            return client.call(CalibrateNeutral, "/facial_coding/calibrate_neutral", request, send)

        refused = calibrate("nobody", images)
        assert not refused.success and "'nobody' is not in view" in refused.message and first in refused.message
        refused = calibrate("", images)
        assert not refused.success and "2 faces are in view; name one" in refused.message
        refused = calibrate(first, images, 1e6)
        assert not refused.success and "duration_s" in refused.message

        still = people[0]
        camera.send_until(lambda: False if len(codes) < 5 else codes[-1].faces, iter([still] * 1000), process, "rest")
        done = calibrate(first, iter([still] * 10000))
        assert done.success, done.message
        camera.send_until(
            lambda: codes[-1].faces and codes[-1].faces[0].neutral_state == FaceCode.NEUTRAL_READY,
            iter([still] * 1000),
            process,
            "a ready neutral",
        )
        ready = lambda: [e.face_id for e in events if e.kind == FaceEvent.NEUTRAL_READY]  # noqa: E731
        client.wait(lambda: first in ready(), "the event", process)
        assert "appears" in {event.kind for event in events}
        listed = client.call(ListNeutrals, "/facial_coding/list_neutrals", ListNeutrals.Request())
        assert first in listed.id
        assert listed.state[listed.id.index(first)] == FaceCode.NEUTRAL_READY

        assert client.call(ResetNeutral, "/facial_coding/reset_neutral", ResetNeutral.Request(face_id=first)).success
        listed = client.call(ListNeutrals, "/facial_coding/list_neutrals", ListNeutrals.Request())
        # An image that was under way may have begun it anew.
        assert dict(zip(listed.id, listed.state, strict=True)).get(first) != FaceCode.NEUTRAL_READY
        nobody = client.call(ResetNeutral, "/facial_coding/reset_neutral", ResetNeutral.Request(face_id="nobody"))
        assert not nobody.success and "nothing is known about nobody" in nobody.message

        empty = client.call(ForgetPerson, "/facial_coding/forget_person", ForgetPerson.Request())
        assert not empty.success and "empty" in empty.message


def test_calibration_ends_when_the_camera_dies(client: Client, images: Iterator[ImageArray]) -> None:
    with node(stall_s=0.5) as process:
        _, tracked = see_people(client, process, images)
        request = CalibrateNeutral.Request(face_id=last_ids(tracked)[0], duration_s=5.0)
        refused = client.call(CalibrateNeutral, "/facial_coding/calibrate_neutral", request)
        assert not refused.success and "the camera sends no images" in refused.message


def test_face_codes_carry_the_person(client: Client, images: Iterator[ImageArray]) -> None:
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    with node() as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, tracked = see_people(client, process, images)
        first, second = sorted(last_ids(tracked))
        persons = client.node.create_publisher(IdsList, "/humans/persons/tracked", 10)
        face_of = client.node.create_publisher(String, "/humans/persons/ada/face_id", latched)
        matches = client.node.create_publisher(IdsMatch, "/humans/candidate_matches", 10)

        def names() -> dict[str, str]:
            return {face.face_id: face.person_id for face in codes[-1].faces} if codes else {}

        face_of.publish(String(data=first))

        def named() -> bool:
            persons.publish(IdsList(ids=["ada", "7", "", "anna-maria"]))  # the last three are no names of topics
            return names() == {first: "ada", second: ""}

        camera.send_until(named, images, process, "the person of a face")
        face_of.publish(String(data=second))
        camera.send_until(lambda: names() == {first: "", second: "ada"}, images, process, "a corrected person")
        match = IdsMatch(id1=first, id1_type=IdsMatch.FACE, id2="grace", id2_type=IdsMatch.PERSON, confidence=0.9)
        matches.publish(match)
        camera.send_until(lambda: names() == {first: "grace", second: "ada"}, images, process, "a matched person")
        match.confidence = 0.1
        matches.publish(match)
        camera.send_until(lambda: names() == {first: "", second: "ada"}, images, process, "a match taken back")
        listed = client.call(ListNeutrals, "/facial_coding/list_neutrals", ListNeutrals.Request())
        assert "ada" in listed.id, "the neutral went over to the person"
        words = "left out: '', '7', 'anna-maria', of which no topic /humans/persons/ID/face_id can be made"
        assert words in process.log


def test_deactivation_answers_who_waits_for_a_calibration(client: Client, images: Iterator[ImageArray]) -> None:
    deactivate = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    with node() as process:
        camera, tracked = see_people(client, process, images)
        request = CalibrateNeutral.Request(face_id=last_ids(tracked)[0], duration_s=30.0)
        service = client.node.create_client(CalibrateNeutral, "/facial_coding/calibrate_neutral")
        client.wait(service.service_is_ready, "the service", process)
        waiting = service.call_async(request)
        before = len(tracked)
        camera.send_until(lambda: len(tracked) > before + 3, images, process, "frames of the calibration")
        assert client.call(ChangeState, "/facial_coding/change_state", deactivate).success
        client.wait(waiting.done, "an answer", process)
        answer = waiting.result()
        assert answer is not None and not answer.success and "the node is not active" in answer.message
        refused = client.call(CalibrateNeutral, "/facial_coding/calibrate_neutral", request)
        assert not refused.success and refused.message == "the node is not active"


def test_the_end_answers_who_waits_for_a_calibration(client: Client, images: Iterator[ImageArray]) -> None:
    with node() as process:
        camera, tracked = see_people(client, process, images)
        service = client.node.create_client(CalibrateNeutral, "/facial_coding/calibrate_neutral")
        client.wait(service.service_is_ready, "the service", process)
        waiting = service.call_async(CalibrateNeutral.Request(face_id=last_ids(tracked)[0], duration_s=30.0))
        before = len(tracked)
        camera.send_until(lambda: len(tracked) > before + 3, images, process, "frames of the calibration")
        assert process.stop(signal.SIGTERM) == 0
        client.wait(waiting.done, "an answer")
        answer = waiting.result()
        assert answer is not None and not answer.success and "the node is not active" in answer.message


def test_a_store_that_cannot_be_written_is_said_to_who_asks(
    client: Client, images: Iterator[ImageArray], tmp_path: Path
) -> None:
    store = tmp_path / "neutrals.sqlite"
    with node(neutral__store=store) as process, contextlib.closing(sqlite3.connect(store)) as other:
        see_people(client, process, images)
        other.execute("BEGIN EXCLUSIVE")
        answer = client.call(ForgetPerson, "/facial_coding/forget_person", ForgetPerson.Request(person_id="ada"))
        assert not answer.success and "cannot be written: database is locked" in answer.message
        other.rollback()
        answer = client.call(ForgetPerson, "/facial_coding/forget_person", ForgetPerson.Request(person_id="ada"))
        assert "nothing that was kept about ada" in answer.message


def test_add_on_mode_uses_the_ids_of_another_node(client: Client, images: Iterator[ImageArray]) -> None:
    region = NormalizedRegionOfInterest2D()
    with node() as finder:  # only to learn where the faces are
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        camera, _ = see_people(client, finder, images)
        camera.send_until(lambda: codes and len(codes[-1].faces) == 2, images, finder, "face codes")
        seen = codes[-1].faces[0]
        region.xmin, region.ymin, region.xmax, region.ymax = seen.roi_xmin, seen.roi_ymin, seen.roi_xmax, seen.roi_ymax
        camera.close()
        assert finder.stop() == 0
    with node(mode="addon") as process:
        codes = client.collect(FaceCodeArray, "/facial_coding/face_codes")
        client.wait(lambda: "nobody publishes the faces to add to" in process.log, "a word", process)
        ids = client.node.create_publisher(IdsList, "/humans/faces/tracked", 10)
        boxes = client.node.create_publisher(NormalizedRegionOfInterest2D, "/humans/faces/theirs/roi", 10)
        facs = client.collect(FacialActionUnits, "/humans/faces/theirs/facs")
        camera = client.camera()

        def coded() -> bool:
            ids.publish(IdsList(ids=["theirs", "7", ""]))  # the last two are no names of topics
            boxes.publish(region)
            return bool(facs) and bool(codes) and [face.face_id for face in codes[-1].faces] == ["theirs"]

        camera.send_until(coded, images, process, "codes for the other node's face")
        publishers = client.node.get_publishers_info_by_topic("/humans/faces/tracked")
        assert [info.node_name for info in publishers] == ["test_client"], "add-on mode never publishes `tracked`"
        client.node.destroy_publisher(ids)
        client.node.destroy_publisher(boxes)
        camera.send_until(lambda: not codes[-1].faces, images, process, "the end of a face whose node has died")


def set_parameter(client: Client, name: str, value: ParameterValue) -> tuple[bool, str]:
    request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    result = client.call(SetParameters, "/facial_coding/set_parameters", request).results[0]
    return result.successful, result.reason


def number(value: float) -> ParameterValue:
    return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)


def test_parameters_change_or_are_refused_with_a_reason(client: Client, images: Iterator[ImageArray]) -> None:
    with node(stall_s=30.0) as process:
        _, tracked = see_people(client, process, images)
        assert set_parameter(client, "stall_s", number(-1.0)) == (
            False,
            "Parameter stall_s out of range Min: 0.05, Max: 60.0, value: -1.0",
        )
        done, reason = set_parameter(
            client, "mode", ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="addon")
        )
        assert not done and reason.startswith("parameter mode takes effect when the node is configured")
        assert last_ids(tracked)
        assert set_parameter(client, "stall_s", number(0.1)) == (True, "")
        client.wait(lambda: not last_ids(tracked), "the shorter stall to take effect", process)


def test_a_whole_parameter_file_is_loaded_while_the_node_runs(
    client: Client, images: Iterator[ImageArray], tmp_path: Path
) -> None:
    """As `ros2 param load` reads the file: with rclpy's own function, and the wildcard."""
    text = (REPOSITORY / "config" / "facial_coding.yaml").read_text()
    changed = tmp_path / "changed.yaml"
    changed.write_text(text.replace("stall_s: 1.0", "stall_s: 0.1"))
    assert changed.read_text() != text
    with node(stall_s=30.0) as process:
        _, tracked = see_people(client, process, images)
        for file in (REPOSITORY / "config" / "facial_coding.yaml", changed):
            values = parameter_dict_from_yaml_file(str(file), use_wildcard=True, target_nodes=["/facial_coding"])
            request = SetParameters.Request(parameters=list(values.values()))
            results = client.call(SetParameters, "/facial_coding/set_parameters", request).results
            assert len(results) > 40 and all(one.successful for one in results), [one.reason for one in results]
        client.wait(lambda: not last_ids(tracked), "the shorter stall to take effect", process)
        request = DescribeParameters.Request(names=["stall_s", "tracking.max_faces", "mode"])
        told = client.call(DescribeParameters, "/facial_coding/describe_parameters", request).descriptors
        assert (told[0].floating_point_range[0].from_value, told[0].floating_point_range[0].to_value) == (0.05, 60.0)
        assert (told[1].integer_range[0].from_value, told[1].integer_range[0].to_value) == (1, 64)
        assert not told[2].integer_range and "'addon'" in told[2].additional_constraints


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("stall_s", "-3.0", "Parameter stall_s out of range Min: 0.05, Max: 60.0, value: -3.0"),
        ("mode", "both", "parameter mode is 'both'; allowed: one of 'standalone', 'addon'"),
        ("stall_s", "soon", "parameter stall_s is 'soon'; a number is expected"),
    ],
)
def test_wrong_parameters_end_the_start(name: str, value: str, words: str) -> None:
    with node(**{name: value}) as process:
        assert process.popen.wait(60) == 1
        assert words in process.log
        assert "Traceback" not in process.log
