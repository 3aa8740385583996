"""A lost kit's states and who may move it between them. Pure.

locked -> (unlocked | asked -> (locked again | ordered -> destroyed)). Locking is one person's act and reversible.
Destroying the keys is grave and final: one person asks, another confirms (GB/T 22239, separation of duties). Once
ordered it may still be taken back while the order waits, for a kit in darkness may be found meanwhile.
"""

from __future__ import annotations

from typing import ClassVar, Final

from central.base.errors import ConflictError, InvalidInputError

MAX_REASON_CHARS: Final = 500
OPEN_STATES: Final = ("locked", "asked", "ordered")
STEPS: Final[dict[str, frozenset[str]]] = {
    "locked": frozenset({"asked", "unlocked"}),
    "asked": frozenset({"locked", "ordered", "unlocked"}),
    "ordered": frozenset({"destroyed", "unlocked"}),
    "destroyed": frozenset(),
    "unlocked": frozenset({"destroyed"}),  # the order had reached the kit after all: its own word is a fact
}


class KitLostAlreadyError(ConflictError):
    """The kit is locked already."""

    code: ClassVar[str] = "kit_lost_already"


class LossStateError(ConflictError):
    """The lost kit is no longer, or not yet, in the state that the act needs."""

    code: ClassVar[str] = "loss_state"


class DestructionUnderWayError(ConflictError):
    """The order to destroy has reached the kit and cannot be taken back."""

    code: ClassVar[str] = "destruction_under_way"


class LossReasonError(InvalidInputError):
    """The reason is missing or too long."""

    code: ClassVar[str] = "loss_reason"


def check_step(state: str, wanted: str) -> str:
    """Return `wanted` when a lost kit may go there from `state`; raises LossStateError."""
    if wanted not in STEPS.get(state, frozenset()):
        raise LossStateError("Somebody has changed the state of this lost kit meanwhile; look at it again.")
    return wanted


def check_reason(text: str) -> str:
    """Return the reason without blanks around it; raises LossReasonError."""
    text = text.strip()
    if not 0 < len(text) <= MAX_REASON_CHARS:
        raise LossReasonError(f"Say why, in at most {MAX_REASON_CHARS} characters.", limit=MAX_REASON_CHARS)
    return text
