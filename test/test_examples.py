# SPDX-License-Identifier: Apache-2.0
"""The scripts of examples/, as a user runs them; the dialogue manager is tested with the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from facial_coding_ros.image.sources import open_source

from .conftest import CLIP, REPOSITORY

EXAMPLES = REPOSITORY / "examples"


@pytest.mark.slow
def test_smiles_of_a_recording(tmp_path: Path) -> None:
    """The person on the left smiles once in the first six seconds."""
    for frame in open_source(CLIP).frames():
        if frame.index >= 150:
            break
        cv2.imwrite(str(tmp_path / f"{frame.index}.png"), cv2.cvtColor(frame.image[:, :480], cv2.COLOR_RGB2BGR))
    run = subprocess.run([sys.executable, EXAMPLES / "python_table.py", tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert " smiles from " in run.stdout and run.stdout.endswith(" s\n")


@pytest.mark.ros
def test_the_robot_smiles_back_once() -> None:
    """Two thresholds: a smile that trembles around the first is one smile."""
    pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")
    from facial_coding_msgs.msg import FaceCode, FaceCodeArray

    from .ros import Client

    command = [sys.executable, "-u", EXAMPLES / "react_to_smile.py"]
    with Client() as client, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as robot:
        publisher = client.node.create_publisher(FaceCodeArray, "/facial_coding/face_codes", 100)
        client.wait(publisher.get_subscription_count, "the example's subscription")
        for name, intensity, state in [
            ("ada", 0.5, FaceCode.NEUTRAL_LEARNING),  # not relied on yet
            *[("ada", intensity, FaceCode.NEUTRAL_READY) for intensity in (0.2, 0.35, 0.25, 0.4, 0.1)],
            ("ben", 0.6, FaceCode.NEUTRAL_READY),
        ]:
            face = FaceCode(person_id=name, neutral_state=state, au=[12], au_intensity=[intensity], au_confidence=[0.8])
            publisher.publish(FaceCodeArray(faces=[face]))
        assert robot.stdout is not None
        said = [robot.stdout.readline() for _ in range(2)]
        robot.terminate()
        assert robot.wait(30) == 0
    assert said == ["ada smiles (0.35): the robot smiles back\n", "ben smiles (0.60): the robot smiles back\n"]
