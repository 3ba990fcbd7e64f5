# SPDX-License-Identifier: Apache-2.0
"""A dialogue manager's ears for faces: says in plain words what the people in view do, from events.

The coding node may run in this node's namespace (default) or elsewhere: first argument, as /robot2/facial_coding.
"""

import signal
import sys

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from facial_coding_ros.client import FaceListener
from facial_coding_ros.events import Event

# What is worth a sentence: kind of event, and words for it.
WORDS = {
    "smile": "smiles",
    "brow_raise": "raises the brows",
    "frown": "frowns",
    "nose_wrinkle": "wrinkles the nose",
    "mouth_open_wide": "opens the mouth wide",
    "eyes_closed": "closes the eyes",
    "nod": "nods",
    "shake": "shakes the head",
    "look_away": "looks away",
    "look_back": "looks back",
    "eye_contact": "looks at me",
    "talks": "talks",
    "stops_talking": "has stopped talking",
    "expression": "looks",
}


class DialogueManager:
    def __init__(self, node: Node, source: str) -> None:
        self.node = node
        self.listener = FaceListener(node, source)
        self.names: dict[str, str] = {}
        self.there: set[str] = set()
        self.last_ns = 0
        for kind in WORDS:
            self.listener.on(kind, self.on_event)
        node.create_timer(0.1, self.look_who_is_there)

    def name(self, face_id: str, person_id: str) -> str:
        return person_id or self.names.setdefault(face_id, f"person {len(self.names) + 1}")

    def say(self, stamp_ns: int, who: str, what: str) -> None:
        print(f"[{stamp_ns / 1e9 % 1000:7.2f}] {who} {what}", flush=True)

    def on_event(self, event: Event) -> None:
        what = WORDS[event.kind] + (f" {event.label}" if event.label else "")
        if event.side:
            what += f" on the {event.side}"
        self.say(event.stamp_ns, self.name(event.face_id, event.person_id), what)

    def look_who_is_there(self) -> None:
        people = self.listener.people()
        self.last_ns = max([self.last_ns, *(one.stamp_ns for one in people)])
        there = {self.name(one.face_id, one.person_id) for one in people}
        for who in sorted(there - self.there):
            self.say(self.last_ns, who, "comes into view")
        for who in sorted(self.there - there):
            self.say(self.last_ns, who, "is gone")
        self.there = there


def main() -> int:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stop.append(received))
    arguments = rclpy.utilities.remove_ros_args(sys.argv)
    node = rclpy.create_node("dialogue_manager")
    DialogueManager(node, arguments[1] if len(arguments) > 1 else "facial_coding")
    while not stop:
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
