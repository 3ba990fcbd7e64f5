# SPDX-License-Identifier: Apache-2.0
"""A dialogue manager's ears for faces: knows only REP-155's topics, says in plain words what the people in view do."""

import signal
import sys

import rclpy
from hri_msgs.msg import Expression, FacialActionUnits, IdsList
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

# What is worth a sentence: action unit, words, and from which intensity; it ends below half of that.
WORTH_SAYING = {
    FacialActionUnits.LIP_CORNER_PULLER: ("smiles", 0.3),
    FacialActionUnits.INNER_BROW_RAISER: ("raises the brows", 0.35),
    FacialActionUnits.BROW_LOWERER: ("frowns", 0.35),
    FacialActionUnits.NOSE_WRINKLER: ("wrinkles the nose", 0.35),
    FacialActionUnits.MOUTH_STRETCH: ("opens the mouth wide", 0.35),
}
LEAST_CONFIDENCE = 0.3


class Person:
    """One face under /humans/faces, while it is tracked."""

    def __init__(self, node: Node, face_id: str, name: str) -> None:
        self.node, self.name = node, name
        self.doing: set[int] = set()
        self.expression = ""
        topic = f"/humans/faces/{face_id}"
        self.subscriptions = [
            node.create_subscription(FacialActionUnits, f"{topic}/facs", self.on_facs, 10),
            node.create_subscription(Expression, f"{topic}/expression", self.on_expression, 10),
        ]

    def say(self, stamp, what: str) -> None:
        print(f"[{stamp.sec % 1000 + stamp.nanosec / 1e9:7.2f}] {self.name} {what}", flush=True)

    def on_facs(self, message: FacialActionUnits) -> None:
        for au, (words, enough) in WORTH_SAYING.items():
            intensity = message.intensity[au] if message.confidence[au] >= LEAST_CONFIDENCE else 0.0
            if au not in self.doing and intensity >= enough:
                self.doing.add(au)
                self.say(message.header.stamp, f"{words} (AU{au}: {intensity:.2f})")
            elif au in self.doing and intensity < enough / 2:
                self.doing.discard(au)

    def on_expression(self, message: Expression) -> None:
        if message.expression != self.expression:
            self.expression = message.expression
            self.say(message.header.stamp, f"looks {message.expression} (valence {message.valence:+.2f})")

    def leave(self) -> None:
        for subscription in self.subscriptions:
            self.node.destroy_subscription(subscription)


class DialogueManager(Node):
    def __init__(self) -> None:
        super().__init__("dialogue_manager")
        self.people: dict[str, Person] = {}
        self.met = 0
        self.create_subscription(IdsList, "/humans/faces/tracked", self.on_tracked, 10)

    def on_tracked(self, message: IdsList) -> None:
        """Every message holds all faces in view, and replaces the one before."""
        for face_id in set(message.ids) - set(self.people):
            self.met += 1
            self.people[face_id] = Person(self, face_id, f"person {self.met}")
            self.people[face_id].say(message.header.stamp, "comes into view")
        for face_id in set(self.people) - set(message.ids):
            person = self.people.pop(face_id)
            person.say(message.header.stamp, "is gone")
            person.leave()


def main() -> int:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stop.append(received))
    node = DialogueManager()
    while not stop:
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
