# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, told what to do through its debugging pipe."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One page of a browser. `console`: what it said, as (level, text); `answered`: addresses that answered."""

    def __init__(self, folder: Path, width: int = 1600, height: int = 1000) -> None:
        ours, theirs = os.pipe(), os.pipe()  # to the browser, from it
        words = [CHROMIUM, *_OPTIONS, f"--window-size={width},{height}", f"--user-data-dir={folder}", "about:blank"]

        def place() -> None:  # in the child: where the browser looks for its pipes
            high = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (ours[0], theirs[1])]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            words, preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from = ours[1], theirs[0]
        self._numbers = itertools.count(1)
        self._left = b""
        self._session = ""
        self.console: list[tuple[str, str]] = []
        self.answered: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of Chrome's DevTools protocol and its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message(60.0)
            assert answer is not None, f"no answer to {method}"
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _message(self, patience_s: float) -> dict[str, Any] | None:
        end = time.monotonic() + patience_s
        while b"\0" not in self._left:
            if not select.select([self._from], [], [], max(end - time.monotonic(), 0))[0]:
                return None
            part = os.read(self._from, 1 << 20)
            assert part, "the browser has ended"
            self._left += part
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._hear(message)
        return message

    def _hear(self, message: dict[str, Any]) -> None:
        of = message.get("params", {})
        if message.get("method") == "Runtime.consoleAPICalled":
            self.console.append((of["type"], " ".join(str(part.get("value", "")) for part in of["args"])))
        elif message.get("method") == "Runtime.exceptionThrown":
            self.console.append(("error", json.dumps(of["exceptionDetails"])))
        elif message.get("method") == "Log.entryAdded":
            self.console.append((of["entry"]["level"], of["entry"]["text"] + " " + of["entry"].get("url", "")))
        elif message.get("method") == "Network.responseReceived":
            self.answered.append(of["response"]["url"])

    @property
    def errors(self) -> list[str]:
        return [text for level, text in self.console if level == "error"]

    def size(self, width: int, height: int) -> None:
        """The page's size in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def go(self, address: str) -> None:
        """Loads a page and waits until it is there."""
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def wait_for(self, script: str, patience_s: float = 60.0) -> None:
        """Until a script says true."""
        end = time.monotonic() + patience_s
        while not self.evaluate(script):
            assert time.monotonic() < end, f"waited in vain for {script}"
            self.listen(0.1)

    def listen(self, seconds: float) -> None:
        """Takes in what the page says for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._message(left)

    def screenshot(self, path: Path | None = None) -> bytes:
        """The page as PNG."""
        picture = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(picture)
        return picture
