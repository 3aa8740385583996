"""What the centre gives the officer to answer: kept under its directive's number, answered with a durable receipt.

Tasks and numbered orders are two tables of this one kind. An answer and its receipt for the centre are one
transaction: what the officer has said is never half said, with or without a link.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

import msgspec

from contract.messages import CommandReceipt, encode
from edge.spool.outbox import Outbox
from edge.spool.store import Store

Answer = Literal["read", "accepted", "refused", "done"]
NOTE_CHARS: Final = 500
COLUMNS: Final = "number, body, issued_ms, state, state_ms, note, receipt_seq"


class AnsweredRow(msgspec.Struct, frozen=True):
    """A row: `body` as JSON of its directive's shape, `state_ms` the kit's clock at the last change.

    `receipt_seq` is the outbox entry that tells the centre of the last answer (None: nothing was answered).
    """

    number: int
    body: bytes
    issued_ms: int
    state: str
    state_ms: int
    note: str
    receipt_seq: int | None


class AnswerError(ValueError):
    """The answer does not fit the present state; `state` is that state ("": there is nothing of that number)."""

    def __init__(self, name: str, number: int, state: str, answer: str) -> None:
        super().__init__(
            f"{name.capitalize()} {number} is {state}: it cannot become {answer}."
            if state
            else f"There is no {name} {number} on this kit."
        )
        self.state = state


class AnsweredTable:
    """One such table. ``steps``: from which state which answers go on; of those `ended` the newest ``kept`` stay."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        *,
        table: str,
        name: str,
        steps: Mapping[str, Collection[str]],
        ended: Collection[str],
        kept: int,
    ) -> None:
        self._store, self._outbox = store, outbox
        self._table, self._name, self._steps = table, name, steps
        self._ended, self._kept = tuple(ended), kept

    def put(self, number: int, body: bytes, issued_ms: int) -> bool:
        """Keep one; False when it is already here, whatever was answered since."""
        marks = ", ".join("?" for _ in self._ended)
        with self._store.transaction() as db:
            put = db.execute(
                f"INSERT OR IGNORE INTO {self._table} (number, body, issued_ms, state, state_ms) "  # noqa: S608
                "VALUES (?, ?, ?, 'received', ?)",
                (number, body, issued_ms, self._store.clock_ms()),
            ).rowcount
            db.execute(
                f"DELETE FROM {self._table} WHERE state IN ({marks}) AND number NOT IN "  # noqa: S608
                f"(SELECT number FROM {self._table} ORDER BY number DESC LIMIT ?)",
                (*self._ended, self._kept),
            )
        return put == 1

    def answer(self, number: int, answer: Answer, note: str = "") -> bool:
        """Note the officer's answer and its receipt for the centre; False when it was given already.

        Raises AnswerError when the state does not allow it.
        """
        with self._store.transaction() as db:
            row = self.find_row(number)
            if row is not None and (row.state == answer or (answer == "read" and row.state != "received")):
                return False
            if row is None or answer not in self._steps[row.state]:
                raise AnswerError(self._name, number, "" if row is None else row.state, answer)
            now_ms, note = self._store.clock_ms(), note[:NOTE_CHARS]
            receipt = CommandReceipt(number=number, state=answer, at_ms=now_ms, note=note)
            seq = self._outbox.append("receipt", encode(receipt), urgent=True)
            db.execute(
                f"UPDATE {self._table} SET state = ?, state_ms = ?, note = ?, receipt_seq = ? WHERE number = ?",  # noqa: S608
                (answer, now_ms, note, seq, number),
            )
        return True

    def find_row(self, number: int) -> AnsweredRow | None:
        """One of them, or None."""
        rows = self._store.rows(f"SELECT {COLUMNS} FROM {self._table} WHERE number = ?", number)  # noqa: S608
        return AnsweredRow(*rows[0]) if rows else None
