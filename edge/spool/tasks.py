"""What the centre gave the officer to do, and his answers: each durable here before the page says so.

The number of a task is that of its directive. An answer and its receipt for the centre are one transaction, so
neither a dead battery nor hours without a link lose or double one.
"""

from typing import Any, Final

import msgspec

from contract.orders import Task
from edge.spool.answered import COLUMNS, Answer, AnsweredRow, AnsweredTable
from edge.spool.outbox import Outbox
from edge.spool.state import State
from edge.spool.store import Store

# From which states the officer's answers go on. Ends: done, recalled.
STEPS: Final[dict[str, frozenset[str]]] = {
    "received": frozenset({"read", "accepted", "refused"}),
    "read": frozenset({"accepted", "refused"}),
    "accepted": frozenset({"refused", "done"}),  # taken on, then found to be impossible
    "refused": frozenset({"accepted"}),
    "done": frozenset(),
    "recalled": frozenset(),
}
ENDED_KEPT: Final = 100


class TaskRow(AnsweredRow, frozen=True):
    """A task at the kit."""

    def read_body(self) -> Task:
        """The task's content; it was checked when it was put."""
        return msgspec.json.decode(self.body, type=Task)


class Tasks:
    """The kit's tasks and the state ``task_current`` that the recorder binds recordings to."""

    def __init__(self, store: Store, outbox: Outbox, state: State) -> None:
        self._store, self._state = store, state
        self._table = AnsweredTable(
            store,
            outbox,
            table="tasks",
            name="task",
            steps=STEPS,
            ended=("done", "recalled", "refused"),
            kept=ENDED_KEPT,
        )

    def put(self, number: int, body: bytes, issued_ms: int) -> bool:
        """Keep a task; False when it is already here, whatever was answered since."""
        return self._table.put(number, body, issued_ms)

    def answer(self, number: int, answer: Answer, note: str = "") -> bool:
        """Note the officer's answer and its receipt for the centre; False when it was given already.

        Raises AnswerError when the task's state does not allow it, as after a recall.
        """
        with self._store.transaction():
            is_new = self._table.answer(number, answer, note)
            if is_new:
                self._renew_current()
        return is_new

    def recall(self, number: int) -> str | None:
        """Take a task back unless it has ended; returns the state it was in (None: no such task)."""
        with self._store.transaction() as db:
            task = self.find(number)
            if task is not None and STEPS[task.state]:
                db.execute(
                    "UPDATE tasks SET state = 'recalled', state_ms = ? WHERE number = ?",
                    (self._store.clock_ms(), number),
                )
                self._renew_current()
        return None if task is None else task.state

    def find(self, number: int) -> TaskRow | None:
        """One task, or None."""
        row = self._table.find_row(number)
        return TaskRow(*msgspec.structs.astuple(row)) if row else None

    def newest(self, limit: int = 50) -> list[TaskRow]:
        """Tasks that want an answer first, then those taken on, then the ended ones; each newest first."""
        rows = self._store.rows(
            f"SELECT {COLUMNS} FROM tasks "  # noqa: S608
            "ORDER BY CASE WHEN state IN ('received', 'read') THEN 0 WHEN state = 'accepted' THEN 1 ELSE 2 END, "
            "number DESC LIMIT ?",
            limit,
        )
        return [TaskRow(*row) for row in rows]

    def _renew_current(self) -> None:
        # Ordered by the outbox, not by the clock: a clock that jumped must not bind a recording to another task.
        rows = self._store.rows(
            f"SELECT {COLUMNS} FROM tasks WHERE state = 'accepted' ORDER BY receipt_seq DESC LIMIT 1"  # noqa: S608
        )
        current: dict[str, Any] | None = None
        if rows:
            task = TaskRow(*rows[0])
            body = task.read_body()
            current = {
                "number": task.number,
                "title": body.title,
                "case_no": body.case_no,
                "category": body.category,
                "officer": body.officer,
            }
        self._state.set("task_current", current)
