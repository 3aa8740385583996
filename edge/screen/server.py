"""The page's server on 127.0.0.1: files, facts as a stream, presses and answers to tasks.

It answers only to its own address: a foreign Host (DNS rebinding) or Origin (another site's script in the same
browser) is refused, so that no web page the officer opens can press a button.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final

from edge.screen.inlet import Board, Inlet
from edge.spool.presses import ACTS

MAX_BODY_BYTES: Final = 4096
# A sign of life at least so often: the page says when it is no longer fed.
STREAM_SILENCE_S: Final = 5.0
_FILES: Final = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/screen.css": ("screen.css", "text/css; charset=utf-8"),
    "/command.css": ("command.css", "text/css; charset=utf-8"),
    "/screen.js": ("screen.js", "text/javascript; charset=utf-8"),
    "/blocks.js": ("blocks.js", "text/javascript; charset=utf-8"),
    "/presses.js": ("presses.js", "text/javascript; charset=utf-8"),
    "/signs.js": ("signs.js", "text/javascript; charset=utf-8"),
    "/tasks.js": ("tasks.js", "text/javascript; charset=utf-8"),
    "/command.js": ("command.js", "text/javascript; charset=utf-8"),
    "/holding.js": ("holding.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ScreenError(Exception):
    """The page cannot be offered; the text says why."""


class Server:
    """Serves from threads of its own; ``address`` is known once it is made."""

    def __init__(self, inlet: Inlet, board: Board, *, port: int, wanted_port: int) -> None:
        """``port`` is that of kit.toml (0: any); ``wanted_port`` is taken instead of any if it is free."""

        class Handler(_Handler):
            pass

        Handler.inlet, Handler.board = inlet, board
        self._server = _open(port, wanted_port, Handler)
        self.port = Handler.port = self._server.socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="screen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle is no error of ours."""


def _open(port: int, wanted_port: int, handler: type[BaseHTTPRequestHandler]) -> _Server:
    tries = [port] if port or not wanted_port else [wanted_port, 0]
    for number in tries:
        try:
            return _Server(("127.0.0.1", number), handler)
        except OSError as error:
            said = error.strerror
    raise ScreenError(
        f"screen.port = {port} cannot be used ({said}): choose another, 0 for a free one, or screen.on = false."
    )


class _Handler(BaseHTTPRequestHandler):
    inlet: Inlet
    board: Board
    port: int
    protocol_version = "HTTP/1.1"
    server_version = "zhixing-screen"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """A file of the page, the facts, or their stream."""
        if not self._is_own():
            return
        if self.path in _FILES:
            name, kind = _FILES[self.path]
            self._send(HTTPStatus.OK, files("edge.screen").joinpath("static", name).read_bytes(), kind)
        elif self.path == "/state":
            self._answer(self.inlet.ask("state"))
        elif self.path == "/events":
            self._stream()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is only /, /state, /events, /press/<button> and /tasks/<n>.")

    def do_POST(self) -> None:
        """Press a button, answer a task or an order, talk."""
        if not self._is_own():
            return
        body = self._read_body()
        if body is None:
            return
        _, what, *rest = self.path.split("/")
        if what == "press" and len(rest) == 1 and rest[0] in ACTS:
            self._answer(self.inlet.ask("press", act=rest[0], key=body["key"], value=body["value"]))
        elif what == "tasks" and len(rest) == 1 and rest[0].isdigit() and len(rest[0]) < 17:
            self._answer(self.inlet.ask("task", number=int(rest[0]), answer=body["value"], note=body["note"]))
        elif what == "orders" and len(rest) == 1 and rest[0].isdigit() and len(rest[0]) < 17:
            self._answer(self.inlet.ask("order", number=int(rest[0]), answer=body["value"], note=body["note"]))
        elif what in ("talk", "talk_to") and not rest:
            self._answer(self.inlet.ask(what, value=body["value"]))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"The buttons are {', '.join(ACTS)}.")

    def log_message(self, *_: Any) -> None:
        """Presses are logged by the panel."""

    def _is_own(self) -> bool:
        port = self.port
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "none")
        own = self.headers.get("Host") in hosts and (origin is None or origin in {f"http://{host}" for host in hosts})
        # A link on another site may lead here, but only to look.
        if own and (site in ("same-origin", "none") or (self.command == "GET" and self.path == "/")):
            return True
        self.close_connection = True
        self._refuse(HTTPStatus.FORBIDDEN, f"Use this page at its own address, http://127.0.0.1:{port}/.")
        return False

    def _read_body(self) -> dict[str, str] | None:
        """``key``, ``value`` and ``note`` of the JSON body, empty where it says nothing; None when refused."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {MAX_BODY_BYTES} bytes.")
            return None
        try:
            told = json.loads(self.rfile.read(int(length)) or b"{}")
            said = {name: told.get(name, "") for name in ("key", "value", "note")}
            if not all(isinstance(text, str) and len(text) <= 500 and text.isprintable() for text in said.values()):
                raise ValueError
        except (ValueError, AttributeError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST, "Send a JSON object with key, value and note as short texts.")
            return None
        return said

    def _stream(self) -> None:
        self.close_connection = True
        listener = self.board.enter()  # before the answer: who is answered first has listened longest
        try:
            self.send_response(HTTPStatus.OK)
            for name, value in {**_HEADERS, "Content-Type": "text/event-stream", "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"retry: 1000\n\n")
            version = 0
            while (told := self.board.wait_newer(listener, version, STREAM_SILENCE_S)) is not None:
                # A comment would keep the connection, but only an event lets the page know that it is fed.
                text = told[1] if told[0] != version else "{}"
                version = told[0]
                self.wfile.write(f"data: {text}\n\n".encode())
                self.wfile.flush()
        except OSError:
            return
        finally:
            self.board.leave(listener)

    def _answer(self, answer: dict[str, Any] | None) -> None:
        if answer is None:
            answer = {"refused": "The kit does not answer; press again.", "code": "no_answer"}
        status = HTTPStatus.OK
        if "waiting" in answer:
            status = HTTPStatus.ACCEPTED
        elif answer.get("code") in ("no_answer", "card"):
            status = HTTPStatus.SERVICE_UNAVAILABLE
        elif "refused" in answer:
            status = HTTPStatus.CONFLICT
        self._send(status, json.dumps(answer, ensure_ascii=False).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(status, json.dumps({"refused": why}, ensure_ascii=False).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
