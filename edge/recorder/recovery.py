"""Putting card and rows back in step after a crash or a power cut, and closing what was left open.

What a cut may leave: files that were being written (``.tmp``), whole files without a row, a record file whose
segment was not renamed yet. Whatever is whole and signed is kept; only halves are dropped.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from contract import chain
from contract.signing import CodecError, Signed
from edge.recorder.durable import sync_file, sync_folder, temporary_path
from edge.recorder.moment import Moment
from edge.recorder.recording import Recording, SignBody
from edge.spool import SegmentRow, Spool

log = logging.getLogger("zhixing.recorder")


@dataclass(frozen=True)
class Recovered:
    """What was found: segments taken in, halves dropped, recordings closed with (id, cause)."""

    segments: int
    dropped: int
    closed: list[tuple[str, str]]


def recover(spool: Spool, sign: SignBody, now: Moment, *, cause: str | None = None) -> Recovered:
    """Take in whole segments without rows, drop halves, and state gap and end of recordings left open.

    ``cause`` is the reason known to the caller; otherwise ``crash`` in the same boot, ``power_loss`` after another.
    Raises StorageFullError when there is no room even to state the gap.
    """
    # Before anything is taken in: what is written from here on belongs to this boot.
    boots = {recording_id: spool.vault.find_boot(recording_id) for recording_id in spool.vault.open_recordings()}
    taken = dropped = 0
    for folder in sorted(path for path in spool.vault.folder.iterdir() if path.is_dir()):
        here_taken, here_dropped = _tidy_folder(spool, folder)
        taken, dropped = taken + here_taken, dropped + here_dropped
    _recheck_faults(spool)
    closed = []
    for recording_id in spool.vault.open_recordings():
        recording = Recording.resume(spool, recording_id, sign)
        boot = boots.get(recording_id)
        # Of a recording known from its files alone, only time since boot can tell: in another boot it may be more.
        same_boot = boot == spool.boot if boot else recording.last_end.monotonic_ms <= now.monotonic_ms
        why = cause or ("crash" if same_boot else "power_loss")
        _close(recording, why, now, same_boot=same_boot)
        closed.append((recording_id, why))
    if taken or dropped or closed:
        log.warning("recovery: %d segments taken in, %d halves dropped, closed %s", taken, dropped, closed)
    return Recovered(taken, dropped, closed)


def _recheck_faults(spool: Spool) -> None:
    """A file that could not be read while the card failed may be whole after all: then it is offered again."""
    for recording_id, seq, reason in spool.vault.list_faults():
        path = spool.vault.segment_path(recording_id, seq)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            continue
        if digest == spool.vault.find_digest(recording_id, seq):
            log.warning("recovery: segment %d of %s is whole after all (%s)", seq, recording_id, reason)
            spool.vault.clear_fault(recording_id, seq)


def _close(recording: Recording, cause: str, now: Moment, *, same_boot: bool) -> None:
    last = recording.last_end
    # Within one boot the monotonic clock tells how long; across boots only the wall clock can.
    missing_ms = now.monotonic_ms - last.monotonic_ms if same_boot else now.wall_ms - last.wall_ms
    recording.add_gap(cause, started=last, duration_ms=missing_ms, found_ms=now.wall_ms)
    recording.close(cause, now)


def _tidy_folder(spool: Spool, folder: Path) -> tuple[int, int]:
    taken = dropped = 0
    names = {path.name.split(".", maxsplit=1)[0] for path in folder.iterdir()}
    for name in sorted(name for name in names if name.isdigit()):
        if spool.vault.has_segment(folder.name, int(name)):
            for suffix in (".age", ".rec", ".proxy"):
                temporary_path(folder / f"{name}{suffix}").unlink(missing_ok=True)
            continue
        if _take_in(spool, folder, name):
            taken += 1
        else:
            for path in folder.glob(f"{name}.*"):
                path.unlink()
            dropped += 1
    if taken or dropped:
        sync_folder(folder)
    return taken, dropped


def _take_in(spool: Spool, folder: Path, name: str) -> bool:
    """Keep a segment whose file and record are both whole, wherever the cut left them."""
    sealed, record_file = folder / f"{name}.age", folder / f"{name}.rec"
    for path in (sealed, record_file):
        if not path.exists() and temporary_path(path).exists():
            temporary_path(path).rename(path)
    if not (sealed.exists() and record_file.exists()):
        return False
    try:
        signed = Signed.unpack(record_file.read_bytes())
        record = chain.decode(signed.body)
    except CodecError:
        return False
    if record.recording_id.hex() != folder.name or record.seq != int(name) or not _continues(spool, record):
        return False
    with sealed.open("rb") as file, record_file.open("rb") as beside:
        if hashlib.file_digest(file, "sha256").digest() != record.cipher_hash:
            return False
        # After a kill the bytes may still be the kernel's alone; the row must not come to the card before them.
        sync_file(file)
        sync_file(beside)
    sync_folder(folder)
    row = SegmentRow(
        folder.name, record.seq, record.cipher_hash, record.length, record.started_ms, record.duration_ms
    )
    return spool.vault.add_segment(row, signed.body, signed.sig)


def _continues(spool: Spool, record: chain.Record) -> bool:
    """Whether this record fits what the spool knows of its chain; an older one it has lost is welcome."""
    if record.seq == 0:
        return False
    before = spool.vault.find_record(record.recording_id.hex(), record.seq - 1)
    own = spool.vault.find_record(record.recording_id.hex(), record.seq)
    if own is not None:
        return chain.decode(own.body) == record
    return before is None or chain.link_hash(Signed(before.body, before.sig)) == record.prev
