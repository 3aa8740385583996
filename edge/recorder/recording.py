"""One recording on the card: its chain of signed records and its sealed files, power-safe at every step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from contract import chain
from contract.chain_writer import ChainWriter
from contract.signing import Signed
from edge.recorder.durable import (
    create_temporary,
    make_folder,
    means_full,
    sync_file,
    sync_folder,
    temporary_path,
)
from edge.recorder.moment import Moment
from edge.recorder.sealer import seal_segment
from edge.recorder.segmenter import ClearSegment
from edge.spool import RecordRow, SegmentRow, Spool
from edge.spool.gps_time import find_gps_ms

SignBody = Callable[[bytes], bytes]


class StorageFullError(Exception):
    """There is no room for what was to be stored; nothing of it was kept."""


class Recording:
    """Appends to one chain. Each call leaves card and chain in step, also when it raises."""

    def __init__(
        self, spool: Spool, state: chain.ChainState, sign: SignBody, recipients: Sequence[X25519PublicKey]
    ) -> None:
        self._spool = spool
        self._writer = ChainWriter(state, sign)
        self.recipients = list(recipients)
        self.id = state.recording_id.hex()
        self.last_end = Moment(0, 0)
        # A chain taken up after a restart states moments of another boot, which satellite time of this one cannot.
        self._is_of_this_boot = False
        # What the final record states besides its cause; whoever ends the recording sets it.
        self.ending: dict[str, Any] = {}

    @classmethod
    def begin(
        cls,
        spool: Spool,
        recording_id: str,
        sign: SignBody,
        recipients: Sequence[X25519PublicKey],
        *,
        kit_id: str,
        at: Moment,
        **extra: Any,
    ) -> Recording:
        """Open a new recording (``recording_id`` 32 hex) and name the one before it on this kit.

        Raises StorageFullError.
        """
        recording = cls(spool, chain.begin(bytes.fromhex(recording_id)), sign, recipients)
        recording._is_of_this_boot = True
        last = spool.state.get("last_recording")
        previous = [bytes.fromhex(last["id"]), bytes.fromhex(last["head"])] if last else None
        recording._append(
            lambda writer: writer.open(
                kit_id=kit_id,
                boot=spool.boot,
                started_ms=at.wall_ms,
                monotonic_ms=at.monotonic_ms,
                previous=previous,
                **recording._satellite_time(at),
                **extra,
            )
        )
        recording.last_end = at
        return recording

    @classmethod
    def resume(cls, spool: Spool, recording_id: str, sign: SignBody) -> Recording:
        """Take up the chain of a recording that was left open, to state the gap and close it."""
        last = spool.vault.find_last_record(recording_id)
        if last is None:
            raise ValueError(f"recording {recording_id} has no record here, so there is no chain to go on with")
        head = Signed(last.body, last.sig)
        record = chain.decode(last.body)
        state = chain.ChainState(bytes.fromhex(recording_id), last.seq + 1, chain.link_hash(head))
        recording = cls(spool, state, sign, [])
        recording.last_end = Moment(record.started_ms + record.duration_ms, record.monotonic_ms + record.duration_ms)
        return recording

    @property
    def next_seq(self) -> int:
        """Number of the record to come."""
        return self._writer.state.next_seq

    def add_segment(
        self,
        clear: ClearSegment,
        *,
        fix: dict[str, Any] | None,
        priority: int,
        facts: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> SegmentRow:
        """Seal, sign and store a segment: file, record beside it, then the rows.

        ``facts`` are encrypted with it, ``extra`` stands openly in its record.
        Raises StorageFullError, after which the chain stands where it stood and no file is left. After any other
        error the process has to end: a segment that is whole waits for `recovery`.
        """
        seq = self.next_seq
        path = self._spool.vault.segment_path(self.id, seq)
        before = self._writer.state
        try:
            make_folder(path.parent)
            row, signed = self._write_files(clear, path, fix, priority, facts, extra or {})
            self._spool.vault.add_segment(row, signed.body, signed.sig)
        except BaseException as error:
            # The number was not used up: the next record must not leave a hole.
            self._writer.state = before
            if means_full(error):
                _remove(path)
                raise StorageFullError(f"no room for segment {seq} of {self.id}") from error
            # This process ends, and the next one's recovery takes in what is whole: nothing sealed is thrown away.
            raise
        started = clear.started
        self.last_end = Moment(started.wall_ms + row.duration_ms, started.monotonic_ms + row.duration_ms)
        return row

    def add_gap(self, cause: str, *, started: Moment, duration_ms: int, **extra: Any) -> None:
        """State a gap. Raises StorageFullError."""
        self._append(
            lambda writer: writer.gap(
                cause=cause,
                started_ms=started.wall_ms,
                monotonic_ms=started.monotonic_ms,
                duration_ms=max(0, duration_ms),
                **self._satellite_time(started),
                **extra,
            )
        )

    @property
    def ends_in_gap(self) -> bool:
        """Whether the last record states a gap."""
        last = self._spool.vault.find_record(self.id, self.next_seq - 1)
        return last is not None and last.kind == chain.Kind.GAP

    def close(self, cause: str, at: Moment) -> None:
        """Close the recording; the next one will name it. Raises StorageFullError."""
        self._append(
            lambda writer: writer.final(
                cause=cause,
                started_ms=at.wall_ms,
                monotonic_ms=at.monotonic_ms,
                **{**self._satellite_time(at), **self.ending},
            )
        )

    def _write_files(  # noqa: PLR0917 -- what the public call was given, in its order
        self,
        clear: ClearSegment,
        path: Path,
        fix: dict[str, Any] | None,
        priority: int,
        facts: dict[str, Any] | None,
        extra: dict[str, Any],
    ) -> tuple[SegmentRow, Signed]:
        with create_temporary(path) as file:
            sealed = seal_segment(
                clear,
                file,
                recording_id=self._writer.state.recording_id,
                seq=self.next_seq,
                recipients=self.recipients,
                fix=fix,
                facts=facts,
                gps_ms=self._satellite_time(clear.started).get("gps_ms"),
            )
            sync_file(file)
        seq = self.next_seq
        signed = self._writer.segment(
            cipher_hash=sealed.cipher_hash,
            clear_hash=sealed.clear_hash,
            length=sealed.length,
            started_ms=sealed.started_ms,
            duration_ms=sealed.duration_ms,
            monotonic_ms=sealed.monotonic_ms,
            **self._satellite_time(clear.started),
            **extra,
        )
        record_path = path.with_suffix(".rec")
        with create_temporary(record_path) as file:
            file.write(signed.pack())
            sync_file(file)
        temporary_path(record_path).rename(record_path)
        temporary_path(path).rename(path)
        sync_folder(path.parent)
        row = SegmentRow(
            self.id, seq, sealed.cipher_hash, sealed.length, sealed.started_ms, sealed.duration_ms, priority
        )
        return row, signed

    def _satellite_time(self, at: Moment) -> dict[str, int]:
        """``gps_ms`` at that moment, where the satellites' time is known: the third clock beside wall and boot."""
        gps_ms = find_gps_ms(self._spool, at.monotonic_ms) if self._is_of_this_boot else None
        return {} if gps_ms is None else {"gps_ms": gps_ms}

    def _append(self, write: Callable[[ChainWriter], Signed]) -> None:
        before = self._writer.state
        signed = write(self._writer)
        record = chain.decode(signed.body)
        row = RecordRow(self.id, record.seq, int(record.kind), signed.body, signed.sig)
        try:
            with self._spool.transaction():
                self._spool.vault.add_record(row)
                if record.kind is chain.Kind.FINAL:
                    head = chain.link_hash(signed).hex()
                    self._spool.state.set("last_recording", {"id": self.id, "head": head})
        except (OSError, sqlite3.Error) as error:
            self._writer.state = before
            if means_full(error):
                raise StorageFullError(f"no room for record {record.seq} of {self.id}") from error
            raise


def _remove(path: Path) -> None:
    for name in (path, path.with_suffix(".rec")):
        name.unlink(missing_ok=True)
        temporary_path(name).unlink(missing_ok=True)
