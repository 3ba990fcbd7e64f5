# SPDX-License-Identifier: Apache-2.0
"""The README's ROS recipe, command by command, in a fresh workspace; and what package.xml asks of rosdep.

What a ROS distribution would give comes from the standalone environment: its packages stand for /opt/ros, its Python
packages for those of apt and PyPI. `git clone`, `vcs import` and `rosdep install`, which need a network, are played.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from .conftest import REPOSITORY

pytestmark = [pytest.mark.ros, pytest.mark.slow]

MANIFESTS = (REPOSITORY / "package.xml", REPOSITORY / "facial_coding_msgs" / "package.xml")
# Keys of rosdep/base.yaml and rosdep/python.yaml, and packages of the distributions (ros/rosdistro, August 2026).
KNOWN_KEYS = {
    "ament_cmake", "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "hri_msgs", "launch",
    "launch_ros", "lifecycle_msgs", "python3-matplotlib", "python3-mediapipe-pip", "python3-numpy",
    "python3-onnxruntime-pip", "python3-opencv", "python3-pil", "python3-psutil", "python3-pytest",
    "python3-pytest-timeout", "python3-rich", "python3-rosbags-pip", "python3-scipy", "python3-skimage",
    "python3-sklearn", "python3-tqdm", "python3-yaml", "rcl_interfaces", "rclpy", "rosgraph_msgs",
    "rosidl_default_generators", "rosidl_default_runtime", "sensor_msgs", "std_msgs", "tf2_ros",
    "visualization_msgs",
}  # fmt: skip
IMPORTED = re.compile(r"^\s*(?:from|import) (\w+(?:_msgs|_interfaces)|rclpy|launch\w*|tf2_ros)\b", re.MULTILINE)
NOT_IN_KILTED = {"hri_msgs"}


def recipe() -> list[str]:
    """The commands of the README's first block of shell, continued lines joined."""
    block = re.search(r"```bash\n(.*?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    lines = block[1].replace("\\\n", " ").splitlines()
    return [" ".join(line.split("  #")[0].split()) for line in lines if line.strip()]


def dependencies() -> set[str]:
    found = set()
    for manifest in MANIFESTS:
        root = ElementTree.parse(manifest).getroot()
        found |= {entry.text or "" for entry in root if entry.tag.endswith("depend")}
    return found - {"facial_coding_msgs"}


def test_rosdep_has_every_key() -> None:
    assert dependencies() <= KNOWN_KEYS, f"not among rosdep's keys: {dependencies() - KNOWN_KEYS}"
    repositories = yaml.safe_load((REPOSITORY / "facial_coding.repos").read_text())["repositories"]
    assert set(repositories) == NOT_IN_KILTED


def test_package_xml_names_what_is_imported() -> None:
    used = set()
    for folder in ("facial_coding_ros", "launch", "examples"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            used |= set(IMPORTED.findall(file.read_text(encoding="utf-8")))
    optional = {"foxglove_msgs"}  # used where it is installed
    assert used - {"facial_coding_msgs"} - optional <= dependencies()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Path:
    """A workspace made by the README's commands, up to the one that starts the node."""
    environment = Path(os.environ.get("VIRTUAL_ENV", ""))
    if not (environment / "share" / "rclpy").is_dir():
        pytest.skip("needs the environment that stands for a ROS distribution: standalone/env")
    here = tmp_path_factory.mktemp("workspace")
    played = here / "played"
    played.mkdir()
    play(played / "git", f'[ "$1" = clone ] && cp -r "{sources}" "$3"')
    # hri_msgs is the distribution's here, as in Jazzy.
    play(played / "vcs", '[ "$1 $2" = "import src" ] && grep -q "hri_msgs:"')
    play(played / "rosdep", f'exec "{sys.executable}" "{Path(__file__).with_name("rosdep_stand_in.py")}" "$@"')
    distribution = {
        "AMENT_PREFIX_PATH": f"{environment.parent / 'install' / 'hri_msgs'}:{environment}",
        "CMAKE_PREFIX_PATH": f"{environment.parent / 'install' / 'hri_msgs'}:{environment}",
        "PATH": f"{played}:{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
    }
    commands = recipe()
    assert commands[-1].startswith("ros2 launch facial_coding_ros facial_coding.launch.py ")
    script = ["set -e"]
    for command in commands[:-1]:
        script.append(command)
        if "-m venv" in command:  # as --system-site-packages gives the distribution's packages
            lent = next((environment / "lib").glob("python3.*/site-packages"))
            script.append(f"echo {shlex.quote(str(lent))} > $(echo venv/lib/python3*/site-packages)/distribution.pth")
    script.append("env -0 > environment")
    run = subprocess.run(["bash", "-c", "\n".join(script)], cwd=here, env=distribution, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    return here / "facial_coding_ws"


def play(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/bash\nset -e\n{script}\n")
    path.chmod(0o755)


def test_node_of_a_fresh_workspace_starts(workspace: Path) -> None:
    told = (workspace / "environment").read_bytes().split(b"\0")
    environment = dict(entry.decode().split("=", 1) for entry in told if entry)
    program = workspace / "install" / "facial_coding_ros" / "lib" / "facial_coding_ros" / "facial_coding_node"
    # A colcon from outside the virtual environment would write its own interpreter here, which lacks MediaPipe.
    assert program.read_text().splitlines()[0] == f"#!{workspace / 'venv' / 'bin' / 'python3'}"
    assert (workspace / "install" / "facial_coding_ros" / "share" / "facial_coding_ros" / "launch").is_dir()
    environment |= {name: os.environ[name] for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([program], env=environment, **pipes) as node:
        output = []
        assert node.stdout is not None
        for line in node.stdout:
            output.append(line)
            if "active; images from /image" in line:
                break
        node.terminate()
        assert node.wait(60) == 0, "".join(output)
    assert "active; images from /image" in output[-1], "".join(output)
