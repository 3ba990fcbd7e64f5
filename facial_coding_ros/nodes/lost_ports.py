# SPDX-License-Identifier: Apache-2.0
"""Whether others can still reach this process through Fast DDS's shared memory."""

from __future__ import annotations

from pathlib import Path

_PORTS = ("/dev/shm/fastdds_port", "/dev/shm/fastrtps_port")
_LOCK = "_el"  # a listener holds the lock of its port open; who only writes there does not
_GONE = " (deleted)"


def lost_ports(process: Path = Path("/proc/self")) -> list[str]:
    """Names of the ports that this process listens on and that others have replaced: what is sent goes elsewhere.

    Who opens a port first looks whether its listener answers within a second. On a busy machine, where a process was
    killed and the next one has taken its port, Fast DDS finds the port dead though it is not, deletes it and makes
    another of the same name. The listener hears nothing from then on, and no new subscription changes that.
    """
    try:
        opened = {str(link.readlink()) for link in (process / "fd").iterdir() if link.is_symlink()}
        mapped = [line.split(maxsplit=5)[-1].strip() for line in (process / "maps").read_text().splitlines()]
    except OSError:
        return []
    own = {name.removesuffix(_LOCK) for name in opened if name.startswith(_PORTS) and name.endswith(_LOCK)}
    return sorted({Path(name).name for name in own if name + _GONE in mapped})
