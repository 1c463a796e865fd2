"""A headless Chromium driven over a pair of pipes (Chrome DevTools Protocol): keys, scripts, pictures of the page.

Needs nothing but the browser: messages are JSON, each ended by a NUL byte, on the child's descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
_LAUNCH = "import os, sys; a, b = map(int, sys.argv[1:3]); os.dup2(a, 103); os.dup2(b, 104); os.dup2(103, 3); " \
    "os.dup2(104, 4); os.execv(sys.argv[3], sys.argv[3:])"  # fmt: skip
_KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowRight": ("", 39), "ArrowLeft": ("", 37), "ArrowDown": ("", 40),
         "ArrowUp": ("", 38), "End": ("", 35), "Home": ("", 36)}  # fmt: skip


def chromium() -> str:
    """The path of a Chromium; skips the test where there is none."""
    found = next((p for p in map(shutil.which, NAMES) if p), None)
    return found or pytest.skip(f"no Chromium here: none of {', '.join(NAMES)} is on the path")


class Browser:
    """One page of a headless Chromium; use as a context.

    Args:
        profile: a new folder for the browser's own files.
        width, height: of the page, CSS pixels. dark: prefer the dark colours.
    """

    def __init__(self, profile: Path, width: int = 1400, height: int = 900, dark: bool = False):
        program = chromium()
        to_child, self._out = os.pipe()
        self._in, from_child = os.pipe()
        command = [sys.executable, "-c", _LAUNCH, str(to_child), str(from_child), program, *FLAGS]
        self._child = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_child, from_child), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_child)
        os.close(from_child)
        self._rest, self._number, self._session = b"", 0, None
        self.errors: list[str] = []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.look(width, height, dark)

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the page and its colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait(20)
        os.close(self._out)
        os.close(self._in)

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            block = os.read(self._in, 1 << 20)
            if not block:
                raise RuntimeError("the browser has ended")
            self._rest += block
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One call of the protocol, and its result; errors that the page reported meanwhile are kept in ``errors``."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": params}
        if self._session:
            request["sessionId"] = self._session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        until = time.monotonic() + 60
        while True:
            answer = self._message(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"].get("exception", {}).get("description", "?"))
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.errors.append(answer["params"]["entry"]["text"])

    def open(self, url: str) -> None:
        """Go to an address; does not wait for the page."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"].get("exception", {}).get("description", script))
        return done["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> Any:
        """The value of an expression as soon as it is true."""
        until = time.monotonic() + seconds
        while True:
            try:
                value = self.run(script)
            except RuntimeError:  # the page is being replaced
                value = None
            if value:
                return value
            if time.monotonic() > until:
                raise TimeoutError(f"never true: {script}; the page said {self.errors}")
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        """Press keys as on a keyboard: single characters, or names such as ``Enter``."""
        for key in keys:
            text, code = _KEYS.get(key, (key, ord(key.upper()[0])))
            about = {"key": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
            self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, selector: str, times: int = 1) -> None:
        """Click in the middle of the first element that the selector finds."""
        x, y = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for count in range(1, times + 1):
            about = {"x": x, "y": y, "button": "left", "clickCount": count}
            self.call("Input.dispatchMouseEvent", type="mousePressed", **about)
            self.call("Input.dispatchMouseEvent", type="mouseReleased", **about)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is in sight, or of the whole page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))
