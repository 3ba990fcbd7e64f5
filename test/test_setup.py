# SPDX-License-Identifier: Apache-2.0
"""What `make demo` says on a machine that lacks something: one line, with what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = (
    "bash", "cat", "chmod", "cmake", "cut", "dirname", "env", "find", "flock", "g++", "gcc", "grep", "head", "make",
    "mkdir", "mv", "rm", "sed", "sha256sum", "sort", "touch", "uname", "xargs",
)  # fmt: skip
NOWHERE = {
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "1",
    "PIP_TIMEOUT": "2",
    "PIP_NO_CACHE_DIR": "1",
}


@pytest.fixture
def clone(sources: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sources, tmp_path / "clone"))


def set_up(clone: Path, without: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    """Runs standalone/setup with a PATH that holds the tools it needs, but for one."""
    folder = clone.parent / "tools"
    folder.mkdir(exist_ok=True)
    for tool in TOOLS:
        link, found = folder / tool, shutil.which(tool)
        if found and tool != without and not link.exists():
            link.symlink_to(found)
    environment = {"PATH": str(folder), "HOME": os.environ.get("HOME", "/"), "PYTHON": sys.executable} | changes
    return subprocess.run([clone / "standalone" / "setup"], env=environment, capture_output=True, text=True)


def test_a_missing_prerequisite_is_named_with_its_package(clone: Path) -> None:
    done = set_up(clone, without="cmake")
    assert done.returncode == 1
    assert done.stderr == "[setup] Missing: cmake. Install: sudo apt install cmake\n"


def test_a_python_that_is_too_new(clone: Path) -> None:
    newer = clone.parent / "python3.14"
    newer.write_text('#!/bin/bash\n[ "$1" = -V ] && echo "Python 3.14.0" || exit 1\n')
    newer.chmod(0o755)
    done = set_up(clone, PYTHON=str(newer))
    assert done.returncode == 1
    told = f"Python 3.10 to 3.12 is needed, {newer} is Python 3.14.0. Name another one: PYTHON=python3.12 make demo"
    assert done.stderr == f"[setup] {told}\n"


@pytest.mark.slow
def test_without_a_network_and_after_a_set_up_that_was_cut_off(clone: Path) -> None:
    stamps = clone / ".standalone" / "stamps"
    stamps.mkdir(parents=True)
    (stamps / "requirements.unfinished").touch()
    done = set_up(clone, **NOWHERE)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert "An earlier set-up was cut off while it installed packages; from the start" in lines[0]
    assert lines[-1].startswith(
        "[setup] pip could not install requirements: the package index cannot be reached. Check "
    )
    assert len(lines) == 4, done.stderr
