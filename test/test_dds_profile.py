# SPDX-License-Identifier: Apache-2.0
"""Which transports a process of ours has, where nobody has said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facial_coding_ros import dds_profile
from facial_coding_ros.dds_profile import ENOUGH_TO_RECEIVE, own_profile, receive_limit


@pytest.fixture(params=[ENOUGH_TO_RECEIVE, 212_992], ids=["large sockets", "as Linux has them"])
def limit(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    told = tmp_path / "rmem_max"
    told.write_text(f"{request.param}\n")
    monkeypatch.setattr(dds_profile, "_RECEIVE_LIMIT", told)
    monkeypatch.setattr(dds_profile, "ENOUGH_SHARED_MEMORY", 0)
    return int(request.param)


def test_sockets_that_hold_images_are_used(limit: int) -> None:
    profile = own_profile({})
    assert profile is not None and profile.is_file()
    assert profile.name == ("fastdds_udp.xml" if limit >= ENOUGH_TO_RECEIVE else "fastdds_shm.xml")
    confined = own_profile({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
    assert confined is not None and confined.name == "fastdds_shm.xml"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FASTDDS_DEFAULT_PROFILES_FILE", "/robot/profile.xml"),
        ("FASTRTPS_DEFAULT_PROFILES_FILE", "/robot/profile.xml"),
        ("FASTDDS_BUILTIN_TRANSPORTS", "LARGE_DATA"),
        ("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp"),
        ("SKIP_DEFAULT_XML_FILE", "0"),
    ],
)
def test_what_the_user_has_chosen_stays(limit: int, name: str, value: str) -> None:
    assert own_profile({name: value}) is None


def test_little_shared_memory_is_left_alone(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dds_profile, "ENOUGH_SHARED_MEMORY", 1 << 60)
    profile = own_profile({})
    assert (profile is not None) == (limit >= ENOUGH_TO_RECEIVE)


PARTICIPANT = """
import os
from facial_coding_ros.dds_profile import prepare_dds
prepare_dds()
import rclpy
rclpy.init(args=[])
node = rclpy.create_node("lonely")
here = f"/proc/{os.getpid()}/fd"
opened = [os.readlink(f"{here}/{one}") for one in os.listdir(here) if os.path.lexists(f"{here}/{one}")]
print("shared memory" if any("/dev/shm/fast" in one for one in opened) else "UDP")
"""


@pytest.mark.ros
@pytest.mark.skipif(receive_limit() < ENOUGH_TO_RECEIVE, reason="needs net.core.rmem_max of 2 MiB")
@pytest.mark.parametrize(("chosen", "transport"), [("", "UDP"), ("DEFAULT", "shared memory")])
def test_a_process_has_the_transports_of_its_profile(chosen: str, transport: str) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FASTDDS_", "FASTRTPS_"))}
    # Isolated by its domain alone: rmw_fastrtps adds shared memory where discovery is confined to the machine.
    environment |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}
    environment |= {"FASTDDS_BUILTIN_TRANSPORTS": chosen} if chosen else {}
    run = subprocess.run([sys.executable, "-c", PARTICIPANT], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[-2] == transport and "Error" not in run.stderr, run.stdout + run.stderr
