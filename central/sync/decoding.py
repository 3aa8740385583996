"""Raw messages of kits become typed items; what cannot be read gets its one reason. No database here."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from central.devices.rules import KitRef, digest_item
from central.devices.service import KitDirectory
from contract.messages import (
    BODY_OF_KIND,
    MAX_UP_BYTES,
    ChainItem,
    Fix,
    Item,
    MessageError,
    PositionItem,
    PositionMessage,
    UpMessage,
    decode,
    decode_positions,
    decode_up,
)
from contract.names import BadNameError, split_up_subject
from contract.packing import PackingError, is_packed, unpack
from contract.signing import Signed

_MAX_ROUTES: Final = 50_000

RawMessage = tuple[str, bytes]
"""Subject and payload as they came from the broker."""


class Reject(NamedTuple):
    """What cannot be used, on its way to the set-aside table."""

    kit_id: str
    source: str
    reason: str
    detail: str
    payload: bytes


class Fixes(NamedTuple):
    """Positions of one message."""

    kit: KitRef
    spool: str
    items: list[PositionItem]
    boot: str


@dataclass(frozen=True)
class Entry:
    """One item other than a position; ``digest`` tells a repeat from another item under the same number."""

    kit: KitRef
    spool: str
    kind: str
    seq: int
    at_ms: int
    digest: bytes
    body: Any
    subject: str
    raw: bytes
    boot: str = ""
    mono_ms: int | None = None


@dataclass
class Decoded:
    """A batch, read."""

    fixes: list[Fixes] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class Decoder:
    """Reads messages of kits that the register knows."""

    def __init__(self, directory: KitDirectory) -> None:
        self._directory = directory
        self._routes: dict[str, tuple[str, str]] = {}

    def decode(self, batch: list[RawMessage]) -> Decoded:
        """Read a batch; nothing in it can stop the rest."""
        out = Decoded()
        for subject, data in batch:
            try:
                kit_id, kind = self._routes.get(subject) or self._route(subject)
            except BadNameError as error:
                out.rejects.append(Reject("", subject, "bad_name", str(error), data))
                continue
            kit = self._directory.find(kit_id)
            if kit is None:
                text = f"Kit {kit_id} is not in the register or is revoked."
                out.rejects.append(Reject(kit_id, subject, "unknown_kit", text, data))
            elif not data and kind == "beat":
                continue  # nothing is said but that the kit is there, and that was noted where it came in
            elif is_packed(data):
                self._read_packed(out, kit, kind, subject, data)
            elif kind == "position":
                self._read_fixes(out, kit, subject, data)
            else:
                self._read_entries(out, kit, kind, subject, data)
        return out

    def _read_packed(self, out: Decoded, kit: KitRef, kind: str, subject: str, packed: bytes) -> None:
        try:
            data = unpack(packed, max_bytes=MAX_UP_BYTES)
        except PackingError as error:
            out.rejects.append(Reject(kit.kit_id, subject, "unparsable", str(error), packed))
            return
        read = self._read_fixes if kind == "position" else partial(self._read_entries, kind=kind)
        read(out, kit, subject=subject, data=data)

    def _route(self, subject: str) -> tuple[str, str]:
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
        route = self._routes[subject] = split_up_subject(subject)
        return route

    def _read_fixes(self, out: Decoded, kit: KitRef, subject: str, data: bytes) -> None:
        try:
            message: PositionMessage = decode_positions(data)
        except MessageError:
            self._read_fixes_singly(out, kit, subject, data)
            return
        out.fixes.append(Fixes(kit, message.spool, message.items, message.boot))

    def _read_fixes_singly(self, out: Decoded, kit: KitRef, subject: str, data: bytes) -> None:
        """One bad fix must not cost the others of its message."""
        try:
            message = decode_up(data)
        except MessageError as error:
            out.rejects.append(_reject(kit, subject, data, error))
            return
        good: list[PositionItem] = []
        for item in message.items:
            try:
                good.append(PositionItem(item.seq, item.at_ms, decode(item.body, Fix), item.mono_ms))
            except MessageError as error:
                out.rejects.append(_reject(kit, subject, bytes(item.body), error, item.seq))
        if good:
            out.fixes.append(Fixes(kit, message.spool, good, message.boot))

    def _read_entries(self, out: Decoded, kit: KitRef, kind: str, subject: str, data: bytes) -> None:
        try:
            message: UpMessage = decode_up(data)
        except MessageError as error:
            out.rejects.append(_reject(kit, subject, data, error))
            return
        for item in message.items:
            try:
                body = _read_body(kind, item)
            except MessageError as error:
                out.rejects.append(_reject(kit, subject, bytes(item.body), error, item.seq))
                continue
            raw = bytes(item.body)
            digest = digest_item(b"%s:%d:%s" % (kind.encode(), item.at_ms, raw))
            known = (kit, message.spool, kind, item.seq, item.at_ms, digest, body, subject, raw)
            out.entries.append(Entry(*known, boot=message.boot, mono_ms=item.mono_ms))


def _read_body(kind: str, item: Item) -> Any:
    body = decode(item.body, BODY_OF_KIND[kind])
    return _read_signed(body) if isinstance(body, ChainItem) else body


def _read_signed(item: ChainItem) -> Signed:
    try:
        return Signed(_from_base64(item.record), _from_base64(item.sig))
    except (binascii.Error, ValueError) as error:
        raise MessageError(f"A chain record is not base64url: {error}.") from error


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _reject(kit: KitRef, subject: str, data: bytes, error: MessageError, seq: int | None = None) -> Reject:
    if len(data) > MAX_UP_BYTES:
        reason = "oversize"
    elif isinstance(error.__cause__, msgspec.ValidationError):
        reason = "out_of_range"
    else:
        reason = "unparsable"
    detail = str(error) if seq is None else f"Item {seq}: {error}"
    return Reject(kit.kit_id, subject, reason, detail, data)
