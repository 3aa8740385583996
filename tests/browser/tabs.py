"""Chromium's own tabs: a page that lies behind another one is hidden, as at a desk.

Playwright tells every page that it has the focus, so none is ever hidden there. This speaks the browser's protocol
(https://chromedevtools.github.io/devtools-protocol/) to a browser of its own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.browser.conftest import CHROMIUM, DESK, FLAGS
from tests.waiting import wait_until


class Tabs:
    """Tabs of one window, by the id that `open` returns."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._calls = connection, 0

    def open(self, url: str, cookies: Mapping[str, str] | None = None) -> str:
        """Open a tab in front of the others; `cookies` (value by name) are those of its site."""
        if cookies:
            told = [{"name": name, "value": value, "url": url} for name, value in cookies.items()]
            self._call("Storage.setCookies", cookies=told)
        return str(self._call("Target.createTarget", url=url, newWindow=False)["targetId"])

    def show(self, tab: str) -> None:
        """Bring a tab to the front."""
        self._call("Target.activateTarget", targetId=tab)

    def ask(self, tab: str, expression: str) -> Any:
        """What an expression of JavaScript is in that tab."""
        session = self._call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        answer = self._call("Runtime.evaluate", session, expression=expression, returnByValue=True)
        self._call("Target.detachFromTarget", sessionId=session)
        return answer["result"].get("value")

    def close(self) -> None:
        self._call("Browser.close")

    def _call(self, method: str, session: str = "", **values: Any) -> dict[str, Any]:
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": values}
        self._connection.send(json.dumps(call | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._connection.recv(30))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])


@contextmanager
def open_tabs(profile: Path) -> Iterator[Tabs]:
    """A browser with its profile in an empty folder."""
    told = profile / "DevToolsActivePort"
    size = f"--window-size={DESK['width']},{DESK['height']}"
    flags = [*FLAGS, "--headless", size, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    process = subprocess.Popen([str(CHROMIUM), *flags, "about:blank"], stderr=subprocess.DEVNULL)
    try:
        port, path = wait_until(lambda: read_address(told), 30, "the browser")
        with connect(f"ws://127.0.0.1:{port}{path}", proxy=None, compression=None, max_size=None) as connection:
            tabs = Tabs(connection)
            yield tabs
            tabs.close()
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def read_address(told: Path) -> list[str]:
    """Port and path, once both are written; until then nothing."""
    lines = told.read_text().split() if told.exists() else []
    return lines if len(lines) == 2 else []
