# SPDX-License-Identifier: Apache-2.0
"""Where a recording goes: a file, Rerun's window, or the browser. Nothing is reported to anybody, and nothing but this
machine can connect unless a wider address is asked for."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import math
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import rerun as rr
import rerun_cli

from ..errors import UserError

APPLICATION = "facial_coding"
_START_S = 20.0
_HERE = "127.0.0.1"
_PROGRAM_BYTES = 500e6  # of the viewer itself, with a software renderer
_LATE = "2s"
"""What waits longer to be shown is dropped: a viewer that is too slow would queue it without bounds."""


@dataclass(frozen=True)
class Viewer:
    """A viewer that runs. address: of its page, empty for a window. most_bytes: what it may take before it is full."""

    process: subprocess.Popen[bytes]
    address: str = ""
    most_bytes: float = math.inf

    @property
    def open(self) -> bool:
        return self.process.poll() is None

    @property
    def full(self) -> bool:
        """Whether more waits in it than it has had time to show and to drop: what is sent now would only pile up."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):  # it has ended, or this is no Linux
            return False
        return pages * resource.getpagesize() > self.most_bytes


def bytes_of(memory: str) -> float:
    """Of an amount as Rerun's program takes it. Raises UserError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB|MiB|GiB|%)", memory.strip())
    if not found or not float(found[1]):
        raise UserError(f"--memory {memory}: an amount such as 500MB, 2GB or 10% is expected")
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float(found[1]) * {"MB": 1e6, "GB": 1e9, "MiB": 2**20, "GiB": 2**30, "%": whole / 100}[found[2]]


def new_recording() -> rr.RecordingStream:
    recording: rr.RecordingStream = rr.new_recording(APPLICATION)
    return recording


@contextlib.contextmanager
def saved(recording: rr.RecordingStream, path: Path) -> Iterator[None]:
    """The recording as a file that appears, whole, when the block ends without an error. Raises OSError."""
    if path.is_dir():
        raise UserError(f"--save {path}: a file is expected, such as {path / 'run.rrd'}")
    part = path.with_name(path.name + ".part")
    part.open("wb").close()  # Rerun would not say why
    recording.save(str(part))
    try:
        yield
    except BaseException:
        recording.disconnect()
        part.unlink(missing_ok=True)
        raise
    recording.flush(blocking=True)
    recording.disconnect()
    part.replace(path)


def check_display() -> None:
    """Raises UserError where no window can be opened."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError(
            "no display: neither DISPLAY nor WAYLAND_DISPLAY is set. Use --web and a browser, or --save FILE; "
            "in a terminal: facial_coding watch"
        )


@contextlib.contextmanager
def window(recording: rr.RecordingStream | Path, port: int, memory: str) -> Iterator[Viewer]:
    """Rerun's own window, on a recording that is being made or on a file. Raises UserError.

    The former drops the oldest above `memory`.
    """
    check_display()
    bytes_of(memory)
    if isinstance(recording, Path):
        with _running([str(recording), "--hide-welcome-screen"]) as process:
            yield Viewer(process)
        return
    _check_port(port, _HERE, "--port")
    options = ["--bind", _HERE, "--port", str(port), "--memory-limit", memory, "--hide-welcome-screen"]
    options += ["--drop-at-latency", _LATE]
    with _running(options) as process:
        _connect(recording, port, process)
        yield Viewer(process, most_bytes=2 * bytes_of(memory) + _PROGRAM_BYTES)
        recording.flush(blocking=True)
        recording.disconnect()


