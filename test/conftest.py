"""What tests share: an isolated ROS domain, processes that are ended, recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import facial_coding_ros  # noqa: F401  before numpy: one BLAS thread, as in every process of ours

# Before anything loads rclpy: no other robot, test run or demo on this machine is heard.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

REPOSITORY = Path(__file__).parents[1]
CLIP = REPOSITORY / "demo" / "two_people.mp4"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of further recordings beside the project; tests that use it skip without it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder of further recordings, shared/, beside the project")
    return folder


@pytest.fixture
def client() -> Iterator[object]:
    """A ROS node of the test with a context of its own."""
    ros = pytest.importorskip("test.ros")
    with ros.Client() as node:
        yield node
