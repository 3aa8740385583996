"""RTSP 1.0 on the wire (RFC 2326): requests, interleaved packets, answers. Bounded: nobody makes us keep much."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_HEAD: Final = 8192
MAX_BODY: Final = 4096
_DOLLAR: Final = 0x24
REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    415: "Unsupported Media Type",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    503: "Service Unavailable",
    505: "RTSP Version not supported",
}


class WireError(Exception):
    """What came is no RTSP; the connection ends."""


@dataclass(frozen=True)
class Request:
    """A request's line and headers, names in lower case. A body is read and dropped: nothing here needs one."""

    method: str
    uri: str
    headers: Mapping[str, str]

    @property
    def cseq(self) -> str:
        """What an answer repeats."""
        return self.headers.get("cseq", "")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request, past any packets (RTCP) in between; None at the end. Raises WireError."""
    try:
        while (first := await reader.readexactly(1))[0] == _DOLLAR:
            head = await reader.readexactly(3)
            await reader.readexactly(int.from_bytes(head[1:], "big"))
        if first in b"\r\n":
            return await read_request(reader)
        head = first + await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip(b"\r\n"):
            raise WireError("cut in the middle of a request") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise WireError("a head without end") from error
    request = parse_head(head)
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
        raise WireError("a body that nobody wants")
    try:
        await reader.readexactly(int(length))
    except asyncio.IncompleteReadError as error:
        raise WireError("cut in the middle of a body") from error
    return request


def parse_head(head: bytes) -> Request:
    """Take a request's head apart; raises WireError."""
    try:
        first, *lines = head.decode("utf-8").strip("\r\n").split("\r\n")
        method, uri, version = first.split(" ")
    except (UnicodeDecodeError, ValueError) as error:
        raise WireError("no RTSP request") from error
    if not version.startswith("RTSP/1.") or not method.isupper() or len(lines) > 64:
        raise WireError("no RTSP 1.0 request")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise WireError("a header without colon")
        headers[name.strip().lower()] = value.strip()
    if not headers.get("cseq", "").isdigit() or len(headers["cseq"]) > 20:
        raise WireError("no CSeq")
    return Request(method, uri, headers)


def answer(request: Request, status: int, headers: Mapping[str, str] | None = None, body: str = "") -> bytes:
    """An answer as bytes."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}", f"CSeq: {request.cseq}", "Server: zhixing"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    content = body.encode()
    if content:
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(content)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def interleave(channel: int, packet: bytes) -> bytes:
    """A packet on its channel of the same connection (RFC 2326, 10.12)."""
    return bytes((_DOLLAR, channel)) + len(packet).to_bytes(2, "big") + packet
