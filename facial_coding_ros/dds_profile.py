# SPDX-License-Identifier: Apache-2.0
"""Which transports Fast DDS uses, where nobody has said: those through which images arrive on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .models import share_folder

PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Variables that name a profile: of Fast DDS 3 (from Kilted on), and before."""
UDP_PROFILE, SHARED_MEMORY_PROFILE = "fastdds_udp.xml", "fastdds_shm.xml"
"""Files of config/."""
ENOUGH_TO_RECEIVE = 2 * 2**20
"""Bytes that a socket must be able to hold (net.core.rmem_max) for images of 1280x720 to arrive whole."""
ENOUGH_SHARED_MEMORY = 256 * 2**20
"""Bytes in /dev/shm from which on each process may have a segment of 32 MiB there."""
_RECEIVE_LIMIT = Path("/proc/sys/net/core/rmem_max")
_LOCALHOST = ("LOCALHOST", "OFF")


def prepare_dds() -> None:
    """Call before the first node. What the user has set stays.

    Sets the variable that names a profile to `own_profile`, and keeps Fast DDS from reading
    DEFAULT_FASTDDS_PROFILES.xml of the current folder.
    """
    if (profile := own_profile(os.environ)) is not None:
        before_kilted = os.environ.get("ROS_DISTRO") in ("humble", "jazzy")
        os.environ[PROFILES[before_kilted]] = str(profile)
    os.environ.setdefault("SKIP_DEFAULT_XML_FILE", "1")


def receive_limit() -> int:
    """Bytes that a socket may hold on this machine; 0 where that is not known."""
    try:
        return int(_RECEIVE_LIMIT.read_text())
    except (OSError, ValueError):
        return 0


def own_profile(environment: Mapping[str, str]) -> Path | None:
    """The profile that suits this machine; None where the user has chosen transports, a profile or another middleware.

    With sockets that hold whole images UDP alone: images arrive whether the camera has a profile or not. Where they do
    not, shared memory, for which the camera needs the profile too.
    """
    chosen = (*PROFILES, "FASTDDS_BUILTIN_TRANSPORTS")
    if any(environment.get(name) for name in chosen) or environment.get("SKIP_DEFAULT_XML_FILE") == "0":
        return None
    if "fastrtps" not in environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        return None
    # Confined to this machine, rmw_fastrtps adds shared memory by itself, and images come that way.
    confined = (
        environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") in _LOCALHOST or environment.get("ROS_LOCALHOST_ONLY") == "1"
    )
    if not confined and receive_limit() >= ENOUGH_TO_RECEIVE:
        return share_folder("config") / UDP_PROFILE
    try:
        roomy = shutil.disk_usage("/dev/shm").total >= ENOUGH_SHARED_MEMORY
    except OSError:
        roomy = False
    return share_folder("config") / SHARED_MEMORY_PROFILE if roomy else None
