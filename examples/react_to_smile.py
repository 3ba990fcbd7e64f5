# SPDX-License-Identifier: Apache-2.0
"""A robot that smiles back: listens to /facial_coding/face_codes and reacts once when somebody begins to smile."""

import signal
import sys

import rclpy
from facial_coding_msgs.msg import FaceCode, FaceCodeArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

LIP_CORNER_PULLER = 12
BEGINS, ENDS = 0.3, 0.15  # two thresholds: a smile at one alone would begin and end many times
LEAST_CONFIDENCE = 0.3


class SmileBack(Node):
    def __init__(self) -> None:
        super().__init__("smile_back")
        self.smiling: set[str] = set()
        self.create_subscription(FaceCodeArray, "/facial_coding/face_codes", self.on_codes, 10)

    def on_codes(self, message: FaceCodeArray) -> None:
        in_view = {face.person_id or face.face_id: face for face in message.faces}
        self.smiling &= set(in_view)
        for name, face in in_view.items():
            smile = self.smile_of(face)
            if name not in self.smiling and smile >= BEGINS:
                self.smiling.add(name)
                self.react(name, smile)
            elif smile < ENDS:
                self.smiling.discard(name)

    def smile_of(self, face: FaceCode) -> float:
        """Intensity of the smile, 0 where it cannot be relied on."""
        index = list(face.au).index(LIP_CORNER_PULLER)
        trusted = face.neutral_state == FaceCode.NEUTRAL_READY and face.au_confidence[index] >= LEAST_CONFIDENCE
        return face.au_intensity[index] if trusted else 0.0

    def react(self, name: str, smile: float) -> None:
        print(f"{name} smiles ({smile:.2f}): the robot smiles back", flush=True)


def main() -> int:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stop.append(received))
    node = SmileBack()
    while not stop:
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
