"""Seals one segment: header and fMP4 into an age container, with the two digests that its record carries."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from contract import chain
from contract.envelope import CHUNK_BYTES, Sealer
from contract.segment import SALT_BYTES, SegmentHeader, pack_header
from edge.recorder.segmenter import ClearSegment


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """Digests (SHA-256) and size of a container that was written; ``duration_ms`` and start for its record."""

    cipher_hash: bytes
    clear_hash: bytes
    length: int
    started_ms: int
    monotonic_ms: int
    duration_ms: int


class _HashingSink:
    """Passes ciphertext on to the open file and hashes it on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.length = 0

    def __call__(self, data: bytes) -> None:
        self._file.write(data)
        self.hash.update(data)
        self.length += len(data)


def seal_segment(
    clear: ClearSegment,
    file: BinaryIO,
    *,
    recording_id: bytes,
    seq: int,
    recipients: Sequence[X25519PublicKey],
    fix: dict[str, Any] | None,
    facts: dict[str, Any] | None = None,
    gps_ms: int | None = None,
) -> SealedSegment:
    """Write the container of ``clear`` into ``file``, 64 KiB at a time; only ciphertext reaches the file.

    ``facts`` of people and matters go into the encrypted header (``contract.segment``); ``gps_ms`` is satellite time
    at the segment's beginning.
    """
    salt = os.urandom(SALT_BYTES)
    duration_ms = max(1, round(clear.duration_us / 1000))
    header = SegmentHeader(
        recording_id=recording_id,
        seq=seq,
        salt=salt,
        started_ms=clear.started.wall_ms,
        monotonic_ms=clear.started.monotonic_ms,
        duration_ms=duration_ms,
        mime=clear.mime,
        fix=fix,
        gps_ms=gps_ms,
        facts=facts,
    )
    sink = _HashingSink(file)
    sealer = Sealer(recipients, sink)
    sealer.write(pack_header(header))
    for at in range(0, len(clear.data), CHUNK_BYTES):
        sealer.write(clear.data[at : at + CHUNK_BYTES])
    sealer.close()
    return SealedSegment(
        cipher_hash=sink.hash.digest(),
        clear_hash=chain.clear_hash(salt, clear.data),
        length=sink.length,
        started_ms=clear.started.wall_ms,
        monotonic_ms=clear.started.monotonic_ms,
        duration_ms=duration_ms,
    )
