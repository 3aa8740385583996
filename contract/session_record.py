"""The record of a live session at the centre: what was relayed, said, ordered and by whom watched.

A chain as a kit's recording has one (`contract.chain`), but signed by the centre with its receipt key (Ed25519) over
the domain ``zhixing/session-record/v1``, so that neither kind of record passes for the other; the recording's id is
the session's. Each segment is an age container for the recipients of the trust list (`contract.envelope`) with the
layout of `contract.segment`: header, then items, each ``>BQHI`` (kind, time in µs since 1970 UTC by the centre's
clock, length of the name, length of the body), name and body. Pictures and voices lie in it as they were relayed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contract.signing import BadSignatureError, Signed, sign_ed25519, verify_ed25519

DOMAIN: Final = b"zhixing/session-record/v1"
MIME: Final = "application/vnd.zhixing.session"
ITEM: Final = struct.Struct(">BQHI")
MAX_ITEM_BYTES: Final = 4 * 1024 * 1024


class SessionRecordError(ValueError):
    """The clear bytes of a segment are not items; the text is the one-line reason."""


class ItemKind(IntEnum):
    """What an item is."""

    FRAME = 0
    """A frame of `contract.live` as it was relayed; the name is its source."""
    ENTRY = 1
    """An entry of the session's log as JSON; the name is its kind."""
    REACHED = 2
    """JSON array of who hears the source named, from here on: source ids, `p:` and `c:` included."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a session. ``at_us``: µs since 1970 UTC, the centre's clock when it was relayed or entered."""

    kind: ItemKind
    at_us: int
    name: str
    body: bytes

    def pack(self) -> bytes:
        """The item as bytes; raise SessionRecordError when it is too long."""
        name = self.name.encode()
        if len(self.body) > MAX_ITEM_BYTES or len(name) > 0xFFFF:
            raise SessionRecordError(f"An item of {len(self.body)} bytes is longer than {MAX_ITEM_BYTES}.")
        return ITEM.pack(self.kind, self.at_us, len(name), len(self.body)) + name + self.body


def read_items(clear: bytes) -> Iterator[Item]:
    """The items of a clear segment (without its header), in their order; raise SessionRecordError."""
    at = 0
    while at < len(clear):
        if len(clear) - at < ITEM.size:
            raise SessionRecordError("The segment ends inside an item.")
        number, at_us, name_bytes, body_bytes = ITEM.unpack_from(clear, at)
        at += ITEM.size
        end = at + name_bytes + body_bytes
        if body_bytes > MAX_ITEM_BYTES or end > len(clear):
            raise SessionRecordError("The segment ends inside an item.")
        try:
            kind, name = ItemKind(number), clear[at : at + name_bytes].decode()
        except ValueError:
            raise SessionRecordError(f"There is no item of kind {number}, or its name is no text.") from None
        yield Item(kind, at_us, name, clear[at + name_bytes : end])
        at = end


def sign(key: Ed25519PrivateKey, body: bytes) -> bytes:
    """Signature of a record's body by the centre's receipt key."""
    return sign_ed25519(key, DOMAIN, body)


@dataclass(frozen=True)
class CentreKeys:
    """The centre as a signatory of chains (`contract.chain.Signatory`): any receipt key of the trust list."""

    keys: Sequence[Ed25519PublicKey]

    def verify_record(self, signed: Signed) -> None:
        """Raise BadSignatureError unless one of the keys signed the record as one of a session."""
        for key in self.keys:
            try:
                verify_ed25519(key, DOMAIN, signed.body, signed.sig)
            except BadSignatureError:
                continue
            return
        raise BadSignatureError("The record is not signed by a receipt key of the trust list.")
