"""The shared memory that ROS's middleware sends images through."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = Path("/dev/shm")
LEAST_MIB = 200
"""What Fast DDS and the profile in config/ need for a node's images; Docker gives a container 64."""


def shortage(folder: Path = FOLDER) -> str:
    """What to do where there is too little of it; empty where there is enough, or none is used."""
    try:
        mib = shutil.disk_usage(folder).total / 2**20
    except OSError:
        return ""
    if mib >= LEAST_MIB:
        return ""
    return (
        f"{folder} has {mib:.0f} MiB, too little for images through Fast DDS's shared memory (then it says "
        "RTPS_TRANSPORT_SHM errors); give a container more with `docker run --shm-size=512m`, or --ipc=host"
    )
