"""A headless Chromium, driven by its own DevTools protocol: https://chromedevtools.github.io/devtools-protocol/.

The program, where one is installed; otherwise Qt's build of it (PySide6-WebEngine, of the extra ``dev``).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LONGEST_SECONDS = 120.0
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
)
NOWHERE_ELSE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
PROGRAM = (
    "--headless=new",
    *QUIET,
    "--disable-extensions",
    "--no-first-run",
    "--remote-debugging-port=0",
    NOWHERE_ELSE,
)
ENGINE = Path(__file__).with_name("web_engine.py")
LISTENS = re.compile(r"^DevTools listening on ws://127\.0\.0\.1:(\d+)/", re.MULTILINE)


def why_none() -> str | None:
    """Why there is no browser on this machine; ``None`` where there is one."""
    if CHROMIUM is not None:
        return None
    tried = [sys.executable, "-c", "import PySide6.QtWebEngineWidgets"]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return f"no Chromium on this machine, and none of Qt's: {last}" if done.returncode else None


MISSING = why_none()
needed = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@dataclass
class Page:
    """A page of the browser. ``complaints``: what its console has said."""

    connection: ClientConnection
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _number: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the browser; waits for its answer."""
        self._number += 1
        self.connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self.connection.recv(timeout=LONGEST_SECONDS))
            self._note(told)
            if told.get("id") == self._number:
                assert "error" not in told, told
                found: dict[str, Any] = told["result"]
                return found

    def _note(self, told: dict[str, Any]) -> None:
        if told.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(told["params"]))
        if told.get("method") == "Network.requestWillBeSent":
            self.asked.append(told["params"]["request"]["url"])

    def open(self, address: str) -> None:
        """Go to an address, and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript on the page; ``None`` while a page is being left."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not self.value(expression):
            assert time.monotonic() < deadline, f"{expression} never was: {self.value('document.body.innerText')}"
            time.sleep(0.02)

    def text(self) -> str:
        return str(self.value("document.body.innerText"))

    def width(self, pixels: int) -> None:
        """Show pages so wide."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=900, deviceScaleFactor=1, mobile=pixels < 600
        )

    def key(self, name: str) -> None:
        """Press a key and let it go."""
        text = {"text": "\r"} if name == "Enter" else {}
        codes = {"Tab": 9, "Enter": 13}
        for kind in ("keyDown", "keyUp"):
            down = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=codes[name], **down)

    def nameless(self) -> list[str]:
        """What can be pressed, followed or filled in on the page, and has no name for a screen reader."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        uses = (
            "button",
            "link",
            "textbox",
            "checkbox",
            "combobox",
            "spinbutton",
            "Date",
            "table",
            "image",
            "navigation",
        )
        found = [one for one in nodes if one.get("role", {}).get("value") in uses and not one.get("ignored")]
        return [one["role"]["value"] for one in found if not one.get("name", {}).get("value")]

    def fits(self, base: str, pages: Mapping[str, str], title: str = "") -> None:
        """Each page below ``base`` holds its words, wide and narrow, with nothing cut off or without a name."""
        for width in (1280, 400):
            self.width(width)
            for path, words in pages.items():
                self.open(base + path)
                assert words in self.text(), path
                assert self.value("document.documentElement.scrollWidth") <= width, (path, width)
                assert self.value("document.title").endswith(title)
                assert self.nameless() == [], path

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(told["data"]))


def command(profile: Path) -> list[str]:
    """What starts a browser. Both say on standard error at which port they listen."""
    if CHROMIUM is not None:
        return [CHROMIUM, *PROGRAM, f"--user-data-dir={profile}", "about:blank"]
    with socket.create_server(("127.0.0.1", 0)) as free:  # Qt takes no 0 for "any"
        port = free.getsockname()[1]
    return [sys.executable, str(ENGINE), str(port), *QUIET, NOWHERE_ELSE]


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A browser with one empty page, and its profile in a folder; it ends with the block."""
    client = pytest.importorskip("websockets.sync.client", reason="the browser's protocol needs the package websockets")
    log = folder / "chromium.log"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(command(folder / "profile"), stdout=stream, stderr=stream, start_new_session=True)
    try:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not (found := LISTENS.search(log.read_text(errors="replace"))):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{found[1]}/json/list", timeout=LONGEST_SECONDS) as answer:
            (target,) = [one for one in json.load(answer) if one["type"] == "page"]
        with client.connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None) as connection:
            page = Page(connection)
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{domain}.enable")
            yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
