# SPDX-License-Identifier: Apache-2.0
"""Listens to a running node for a terminal, and asks its services about the chosen person's neutral."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from facial_coding_msgs.msg import FaceCodeArray
from facial_coding_msgs.srv import CalibrateNeutral, ForgetPerson, ResetNeutral
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future

from ..dds_profile import prepare_dds
from ..nodes.messages import face_code_of
from .terminal import SETTLED_S, Watched

CALIBRATION_S = 2.0


class NodeWatch:
    """Keeps a Watched up to date while it is spun."""

    def __init__(self, node: str) -> None:
        self.watched = Watched(node)
        self._name = node.rstrip("/")
        self._asked: tuple[str, Future[Any]] | None = None

    def __enter__(self) -> NodeWatch:
        prepare_dds()
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(f"facial_coding_watch_{os.getpid()}", context=self._context)
        reliable = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._node.create_subscription(FaceCodeArray, f"{self._name}/face_codes", self._on_codes, reliable)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, reliable)
        self._services: dict[str, Client[Any, Any]] = {
            "calibrate": self._node.create_client(CalibrateNeutral, f"{self._name}/calibrate_neutral"),
            "reset": self._node.create_client(ResetNeutral, f"{self._name}/reset_neutral"),
            "forget": self._node.create_client(ForgetPerson, f"{self._name}/forget_person"),
        }
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def spin_once(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)
        if self._asked is not None and self._asked[1].done():
            what, future = self._asked
            self._asked = None
            answer: Any = future.result()
            said = answer.message.removeprefix(f"{what}: ")
            self.watched.said = f"{what}: {'' if answer.success else 'refused, '}{said}"

    @property
    def node_there(self) -> bool:
        """Whether somebody publishes the face codes."""
        return bool(self._node.get_publishers_info_by_topic(f"{self._name}/face_codes"))

    def settled(self, now_s: float) -> bool:
        """Whether the rates are known: the node's diagnostics come once a second."""
        first_s = self.watched.rate.first_s
        known_s = 0.0 if first_s is None else now_s - first_s
        return known_s > SETTLED_S and (bool(self.watched.health) or known_s > 2 * SETTLED_S)

    def ask(self, what: str) -> None:
        """calibrate, reset or forget: about the chosen person; the answer comes to `watched.said`."""
        watched = self.watched
        code = watched.faces.get(watched.chosen)
        if self._asked is not None:
            watched.said = f"{self._asked[0]} is still under way"
        elif code is None:
            watched.said = f"{what}: nobody is in view"
        elif what == "forget" and not code.face.person_id:
            watched.said = f"forget: {code.face.face_id} is no known person, nothing is kept about this face; r resets"
        elif not self._services[what].service_is_ready():
            watched.said = f"{what}: {self._services[what].srv_name} does not answer"
        else:
            face_id, person_id = code.face.face_id, code.face.person_id
            whom: dict[str, Any] = {"person_id": person_id} if person_id else {"face_id": face_id}
            requests = {
                "calibrate": lambda: CalibrateNeutral.Request(duration_s=CALIBRATION_S, **whom),
                "reset": lambda: ResetNeutral.Request(**whom),
                "forget": lambda: ForgetPerson.Request(person_id=person_id),
            }
            self._asked = what, self._services[what].call_async(requests[what]())
            about = f", face at rest for {CALIBRATION_S:.0f} s" if what == "calibrate" else ""
            watched.said = f"{what} {person_id or face_id}{about} ..."

    def _on_codes(self, message: FaceCodeArray) -> None:
        codes = [face_code_of(face) for face in message.faces]
        self.watched.take(codes, message.processing_latency_s, time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(f"/{self._name.rpartition('/')[2]}"):
                self.watched.health = {entry.key: entry.value for entry in status.values}
                self.watched.health_text = "" if status.level == status.OK else status.message
