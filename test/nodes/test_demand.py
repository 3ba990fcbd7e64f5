# SPDX-License-Identifier: Apache-2.0
"""Work on demand, over DDS: what nobody listens to is not coded, and is from the moment on in which somebody does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from diagnostic_msgs.msg import DiagnosticArray
from facial_coding_msgs.msg import FaceCode, FaceCodeArray
from facial_coding_msgs.srv import Summarize
from hri_msgs.msg import FacialActionUnits, IdsList

from facial_coding_ros.action_units import CODES
from facial_coding_ros.types import ImageArray

from ..ros import Client, node

ALL = "dfecs, expression, facs, latent"


def test_coding_begins_with_a_subscriber_and_ends_with_the_last(client: Client, images: Iterator[ImageArray]) -> None:
    with node(image_reliability="reliable") as process:
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        diagnostics = client.collect(DiagnosticArray, "/diagnostics")
        camera = client.camera()

        def told(key: str) -> str:
            values = diagnostics[-1].status[0].values if diagnostics else []
            return next((one.value for one in values if one.key == key), "")

        def idle() -> bool:
            return told("coded").startswith("nothing, as nobody subscribes") and int(told("neutral learning") or 0) > 0

        camera.send_until(lambda: tracked and tracked[-1].ids and idle(), images, process, "faces that are tracked")
        assert "coded: nothing, as nobody subscribes" in process.log and not told("coding (ms)")

        facs = client.collect(FacialActionUnits, f"/humans/faces/{tracked[-1].ids[0]}/facs")
        camera.send_until(lambda: facs and told("coded") == "facs", images, process, "action units alone")
        assert any(confidence > 0 for confidence in facs[-1].confidence)

        codes: list[FaceCodeArray] = []
        subscription = client.node.create_subscription(FaceCodeArray, "/facial_coding/face_codes", codes.append, 10)
        camera.send_until(
            lambda: told("coded") == ALL and codes and codes[-1].faces, images, process, "all of the codes"
        )
        faces: list[FaceCode] = [face for message in codes for face in message.faces]
        assert {(len(face.au), len(face.expression_label), len(face.latent)) for face in faces} == {
            (len(CODES), 8, 30)
        }, "nobody gets half a code"
        assert all(face.neutral_state != FaceCode.NEUTRAL_NONE for face in faces), "neutrals were learnt meanwhile"

        client.node.destroy_subscription(subscription)
        camera.send_until(lambda: told("coded") == "facs", images, process, "the end of what is asked for")

        service = client.node.create_client(Summarize, "/facial_coding/summarize")
        camera.send_until(lambda: told("coded") == ALL, images, process, "codes for who may ask for a summary")
        answer = service.call_async(Summarize.Request(seconds=60.0))
        camera.send_until(answer.done, images, process, "a summary")
        said = answer.result().message
        assert said.startswith("coded only in the last ") and "as nobody listened before" in said, answer.result()
        client.node.destroy_client(service)
