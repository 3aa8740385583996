"""Forms with a large file: the file goes to its sink as it comes, and never lies in the clear on a disk.

The framework's own form parser writes files to a temporary folder first. Here only the fields beside the file are
held in memory, within a limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from central.base.errors import InvalidInputError
from central.web.bodies import check_texts

_S = TypeVar("_S", bound="Sink")
MAX_FIELDS_BYTES: Final = 256 * 1024
# What a form may hold beside its file: the fields, and the headers of every part.
FORM_BYTES: Final = MAX_FIELDS_BYTES + 64 * 1024
_FILE: Final = "file"


class Sink(Protocol):
    """What takes the bytes of a file."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        ...

    def abandon(self) -> None:
        """Leave nothing behind."""
        ...


class MemorySink:
    """Holds a file in memory, and of one that is too large only so much that it shows."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes + 1
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self.data += data[: self._room - len(self.data)]

    def abandon(self) -> None:
        """Leave nothing behind."""
        self.data.clear()


@dataclass
class UploadForm:
    """The fields of a form as text, and the name the browser gave the file ("" when none was chosen)."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str = ""


class _Reader:
    """Callbacks of the parser: gathers fields, queues the bytes of the file."""

    def __init__(self) -> None:
        self.form = UploadForm()
        self.pieces: list[bytes] = []
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = bytearray(), bytearray()
        self._name, self._is_file = "", False
        self._text = bytearray()
        self._held = 0

    def begin_part(self) -> None:
        """A part begins."""
        self._headers, self._text = {}, bytearray()
        self._name, self._is_file = "", False

    def header_field(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's name."""
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """Some of a header's value."""
        self._value += data[start:end]

    def end_header(self) -> None:
        """A header is whole."""
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def end_headers(self) -> None:
        """What the part is is known."""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == _FILE and b"filename" in options
        if self._is_file:
            self.form.file_name = options[b"filename"].decode("utf-8", "replace")
            check_texts(self.form.file_name)

    def data(self, data: bytes, start: int, end: int) -> None:
        """Some of the part's content; raises InvalidInputError when texts grow too long."""
        if self._is_file:
            self.pieces.append(data[start:end])
            return
        self._held += end - start
        if self._held > MAX_FIELDS_BYTES:
            raise InvalidInputError("The form's texts are too long; shorten them.", limit=MAX_FIELDS_BYTES)
        self._text += data[start:end]

    def end_part(self) -> None:
        """The part is whole."""
        if not self._is_file and self._name:
            text = self._text.decode("utf-8", "replace")
            check_texts(self._name, text)
            self.form.fields[self._name] = text


async def receive_form(request: Request, open_sink: Callable[[], _S]) -> tuple[UploadForm, _S | None]:
    """Read a multipart form whose part `file` goes to a sink, opened when its first byte comes (None: no file).

    Raises InvalidInputError for what is no such form, and whatever the sink raises; the sink is then abandoned.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise InvalidInputError("This form must be sent with its file; reload the page and try again.")
    reader = _Reader()
    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_part_begin": reader.begin_part,
            "on_part_data": reader.data,
            "on_part_end": reader.end_part,
            "on_header_field": reader.header_field,
            "on_header_value": reader.header_value,
            "on_header_end": reader.end_header,
            "on_headers_finished": reader.end_headers,
        },
    )
    sink: _S | None = None
    chunks = request.stream()
    try:
        async for chunk in chunks:
            parser.write(chunk)
            piece, reader.pieces = b"".join(reader.pieces), []
            if piece:
                if sink is None:
                    sink = await run_in_threadpool(open_sink)
                await run_in_threadpool(sink.write, piece)
        parser.finalize()
    except BaseException as error:
        if sink is not None:
            sink.abandon()
        if isinstance(error, MultipartParseError):
            raise InvalidInputError("The form arrived damaged; send it again.") from error
        raise
    return reader.form, sink
