"""A real Chromium without a window, driven by chromedriver over the W3C WebDriver protocol, which is HTTP and JSON."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from integration_tests.ports import free_port

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=900,760",
)
PATIENCE_SECONDS = 60.0


def missing() -> str:
    """Why there is no browser here; empty if there is one."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (Debian: apt-get install chromium chromium-driver)" if lacking else ""


class Browser:
    """One window.

    Args:
        session: the address of a WebDriver session.
    """

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, address: str) -> None:
        """Go there and wait until it is loaded."""
        self._ask("POST", "/url", {"url": address})

    def click(self, selector: str) -> None:
        """Click the one element that the CSS selector names. What it leads to may take a moment: see `arrive`."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        (element,) = found.values()
        self._ask("POST", f"/element/{element}/click", {})

    def arrive(self, start: str) -> None:
        """Wait until a page whose address starts so is there as a whole."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (self.address.startswith(start) and self.run("return document.readyState") == "complete"):
            assert time.monotonic() < end, f"still at {self.address}"
            time.sleep(0.05)

    def text(self) -> str:
        """What a person can read."""
        return str(self.run("return document.body.innerText"))

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self._ask("GET", "/url"))

    @property
    def title(self) -> str:
        """What the tab is called."""
        return str(self._ask("GET", "/title"))

    def screenshot(self, path: Path) -> None:
        """Save what a person sees, as PNG."""
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def run(self, script: str) -> Any:
        """What a script in the page gives back."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = _http().request(method, f"{self._session}{path}", json=body, timeout=60)
        assert answer.ok, answer.text
        return answer.json()["value"]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A fresh browser with a profile of its own, gone afterwards."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [str(shutil.which("chromedriver")), f"--port={port}"]
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            root = f"http://127.0.0.1:{port}"
            _until_ready(root)
            options = {"args": [*ARGUMENTS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
            wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
            answer = _http().post(f"{root}/session", json=wanted, timeout=120)
            assert answer.ok, answer.text
            session = f"{root}/session/{answer.json()['value']['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _http().delete(session, timeout=30)
        finally:
            driver.terminate()
            driver.wait(30)


def _http() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _until_ready(root: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if _http().get(f"{root}/status", timeout=30).json()["value"]["ready"]:
                return
        except requests.exceptions.ConnectionError:
            pass
        assert time.monotonic() < end, "chromedriver did not start"
        time.sleep(0.1)
