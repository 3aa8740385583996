"""One segment of a session's record: frames and log lines in order of time, sealed to the trust list's recipients."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from central.command.record_rules import LogLine, SealedPart, track_name, voice_name
from contract import envelope
from contract.live import HEADER, Type
from contract.segment import SALT_BYTES, SegmentHeader, pack_header
from contract.session_record import MIME, Item, ItemKind


@dataclass(frozen=True, slots=True)
class Note:
    """A frame as it was relayed, or from then on who hears a source (`reached`, the message empty)."""

    at_us: int
    source: str
    message: bytes
    reached: tuple[str, ...] | None

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return len(self.message) + 200


def seal_part(
    session_id: str,
    seq: int,
    notes: Sequence[Note],
    lines: Sequence[LogLine],
    *,
    recipients: Sequence[X25519PublicKey],
    entry_no: int,
    monotonic_ms: int,
) -> tuple[SealedPart, bytes]:
    """Seal a segment; give what its signed record will state, and the container. `entry_no`: the last one before."""
    items = [_to_item(note) for note in notes]
    items += [Item(ItemKind.ENTRY, line.at_ms * 1000, line.kind, line.body) for line in lines]
    items.sort(key=lambda item: item.at_us)
    # Log lines may be of long before; the stretch of a segment is that of its frames.
    moments = [note.at_us for note in notes] or [item.at_us for item in items]
    started_ms, ended_ms = moments[0] // 1000, -(-moments[-1] // 1000)
    header = SegmentHeader(
        recording_id=bytes.fromhex(session_id),
        seq=seq,
        salt=os.urandom(SALT_BYTES),
        started_ms=started_ms,
        monotonic_ms=monotonic_ms,
        duration_ms=max(1, ended_ms - started_ms),
        mime=MIME,
    )
    sealed, clear_hash = _seal(header, items, recipients)
    part = SealedPart(
        seq=seq,
        cipher_hash=hashlib.sha256(sealed).digest(),
        clear_hash=clear_hash,
        length=len(sealed),
        started_ms=started_ms,
        duration_ms=header.duration_ms,
        monotonic_ms=monotonic_ms,
        tracks=_count_tracks(notes),
        entry_no=max([entry_no, *(line.no for line in lines)]),
    )
    return part, sealed


def _seal(header: SegmentHeader, items: Sequence[Item], recipients: Sequence[X25519PublicKey]) -> tuple[bytes, bytes]:
    """The container, and the digest of the items as `chain.clear_hash` has it.

    Piece by piece: megabytes that are copied whole, and more than once, cost as much as their encryption.
    """
    out, digest = bytearray(), hashlib.sha256(header.salt)
    sealer = envelope.Sealer(recipients, out.extend)
    sealer.write(pack_header(header))
    for piece in _join(items):
        digest.update(piece)
        sealer.write(piece)
    sealer.close()
    return bytes(out), digest.digest()


def _join(items: Sequence[Item]) -> Iterator[bytes]:
    waiting, size = [], 0
    for item in items:
        waiting.append(item.pack())
        size += len(waiting[-1])
        if size >= envelope.CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _to_item(note: Note) -> Item:
    if note.reached is not None:
        return Item(ItemKind.REACHED, note.at_us, note.source, json.dumps(note.reached).encode())
    return Item(ItemKind.FRAME, note.at_us, note.source, note.message)


def _count_tracks(notes: Sequence[Note]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for note in notes:
        if len(note.message) < HEADER.size:
            continue
        kind, _, stream, _, _ = HEADER.unpack_from(note.message)
        if kind == Type.VIDEO:
            counts[track_name(note.source, stream)] += 1
        elif kind == Type.AUDIO:
            counts[voice_name(note.source)] += 1
    return dict(counts)
