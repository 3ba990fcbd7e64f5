# SPDX-License-Identifier: Apache-2.0
"""A leaf of a behaviour tree that waits for eye contact (needs py_trees: pip install py_trees).

RUNNING until somebody in view looks at the robot, then SUCCESS with the person on the blackboard as
/face/person; FAILURE when nobody does in time.
"""

import sys
import time

import py_trees
import rclpy
from rclpy.node import Node

from facial_coding_ros.client import FaceListener, Subscribed
from facial_coding_ros.events import Event


class WaitForEyeContact(py_trees.behaviour.Behaviour):
    def __init__(self, name: str, listener: FaceListener, timeout_s: float = 10.0) -> None:
        super().__init__(name)
        self.listener, self.timeout_s = listener, timeout_s
        self.blackboard = self.attach_blackboard_client(namespace="face")
        self.blackboard.register_key("person", access=py_trees.common.Access.WRITE)
        self.person = ""
        self.until = 0.0
        self.subscribed: Subscribed | None = None

    def initialise(self) -> None:
        self.person, self.until = "", time.monotonic() + self.timeout_s
        self.subscribed = self.listener.on("eye_contact", self.on_eye_contact)

    def on_eye_contact(self, event: Event) -> None:
        self.person = self.person or event.person_id or event.face_id

    def update(self) -> py_trees.common.Status:
        # Who looked before this began does not begin to: no event will come.
        self.person = self.person or next((one.name for one in self.listener.people() if one.attention >= 0.6), "")
        if self.person:
            self.blackboard.person = self.person
            self.feedback_message = f"{self.person} looks at me"
            return py_trees.common.Status.SUCCESS
        late = time.monotonic() > self.until
        self.feedback_message = "nobody looks at me"
        return py_trees.common.Status.FAILURE if late else py_trees.common.Status.RUNNING

    def terminate(self, new_status: py_trees.common.Status) -> None:
        if self.subscribed is not None:
            self.subscribed.cancel()
            self.subscribed = None


def tick_until_done(node: Node, leaf: py_trees.behaviour.Behaviour) -> py_trees.common.Status:
    """Ticks ten times a second, and lets the node hear in between."""
    while True:
        leaf.tick_once()
        if leaf.status != py_trees.common.Status.RUNNING:
            return leaf.status
        end = time.monotonic() + 0.1
        while (left := end - time.monotonic()) > 0:
            rclpy.spin_once(node, timeout_sec=left)


def main() -> int:
    rclpy.init()
    node = rclpy.create_node("wait_for_eye_contact")
    leaf = WaitForEyeContact("eye contact", FaceListener(node))
    status = tick_until_done(node, leaf)
    print(f"{status.name}: {leaf.feedback_message}")
    node.destroy_node()
    rclpy.shutdown()
    return 0 if status == py_trees.common.Status.SUCCESS else 1


if __name__ == "__main__":
    sys.exit(main())
