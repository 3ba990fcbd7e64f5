# SPDX-License-Identifier: Apache-2.0
"""Camera, node and a dialogue manager as three processes over DDS; what they said is left as a video, a table and a
page. Without an input, the clip that comes with the package is played."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..dds_profile import prepare_dds
from ..errors import UserError
from ..evaluation.page import write_page
from ..evaluation.runs import RunError
from ..image.sources import Source, SourceError, camera_source, open_source
from ..models import share_folder

CAMERA_SECONDS = 30.0
_START_S = 60.0
_MOST = 0.9
"""Share of the images from which on nothing is said of the others."""
_NAMESPACE = "demo"
_RERUN = "demo.rrd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--clip", help="video file or folder of images")
    source.add_argument("--camera", type=int, metavar="NUMBER", help="camera of this machine: /dev/videoNUMBER")
    source.add_argument("--bag", help="ROS 2 bag with images")
    parser.add_argument("--topic", default="", help="image topic of a bag that has several")
    parser.add_argument("--out", default="demo_out", help="where the results go; default %(default)s")
    parser.add_argument("--seconds", type=float, default=CAMERA_SECONDS, help="how long a camera is watched")
    parser.add_argument("--rerun", action="store_true", help="also demo.rrd, a recording for Rerun's viewer")


def run(arguments: argparse.Namespace) -> int:
    # Before rclpy is loaded: nobody outside this machine is meant.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    from ..nodes.recorder import Recorder

    prepare_dds()
    source, recording = _input(arguments)
    folder = Path(arguments.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            _for_rerun(folder / _RERUN if arguments.rerun else None) as also,
            Recorder(folder, recording.fps, _NAMESPACE, also) as recorder,
        ):
            _play(source, recorder, arguments.seconds if arguments.camera is not None else None)
        if not recorder.frames:
            raise UserError("the node sent no face codes; its messages stand above")
        video, title = folder / "annotated.webm", f"Demo: {_name(source)}"
        page = write_page(folder / "face_codes.csv", folder / "report.html", title, video)
    except (OSError, RunError) as error:  # the latter: another demo wrote into the same folder
        raise UserError(str(error)) from None
    images = max(recorder.images, recording.count if arguments.camera is None else 0)
    share = recorder.frames / max(images, 1)
    print(
        f"\n{images} image{'s' * (images != 1)}, {recorder.frames} of them coded ({share:.0%}); in the folder {folder}:"
    )
    for path, about in (
        (page, "plots of action units and expressions over time: open it in a browser"),
        (folder / "annotated.webm", "the images with the codes drawn onto them"),
        (folder / "face_codes.csv", "one row per face and frame"),
        (folder / "events.csv", "what the faces did: smiles, nods, blinks, who talks ..."),
        *([(folder / _RERUN, f"to look at with: facial_coding view {folder / _RERUN}")] if arguments.rerun else []),
    ):
        print(f"  {path}  {about}")
    if not recorder.faces:
        print("No face was found in them.")
    if share < _MOST:
        print("This machine was too busy for the others; `facial_coding replay` codes every image of a recording.")
    return 0


@contextlib.contextmanager
def _for_rerun(path: Path | None) -> Iterator[Callable[[int, Any, Any], None] | None]:
    """What writes image after image into a recording for Rerun; nothing without a path."""
    if path is None:
        yield None
        return
    from ..events import standard_detectors
    from ..viewing.rerun_viewer import new_recording, saved
    from ..viewing.ros_input import sight_of
    from ..viewing.scene import Scene

    recording, detectors = new_recording(), standard_detectors()
    with saved(recording, path):
        scene = Scene(recording, with_mesh=False, at_end=True)

        def show(number: int, image: Any, message: Any) -> None:
            sight = sight_of(number, image, message)
            events = detectors.update([face.code for face in sight.faces], sight.stamp_ns)
            scene.show(dataclasses.replace(sight, events=tuple(events)))

        yield show
        scene.finish()


def _input(arguments: argparse.Namespace) -> tuple[dict[str, str | int], Source]:
    """Parameters of the clip player that say what it plays, and that itself; opened here first, so that an error
    is said before anything starts."""
    try:
        if arguments.camera is not None:
            return {"camera": arguments.camera}, camera_source(arguments.camera)
        path = Path(arguments.clip or arguments.bag or share_folder("demo") / "two_people.mp4").absolute()
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise UserError(f"{path!r} is not UTF-8, as parameters of ROS nodes must be; rename it") from None
        return {"clip": str(path), "topic": arguments.topic}, open_source(path, arguments.topic)
    except SourceError as error:
        raise UserError(str(error)) from None


def _name(source: dict[str, str | int]) -> str:
    return Path(str(source["clip"])).name if "clip" in source else f"camera {source['camera']}"


def _as_yaml(value: str | int) -> str:
    """As parameters are read: a folder called 001 is no number."""
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "''") + "'"


def _play(source: dict[str, str | int], recorder: Recorder, seconds: float | None) -> None:  # type: ignore[name-defined]  # noqa: F821
    remap = ["-r", f"__ns:=/{_NAMESPACE}"]
    node = [*_program("facial_coding_node"), "--ros-args", *remap]
    manager = [sys.executable, str(share_folder("examples") / "dialogue_manager.py"), "--ros-args", *remap]
    player = [*_program("clip_player"), "--ros-args", *remap]
    for name, value in source.items():
        player += ["-p", f"{name}:={_as_yaml(value)}"]
    player += ["-p", "wait_for:=2", "-p", f"wait_s:={_START_S}"]
    with _process("dialogue manager", manager) as listening, _process("node", node) as coding:
        # What is published before it is heard is lost: who appears, the first codes.
        patience = time.monotonic() + _START_S
        while not recorder.hears(2) and time.monotonic() < patience and coding.poll() is None:
            recorder.spin_once(0.1)
        with _process("clip player", player) as playing:
            end = None if seconds is None else time.monotonic() + seconds
            while playing.poll() is None and (end is None or time.monotonic() < end or not recorder.images):
                recorder.spin_once(0.1)
                for name, process in (("node", coding), ("dialogue manager", listening)):
                    if process.poll() is not None:
                        raise UserError(f"the {name} ended with exit code {process.returncode}; its words stand above")
            if playing.poll():
                raise UserError(f"the clip player ended with exit code {playing.returncode}; its words stand above")
        recorder.spin_until_idle(2.0)
        coding.send_signal(signal.SIGINT)
        coding.wait(10)
        time_left = time.monotonic() + 1.0  # the dialogue manager hears that all are gone
        while time.monotonic() < time_left and listening.poll() is None:
            recorder.spin_once(0.1)


def _program(node: str) -> list[str]:
    """The command of a node. `python -m` would look for modules in the current folder first."""
    start = f"import sys; sys.path[:] = filter(None, sys.path); from facial_coding_ros.node_commands import {node}"
    return [sys.executable, "-c", f"{start}; sys.exit({node}())"]


@contextlib.contextmanager
def _process(name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block, whatever happens."""
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        for number, patience in ((signal.SIGINT, 5), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            if process.poll() is None:
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)
