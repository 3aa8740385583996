"""Numbered orders of a session of remote command, and the officer's read-back: durable here before the page says so.

The number of an order's row is that of its directive; the ``no`` in its body counts in the session. An answer and its
receipt for the centre are one transaction, as with tasks.
"""

from typing import Final, Literal

import msgspec

from contract.orders import Instruction
from edge.spool.answered import COLUMNS, AnsweredRow, AnsweredTable
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


class InstructionRow(AnsweredRow, frozen=True):
    """A numbered order at the kit."""

    def read_body(self) -> Instruction:
        """The order's content; it was checked when it was put."""
        return msgspec.json.decode(self.body, type=Instruction)


class Instructions:
    """The orders given to this kit inside sessions; the newest ``KEPT`` stay."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._table = AnsweredTable(
            store,
            outbox,
            table="instructions",
            name="order",
            steps=STEPS,
            ended=("accepted", "refused"),
            kept=KEPT,
        )

    def put(self, number: int, body: bytes, issued_ms: int) -> bool:
        """Keep an order; False when it is already here, whatever was answered since."""
        return self._table.put(number, body, issued_ms)

    def answer(self, number: int, answer: ReadBack, note: str = "") -> bool:
        """Note the officer's answer and its receipt for the centre; False when it was given already.

        A read-back without a ``note`` repeats the order's words. Raises AnswerError when the order's state does not
        allow the answer.
        """
        row = self.find(number)
        if row is not None and answer == "accepted" and not note:
            note = READ_BACK + row.read_body().text
        return self._table.answer(number, answer, note)

    def find(self, number: int) -> InstructionRow | None:
        """One order, or None."""
        row = self._table.find_row(number)
        return InstructionRow(*msgspec.structs.astuple(row)) if row else None

    def newest(self, limit: int = 30) -> list[InstructionRow]:
        """Orders that wait for a read-back first, in the order of their giving; then the others, newest first."""
        rows = self._store.rows(
            f"SELECT {COLUMNS} FROM instructions "  # noqa: S608
            "ORDER BY CASE WHEN state IN ('received', 'read') THEN 0 ELSE 1 END, "
            "CASE WHEN state IN ('received', 'read') THEN number ELSE -number END LIMIT ?",
            limit,
        )
        return [InstructionRow(*row) for row in rows]
