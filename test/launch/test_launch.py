"""The launch files, with the real launch system where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..conftest import REPOSITORY

pytest.importorskip("launch_ros", reason="launch is not among the ROS wheels on PyPI; it is tested where ROS has it")

SCRIPT = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, RegisterEventHandler, EmitEvent
from launch.event_handlers import OnProcessIO
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource

def seen(event):
    return [EmitEvent(event=Shutdown())] if b"active; images from /cam/image" in event.text else None

service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=[("image", "/cam/image"), ("namespace", "robot")]),
    RegisterEventHandler(OnProcessIO(on_stdout=seen, on_stderr=seen)),
]))
sys.exit(service.run())
"""


@pytest.mark.parametrize("name", ["facial_coding.launch.py", "clip.launch.py"])
def test_launched_node_becomes_active_on_the_topic_given(name: str) -> None:
    file = REPOSITORY / "launch" / name
    command = [sys.executable, "-c", SCRIPT, str(file)]
    run = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120)
    output = run.stdout + run.stderr
    assert "[robot.facial_coding]: active; images from /cam/image" in output, output
    assert run.returncode == 0, output
    assert output.count("process has finished cleanly") == (1 if name.startswith("facial") else 3), output
