"""Answers of an HTTP/1.1 server, read as they trickle in: several may be on their way at once (RFC 9112).

Pure: bytes in, answers out. The standard library's client waits for each answer before the next request, which on
a slow link leaves the line empty for a round trip after every segment.
"""

from collections import deque

import msgspec

MAX_HEAD_BYTES = 32 * 1024
_BODILESS = (204, 304)


class MalformedAnswerError(RuntimeError):
    """What came is no HTTP answer; the connection is of no more use."""


class RawAnswer(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case), body (cut at the limit), and whether the connection ends with it."""

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool


class _Head(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    begins: int  # where the body begins

    @property
    def closes(self) -> bool:
        return "close" in self.headers.get("connection", "").lower()

    @property
    def is_chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()


class AnswerReader:
    """Feed it what the connection gives; it hands out the answers in the order of their requests."""

    def __init__(self, max_body_bytes: int) -> None:
        self._limit = max_body_bytes
        self._data = bytearray()
        self._methods: deque[str] = deque()
        self._answers: deque[RawAnswer] = deque()
        self._expected = 0
        self.is_ended = False

    def expect(self, method: str) -> int:
        """A request was sent, and its answer will follow those of the requests before it; returns its number."""
        self._methods.append(method)
        self._expected += 1
        return self._expected

    def is_answered(self, number: int) -> bool:
        """Whether the answer to the request of this number (as `expect` gave it) has come."""
        return self._expected - len(self._methods) >= number

    @property
    def outstanding(self) -> int:
        """Requests whose answer was not handed out."""
        return len(self._methods) + len(self._answers)

    def feed(self, data: bytes) -> None:
        """Take bytes; none: the connection ended. Raises MalformedAnswerError."""
        if not data:
            self.is_ended = True
        self._data += data
        while self._methods and (answer := self._parse(self._methods[0])) is not None:
            self._methods.popleft()
            self._answers.append(answer)
        if self._data and not self._methods:
            # It would be taken for the answer to whatever is asked next.
            raise MalformedAnswerError("an answer came that nobody asked for")

    def take(self) -> RawAnswer | None:
        """The oldest answer that is complete."""
        return self._answers.popleft() if self._answers else None

    def _parse(self, method: str) -> RawAnswer | None:
        while (head := self._parse_head()) is not None and 100 <= head.status < 200:
            del self._data[: head.begins]
        if head is None:
            return None
        if method == "HEAD" or head.status in _BODILESS:
            return self._finish(head, b"", head.begins)
        if head.is_chunked:
            return self._parse_chunks(head)
        told = head.headers.get("content-length")
        if told is None:  # the body ends with the connection
            return self._cut_off(head) if self.is_ended or self._is_past_limit(head) else None
        if not (told.isascii() and told.isdecimal() and len(told) < 16):
            raise MalformedAnswerError(f"an answer's Content-Length is {told[:40]!r}")
        ends = head.begins + int(told)
        if int(told) > self._limit:
            return self._cut_off(head) if self.is_ended or self._is_past_limit(head) else None
        return self._finish(head, bytes(self._data[head.begins : ends]), ends) if len(self._data) >= ends else None

    def _parse_head(self) -> _Head | None:
        ends = self._data.find(b"\r\n\r\n")
        if ends < 0:
            if len(self._data) > MAX_HEAD_BYTES or not b"HTTP/1.".startswith(self._data[:7]):
                raise MalformedAnswerError("what came is not an HTTP answer")
            return None
        first, *lines = self._data[:ends].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise MalformedAnswerError(f"what came is not an HTTP answer ({first[:40]!r})")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return _Head(int(rest[:3]), headers, ends + 4)

    def _parse_chunks(self, head: _Head) -> RawAnswer | None:
        body, at = bytearray(), head.begins
        while True:
            line_end = self._data.find(b"\r\n", at)
            if line_end < 0:
                return None
            try:
                size = int(bytes(self._data[at:line_end]).partition(b";")[0], 16)
            except ValueError as error:
                raise MalformedAnswerError("an answer's chunk has no size") from error
            if size < 0:
                raise MalformedAnswerError("an answer's chunk has no size")
            if len(body) + size > self._limit:
                return self._cut_off(head)
            if size == 0:
                ends = self._data.find(b"\r\n\r\n", line_end)
                return None if ends < 0 else self._finish(head, bytes(body), ends + 4)
            at = line_end + 2 + size + 2
            if len(self._data) < at:
                return None
            body += self._data[line_end + 2 : at - 2]

    def _is_past_limit(self, head: _Head) -> bool:
        return len(self._data) - head.begins > self._limit

    def _finish(self, head: _Head, body: bytes, ends: int) -> RawAnswer:
        del self._data[:ends]
        return RawAnswer(head.status, head.headers, body, closes=head.closes)

    def _cut_off(self, head: _Head) -> RawAnswer:
        """Longer than anybody here wants to read: its beginning, and then an end of the connection."""
        body = bytes(self._data[head.begins : head.begins + self._limit])
        self._data.clear()
        return RawAnswer(head.status, head.headers, body, closes=True)
