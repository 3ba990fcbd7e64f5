# SPDX-License-Identifier: Apache-2.0
"""A ROS domain that no other test run on this machine has."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TextIO

LAST_DOMAIN = 101
"""Ports of later ones may be taken by outgoing connections (Linux)."""


def free_domain() -> tuple[int, TextIO]:
    """The domain, and the file whose lock keeps it until it is closed or the process ends."""
    for domain in _candidates():
        try:
            file = (Path(tempfile.gettempdir()) / f"facial_coding_ros_domain_{domain}.lock").open("w")
        except PermissionError:  # of another user
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return domain, file
    raise RuntimeError(f"test runs on this machine use all ROS domains from 1 to {LAST_DOMAIN}: end some of them")


def _candidates() -> Iterator[int]:
    """All, from one that differs from process to process: the last run's nodes may be ending in theirs."""
    first = 1 + os.getpid() % LAST_DOMAIN
    return chain(range(first, LAST_DOMAIN + 1), range(1, first))
