# SPDX-License-Identifier: Apache-2.0
"""The node with a root that cannot be written, as in a container with read_only: true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

MOUNTS = "mount --rbind / /mnt && mount -o remount,bind,ro /mnt && mount -t tmpfs tmpfs /mnt/tmp"
CHROOT = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")  # not in the PATH of Debian's users
INSIDE = "touch /written 2> /dev/null && echo 'root can be written'; exec "


def test_node_runs_on_a_read_only_root() -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c"]
    if None in (shutil.which("unshare"), CHROOT) or subprocess.run([*unshare, MOUNTS], capture_output=True).returncode:
        pytest.skip("needs unshare and the right to make mount namespaces")
    start = "'import sys; from facial_coding_ros.node_commands import facial_coding_node as run; sys.exit(run())'"
    inside = f"{INSIDE} {sys.executable} -u -c {start}"
    command = [*unshare, f'{MOUNTS} && exec {CHROOT} /mnt bash -c "{inside}"']
    environment = {name: value for name, value in os.environ.items() if name not in ("ROS_LOG_DIR", "ROS_HOME")}
    environment |= {"HOME": "/", "XDG_CACHE_HOME": "/nowhere", "RCUTILS_LOGGING_BUFFERED_STREAM": "0"}
    output = ""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            output += line
            if "active; images from /image" in line:
                process.terminate()
        process.wait(60)
    assert "root can be written" not in output
    assert "active; images from /image" in output, output
    assert "ROS's logs go to /tmp" in output, output
    assert process.returncode == 0 and "Traceback" not in output, output
