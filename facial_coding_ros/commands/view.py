# SPDX-License-Identifier: Apache-2.0
"""Shows a clip, a camera, a bag, a finished run or the running node in Rerun: image, mesh, action units, expression,
neutral and events on one time line. Without an input, the clip that comes with the package. The viewer keeps the newest
--memory and drops what is older; with --save, nothing is dropped and nothing opened."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Generator, Iterator
from pathlib import Path

from rerun import RecordingStream

from ..errors import UserError
from ..image.sources import WHOLE, SourceError, Span, camera_source, open_source
from ..models import share_folder
from ..nodes import parameters
from ..viewing.rerun_viewer import Viewer, browser, check_display, new_recording, saved, window
from ..viewing.scene import Scene
from ..viewing.sights import Sight, is_run, sights_of_run, sights_of_source

LIVE_WINDOW_S = 20.0
_ROOM_S = 30.0
_RECORDING, _RECORDING_BEGINS = ".rrd", b"RRF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    run = "video, folder of images, ROS 2 bag with images, folder that `facial_coding replay` left, what --save left"
    what.add_argument("input", metavar="INPUT", nargs="?", help=run)
    what.add_argument("--camera", type=int, metavar="NUMBER", help="camera of this machine: /dev/videoNUMBER")
    what.add_argument("--ros", action="store_true", help="the running node's topics")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--web", action="store_true", help="in the browser, for a machine without a display")
    where.add_argument("--save", metavar="FILE", help="into a file, such as run.rrd, which is an INPUT too")
    add("--topic", default="", help="image topic of a bag that has several")
    add("--image", default="/image", help="image topic of --ros; default %(default)s")
    add("--compressed", action="store_true", help="--ros: IMAGE/compressed instead")
    add("--node", default="/facial_coding", help="the node of --ros, with its namespace; default %(default)s")
    add("--seconds", type=float, help="stop after that much; default: the end of the input, or Ctrl-C")
    add("--memory", default="1GB", help="what the viewer keeps, as 500MB or 10%%; default %(default)s")
    add("--port", type=int, default=9876, help="for the window; default %(default)s")
    add("--web-port", type=int, default=9090, help="for --web, and the one above it; default %(default)s")
    add("--bind", default="127.0.0.1", help="--web: 0.0.0.0 lets other machines look, unencrypted; default: this one")
    add("--no-browser", action="store_true", help="--web: only say the address")
    add("--params-file", metavar="YAML", help="parameters, as the node takes them")


def run(arguments: argparse.Namespace) -> int:
    if not (arguments.web or arguments.save):
        check_display()
    if arguments.seconds is not None and arguments.seconds <= 0:
        raise UserError(f"--seconds {arguments.seconds:g}: above 0 is expected")
    if threading.current_thread() is threading.main_thread():  # the viewer is to end with this process
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    kept = Path(arguments.input) if arguments.input and Path(arguments.input).suffix == _RECORDING else None
    if kept is not None:
        _check_recording(kept, arguments)
    live = arguments.ros or arguments.camera is not None
    viewer: Viewer | None
    with contextlib.ExitStack() as open_things:
        if kept is not None:
            viewer = open_things.enter_context(_viewer(arguments, kept))
            said = str(kept)
        else:
            sights = open_things.enter_context(contextlib.closing(_sights(arguments)))
            recording = new_recording()
            viewer = None if arguments.save else open_things.enter_context(_viewer(arguments, recording))
            if viewer is None:
                open_things.enter_context(saved(recording, Path(arguments.save)))
            with_mesh = not (arguments.ros or (arguments.input and is_run(Path(arguments.input))))
            scene = Scene(recording, LIVE_WINDOW_S if live else None, with_mesh, at_end=viewer is None)
            said = f"{_show(sights, scene, viewer, live)} images"
        if viewer is None:
            print(f"{said} in {arguments.save}; to look: facial_coding view {arguments.save}")
        elif not live:
            print(f"{said} shown; Ctrl-C ends", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                while viewer.open:
                    time.sleep(0.2)
    return 0


@contextlib.contextmanager
def _viewer(arguments: argparse.Namespace, recording: RecordingStream | Path) -> Iterator[Viewer]:
    """The window, or the page and its address."""
    if not arguments.web:
        with window(recording, arguments.port, arguments.memory) as viewer:
            yield viewer
        return
    with browser(recording, arguments.web_port, arguments.memory, arguments.bind) as viewer:
        print(f"in the browser: {viewer.address}", flush=True)
        if not arguments.no_browser:
            webbrowser.open(viewer.address)
        yield viewer


def _check_recording(path: Path, arguments: argparse.Namespace) -> None:
    """Rerun would say what is wrong with a file into its window alone. Raises UserError, OSError."""
    if arguments.save or arguments.seconds is not None:
        raise UserError(
            f"{path} is a recording for the viewer already; it is shown as it is, without --save and --seconds"
        )
    with path.open("rb") as file:
        if not file.read(4).startswith(_RECORDING_BEGINS):
            raise UserError(f"{path} is no recording of Rerun's, or a damaged one")


def _show(sights: Iterator[Sight], scene: Scene, viewer: Viewer | None, live: bool) -> int:
    shown = left_out = 0
    try:
        for sight in sights:
            if viewer is not None and viewer.full:
                if live:
                    left_out += 1
                    continue
                _wait_for_room(viewer)
            scene.show(sight)
            shown += 1
            if viewer is not None and not viewer.open:
                break
    except KeyboardInterrupt:
        print("stopped", flush=True)
    except SourceError as error:
        raise UserError(str(error)) from None
    scene.finish()
    if not shown:
        raise UserError("there was no image to show")
    if left_out:
        print(f"{left_out} images were left out: the viewer was too slow for them", flush=True)
    return shown


def _wait_for_room(viewer: Viewer) -> None:
    """A recording can wait until the viewer has shown what it has; at most for a while."""
    end = time.monotonic() + _ROOM_S
    while viewer.open and viewer.full and time.monotonic() < end:
        time.sleep(0.05)


def _sights(arguments: argparse.Namespace) -> Generator[Sight, None, None]:
    span = WHOLE if arguments.seconds is None else Span(0.0, arguments.seconds)
    if arguments.ros:
        from ..viewing.ros_input import sights_of_node

        return sights_of_node(arguments.node, arguments.image, arguments.compressed, arguments.seconds)
    values = parameters.read_yaml(Path(arguments.params_file)) if arguments.params_file else {}
    if not values.get("tracking.id_seed"):
        values["tracking.id_seed"] = 1
    try:
        settings = parameters.build(values).pipeline
        if arguments.camera is not None:
            return _until(sights_of_source(camera_source(arguments.camera), settings), arguments.seconds)
        if arguments.input and is_run(Path(arguments.input)):
            return _until(sights_of_run(Path(arguments.input)), arguments.seconds)
        path = arguments.input or str(share_folder("demo") / "two_people.mp4")
        return sights_of_source(open_source(path, arguments.topic, span=span, settings=settings.image), settings)
    except (SourceError, ValueError) as error:
        raise UserError(str(error)) from None


def _until(sights: Iterator[Sight], seconds: float | None) -> Generator[Sight, None, None]:
    first_ns = None
    for sight in sights:
        first_ns = sight.stamp_ns if first_ns is None else first_ns
        if seconds is not None and sight.stamp_ns - first_ns >= seconds * 1e9:
            return
        yield sight
