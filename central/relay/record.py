"""The session's record as it is made: what the relay passes on, sealed every few seconds beside the session's log.

The relay hands over frames and goes on at once; one thread seals, signs and stores. What cannot be stored waits in
memory up to a limit; then the session goes on unrecorded, the stretch is stated as a gap under the centre's
signature, and it is said loudly.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from central.relay.waiting_notes import SEGMENT_BYTES, Book, WaitingNotes

SEGMENT_MS: Final = 5000
MEMORY_BYTES: Final = 64 * 1024 * 1024
TURN_S: Final = 0.5
# How often sessions that began or ended without a frame are looked for.
LOOK_MS: Final = 2000
# After a failure nothing is sealed anew at once: the disk will not be empty in half a second.
AGAIN_MS: Final = 2000
_SAY_EVERY_MS: Final = 60_000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Keys:
    signing: Ed25519PrivateKey
    recipients: list[X25519PublicKey]


class SessionRecorder:
    """The relay's sink: `frame`, `reached` and `end` return at once and may be called from any thread."""

    def __init__(
        self, store: Store, settings: Settings, *, memory_bytes: int = MEMORY_BYTES, segment_ms: int = SEGMENT_MS
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = store.clock
        self._segment_ms = segment_ms
        self._shelf = RecordShelf(Path(settings.data_dir), min_free_bytes=settings.evidence_min_free_bytes)
        self._waiting = WaitingNotes(memory_bytes)
        self._looked_ms: int | None = None
        self._resumed = False
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
        if self._waiting.add(session_id, Note(self._clock.now_ms() * 1000, source, message, None)):
            self._wake.set()

    def reached(self, session_id: str, source: str, listeners: Iterable[str]) -> None:
        """Take who hears a talker from now on: ids of kits, people and cameras."""
        self._waiting.add(session_id, Note(self._clock.now_ms() * 1000, source, b"", tuple(sorted(listeners))))

    def end(self, session_id: str) -> None:
        """The session is over: close its record soon."""
        self._waiting.mark(session_id, is_ended=True)
        self._wake.set()

    def turn(self) -> None:
        """Do what is due: the thread's work, once."""
        now_ms = self._clock.now_ms()
        self._look(now_ms)
        for session_id, book in self._waiting.list_books():
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

    def _look(self, now_ms: int) -> None:
        """Take up sessions that began, and those whose relay was killed; end those that are over."""
        if self._looked_ms is not None and now_ms - self._looked_ms < LOOK_MS and not self._stopping:
            return
        self._looked_ms = now_ms
        with self._store.read() as session:
            fresh = queries.list_unrecorded(session)
            unclosed = queries.list_unclosed(session)
            over = {session_id for session_id in (*fresh, *unclosed) if queries.is_over(session, session_id)}
        if not self._resumed:
            self._resume(unclosed)
        for session_id in (*fresh, *unclosed):
            self._waiting.mark(session_id, is_ended=session_id in over)

    def _resume(self, unclosed: list[str]) -> None:
        for session_id in unclosed:
            keys = self._read_keys()
            with self._store.read() as session:
                state = queries.find_state(session, session_id) or RecordState()
            # Before the gap takes its number: what was stored and not signed for is part of the gap.
            self._shelf.sweep(session_id, state.next_seq)
            with self._store.write() as uow:
                killed = service.resume_record(uow, keys.signing, session_id, monotonic_ms=self._monotonic_ms())
            if killed:
                log.warning("session %s: the relay was killed, a gap states it", session_id)
        self._resumed = True

    def _is_due(self, book: Book, now_ms: int) -> bool:
        if self._stopping:
            return True
        if now_ms < book.again_ms:
            return False
        if book.is_ended or book.size_bytes >= SEGMENT_BYTES or book.loss is not None:
            return True
        return now_ms - max(book.since_ms, book.written_ms) >= self._segment_ms

    def _write(self, session_id: str, book: Book) -> None:
        """Store what waits of one session, state what was lost, and close its record when it is over."""
        book.written_ms = self._clock.now_ms()
        try:
            keys = self._read_keys()
            while self._store_part(session_id, book, keys):
                pass
            self._state_loss(session_id, book, keys)
            if book.is_ended and not book.notes:
                self._close(session_id, keys)
        except (OSError, DomainError, SQLAlchemyError) as error:
            book.again_ms = self._clock.now_ms() + AGAIN_MS
            self._complain(session_id, book, error)
        else:
            if book.trouble:
                log.warning("session %s is recorded again", session_id)
            book.trouble, book.again_ms = "", 0

    def _store_part(self, session_id: str, book: Book, keys: _Keys) -> bool:
        """Store one segment, if there is anything to store; tell whether more waits that is worth one now."""
        state, lines = self._read_record(session_id, keys)
        notes = self._waiting.first(book)
        if not notes and not lines:
            return False
        self._shelf.check_room(sum(note.size_bytes for note in notes))
        part, sealed = seal_part(
            session_id,
            state.next_seq,
            notes,
            lines,
            recipients=keys.recipients,
            entry_no=state.entry_no,
            monotonic_ms=self._monotonic_ms(),
        )
        self._shelf.place(session_id, state.next_seq, sealed)
        with self._store.write() as uow:
            service.add_segment(uow, keys.signing, session_id, part)
        # Only now is it durable and signed for: until here it waits in memory.
        self._waiting.drop(book, len(notes))
        return bool(book.notes) and (book.size_bytes >= SEGMENT_BYTES or book.loss is not None or book.is_ended)

    def _read_record(self, session_id: str, keys: _Keys) -> tuple[RecordState, list[LogLine]]:
        """Where the record stands (begun if it was not), and the log's lines that are not sealed yet."""
        with self._store.read() as session:
            state = queries.find_state(session, session_id)
        if state is None:
            with self._store.write() as uow:
                service.begin_record(uow, keys.signing, session_id, monotonic_ms=self._monotonic_ms())
                state = queries.find_state(uow.session, session_id) or RecordState()
        with self._store.read() as session:
            return state, queries.list_log(session, session_id, after_no=state.entry_no)

    def _state_loss(self, session_id: str, book: Book, keys: _Keys) -> None:
        loss = self._waiting.take_loss(book)
        if loss is None:
            return
        cause, span_ms = book.trouble or rules.MEMORY, max(0, self._clock.now_ms() - loss.from_ms)
        try:
            with self._store.write() as uow:
                service.add_gap(
                    uow,
                    keys.signing,
                    session_id,
                    cause=cause,
                    started_ms=loss.from_ms,
                    duration_ms=span_ms,
                    monotonic_ms=self._monotonic_ms(),
                    frames=loss.frames,
                )
        except (DomainError, SQLAlchemyError):
            self._waiting.put_loss_back(book, loss)
            raise
        log.error("session %s was NOT recorded for %d ms (%d frames): %s", session_id, span_ms, loss.frames, cause)

    def _close(self, session_id: str, keys: _Keys) -> None:
        with self._store.write() as uow:
            service.close_record(uow, keys.signing, session_id, monotonic_ms=self._monotonic_ms())
        self._waiting.close(session_id)

    def _complain(self, session_id: str, book: Book, error: Exception) -> None:
        """Say loudly that a session is not being recorded: in the log now and then, and on its page at once."""
        trouble, now_ms = _name_trouble(error), self._clock.now_ms()
        is_new, book.trouble = trouble != book.trouble, trouble
        if is_new or now_ms - book.said_ms >= _SAY_EVERY_MS:
            log.error("session %s CANNOT BE RECORDED (%s): %s", session_id, trouble, error)
            book.said_ms = now_ms
        if is_new:
            self._try(partial(self._note_trouble, session_id, trouble))

    def _note_trouble(self, session_id: str, trouble: str) -> None:
        with self._store.write() as uow:
            service.note_trouble(uow, session_id, trouble)

    def _pause(self) -> None:
        for session_id, book in self._waiting.list_books():
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


def _name_trouble(error: Exception) -> str:
    if isinstance(error, rules.RecordStoreFullError) or "disk is full" in str(error):
        return rules.FULL
    if isinstance(error, OSError | SQLAlchemyError | rules.RecordDamagedError):
        return rules.FAILED
    return rules.NO_KEYS