@contextlib.contextmanager
def browser(recording: rr.RecordingStream | Path, port: int, memory: str, bind: str = _HERE) -> Iterator[Viewer]:
    """Rerun's viewer as a page on `port`; the data, of a recording or of a file, come over port + 1. Raises UserError.

    The page may talk to this server alone: without that, Rerun's page reports its use, and fetches examples and fonts.
    """
    bytes_of(memory)
    for number, name in ((port, "--web-port"), (port + 1, "--web-port + 1")):
        _check_port(number, bind, name)
    inner, sdk = _free_port(), _free_port()
    options = ["--serve-web", "--bind", bind, "--port", str(sdk), "--web-viewer-port", str(inner)]
    options += ["--ws-server-port", str(port + 1), "--server-memory-limit", memory]
    if isinstance(recording, Path):
        options = [str(recording), *options]
    with _running(options) as process:
        if isinstance(recording, rr.RecordingStream):
            _connect(recording, sdk, process)
        _wait_for(inner, process)
        server = http.server.ThreadingHTTPServer((bind, port), _page_of(inner, port + 1))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            shown = socket.gethostname() if bind == "0.0.0.0" else bind
            most_bytes = 2 * bytes_of(memory) + _PROGRAM_BYTES
            yield Viewer(process, f"http://{shown}:{port}/?url=ws://{shown}:{port + 1}", most_bytes)
            if isinstance(recording, rr.RecordingStream):
                recording.flush(blocking=True)
                recording.disconnect()
        finally:
            server.shutdown()
            server.server_close()


def _page_of(inner: int, data: int) -> type[http.server.BaseHTTPRequestHandler]:
    class Page(http.server.BaseHTTPRequestHandler):
        """Hands on what Rerun's server has, with what the page may do."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = http.client.HTTPConnection(_HERE, inner, timeout=30)
            try:
                asked.request("GET", self.path)
                answer = asked.getresponse()
                body = answer.read()
            except OSError:
                self.send_error(502, "the viewer has ended")
                return
            finally:
                asked.close()
            host = (self.headers.get("Host") or _HERE).rpartition(":")[0]
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type") or "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.send_header(
                "Content-Security-Policy",
                f"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws://{host}:{data}",
            )
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    return Page


@contextlib.contextmanager
def _running(options: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Rerun's program, with its reports of use turned off, ended with the block."""
    program = Path(rerun_cli.__file__).parent / "rerun"
    with tempfile.TemporaryDirectory(prefix="facial_coding_rerun_") as folder:
        # Its settings and the last layout, with the names of people, are kept here: nothing of the user's is changed,
        # and nothing of this recording stays or is shown with the next one.
        environment = os.environ | dict.fromkeys(("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), folder)
        subprocess.run([str(program), "analytics", "disable"], env=environment, capture_output=True, check=True)
        process = subprocess.Popen(
            [str(program), *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        said: list[str] = []
        reader = threading.Thread(target=_read, args=(process, said), daemon=True)
        reader.start()
        try:
            yield process
            if process.poll():
                reader.join(1)
                raise UserError(f"Rerun's viewer ended: {' '.join(said[-2:]) or f'exit code {process.returncode}'}")
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait()


def _read(process: subprocess.Popen[bytes], said: list[str]) -> None:
    """The viewer's words, the last few of them."""
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line.decode(errors="replace").strip())
        del said[:-20]


def _connect(recording: rr.RecordingStream, port: int, process: subprocess.Popen[bytes]) -> None:
    _wait_for(port, process)
    rr.connect_tcp(f"{_HERE}:{port}", recording=recording)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((_HERE, port), 0.5):
            return
        if time.monotonic() > end:
            raise UserError(f"Rerun's viewer does not answer on port {port} after {_START_S:.0f} s")
        time.sleep(0.05)
    code = process.returncode
    raise UserError(f"Rerun's viewer could not open a window here (exit code {code}); use --web, or --save FILE")


def _check_port(port: int, bind: str, option: str) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((bind, port))
        except OSError as error:
            raise UserError(
                f"port {port} ({option}) cannot be had on {bind}: {error.strerror}. Is another viewer open? "
                "Close it, or name another port"
            ) from None


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind((_HERE, 0))
        return int(trial.getsockname()[1])
