# SPDX-License-Identifier: Apache-2.0
"""Nothing is reported, and nothing is read or run from the current folder: the node's process under watch."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from hri_msgs.msg import IdsList  # noqa: E402

from facial_coding_ros.commands.demo import _program  # noqa: E402
from facial_coding_ros.types import ImageArray  # noqa: E402

from ..conftest import CLIP, REPOSITORY  # noqa: E402
from ..ros import PATIENCE_S, Client, Process, forwards_and_back, images_of  # noqa: E402
from .test_node import last_ids  # noqa: E402

PRECIOUS = ("rclpy", "numpy", "yaml", "mediapipe", "onnxruntime", "cv2", "facial_coding_msgs")


@pytest.fixture
def images() -> Iterator[ImageArray]:
    return forwards_and_back(images_of(CLIP))


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder full of files that would be taken for others, each of which leaves a mark when it is used."""
    folder = tmp_path / "trap"
    folder.mkdir()
    for name in PRECIOUS:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'sprung')!r}, 'a').write({name!r})\n")
    for name in ("dfecs", "coding", "facs"):
        (folder / f"{name}.yaml").write_text("kind: trap\n")
    for name in ("face_detection/face_detection_full_range_sparse", "face_landmark/face_landmark_with_attention"):
        path = folder / "mediapipe" / "modules" / f"{name}.tflite"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no network")
    (folder / "DEFAULT_FASTDDS_PROFILES.xml").write_text("<trap")
    (folder / "matplotlibrc").write_text("backend: module://trap\n")
    return folder


class Watched(Process):
    """The node as `facial_coding demo` starts it, in a folder, under strace where there is one."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115  closed by end()
        self.trace = home / "trace.txt"
        strace = ["strace", "-f", "-qq", "-e", "trace=openat,connect,sendto,sendmsg,sendmmsg", "-o", str(self.trace)]
        environment = os.environ | {"HOME": str(home), "RCUTILS_LOGGING_BUFFERED_STREAM": "0"}
        for name in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY", "MPLCONFIGDIR", "ROS_LOG_DIR", "ROS_HOME"):
            environment.pop(name, None)
        self.popen = subprocess.Popen(
            [*strace, *_program("facial_coding_node")],
            cwd=folder,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def stop(self, number: int = signal.SIGINT) -> int:
        """The signal goes to what strace runs."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
        if self.popen.poll() is None:
            for child in children.read_text().split():
                os.kill(int(child), number)
        return self.popen.wait(PATIENCE_S)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt install strace")
def test_the_node_reports_nothing_and_uses_nothing_of_the_current_folder(
    client: Client, images: Iterator[ImageArray], trap: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    process = Watched(trap, home)
    try:
        tracked = client.collect(IdsList, "/humans/faces/tracked")
        camera = client.camera()
        camera.send_until(lambda: len(last_ids(tracked)) == 2, images, process, "two tracked faces")
        # What is reported is reported in the end, if not before.
        assert process.stop() == 0, process.log
        trace = process.trace.read_text()
    finally:
        process.end()

    assert not (trap / "sprung").exists(), (trap / "sprung").read_text()
    opened = re.findall(r'openat\(AT_FDCWD, "([^"]*)"[^)]*\)\s+= \d', trace)
    assert len(opened) > 100, "the watch works"
    inside = [name for name in opened if not name.startswith("/") or name.startswith(str(trap) + "/")]
    assert inside == [], "nothing is opened by a relative name, or in the current folder"

    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()} - {"trace.txt"}
    ours = (".cache/facial_coding/", ".ros/log/")
    assert [name for name in left if not name.startswith(ours)] == [], "only what the documentation names is written"

    own = {"0.0.0.0", "127.0.0.1", "239.255.0.1", *_own_addresses()}
    spoken_to = set(re.findall(r'inet_addr\("([0-9.]+)"\)', trace)) - own
    assert spoken_to == set(), "nobody outside of this machine is spoken to"
    assert not re.search(r"htons\((53|443|80)\)", trace), "no name is looked up, nothing is fetched"


def _own_addresses() -> set[str]:
    """IPv4 addresses of this machine."""
    routes = Path("/proc/net/fib_trie").read_text()
    return set(re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", routes))


WORK = """
import numpy as np
from facial_coding_ros.inference import InferenceSettings, open_session
from facial_coding_ros.models import model_path
session = open_session(model_path("dfecs.onnx"), InferenceSettings(backend="onnxruntime"))
for _ in range(50):
    session.run({"motion": np.zeros((1, 136), np.float32)})
session.close()
"""


def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    run = subprocess.run([sys.executable, "-c", WORK], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_standalone_env_leaves_no_empty_entry(tmp_path: Path) -> None:
    """An empty entry of a search path is the current folder, from which a libm.so.6 was loaded."""
    script = (REPOSITORY / "standalone" / "env").read_text()
    cleaning = script[script.index("for list in LD_LIBRARY_PATH") : script.index("# Large images")]

    def cleaned(before: str) -> str:
        shell = f'set -eu\n{before}\n{cleaning}\necho "${{LD_LIBRARY_PATH-unset}} ${{PYTHONPATH-unset}}"'
        return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout

    assert cleaned("LD_LIBRARY_PATH=:/a::/b: PYTHONPATH=/c: PATH=$PATH:") == "/a:/b /c\n"
    assert cleaned("unset LD_LIBRARY_PATH; PYTHONPATH=:") == "unset unset\n"


def test_demo_starts_nothing_of_the_current_folder(trap: Path) -> None:
    for name in ("facial_coding_node", "clip_player"):
        run = subprocess.run(
            [*_program(name), "--ros-args", "-p", "mode:=nowhere", "-p", "clip:=''"],
            cwd=trap,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert run.returncode == 1, run.stderr
        assert "parameter mode is 'nowhere'" in run.stderr or "parameter clip is '' and camera is -1" in run.stderr
    assert not (trap / "sprung").exists()


WATCH = """
from facial_coding_ros.viewing.node_watch import NodeWatch
with NodeWatch("/facial_coding"):
    print("watching")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt install strace")
def test_viewers_read_no_profile_of_the_current_folder(trap: Path, tmp_path: Path) -> None:
    script, trace = tmp_path / "watch.py", tmp_path / "trace.txt"
    script.write_text(WATCH)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FASTDDS_", "FASTRTPS_"))}
    strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-o", str(trace)]
    run = subprocess.run(
        [*strace, sys.executable, str(script)], cwd=trap, env=environment, capture_output=True, text=True
    )
    assert "watching" in run.stdout, run.stdout + run.stderr
    assert "fastdds_" in trace.read_text(), "the watch works"
    assert "DEFAULT_FASTDDS_PROFILES.xml" not in trace.read_text()
    assert not (trap / "sprung").exists(), (trap / "sprung").read_text()
