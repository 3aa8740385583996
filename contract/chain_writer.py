"""Writes the chain of one recording: whoever records, and the centre of a session's record, each with its own key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from contract.chain import ChainError, ChainState, Kind, Record, encode, link_hash
from contract.signing import Signed


class ChainWriter:
    """Writes the chain of one recording; ``sign_body`` gives the 64-byte signature of a body.

    To go on with a chain after a restart, pass the ``state`` it stood at.
    """

    def __init__(self, state: ChainState, sign_body: Callable[[bytes], bytes]) -> None:
        self.state = state
        self._sign_body = sign_body

    def open(self, *, kit_id: str, boot: str, started_ms: int, monotonic_ms: int, **extra: Any) -> Signed:
        """The opening record. ``extra`` may hold ``previous`` and whatever the recorder wishes to state."""
        stated = {"kit": kit_id, "boot": boot, **extra}
        return self._append(self._next(Kind.OPEN, started_ms, monotonic_ms, extra=stated))

    def open_session(self, *, session: str, started_ms: int, monotonic_ms: int, **extra: Any) -> Signed:
        """The opening record of a session's record: ``session`` is its id (hex)."""
        return self._append(self._next(Kind.OPEN, started_ms, monotonic_ms, extra={"session": session, **extra}))

    def segment(
        self,
        *,
        cipher_hash: bytes,
        clear_hash: bytes,
        length: int,
        started_ms: int,
        duration_ms: int,
        monotonic_ms: int,
        **extra: Any,
    ) -> Signed:
        """The record of a sealed segment of ``length`` bytes of ciphertext.

        ``extra`` may hold ``notes``: what happened since the record before (``contract.notes``), and ``gps_ms``.
        """
        record = self._next(Kind.SEGMENT, started_ms, monotonic_ms, duration_ms=duration_ms, extra=extra)
        return self._append(replace(record, cipher_hash=cipher_hash, clear_hash=clear_hash, length=length))

    def gap(self, *, cause: str, started_ms: int, duration_ms: int, monotonic_ms: int, **extra: Any) -> Signed:
        """The record of a gap: rule 4, a gap is stated, never hidden."""
        return self._append(
            self._next(Kind.GAP, started_ms, monotonic_ms, duration_ms=duration_ms, cause=cause, extra=extra)
        )

    def final(self, *, cause: str, started_ms: int, monotonic_ms: int, **extra: Any) -> Signed:
        """The record that closes the recording."""
        return self._append(self._next(Kind.FINAL, started_ms, monotonic_ms, cause=cause, extra=extra))

    def _next(
        self,
        kind: Kind,
        started_ms: int,
        monotonic_ms: int,
        *,
        duration_ms: int = 0,
        cause: str = "",
        extra: dict[str, Any] | None = None,
    ) -> Record:
        if self.state.closed:
            raise ChainError(self.state.next_seq, "the recording is closed; begin a new one.")
        return Record(
            kind=kind,
            recording_id=self.state.recording_id,
            seq=self.state.next_seq,
            prev=self.state.prev,
            started_ms=started_ms,
            monotonic_ms=monotonic_ms,
            duration_ms=duration_ms,
            cause=cause,
            extra=extra or {},
        )

    def _append(self, record: Record) -> Signed:
        body = encode(record)
        signed = Signed(body, self._sign_body(body))
        closed = record.kind is Kind.FINAL
        self.state = ChainState(record.recording_id, record.seq + 1, link_hash(signed), closed)
        return signed
