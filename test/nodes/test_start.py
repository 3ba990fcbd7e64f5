# SPDX-License-Identifier: Apache-2.0
"""What the node loads: on a robot each module is time at the start and memory for days."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

NOT_NEEDED = ("google.protobuf", "matplotlib", "mediapipe", "onnx", "pandas", "pyarrow", "scipy", "sklearn", "torch")


def test_the_node_loads_nothing_that_it_does_not_need() -> None:
    """At the start, while it codes, and for the pictures of each face."""
    program = (
        "import sys, facial_coding_ros.nodes.facial_coding, facial_coding_ros.nodes.messages as messages;"
        "from std_msgs.msg import Header; from facial_coding_ros.image.sources import open_source;"
        "from facial_coding_ros.models import share_folder; from facial_coding_ros.pipeline import Pipeline;"
        "from itertools import islice; pipeline = Pipeline(background=True);"
        "frames = islice(open_source(share_folder('demo') / 'two_people.mp4').frames(), 5);"
        "codes = [(frame, code) for frame in frames for code in pipeline.process(frame)];"
        "views = [messages.frontalized(Header(), frame.image, code.face) for frame, code in codes];"
        f"print(len(views), *[name for name in {NOT_NEEDED} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    faces, *loaded = done.stdout.split()
    assert int(faces) >= 2 and loaded == []
