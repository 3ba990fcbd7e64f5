# SPDX-License-Identifier: Apache-2.0
"""What tests share: an isolated ROS domain, processes that are ended, recordings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import facial_coding_ros  # noqa: F401  before numpy: one BLAS thread, as in every process of ours

from .free_domain import free_domain

# Before anything loads torch: on a busy machine its threads wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before anything loads rclpy: no other robot, test run or demo on this machine is heard.
DOMAIN, DOMAIN_LOCK = free_domain()
os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

REPOSITORY = Path(__file__).parents[1]
CLIP = REPOSITORY / "demo" / "two_people.mp4"
MARKS_OF_FOLDERS = {"launch": "ros", "nodes": "ros", "learning": "training", "au_networks": "training"}

# `make test` installs torch, `make test-fast` does without.
WITHOUT_TORCH = find_spec("torch") is None
collect_ignore = ["learning", "au_networks"] if WITHOUT_TORCH else []


def pytest_report_header() -> list[str]:
    return [f"torch is not installed: {', '.join(collect_ignore)} of test/ left out"] if WITHOUT_TORCH else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of whole folders; others name their marks themselves."""
    for item in items:
        for folder in item.path.relative_to(REPOSITORY / "test").parts[:-1]:
            if folder in MARKS_OF_FOLDERS:
                item.add_marker(MARKS_OF_FOLDERS[folder])


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository as a clone holds it, with what was changed since the last commit."""
    folder = tmp_path_factory.mktemp("clone") / "facial_coding_ros"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


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
