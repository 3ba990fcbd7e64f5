# SPDX-License-Identifier: Apache-2.0
"""A bound on what loading a model may take, for a graph of 200 bytes can ask for gigabytes, and what is left of it."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

LEAST_ROOM = 1 << 30
ROOM_PER_BYTE = 8
"""How much memory a graph may take beside the process, in bytes: 1 GiB, and eight times its file."""

_one_at_a_time = threading.Lock()  # the limit is the process's


@contextlib.contextmanager
def bounded_memory(file_bytes: int) -> Iterator[None]:
    """While it lasts the process may take as much more as a model of that size needs; beyond it allocations fail.

    Where the kernel does not say how much it has by now (/proc), nothing is bounded.
    """
    with _one_at_a_time:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = _data_bytes() + LEAST_ROOM + ROOM_PER_BYTE * file_bytes
        limits = [limit, *(one for one in (soft, hard) if one != resource.RLIM_INFINITY)]
        if limit > LEAST_ROOM + ROOM_PER_BYTE * file_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def give_back_freed() -> None:
    """Gives freed memory back to the system: the C library keeps some 10 MiB of what reading models took.

    Where it is not GNU's, nothing happens.
    """
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _data_bytes() -> int:
    """What the process has of the memory that RLIMIT_DATA counts; 0 when that cannot be read."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), 0)
