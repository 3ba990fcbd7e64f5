# SPDX-License-Identifier: Apache-2.0
"""The folder that serves robots without MediaPipe."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from facial_coding_ros import cli
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.tracking import TrackingSettings, make_tracker

from ..conftest import CLIP

pytest.importorskip("onnx", reason="onnx converts the networks")
pytest.importorskip("mediapipe", reason="its wheel holds the networks")


@pytest.mark.slow
def test_a_robot_without_mediapipe_sees_the_same_with_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "networks"
    assert cli.main(["convert-tracker", "--out", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "face_detector.onnx: 2.1 MB; MediaPipe 0.10.21 on x86_64: boxes differ by 0.0" in said
    assert f"tracking.networks: {folder}" in said
    program = (
        "import sys; sys.modules['mediapipe'] = sys.modules['onnx'] = None\n"
        "from itertools import islice; from facial_coding_ros.image.sources import open_source\n"
        "from facial_coding_ros.tracking import TrackingSettings, make_tracker\n"
        f"tracker = make_tracker(TrackingSettings(id_seed=1, networks={str(folder)!r}))\n"
        f"for frame in islice(open_source({str(CLIP)!r}).frames(), 6):\n"
        "    print([(face.face_id, round(float(face.mesh.sum()), 1)) for face in tracker.track(frame)])\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/nowhere", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "cache").exists()
    tracker = make_tracker(TrackingSettings(id_seed=1))
    expected = [
        str([(face.face_id, round(float(face.mesh.sum()), 1)) for face in tracker.track(frame)])
        for frame in islice(open_source(CLIP).frames(), 6)
    ]
    tracker.close()
    assert done.stdout.splitlines() == expected and len(expected[-1]) > 10


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["convert-tracker", "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
