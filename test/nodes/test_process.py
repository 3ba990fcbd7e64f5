# SPDX-License-Identifier: Apache-2.0
"""How a node's process starts where its surroundings are poor: one line says what is wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..conftest import CLIP
from ..ros import Client

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from rclpy.parameter import Parameter

from facial_coding_ros.nodes.clip_player import ClipPlayer
from facial_coding_ros.nodes.process import StartError

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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["/camera"], 2, "FacialCodingNode: '/camera' is no argument; ROS's stand behind --ros-args: "),
        (["--params-file", "my.yaml", "--ros-args"], 2, "FacialCodingNode: '--params-file' is no argument"),
        (["--help"], 0, "FacialCodingNode takes the arguments of ROS nodes: --ros-args "),
    ],
)
def test_arguments_that_are_not_for_ros_are_not_overheard(arguments: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "facial_coding_ros.nodes.facial_coding", *arguments]
    node = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert node.returncode == code and (node.stderr or node.stdout).startswith(said), node


def test_a_misspelt_parameter_is_named() -> None:
    output = start(dict(os.environ), "--ros-args", "-p", "tracking.max_facse:=3", "-p", "qos_overrides.x:=1")
    assert "there is no parameter tracking.max_facse; perhaps tracking.max_faces is meant" in output
    assert output.count("there is no parameter") == 1


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_still_loads_ends_quietly(number: int) -> None:
    """Signals from the first lines of our own on, before ROS, while it is configured, and a second one at the end."""
    script = "from facial_coding_ros.node_commands import facial_coding_node as run\nprint('ours', flush=True)\nrun()"
    for after_s in (0.0, 1.0):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", script], **pipes) as node:
            assert node.stdout is not None
            node.stdout.readline()
            begun = processor_s(node.pid)
            while processor_s(node.pid) < begun + max(after_s, 0.02) and node.poll() is None:
                time.sleep(0.005)  # by its own time, however busy the machine is
            node.send_signal(number)
            _, errors = node.communicate(timeout=60)
        assert node.returncode == 0, (after_s, node.returncode, errors)
        assert "Traceback" not in errors, errors


@pytest.mark.parametrize("program", ["clip_player", "annotator"])
def test_a_second_signal_changes_nothing(client: Client, program: str) -> None:
    script = f"from facial_coding_ros.node_commands import {program} as run\nimport sys\nsys.exit(run())"
    arguments = ["--ros-args", "-p", f"clip:={CLIP}"] if program == "clip_player" else []
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stderr=subprocess.PIPE, text=True) as node:
        client.wait(lambda: program in client.node.get_node_names(), f"the node {program}")
        while node.poll() is None:  # from the first one to the very end
            node.send_signal(signal.SIGINT)
            time.sleep(0.002)
        _, errors = node.communicate(timeout=60)
    assert node.returncode == 0, errors
    assert "Traceback" not in errors, errors


def test_a_player_that_cannot_keep_up_can_be_stopped(client: Client) -> None:
    """Between two ticks the executor sees that it is told to stop."""
    given = {"clip": str(CLIP), "rate": 1000.0, "loop": True, "wait_for": 0}
    parameters = [Parameter(name, value=value) for name, value in given.items()]
    player = ClipPlayer(context=client.context, parameter_overrides=parameters)
    try:
        player._tick()
        time.sleep(1.0)  # 1000 s of the clip are due
        start = time.monotonic()
        player._tick()
        assert time.monotonic() - start < 2.0
    finally:
        player.destroy_node()


def test_a_clip_that_is_deleted_while_it_loops_ends_the_player_in_one_line(client: Client, tmp_path: Path) -> None:
    clip = Path(shutil.copy(CLIP, tmp_path))
    given = {"clip": str(clip), "rate": 1000.0, "loop": True, "wait_for": 0}
    parameters = [Parameter(name, value=value) for name, value in given.items()]
    player = ClipPlayer(context=client.context, parameter_overrides=parameters)
    try:
        player._tick()
        clip.unlink()
        with pytest.raises(StartError, match="cannot be opened"):
            for _ in range(600):
                player._tick()
                time.sleep(0.001)
    finally:
        player.destroy_node()


def test_a_node_under_nohup_outlives_its_terminal(client: Client) -> None:
    command = ["nohup", sys.executable, "-u", "-m", "facial_coding_ros.nodes.annotator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as node:
        client.wait(lambda: "annotator" in client.node.get_node_names(), "the node")
        node.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            node.wait(1.0)
        node.terminate()
        assert node.wait(60) == 0
