"""What the centre gave the officer to do, and his answers: each durable here before the page says so.

The number of a task is that of its directive. An answer and its receipt for the centre are one transaction, so
neither a dead battery nor hours without a link lose or double one.
"""

from typing import Any, Final, Literal

import msgspec

from contract.messages import CommandReceipt, encode
from contract.orders import Task
from edge.spool.outbox import Outbox
from edge.spool.state import State
from edge.spool.store import Store

Answer = Literal["read", "accepted", "refused", "done"]
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
_COLUMNS: Final = "number, body, issued_ms, state, state_ms, note, receipt_seq"


class TaskRow(msgspec.Struct, frozen=True):
    """A task at the kit: `body` is contract.orders.Task as JSON, `state_ms` the kit's clock at the last change.

    `receipt_seq` is the outbox entry that tells the centre of the last answer (None: nothing was answered).
    """

    number: int
    body: bytes
    issued_ms: int
    state: str
    state_ms: int
    note: str
    receipt_seq: int | None

    def read_body(self) -> Task:
        """The task's content; it was checked when it was put."""
        return msgspec.json.decode(self.body, type=Task)


class TaskAnswerError(ValueError):
    """The answer does not fit the task's present state; `state` is that state ("" : no such task)."""

    def __init__(self, number: int, state: str, answer: str) -> None:
        super().__init__(
            f"Task {number} is {state}: it cannot become {answer}."
            if state
            else f"There is no task {number} on this kit."
        )
        self.state = state


class Tasks:
    """The kit's tasks and the state ``task_current`` that the recorder binds recordings to."""

    def __init__(self, store: Store, outbox: Outbox, state: State) -> None:
        self._store, self._outbox, self._state = store, outbox, state

    def put(self, number: int, body: bytes, issued_ms: int) -> bool:
        """Keep a task; False when it is already here, whatever was answered since."""
        with self._store.transaction() as db:
            put = db.execute(
                "INSERT OR IGNORE INTO tasks (number, body, issued_ms, state, state_ms) "
                "VALUES (?, ?, ?, 'received', ?)",
                (number, body, issued_ms, self._store.clock_ms()),
            ).rowcount
            db.execute(
                "DELETE FROM tasks WHERE state IN ('done', 'recalled', 'refused') AND number NOT IN "
                "(SELECT number FROM tasks ORDER BY number DESC LIMIT ?)",
                (ENDED_KEPT,),
            )
        return put == 1

    def answer(self, number: int, answer: Answer, note: str = "") -> bool:
        """Note the officer's answer and its receipt for the centre; False when it was given already.

        Raises TaskAnswerError when the task's state does not allow it, as after a recall.
        """
        with self._store.transaction() as db:
            task = self.find(number)
            if task is not None and (task.state == answer or (answer == "read" and task.state != "received")):
                return False
            if task is None or answer not in STEPS[task.state]:
                raise TaskAnswerError(number, "" if task is None else task.state, answer)
            now_ms = self._store.clock_ms()
            receipt = CommandReceipt(number=number, state=answer, at_ms=now_ms, note=note[:500])
            seq = self._outbox.append("receipt", encode(receipt), urgent=True)
            db.execute(
                "UPDATE tasks SET state = ?, state_ms = ?, note = ?, receipt_seq = ? WHERE number = ?",
                (answer, now_ms, note[:500], seq, number),
            )
            self._renew_current()
        return True

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
        rows = self._store.rows(f"SELECT {_COLUMNS} FROM tasks WHERE number = ?", number)  # noqa: S608
        return TaskRow(*rows[0]) if rows else None

    def newest(self, limit: int = 50) -> list[TaskRow]:
        """Tasks that want an answer first, then those taken on, then the ended ones; each newest first."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM tasks "  # noqa: S608
            "ORDER BY CASE WHEN state IN ('received', 'read') THEN 0 WHEN state = 'accepted' THEN 1 ELSE 2 END, "
            "number DESC LIMIT ?",
            limit,
        )
        return [TaskRow(*row) for row in rows]

    def _renew_current(self) -> None:
        # Ordered by the outbox, not by the clock: a clock that jumped must not bind a recording to another task.
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM tasks WHERE state = 'accepted' ORDER BY receipt_seq DESC LIMIT 1"  # noqa: S608
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
