"""Numbered orders of a session of remote command, and the officer's read-back: durable here before the page says so.

The number of an order's row is that of its directive; the ``no`` in its body counts in the session. An answer and its
receipt for the centre are one transaction, as with tasks.
"""

from typing import Final, Literal

import msgspec

from contract.messages import CommandReceipt, encode
from contract.orders import Instruction
from edge.spool.outbox import Outbox
from edge.spool.store import Store

ReadBack = Literal["read", "accepted", "refused"]
# From which states the officer's answers go on. What was read back stays so.
STEPS: Final[dict[str, frozenset[str]]] = {
    "received": frozenset({"read", "accepted", "refused"}),
    "read": frozenset({"accepted", "refused"}),
    "refused": frozenset({"accepted"}),
    "accepted": frozenset(),
}
# How the receipt of a read-back begins; the order's words as the officer had them before him follow.
READ_BACK: Final = "已复诵："
KEPT: Final = 200
_COLUMNS: Final = "number, body, issued_ms, state, state_ms, note, receipt_seq"


class InstructionRow(msgspec.Struct, frozen=True):
    """An order at the kit: `body` is contract.orders.Instruction as JSON, `state_ms` the kit's clock at its change.

    `receipt_seq` is the outbox entry that tells the centre of the last answer (None: nothing was answered).
    """

    number: int
    body: bytes
    issued_ms: int
    state: str
    state_ms: int
    note: str
    receipt_seq: int | None

    def read_body(self) -> Instruction:
        """The order's content; it was checked when it was put."""
        return msgspec.json.decode(self.body, type=Instruction)


class InstructionAnswerError(ValueError):
    """The answer does not fit the order's present state; `state` is that state ("": no such order)."""

    def __init__(self, number: int, state: str, answer: str) -> None:
        super().__init__(
            f"Order {number} is {state}: it cannot become {answer}."
            if state
            else f"There is no order {number} on this kit."
        )
        self.state = state


class Instructions:
    """The orders given to this kit inside sessions; the newest ``KEPT`` stay."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store, self._outbox = store, outbox

    def put(self, number: int, body: bytes, issued_ms: int) -> bool:
        """Keep an order; False when it is already here, whatever was answered since."""
        with self._store.transaction() as db:
            put = db.execute(
                "INSERT OR IGNORE INTO instructions (number, body, issued_ms, state, state_ms) "
                "VALUES (?, ?, ?, 'received', ?)",
                (number, body, issued_ms, self._store.clock_ms()),
            ).rowcount
            db.execute(
                "DELETE FROM instructions WHERE state IN ('accepted', 'refused') AND number NOT IN "
                "(SELECT number FROM instructions ORDER BY number DESC LIMIT ?)",
                (KEPT,),
            )
        return put == 1

    def answer(self, number: int, answer: ReadBack, note: str = "") -> bool:
        """Note the officer's answer and its receipt for the centre; False when it was given already.

        A read-back without a ``note`` repeats the order's words. Raises InstructionAnswerError when the order's state
        does not allow the answer.
        """
        with self._store.transaction() as db:
            row = self.find(number)
            if row is not None and (row.state == answer or (answer == "read" and row.state != "received")):
                return False
            if row is None or answer not in STEPS[row.state]:
                raise InstructionAnswerError(number, "" if row is None else row.state, answer)
            if answer == "accepted" and not note:
                note = READ_BACK + row.read_body().text
            now_ms = self._store.clock_ms()
            receipt = CommandReceipt(number=number, state=answer, at_ms=now_ms, note=note[:500])
            seq = self._outbox.append("receipt", encode(receipt), urgent=True)
            db.execute(
                "UPDATE instructions SET state = ?, state_ms = ?, note = ?, receipt_seq = ? WHERE number = ?",
                (answer, now_ms, note[:500], seq, number),
            )
        return True

    def find(self, number: int) -> InstructionRow | None:
        """One order, or None."""
        rows = self._store.rows(f"SELECT {_COLUMNS} FROM instructions WHERE number = ?", number)  # noqa: S608
        return InstructionRow(*rows[0]) if rows else None

    def newest(self, limit: int = 30) -> list[InstructionRow]:
        """Orders that wait for a read-back first, in the order of their giving; then the others, newest first."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM instructions "  # noqa: S608
            "ORDER BY CASE WHEN state IN ('received', 'read') THEN 0 ELSE 1 END, "
            "CASE WHEN state IN ('received', 'read') THEN number ELSE -number END LIMIT ?",
            limit,
        )
        return [InstructionRow(*row) for row in rows]
