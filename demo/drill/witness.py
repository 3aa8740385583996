"""Writes down, from outside, what every kit has committed to its card: the truth the centre is measured against.

It reads each spool many times a second, before a receipt lets an entry go, and hashes every sealed file. What it saw
was durable then: SQLite shows a reader a commit only after the journal was flushed. Entries that came and went
between two looks are known by their numbers, which the outbox gives once each and without a hole.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

_LOOK_EVERY_S: Final = 0.05
_FILES_EVERY_S: Final = 0.5


class Seen(NamedTuple):
    """An outbox entry as it stood on the card."""

    kind: str
    at_ms: int
    body: bytes


class SeenRecord(NamedTuple):
    """A signed chain record as it stood on the card."""

    body: bytes
    sig: bytes
    at_ms: int


@dataclass
class Book:
    """What was seen of one kit. ``top`` is the highest number its outbox ever gave; ``held`` what is still in it."""

    kit_id: str
    spool_id: str = ""
    top: int = 0
    entries: dict[int, Seen] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    records: dict[tuple[str, int], SeenRecord] = field(default_factory=dict)
    changed_records: list[tuple[str, int]] = field(default_factory=list)
    files: dict[tuple[str, int], set[bytes]] = field(default_factory=dict)
    waiting_segments: set[tuple[str, int]] = field(default_factory=set)
    spool_ids: set[str] = field(default_factory=set)


class KitWitness:
    """Watches one kit from a thread of its own; `pause` it while the kit's file system is exchanged."""

    def __init__(self, kit_id: str, folder: Path) -> None:
        self.book = Book(kit_id)
        self._folder = folder
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._record_rows = 0
        self._hashed: set[tuple[str, int, int]] = set()
        self._thread = threading.Thread(target=self._run, name=f"witness-{kit_id}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look a last time, at everything."""
        self._ending.set()
        self._thread.join()
        self._record_rows = 0
        self._look()
        self._look_at_files()

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Hold nothing open meanwhile."""
        with self._lock:
            yield
            # Whatever the card lost would show: every record is compared anew with what was seen before.
            self._record_rows = 0

    @contextlib.contextmanager
    def glimpse(self) -> Iterator[None]:
        """For others who open this spool: not while it is paused."""
        with self._lock:
            yield

    def _run(self) -> None:
        files_at_s = 0.0
        while not self._ending.wait(_LOOK_EVERY_S):
            with self._lock:
                self._look()
                if time.monotonic() >= files_at_s:
                    self._look_at_files()
                    files_at_s = time.monotonic() + _FILES_EVERY_S

    def _look(self) -> None:
        """One look at the spool; a kit that is just being started or recovered is looked at again soon."""
        with contextlib.suppress(sqlite3.Error), open_quietly(self._folder) as db:
            book = self.book
            book.spool_id = db.execute("SELECT value FROM meta WHERE key = 'spool_id'").fetchone()[0]
            book.spool_ids.add(book.spool_id)
            after = max(book.entries, default=0)
            for seq, kind, at_ms, body in db.execute(
                "SELECT seq, kind, at_ms, body FROM outbox WHERE seq > ?", (after,)
            ):
                book.entries[seq] = Seen(kind, at_ms, bytes(body))
            self._look_at_records(db)
            if self._ending.is_set():
                book.held = {seq for (seq,) in db.execute("SELECT seq FROM outbox WHERE receipted = 0")}
                book.waiting_segments = set(
                    db.execute("SELECT recording_id, seq FROM segments WHERE receipt IS NULL").fetchall()
                )
            top = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
            book.top = max(book.top, top[0] if top else 0)

    def _look_at_records(self, db: sqlite3.Connection) -> None:
        rows = db.execute(
            "SELECT rowid, recording_id, seq, body, sig, at_ms FROM records WHERE rowid > ? ORDER BY rowid",
            (self._record_rows,),
        )
        for rowid, recording_id, seq, body, sig, at_ms in rows:
            seen = SeenRecord(bytes(body), bytes(sig), at_ms)
            before = self.book.records.setdefault((recording_id, seq), seen)
            if (before.body, before.sig) != (seen.body, seen.sig):
                self.book.changed_records.append((recording_id, seq))
            self._record_rows = rowid

    def _look_at_files(self) -> None:
        for path in self._folder.glob("vault/*/*.age"):
            with contextlib.suppress(OSError):
                known = (path.parent.name, int(path.stem), path.stat().st_mtime_ns)
                if known not in self._hashed:
                    digest = hashlib.sha256(path.read_bytes()).digest()
                    self.book.files.setdefault(known[:2], set()).add(digest)
                    self._hashed.add(known)


@contextlib.contextmanager
def open_quietly(folder: Path) -> Iterator[sqlite3.Connection]:
    """The spool in this folder for one look, unable to change it. Raises sqlite3.Error when it cannot be read now."""
    db = sqlite3.connect(f"file:{folder / 'spool.db'}?mode=ro", uri=True, timeout=0.2)
    try:
        yield db
    finally:
        db.close()
