"""The header of an age v1 container as text: written and read strictly. No key is needed or known here.

``envelope`` wraps and unwraps what stands in it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

VERSION_LINE: Final = b"age-encryption.org/v1"
_MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_STANZAS: Final = 64
_COLUMNS: Final = 64


class EnvelopeError(ValueError):
    """A container cannot be opened."""


class HeaderError(EnvelopeError):
    """The header breaks the format or was changed."""


@dataclass(frozen=True)
class Stanza:
    """One recipient's entry of a header: its words and its body."""

    words: tuple[str, ...]
    body: bytes

    def pack(self) -> bytes:
        """The stanza as header lines."""
        text = b64(self.body)
        lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
        if len(text) % _COLUMNS == 0:
            lines.append("")
        return ("-> " + " ".join(self.words) + "\n" + "\n".join(lines) + "\n").encode()


def read_header(source: BinaryIO) -> tuple[bytes, list[Stanza], bytes]:
    """Read ``source`` up to its payload: the header without its MAC, its stanzas, the MAC (32 bytes).

    Raises HeaderError for whatever the format forbids; not one byte of the payload is read.
    """
    lines = _header_lines(source)
    head = bytearray()

    def take() -> bytes:
        line = next(lines)
        head.extend(line + b"\n")
        return line

    if take() != VERSION_LINE:
        raise HeaderError("The file is not an age v1 container.")
    stanzas: list[Stanza] = []
    while not (line := take()).startswith(b"---"):
        stanzas.append(_read_stanza(line, take))
        if len(stanzas) > _MAX_STANZAS:
            raise HeaderError("The header names more recipients than are allowed.")
    if not stanzas:
        raise HeaderError("The header names no recipient.")
    del head[-len(line) - 1 :]
    if not line.startswith(b"--- "):
        raise HeaderError("The header's last line is malformed.")
    mac = unb64(line[4:])
    if len(mac) != 32:
        raise HeaderError("The header's MAC has a wrong length.")
    return bytes(head) + b"---", stanzas, mac


def _header_lines(source: BinaryIO) -> Iterator[bytes]:
    # Byte by byte, so that not one byte of the payload is read ahead; headers are a few hundred bytes.
    line = bytearray()
    for _ in range(_MAX_HEADER_BYTES):
        char = source.read(1)
        if not char:
            raise HeaderError("The container ends inside its header.")
        if char == b"\n":
            yield bytes(line)
            line.clear()
        else:
            line += char
    raise HeaderError("The header is longer than allowed.")


def _read_stanza(line: bytes, take: Callable[[], bytes]) -> Stanza:
    words = line.split(b" ")
    if words[0] != b"->" or len(words) < 2:
        raise HeaderError("A recipient line of the header is malformed.")
    if any(not word or any(not 33 <= char <= 126 for char in word) for word in words):
        raise HeaderError("A recipient line of the header has a stray character.")
    text = b""
    while len(part := take()) == _COLUMNS:
        text += part
    if len(part) > _COLUMNS:
        raise HeaderError("A body line of the header is too long.")
    return Stanza(tuple(word.decode() for word in words[1:]), unb64(text + part))


def b64(data: bytes) -> str:
    """Base64 as the format writes it: canonical, without padding."""
    return base64.b64encode(data).rstrip(b"=").decode()


def unb64(text: bytes) -> bytes:
    """Read what `b64` wrote; raise HeaderError for any other spelling of the same bytes."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise HeaderError("The header has malformed base64.") from error
    if b64(data).encode() != text:
        raise HeaderError("The header has base64 that is padded or not canonical.")
    return data
