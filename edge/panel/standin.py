"""Stand-ins where there are no pins: a page on the loopback address, and single keys on a terminal.

The page answers only to its own address: a foreign Host (DNS rebinding) or Origin (another site's script in the
same browser) is refused, so that no web page the officer opens can press a button.
"""

from __future__ import annotations

import json
import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from queue import Empty, Queue, SimpleQueue
from typing import Any, Final

from edge.panel.gestures import Act

PRESSES: Final = {act.value: act for act in (Act.SOS, Act.WITHDRAW, Act.RECORD, Act.MARK, Act.DUTY)}
KEYS: Final = {"s": Act.SOS, "w": Act.WITHDRAW, "r": Act.RECORD, "m": Act.MARK, "d": Act.DUTY}
_ANSWER_S: Final = 5.0
_MAX_BODY_BYTES: Final = 1024


@dataclass
class Press:
    """An act asked for by a stand-in (None: only the state); the answer comes back through ``reply``."""

    act: Act | None
    by: str
    reply: Queue[dict[str, Any]] = field(default_factory=lambda: Queue(1))


class Inlet:
    """Hands presses of other threads to the panel's own thread, which alone touches the spool."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._presses: SimpleQueue[Press] = SimpleQueue()
        self._wake = wake

    def ask(self, act: Act | None, by: str) -> dict[str, Any] | None:
        """Wait for the panel's answer; None when it does not come."""
        press = Press(act, by)
        self.push(press)
        try:
            return press.reply.get(timeout=_ANSWER_S)
        except Empty:
            return None

    def push(self, press: Press) -> None:
        """Hand over without waiting."""
        self._presses.put(press)
        self._wake()

    def take(self) -> Press | None:
        """The next press, or None."""
        try:
            return self._presses.get_nowait()
        except Empty:
            return None


class StandInError(Exception):
    """The stand-in page cannot be offered; the text says why."""


class StandIn:
    """The HTTP stand-in on 127.0.0.1; ``address`` is known once it is made."""

    def __init__(self, inlet: Inlet, *, kit_id: str, port: int) -> None:

        class Handler(_Handler):
            pass

        Handler.inlet, Handler.kit_id = inlet, kit_id
        try:
            self._server = _Server(("127.0.0.1", port), Handler)
        except OSError as error:
            raise StandInError(
                f"panel.http_port = {port} cannot be used ({error.strerror}): choose another, or 0 for a free one."
            ) from error
        self.port = Handler.port = self._server.socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="stand-in", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    inlet: Inlet
    kit_id: str
    port: int
    protocol_version = "HTTP/1.1"
    server_version = "zhixing-panel"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """The page, or the state as JSON."""
        if not self._is_own():
            return
        if self.path == "/":
            page = files("edge.panel").joinpath("page.html").read_text(encoding="utf-8")
            self._send(HTTPStatus.OK, page.replace("{{kit}}", self.kit_id).encode(), "text/html; charset=utf-8")
        elif self.path == "/state":
            self._answer(self.inlet.ask(None, ""))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is only /, /state and /press/<button>.")

    def do_POST(self) -> None:
        """Press a button."""
        if not self._is_own():
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A press needs no body; send none.")
            return
        self.rfile.read(int(length))
        act = PRESSES.get(self.path.removeprefix("/press/")) if self.path.startswith("/press/") else None
        if act is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"The buttons are {', '.join(PRESSES)}.")
            return
        self._answer(self.inlet.ask(act, "stand-in page"))

    def log_message(self, *_: Any) -> None:
        """Presses are logged by the panel itself."""

    def _is_own(self) -> bool:
        port = self.port
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in hosts or (
            origin is not None and origin not in {f"http://{host}" for host in hosts}
        ):
            self.close_connection = True
            self._refuse(HTTPStatus.FORBIDDEN, f"Use this page at its own address, http://127.0.0.1:{port}/.")
            return False
        return True

    def _answer(self, answer: dict[str, Any] | None) -> None:
        if answer is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The panel does not answer; press again.")
            return
        status = HTTPStatus.CONFLICT if "refused" in answer else HTTPStatus.OK
        self._send(status, json.dumps(answer, ensure_ascii=False).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(status, json.dumps({"refused": why}, ensure_ascii=False).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Keyboard:
    """Single keys on a terminal: s SOS, w withdraw, r record, m mark, d duty."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._stopping = threading.Event()
        self._before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        self._thread = threading.Thread(target=self._read, name="keyboard", daemon=True)
        self._thread.start()
        print("keys: " + ", ".join(f"{key} {act.value}" for key, act in KEYS.items()), flush=True)

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._stopping.set()
        self._thread.join(2)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        while not self._stopping.is_set():
            if not select.select([sys.stdin], [], [], 0.5)[0]:
                continue
            # Past Python's own buffer: what lies in there would not show in select.
            keys = os.read(sys.stdin.fileno(), 64).decode(errors="ignore").lower()
            if not keys:
                return
            for act in (KEYS[key] for key in keys if key in KEYS):
                self._inlet.push(Press(act, "keyboard"))
