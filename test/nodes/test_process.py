"""How a node's process starts where its surroundings are poor: one line says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

STARTED = "active; images from /image"


def start(environment: dict[str, str], *arguments: str) -> str:
    """All that the node prints until it is active or has ended; it is stopped then."""
    command = [sys.executable, "-u", "-m", "facial_coding_ros.nodes.facial_coding", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    output = ""
    with subprocess.Popen(command, env=environment | {"RCUTILS_LOGGING_BUFFERED_STREAM": "0"}, **pipes) as node:
        assert node.stdout is not None
        for line in node.stdout:
            output += line
            if STARTED in line:
                node.terminate()
        node.wait(60)
    assert "Traceback" not in output, output
    return output


@pytest.mark.parametrize("home", [None, "/proc/none"], ids=["no home", "a home that cannot be written"])
def test_node_starts_without_a_usable_home(home: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "ROS_LOG_DIR", "ROS_HOME")}
    output = start(environment if home is None else environment | {"HOME": home})
    assert STARTED in output
    assert output.count("ROS's logs go to ") == 1, output


def test_unknown_ros_arguments_are_one_line() -> None:
    output = start(dict(os.environ), "--ros-args", "--nonsense")
    assert output.splitlines()[-1].startswith("FacialCodingNode: ROS cannot start: ") and "--nonsense" in output
