# SPDX-License-Identifier: Apache-2.0
"""The running node, looked at."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")
pytest.importorskip("rerun", reason="needs Rerun: the extra view")

import rerun.dataframe as rdf

from facial_coding_ros.cli import main
from facial_coding_ros.viewing import ros_input

from ..conftest import CLIP
from ..ros import Client, forwards_and_back, images_of, node

pytestmark = pytest.mark.ros


def test_the_running_node_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "live.rrd"
    codes: list[int] = []
    view = threading.Thread(target=lambda: codes.append(main(["view", "--ros", "--seconds", "6", "--save", str(path)])))
    with Client() as client, node() as process:
        camera = client.camera()
        view.start()
        try:
            camera.send_until(lambda: codes, forwards_and_back(images_of(CLIP)), process, "the end of the view")
        finally:
            view.join()
    assert codes == [0]
    there = {column.entity_path for column in rdf.load_recording(path).schema().component_columns()}
    assert {"/camera/image", "/camera/image/faces", "/camera/image/landmarks"} <= there
    assert len({entity for entity in there if entity.endswith("/action_units/AU12")}) == 2


def test_no_node_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ros_input, "_PATIENCE_S", 1.0)
    assert main(["view", "--ros", "--node", "/nowhere/facial_coding", "--save", str(tmp_path / "live.rrd")]) == 1
    error = capfd.readouterr().err
    assert "facial_coding view: nobody publishes /nowhere/facial_coding/face_codes (for 1 s)" in error
    assert not list(tmp_path.iterdir())
