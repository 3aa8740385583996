"""The session's record as it is made: what the relay passes on, sealed every few seconds beside the session's log.

The relay hands over frames and goes on at once; one thread seals, signs and stores. What cannot be stored waits in
memory up to a limit; then the session goes on unrecorded, the stretch is stated as a gap under the centre's
signature, and it is said loudly.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from sqlalchemy.exc import SQLAlchemyError

from central.base.errors import DomainError
from central.base.handover import find_trust_list
from central.base.receipt_key import read_receipt_key
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import record_queries as queries
from central.command import record_rules as rules
from central.command import record_service as service
from central.command.record_files import RecordShelf
from central.command.record_rules import LogLine, RecordState
from central.relay.sealing import Note, seal_part
from contract.live import HEADER, Type

SEGMENT_MS: Final = 5000
SEGMENT_BYTES: Final = 8 * 1024 * 1024
MEMORY_BYTES: Final = 64 * 1024 * 1024
TURN_S: Final = 0.5
# How often sessions that began or ended without a frame are looked for.
LOOK_MS: Final = 2000
_SAY_EVERY_MS: Final = 60_000
REACHED: Final = -1
_INIT: Final = bytes([Type.INIT])
log = logging.getLogger(__name__)


@dataclass
class _Loss:
    """A stretch that is being lost: frames refused since `from_ms`."""

    from_ms: int
    frames: int = 0


@dataclass
class _Book:
    """What waits in memory of one session."""

    notes: list[Note] = field(default_factory=list)
    size_bytes: int = 0
    since_ms: int = 0
    loss: _Loss | None = None
    trouble: str = ""
    told_ms: int = 0
    ended: bool = False
    carried: dict[tuple[str, int], Note] = field(default_factory=dict)
    """How streams are to be decoded and who hears whom: each segment begins with it, so that it stands alone."""


@dataclass(frozen=True)
class _Keys:
    signing: Ed25519PrivateKey
    recipients: list[X25519PublicKey]


class SessionRecorder:
    """The relay's sink: `frame`, `reached` and `end` return at once and may be called from any thread."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        memory_bytes: int = MEMORY_BYTES,
        segment_ms: int = SEGMENT_MS,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = store.clock
        self._memory_bytes = memory_bytes
        self._segment_ms = segment_ms
        self._shelf = RecordShelf(Path(settings.data_dir), min_free_bytes=settings.evidence_min_free_bytes)
        self._books: dict[str, _Book] = {}
        self._over: set[str] = set()
        self._held_bytes = 0
        self._looked_ms: int | None = None
        self._said_ms: dict[str, int] = {}
        self._resumed = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up the records that an earlier relay left open, and begin."""
        self._thread = threading.Thread(target=self._run, name="session-recorder", daemon=True)
        self._thread.start()

    def stop(self, *, patience_s: float = 10) -> None:
        """Store what waits and end in order."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(patience_s)

    def frame(self, session_id: str, source: str, message: bytes) -> None:
        """Take a frame that at least one viewer or listener of the session was sent."""
        self._take(session_id, Note(self._clock.now_ms() * 1000, source, message, None))

    def reached(self, session_id: str, source: str, listeners: Sequence[str]) -> None:
        """Take who hears a talker from now on: ids of kits, people and cameras."""
        note = Note(self._clock.now_ms() * 1000, source, b"", tuple(sorted(listeners)))
        with self._lock:
            book = self._books.get(session_id)
            known = book.carried.get((source, REACHED)) if book is not None else None
        if known is None or known.reached != note.reached:
            self._take(session_id, note)

    def end(self, session_id: str) -> None:
        """The session is over: close its record soon."""
        with self._lock:
            if session_id not in self._over:
                self._books.setdefault(session_id, _Book()).ended = True
        self._wake.set()

    def turn(self) -> None:
        """Do what is due: the thread's work, once."""
        now_ms = self._clock.now_ms()
        self._look(now_ms)
        for session_id, book in list(self._books.items()):
            if self._is_due(book, now_ms):
                self._write(session_id, book)
        if self._stopping:
            self._pause()

    def _run(self) -> None:
        log.info("session recorder begins")
        while True:
            stopping = self._stopping
            try:
                self.turn()
            except (SQLAlchemyError, DomainError, OSError):
                log.exception("the sessions' records could not be looked after; trying again")
            if stopping:
                return
            self._wake.wait(TURN_S)
            self._wake.clear()

    def _take(self, session_id: str, note: Note) -> None:
        with self._lock:
            if session_id in self._over:
                return
            book = self._books.setdefault(session_id, _Book())
            _carry(book, note)
            # Once something was refused, all is until what waits is stored: the gap stays one and in its place.
            if book.loss is not None or self._held_bytes + note.size_bytes > self._memory_bytes:
                book.loss = book.loss or _Loss(note.at_us // 1000)
                book.loss.frames += 1
                return
            fresh = [note]
            if not book.notes:
                book.since_ms = note.at_us // 1000
                fresh = [replace(one, at_us=note.at_us) for one in book.carried.values() if one is not note] + fresh
            book.notes += fresh
            added = sum(one.size_bytes for one in fresh)
            book.size_bytes += added
            self._held_bytes += added
            is_full = book.size_bytes >= SEGMENT_BYTES
        if is_full:
            self._wake.set()

    def _look(self, now_ms: int) -> None:
        """Take up sessions that began, and those whose relay was killed; end those that are over."""
        if self._looked_ms is not None and now_ms - self._looked_ms < LOOK_MS and not self._stopping:
            return
        self._looked_ms = now_ms
        with self._store.read() as session:
            fresh = [row.id for row in queries.list_unrecorded(session)]
            unclosed = [row.session_id for row in queries.list_unclosed(session)]
            over = {session_id for session_id in (*fresh, *unclosed) if queries.is_over(session, session_id)}
        if not self._resumed:
            self._resume(unclosed)
        with self._lock:
            for session_id in (*fresh, *unclosed):
                book = self._books.setdefault(session_id, _Book())
                book.ended = book.ended or session_id in over

    def _resume(self, unclosed: list[str]) -> None:
        for session_id in unclosed:
            keys = self._read_keys()
            with self._store.write() as uow:
                killed = service.resume_record(uow, keys.signing, session_id, monotonic_ms=self._monotonic_ms())
                state = queries.find_state(uow.session, session_id) or RecordState()
            self._shelf.sweep(session_id, state.next_seq)
            if killed:
                log.warning("session %s: the relay was killed, a gap states it", session_id)
        self._resumed = True

    def _is_due(self, book: _Book, now_ms: int) -> bool:
        if book.ended or self._stopping or book.size_bytes >= SEGMENT_BYTES or book.loss is not None:
            return True
        return now_ms - max(book.since_ms, book.told_ms) >= self._segment_ms

    def _write(self, session_id: str, book: _Book) -> None:
        """Store what waits of one session, state what was lost, and close its record when it is over."""
        book.told_ms = self._clock.now_ms()
        try:
            keys = self._read_keys()
            self._store_part(session_id, book, keys)
            if book.loss is not None:
                self._state_loss(session_id, book, keys)
            if book.ended and not book.notes:
                self._close(session_id, keys)
        except (OSError, DomainError, SQLAlchemyError) as error:
            self._complain(session_id, book, error)
        else:
            if book.trouble:
                log.warning("session %s is recorded again", session_id)
            book.trouble = ""

    def _store_part(self, session_id: str, book: _Book, keys: _Keys) -> None:
        state, lines = self._read_record(session_id, keys)
        seq, entry_no = state.next_seq, state.entry_no
        with self._lock:
            notes = list(book.notes)
        if not notes and not lines:
            return
        part, sealed = seal_part(
            session_id,
            seq,
            notes,
            lines,
            recipients=keys.recipients,
            entry_no=entry_no,
            monotonic_ms=self._monotonic_ms(),
        )
        self._shelf.place(session_id, seq, sealed)
        with self._store.write() as uow:
            service.add_segment(uow, keys.signing, session_id, part)
        # Only now is it durable and signed for: until here it waits in memory.
        with self._lock:
            del book.notes[: len(notes)]
            freed = sum(note.size_bytes for note in notes)
            book.size_bytes -= freed
            self._held_bytes -= freed
            book.since_ms = book.notes[0].at_us // 1000 if book.notes else 0

    def _read_record(self, session_id: str, keys: _Keys) -> tuple[RecordState, list[LogLine]]:
        """Where the record stands, begun if it was not, and the lines of the session's log that are not sealed yet."""
        with self._store.read() as session:
            state = queries.find_state(session, session_id)
        if state is None:
            with self._store.write() as uow:
                service.begin_record(uow, keys.signing, session_id, monotonic_ms=self._monotonic_ms())
                state = queries.find_state(uow.session, session_id) or RecordState()
        with self._store.read() as session:
            return state, queries.list_log(session, session_id, after_no=state.entry_no)

    def _state_loss(self, session_id: str, book: _Book, keys: _Keys) -> None:
        with self._lock:
            loss, book.loss = book.loss, None
        if loss is None:
            return
        now_ms = self._clock.now_ms()
        try:
            with self._store.write() as uow:
                service.add_gap(
                    uow,
                    keys.signing,
                    session_id,
                    cause=book.trouble or rules.MEMORY,
                    started_ms=loss.from_ms,
                    duration_ms=max(0, now_ms - loss.from_ms),
                    monotonic_ms=self._monotonic_ms(),
                    frames=loss.frames,
                )
        except (DomainError, SQLAlchemyError):
            with self._lock:  # what was taken meanwhile stays after it: the stretch ends where the taking began
                book.loss = _Loss(loss.from_ms, loss.frames + (book.loss.frames if book.loss else 0))
            raise
        log.error(
            "session %s was NOT recorded for %d ms (%d frames): %s",
            session_id,
            now_ms - loss.from_ms,
            loss.frames,
            book.trouble or rules.MEMORY,
        )

    def _close(self, session_id: str, keys: _Keys) -> None:
        with self._store.write() as uow:
            service.close_record(uow, keys.signing, session_id, monotonic_ms=self._monotonic_ms())
        with self._lock:
            book = self._books.pop(session_id, None)
            self._held_bytes -= book.size_bytes if book else 0
            self._over.add(session_id)

    def _complain(self, session_id: str, book: _Book, error: Exception) -> None:
        """Say loudly that a session is not being recorded: in the log now and then, and on its page at once."""
        trouble = _name_trouble(error)
        now_ms = self._clock.now_ms()
        if trouble != book.trouble or now_ms - self._said_ms.get(session_id, 0) >= _SAY_EVERY_MS:
            log.error("session %s CANNOT BE RECORDED (%s): %s", session_id, trouble, error)
            self._said_ms[session_id] = now_ms
        is_new, book.trouble = trouble != book.trouble, trouble
        if is_new:
            self._try(partial(self._note_trouble, session_id, trouble))

    def _note_trouble(self, session_id: str, trouble: str) -> None:
        with self._store.write() as uow:
            service.note_trouble(uow, session_id, trouble)

    def _pause(self) -> None:
        for session_id, book in list(self._books.items()):
            # What could not be stored will be a gap, as if the relay had been killed.
            if not book.notes and book.loss is None:
                self._try(partial(self._pause_one, session_id))

    def _pause_one(self, session_id: str) -> None:
        with self._store.write() as uow:
            service.pause_record(uow, session_id)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except SQLAlchemyError as error:
            log.error("the database did not take a note on a session's record: %s", error)

    def _read_keys(self) -> _Keys:
        trust = find_trust_list(self._settings)
        signing = read_receipt_key(Path(self._settings.keys_dir))
        if trust is None or not trust.recipients:
            raise rules.RecordKeysMissingError(
                "The authority's trust list is missing, so nothing can be sealed: let it hand the list over anew."
            )
        return _Keys(signing, trust.recipient_keys())

    def _monotonic_ms(self) -> int:
        return round(self._clock.monotonic_s() * 1000)


def _carry(book: _Book, note: Note) -> None:
    """Remember what a later segment must begin with."""
    if note.reached is not None:
        book.carried[note.source, REACHED] = note
    elif note.message[:1] == _INIT and len(note.message) >= HEADER.size:
        book.carried[note.source, HEADER.unpack_from(note.message)[2]] = note


def _name_trouble(error: Exception) -> str:
    if isinstance(error, rules.RecordStoreFullError) or "disk is full" in str(error):
        return rules.FULL
    if isinstance(error, OSError | SQLAlchemyError | rules.RecordDamagedError):
        return rules.FAILED
    return rules.NO_KEYS
