"""What waits in memory to be recorded, session by session, up to a limit for all of them together.

Safe for use from several threads. Once something was refused, everything of that session is, until what waits is
stored: so the gap stays one, and in its place.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Final

from central.relay.sealing import Note
from contract.live import HEADER, Type

SEGMENT_BYTES: Final = 8 * 1024 * 1024
_REACHED: Final = -1
_INIT: Final = bytes([Type.INIT])


@dataclass(frozen=True)
class Loss:
    """A stretch that is being lost: frames refused since `from_ms`."""

    from_ms: int
    frames: int


@dataclass
class Book:
    """One session's part. Only the recorder's thread touches the fields below the blank line."""

    notes: list[Note] = field(default_factory=list)
    size_bytes: int = 0
    since_ms: int = 0
    loss: Loss | None = None
    is_ended: bool = False
    carried: dict[tuple[str, int], Note] = field(default_factory=dict)
    """How streams are to be decoded and who hears whom: each segment begins with it, so that it stands alone."""

    trouble: str = ""
    written_ms: int = 0
    again_ms: int = 0
    said_ms: int = 0


class WaitingNotes:
    """The books of all sessions that are not over."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._books: dict[str, Book] = {}
        self._over: set[str] = set()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def add(self, session_id: str, note: Note) -> bool:
        """Keep a note, or count it as lost; True when a segment is full."""
        with self._lock:
            if session_id in self._over:
                return False
            book = self._books.setdefault(session_id, Book())
            if note.reached is not None and _is_known(book, note):
                return False
            _carry(book, note)
            if book.loss is not None or self._held_bytes + note.size_bytes > self._limit_bytes:
                lost = book.loss or Loss(note.at_us // 1000, 0)
                book.loss = replace(lost, frames=lost.frames + (note.reached is None))
                return False
            fresh = [note]
            if not book.notes:
                book.since_ms = note.at_us // 1000
                fresh = [replace(one, at_us=note.at_us) for one in book.carried.values() if one is not note] + fresh
            self._grow(book, fresh)
            return book.size_bytes >= SEGMENT_BYTES

    def mark(self, session_id: str, *, is_ended: bool) -> None:
        """There is this session, and it may be over: its book closes when everything is stored."""
        with self._lock:
            if session_id not in self._over:
                book = self._books.setdefault(session_id, Book())
                book.is_ended = book.is_ended or is_ended

    def list_books(self) -> list[tuple[str, Book]]:
        """Every session and its book, now."""
        with self._lock:
            return list(self._books.items())

    def first(self, book: Book) -> list[Note]:
        """The notes of the next segment; they stay until `drop`."""
        with self._lock:
            size, count = 0, 0
            while count < len(book.notes) and size < SEGMENT_BYTES:
                size += book.notes[count].size_bytes
                count += 1
            return book.notes[:count]

    def drop(self, book: Book, count: int) -> None:
        """The first `count` notes are stored; what follows begins with what a segment begins with."""
        with self._lock:
            freed = sum(note.size_bytes for note in book.notes[:count])
            del book.notes[:count]
            book.size_bytes -= freed
            self._held_bytes -= freed
            if book.notes:
                book.since_ms = book.notes[0].at_us // 1000
                at_us = book.notes[0].at_us
                again, rest = [replace(one, at_us=at_us) for one in book.carried.values()], book.notes
                book.notes = []
                self._grow(book, again)
                book.notes += rest

    def take_loss(self, book: Book) -> Loss | None:
        """What was lost until now, once nothing waits any more; from here on notes are kept again."""
        with self._lock:
            loss = None if book.notes else book.loss
            book.loss = book.loss if book.notes else None
            return loss

    def put_loss_back(self, book: Book, loss: Loss) -> None:
        """The loss could not be stated: it goes on."""
        with self._lock:
            book.loss = replace(loss, frames=loss.frames + (book.loss.frames if book.loss else 0))

    def close(self, session_id: str) -> None:
        """The session's record is closed: nothing joins it."""
        with self._lock:
            book = self._books.pop(session_id, None)
            self._held_bytes -= book.size_bytes if book else 0
            self._over.add(session_id)

    def _grow(self, book: Book, notes: list[Note]) -> None:
        added = sum(note.size_bytes for note in notes)
        book.notes += notes
        book.size_bytes += added
        self._held_bytes += added


def _is_known(book: Book, note: Note) -> bool:
    known = book.carried.get((note.source, _REACHED))
    return known is not None and known.reached == note.reached


def _carry(book: Book, note: Note) -> None:
    """Remember what a later segment must begin with."""
    if note.reached is not None:
        book.carried[note.source, _REACHED] = note
    elif note.message[:1] == _INIT and len(note.message) >= HEADER.size:
        book.carried[note.source, HEADER.unpack_from(note.message)[2]] = note
