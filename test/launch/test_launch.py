# SPDX-License-Identifier: Apache-2.0
"""The launch files, with the real launch system where it is installed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import REPOSITORY

pytest.importorskip(
    "launch_ros",
    reason="needs launch and launch_ros, which are not among the ROS wheels on PyPI: a ROS installation has them, and "
    "they can be run from their sources (launch, launch_yaml, launch_xml, launch_ros, osrf_pycommon on PYTHONPATH, and "
    "composition_interfaces of rcl_interfaces)",
    exc_type=ImportError,
)

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

SCRIPT = '''
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import EmitEvent, ExecuteProcess, IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessIO
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource

ASK = """
import rclpy
from rclpy.parameter_client import AsyncParameterClient
rclpy.init(args=[])
node = rclpy.create_node("asker")
client = AsyncParameterClient(node, "facial_coding")
client.wait_for_services(60)
future = client.get_parameters(["engagement"])
rclpy.spin_until_future_complete(node, future, timeout_sec=60)
print("engagement is", future.result().values[0].bool_value)
"""

def seen(event):
    if b"active; images from /cam/image" not in event.text:
        return None
    if not sys.argv[1].endswith("ros4hri.launch.py"):
        return [EmitEvent(event=Shutdown())]
    done = [EmitEvent(event=Shutdown())]
    return [ExecuteProcess(cmd=[sys.executable, "-c", ASK], output="screen", on_exit=done)]

service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=[("image", "/cam/image"), ("namespace", "robot")]),
    RegisterEventHandler(OnProcessIO(on_stdout=seen, on_stderr=seen)),
]))
sys.exit(service.run())
'''


@pytest.mark.parametrize("name", ["facial_coding.launch.py", "clip.launch.py"])
def test_launched_node_becomes_active_on_the_topic_given(name: str) -> None:
    file = REPOSITORY / "launch" / name
    command = [sys.executable, "-c", SCRIPT, str(file)]
    run = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120)
    output = run.stdout + run.stderr
    assert "[robot.facial_coding]: active; images from /cam/image" in output, output
    assert run.returncode == 0, output
    assert output.count("process has finished cleanly") == (1 if name.startswith("facial") else 3), output


def launched(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A launch file, until our node is active or the launch ends by itself; all it has printed."""
    script = SCRIPT.replace(
        '[("image", "/cam/image"), ("namespace", "robot")]', "[tuple(one.split(':=', 1)) for one in sys.argv[2:]]"
    )
    command = [sys.executable, "-c", script, str(REPOSITORY / "launch" / name), *arguments]
    return subprocess.run(
        command, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("clip.launch.py", "rate:=fast", "rate:=fast is no number above 0"),
        ("clip.launch.py", "rate:=-1", "rate:=-1 is no number above 0"),
        ("clip.launch.py", "image_rotation:=45", "image_rotation:=45: 0, 90, 180 or 270 is expected"),
        ("clip.launch.py", "loop:=often", "loop:=often is neither true nor false"),
        ("clip.launch.py", "clip:=/nowhere.mp4", "/nowhere.mp4: there is no such file or folder"),
        ("clip.launch.py", "autostart:=soon", "autostart:=soon is neither true nor false"),
        ("clip.launch.py", "view:=rqt", "view:=rqt: rviz or foxglove is expected"),
        ("facial_coding.launch.py", "params_file:=/nowhere.yaml", "/nowhere.yaml: there is no such file"),
        ("facial_coding.launch.py", "mode:=both", "mode:=both is neither standalone nor addon"),
        ("facial_coding.launch.py", "engagement:=maybe", "engagement:=maybe is neither true nor false"),
        ("facial_coding.launch.py", "shared_memory:=some", "shared_memory:=some is neither auto nor true nor false"),
    ],
)
def test_wrong_arguments_end_the_launch_before_anything_starts(name: str, argument: str, words: str) -> None:
    run = launched(name, argument)
    output = run.stdout + run.stderr
    assert run.returncode != 0 and words in output, output
    assert "process started" not in output, output


def test_a_number_is_a_camera() -> None:
    run = launched("clip.launch.py", "clip:=97", "image:=/cam/image")
    output = run.stdout + run.stderr
    assert "camera 97: there is no /dev/video97" in output, output


@pytest.mark.parametrize(("view", "package"), [("rviz", "rviz2"), ("foxglove", "foxglove_bridge")])
def test_a_viewer_that_is_not_installed_is_named_before_anything_starts(view: str, package: str) -> None:
    with contextlib.suppress(PackageNotFoundError):
        get_package_share_directory(package)
        pytest.skip(f"{package} is installed here")
    run = launched("clip.launch.py", f"view:={view}")
    output = run.stdout + run.stderr
    apt = package.replace("_", "-")
    words = f"view:={view}: {package} is not installed: sudo apt install ros-$ROS_DISTRO-{apt}"
    assert run.returncode != 0 and words in output and "process started" not in output, output


OTHERS = {
    "hri_face_detect": "face_detect",
    "hri_person_manager": "person_manager",
    "hri_engagement": "hri_engagement",
}


@pytest.mark.parametrize("there", [("hri_face_detect", "hri_person_manager"), ("hri_engagement",), ()])
def test_ros4hri_starts_what_is_installed(tmp_path: Path, there: tuple[str, ...]) -> None:
    for package in there:  # as an installation of theirs lies on disk, with a launch file that only says it was there
        index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / package).touch()
        folder = tmp_path / "share" / package / "launch"
        folder.mkdir(parents=True)
        (folder / f"{OTHERS[package]}.launch.py").write_text(
            "from launch import LaunchDescription\nfrom launch.actions import LogInfo\n"
            f"def generate_launch_description():\n    return LaunchDescription([LogInfo(msg='this is {package}')])\n"
        )
    prefixes = f"{tmp_path}:{os.environ['AMENT_PREFIX_PATH']}"
    run = launched("ros4hri.launch.py", "image:=/cam/image", AMENT_PREFIX_PATH=prefixes)
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    assert f"engagement is {'hri_engagement' not in there}" in output, "one node publishes it"
    for package in OTHERS:
        assert f"{package}: {'started' if package in there else 'not installed'}" in output, output
        assert (f"this is {package}" in output) == (package in there), output
    assert "active; images from /cam/image" in output
    assert output.count("process started with pid") == 2, "our node, and who asks it"
