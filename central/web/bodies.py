"""What comes in is bounded, and can be kept as text, before any parser or handler sees it.

A body is read whole into memory, up to 1 MiB: no parser then spools one to a disk in the clear, whoever sends it.
Only forms with a file flow on to their page, each address within a limit of its own, and only with their proof in a
header or in the address: whoever asks is judged before the first byte is read (`security.check_csrf`). PostgreSQL
keeps no NUL in a text, and neither database half of a surrogate pair: what holds one is refused at the door.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from typing import ClassVar, Final
from urllib.parse import unquote_plus

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.base.errors import DomainError, InvalidInputError
from central.web.security import CSRF_FIELD, CSRF_HEADER

MAX_BYTES: Final = 1024 * 1024
BODY_S: Final = 60.0
"""How long a body held in memory may take, and how long one that flows may pause."""
LINGER_BYTES: Final = 64 * 1024 * 1024
LINGER_S: Final = 30.0
_FORM_WITH_FILE: Final = b"multipart/form-data"
# The framework decodes fields by the charset the sender names; others could smuggle in what these cannot hold.
_CHARSETS: Final = frozenset({b"", b"utf-8", b"utf8", b"us-ascii"})

Refuse = Callable[[Request, DomainError], Response]


class BodyTooLargeError(InvalidInputError):
    """More was sent than this address takes."""

    code: ClassVar[str] = "body_too_large"


class BodyTooSlowError(InvalidInputError):
    """The body did not come in time."""

    code: ClassVar[str] = "body_too_slow"


class UnreadableTextError(InvalidInputError):
    """NUL, or half of a surrogate pair, in what was sent."""

    code: ClassVar[str] = "unreadable_text"


def check_texts(*texts: str) -> None:
    """Raise UnreadableTextError for a text that PostgreSQL or UTF-8 cannot hold."""
    for text in texts:
        if "\0" in text or not _is_whole(text):
            raise UnreadableTextError(
                "What was sent holds a character that cannot be kept (NUL, or half of one); remove it and try again."
            )


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Body:
    """The body of one request, counted as it comes."""

    def __init__(self, receive: Receive, headers: Headers, limit: int) -> None:
        self._receive, self._headers, self._limit = receive, headers, limit
        self._size = 0
        # Without either header a request has no body (RFC 9112, 6.3).
        self.is_done = "content-length" not in headers and "transfer-encoding" not in headers
        self.is_given_up = False

    async def receive(self) -> Message:
        """Return the next message; raises BodyTooLargeError, BodyTooSlowError."""
        if self.is_done:
            return await self._receive()
        declared = self._headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._limit:
            raise self._too_large()
        try:
            async with asyncio.timeout(BODY_S):
                message = await self._take()
        except TimeoutError:
            raise self._too_slow() from None
        if self._size > self._limit:
            raise self._too_large()
        return message

    async def read_whole(self) -> bytes | None:
        """Return all of it, None when the sender went away; raises BodyTooLargeError, BodyTooSlowError."""
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(BODY_S):
                while not self.is_done:
                    message = await self.receive()
                    if message["type"] != "http.request":
                        return None
                    pieces.append(message.get("body", b""))
        except TimeoutError:
            raise self._too_slow() from None
        return b"".join(pieces)

    async def linger(self) -> None:
        """Take what is still being sent, keeping none of it, so that the sender reads the answer (as nginx does)."""
        end = self._size + LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not (self.is_done or self.is_given_up) and self._size < end:
                    await self._take()

    async def _take(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
        self.is_done = not message.get("more_body", False)
        return message

    def _too_large(self) -> BodyTooLargeError:
        limit = self._limit // 1024
        return BodyTooLargeError(
            f"More was sent than the {limit} KB this form takes; make it smaller and send it again.", limit=limit
        )

    def _too_slow(self) -> BodyTooSlowError:
        self.is_given_up = True
        return BodyTooSlowError("The form came too slowly and was given up; check the network and send it again.")


class Bounds:
    """ASGI layer that refuses what is too large, too slow or no text. `uploads`: pattern of a path to its bytes.

    `refuse` makes the answer. A connection whose body was not wanted is closed after the answer.
    """

    def __init__(self, app: ASGIApp, *, uploads: Mapping[str, int], refuse: Refuse) -> None:
        self._app = app
        self._uploads = [(re.compile(pattern), limit) for pattern, limit in uploads.items()]
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge the request, then pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._upload_limit(scope, headers)
        body = _Body(receive, headers, limit or MAX_BYTES)
        send = _closing(body, send)
        try:
            check_texts(scope["path"], unquote_plus(scope["query_string"].decode("latin-1")))
            if body.is_done or limit:
                taken: Receive | None = body.receive
            else:
                taken = await _keep(body, headers)
        except InvalidInputError as error:
            # The answer repeats nothing of the address: it may be what is refused.
            bare = {**scope, "path": "/", "raw_path": b"/", "query_string": b""}
            await self._refuse(Request(bare), error)(scope, receive, send)
            return
        if taken is not None:
            await self._app(scope, taken, send)

    def _upload_limit(self, scope: Scope, headers: Headers) -> int:
        """Return how much a form with a file may hold here; 0 for any other request."""
        limit = next((limit for pattern, limit in self._uploads if pattern.fullmatch(scope["path"])), 0)
        kind, _options = parse_options_header(headers.get("content-type", ""))
        has_proof = CSRF_HEADER in headers or CSRF_FIELD in QueryParams(scope["query_string"])
        return limit if scope["method"] == "POST" and kind == _FORM_WITH_FILE and has_proof else 0


async def _keep(body: _Body, headers: Headers) -> Receive | None:
    """Read the body and return what gives it out; None when the sender went away."""
    data = await body.read_whole()
    if data is None:
        return None
    kind, options = parse_options_header(headers.get("content-type", ""))
    if b"\0" in data or (kind != _FORM_WITH_FILE and b"%00" in data):
        check_texts("\0")
    if options.get(b"charset", b"").lower() not in _CHARSETS:
        raise InvalidInputError("The form must be sent in UTF-8; reload the page and try again.")
    messages: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

    async def give() -> Message:
        return messages.pop() if messages else await body.receive()

    return give


def _closing(body: _Body, send: Send) -> Send:
    """Return a `send` that ends the connection when an answer leaves before the whole body has come."""

    async def send_closing(message: Message) -> None:
        if body.is_done:
            await send(message)
        elif message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)
        elif message.get("more_body", False):
            await send(message)
        else:
            await send({**message, "more_body": True})
            await body.linger()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_closing
