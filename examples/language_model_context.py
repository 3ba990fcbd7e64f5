# SPDX-License-Identifier: Apache-2.0
"""Keeps the part of a language model's prompt up to date that says what people do. No model is called here.

Writes context.txt (or the file named first) once a second: put it before each turn of the conversation.
"""

import sys
from pathlib import Path

import rclpy

from facial_coding_ros.client import FaceListener

SECONDS = 15.0
RULES = (
    "What the robot's camera saw in the last seconds follows. It is what faces showed, not what people feel; "
    "do not mention it unless it matters."
)


def context(listener: FaceListener) -> str:
    """The text, also while nobody is there or the node is away."""
    try:
        seen = listener.summarize(SECONDS, timeout_s=0.5)
    except (ValueError, TimeoutError) as error:
        print(error, file=sys.stderr)
        seen = "Nothing is known of these seconds."
    now = []
    for person in listener.people():
        doing = ["looks at the robot" if person.attention >= 0.5 else "looks elsewhere"]
        doing += ["talks"] if person.talking >= 0.5 else []
        now.append(f"{person.name} {' and '.join(doing)}")
    return "\n".join([RULES, seen, f"Now: {'; '.join(now)}." if now else "Now: nobody is in view."])


def main() -> int:
    rclpy.init()
    words = rclpy.utilities.remove_ros_args(sys.argv)
    path = Path(words[1] if len(words) > 1 else "context.txt")
    node = rclpy.create_node("language_model_context")
    listener = FaceListener(node)
    try:
        while rclpy.ok():
            text = context(listener)
            part = path.with_name(path.name + ".part")
            part.write_text(text + "\n", encoding="utf-8")
            part.replace(path)  # whoever reads it never finds half a text
            print(text, end="\n\n", flush=True)
            listener.wait_for("*", timeout_s=1.0)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
