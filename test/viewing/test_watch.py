# SPDX-License-Identifier: Apache-2.0
"""The running node in a terminal, driven by its keys."""

from __future__ import annotations

import dataclasses
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")
pytest.importorskip("rich", reason="needs rich: the extra watch")

from rich.console import Console

from facial_coding_ros import code_recording
from facial_coding_ros.cli import main
from facial_coding_ros.drawing.overlay import AU_NAMES
from facial_coding_ros.viewing.terminal import Rate, Watched, bar, screen

from ..conftest import CLIP
from ..ros import PATIENCE_S, Client, forwards_and_back, images_of, node

pytestmark = pytest.mark.ros
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command in a pseudo-terminal of 110 columns. `text`: all it has shown, without colours."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "110", "LINES": "20"}
        command = [sys.executable, "-m", "facial_coding_ros", *arguments]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self._raw = b""

    @property
    def text(self) -> str:
        while select.select([self._ours], [], [], 0)[0]:
            try:
                part = os.read(self._ours, 1 << 16)
            except OSError:  # the command has ended
                break
            if not part:
                break
            self._raw += part
        return _CONTROL.sub("", self._raw.decode(errors="replace"))

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    shown = Terminal("watch", "--wait", str(PATIENCE_S))
    try:
        yield shown
    finally:
        shown.end()


def test_people_are_lines_and_keys_ask_the_node(terminal: Terminal) -> None:
    with Client() as client, node() as process:
        camera, walk = client.camera(), forwards_and_back(images_of(CLIP))

        def until(words: str) -> str:
            found: list[str] = []

            def seen() -> bool:
                found[:] = re.findall(words, terminal.text)
                assert terminal.process.poll() is None, terminal.text
                return bool(found)

            camera.send_until(seen, walk, process, words)
            return found[-1]

        first = until(r"▶\s+(f\w+)\s+(?:learning|ready)")
        assert "coded/s" in terminal.text and "in/s" in until(r"\d skipped.*") + terminal.text
        until(r"\d+ [█▏▎▍▌▋▊▉]+")
        terminal.press("f")
        until(f"forget: {first} is no known person")
        terminal.press("\x1b[B")
        second = until(rf"▶\s+(f(?!{first[1:]})\w+)\s+(?:learning|ready)")
        terminal.press("r")
        until(f"reset: {second}")
        terminal.press("c")
        until(f"calibrate {second}, face at rest")
        until(rf"calibrate: (?:refused, )?{second}: ")
        terminal.press("q")
        end = time.monotonic() + PATIENCE_S
        while terminal.process.poll() is None:
            assert time.monotonic() < end
            camera.send(next(walk))
    assert terminal.process.returncode == 0 and "Traceback" not in terminal.text


def test_once_prints_the_lines_and_ends(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []
    watch = threading.Thread(target=lambda: ended.append(main(["watch", "--once", "--wait", str(PATIENCE_S)])))
    with Client() as client, node() as process:
        camera = client.camera()
        watch.start()
        camera.send_until(lambda: ended, forwards_and_back(images_of(CLIP)), process, "the end of watch")
        watch.join()
    assert ended == [0]
    said = capfd.readouterr().out
    assert "coded/s" in said and "in/s" in said, said


def test_no_node_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--node", "/nowhere", "--wait", "0.5"]) == 1
    error = capfd.readouterr().err
    assert error.startswith(
        "facial_coding watch: no /nowhere/face_codes for 0.5 s: nobody publishes them. Start the node"
    )


def test_who_is_chosen_stays_chosen_while_in_view() -> None:
    watched = Watched("/facial_coding")
    watched.choose(1)
    assert watched.chosen == ""
    assert [bar(share) for share in (0.0, 0.5, 1.0, 2.0)] == ["······", "███···", "██████", "██████"]
    rate = Rate()
    for tick in range(10):
        rate.tick(tick / 10)
    assert rate.hz(1.0) == pytest.approx(10, abs=0.5), "from the first second on"
    for tick in range(10, 90):
        rate.tick(tick / 10)
    assert rate.hz(8.9) == pytest.approx(10, abs=0.5)
    assert rate.hz(60.0) == 0


def lines_at(width: int, watched: Watched) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(screen(watched, 1.0, width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_every_column_is_there_at_every_width_and_none_moves() -> None:
    coded = list(code_recording(CLIP, end_s=1.0))
    watched = Watched("/facial_coding")
    watched.health = {"input rate (Hz)": "30.0", "skipped frames": "123456", "refused images": "7"}
    for width, units, named in ((80, 3, False), (100, 3, True), (110, 4, True), (160, 4, True)):
        places = set()
        for codes in (coded[-1].faces, coded[5].faces):
            strong = dataclasses.replace(codes[0].aus, intensity=np.ones_like(codes[0].aus.intensity))
            watched.take([dataclasses.replace(codes[0], aus=strong), *codes[1:]], 0.01, 0.9)
            lines = lines_at(width, watched)
            assert all(len(line) <= width for line in lines)
            (titles,) = [line for line in lines if "attention" in line]
            assert all(name in titles for name in ("person", "neutral", "action units", "expression", "attention"))
            places.add(tuple(titles.index(name) for name in ("neutral", "expression", "attention")))
            (first,) = [line for line in lines if "▶" in line]
            assert first.count("██████") == units
            assert any(name in first for name in AU_NAMES.values()) == named
            assert all(
                any(whole in line for line in lines) for whole in ("123456 skipped", "image 0.1 s old", "7 refused")
            )
        assert len(places) == 1
    watched.take([], 0.01, 1.0)
    assert "nobody in view" in lines_at(80, watched)
