"""Tasks given to a kit's officer (seed 10): what may be asked, how one stands, who is unanswered for long. Pure.

A task is a directive of the kit's mailbox; its states are the kit's receipts. It goes
waiting -> received -> felt -> read -> accepted | refused -> done, and each step may be skipped: receipts overtake one
another. A recall is a directive of its own and may cross an answer: what was done stays done.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, cast, get_args

import msgspec

from central.base.errors import ConflictError, InvalidInputError
from contract.categories import CATEGORIES
from contract.orders import Task

Urgency = Literal["normal", "urgent", "most_urgent"]
URGENCIES: Final = get_args(Urgency)
# Unanswered for longer than this after it was given, a task stands on top of the list.
PATIENCE_MS: Final = {"normal": 30 * 60_000, "urgent": 10 * 60_000, "most_urgent": 5 * 60_000}
LONGEST_DUE_MS: Final = 30 * 24 * 3600 * 1000
MAX_TITLE_CHARS: Final = 100
MAX_TEXT_CHARS: Final = 2000
MAX_PLACE_CHARS: Final = 200
MAX_REASON_CHARS: Final = 500
UNANSWERED: Final = frozenset({"waiting", "received", "felt", "read"})
OPEN: Final = UNANSWERED | {"accepted"}
# Nobody works on it and nobody has taken it back: somebody must decide.
FALLEN: Final = frozenset({"refused", "failed", "expired"})


class TaskDraftError(InvalidInputError):
    """What is asked of the officer cannot be sent so."""

    code: ClassVar[str] = "task_draft"


class TaskEndedError(ConflictError):
    """The task is done, or was taken back before."""

    code: ClassVar[str] = "task_ended"


@dataclass(frozen=True)
class TaskDraft:
    """What a person fills in. ``due_in_min``: minutes from now, 0 for no time limit."""

    title: str
    text: str = ""
    case_no: str = ""
    place: str = ""
    urgency: str = "normal"
    category: str = ""
    due_in_min: int = 0


def build_body(draft: TaskDraft, *, officer: str, by: str, now_ms: int) -> tuple[dict[str, Any], int | None]:
    """Return a directive's body and its expiry; raises TaskDraftError.

    A task that has not reached the kit by its time limit expires: the officer is not sent out for what is over.
    """
    if draft.urgency not in URGENCIES:
        raise TaskDraftError(f"There is no urgency {draft.urgency!r}: use one of {', '.join(URGENCIES)}.")
    if draft.category and draft.category not in CATEGORIES:
        raise TaskDraftError(f"There is no category {draft.category!r}: choose one of the list.")
    due_in_ms = draft.due_in_min * 60_000
    if not 0 <= due_in_ms <= LONGEST_DUE_MS:
        raise TaskDraftError("The time limit lies within 30 days from now; choose one of the list.")
    due_ms = now_ms + due_in_ms if due_in_ms else None
    task = Task(
        title=_clean(draft.title, "title", MAX_TITLE_CHARS, needed=True),
        text=_clean(draft.text, "text", MAX_TEXT_CHARS),
        case_no=draft.case_no,
        category=draft.category,
        place=_clean(draft.place, "place", MAX_PLACE_CHARS),
        urgency=cast(Urgency, draft.urgency),
        officer=officer[:64],
        by=by[:64],
        due_ms=due_ms,
    )
    body: dict[str, Any] = msgspec.to_builtins(task)
    return body, due_ms


def check_reason(reason: str) -> str:
    """Return why a task is taken back; raises TaskDraftError when nothing is said."""
    return _clean(reason, "reason", MAX_REASON_CHARS, needed=True)


def judge_state(task_state: str, recall_state: str | None) -> str:
    """Tell how a task stands, given its own entry and that of its recall (None: not taken back).

    ``recalling``: the recall is on its way, and the officer may still be working on it.
    """
    if recall_state is None or task_state == "done":
        return task_state
    if recall_state in ("waiting", "received", "expired") and task_state not in FALLEN:
        return "recalling"
    return "recalled"


def check_open(state: str) -> None:
    """Raise TaskEndedError when a task cannot be taken back any more."""
    if state in ("done", "recalled", "recalling"):
        raise TaskEndedError(f"This task is {state}; see its entry in the list.")


def is_unanswered_for_long(state: str, urgency: str, *, issued_ms: int, now_ms: int) -> bool:
    """Tell whether somebody should ask, by radio or by sending another, why there is no answer."""
    patience_ms = PATIENCE_MS.get(urgency, PATIENCE_MS["normal"])
    return state in UNANSWERED and now_ms - issued_ms > patience_ms


def is_overdue(state: str, due_ms: int | None, *, now_ms: int) -> bool:
    """Tell whether the time limit of an open task has passed."""
    return state in OPEN and due_ms is not None and due_ms < now_ms


def _clean(text: str, name: str, limit: int, *, needed: bool = False) -> str:
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    odd = any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") for char in text.replace("\n", ""))
    if odd or len(text) > limit or (needed and not text):
        raise TaskDraftError(f"Write the {name} in {1 if needed else 0} to {limit} characters.", limit=limit)
    return text
