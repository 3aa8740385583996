"""What the officer does on his page in a session of remote command: read an order back, talk, choose who hears him.

Done by the page's own process: an answer is a row and its receipt in one transaction as with tasks, and the talk
button must not wait for anybody's turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast, get_args

from edge.spool import Spool, ring
from edge.spool.answered import AnswerError
from edge.spool.instructions import ReadBack
from edge.spool.talk import TO_CENTRE, end_talk, hold_talk

ORDER_ANSWERS: Final = get_args(ReadBack)
_LOCKED: Final = {"refused": "This kit is locked; only SOS works. Tell the centre.", "code": "locked"}

Answer = dict[str, Any]


def answer_order(spool: Spool, *, number: int, answer: str, note: str) -> Answer:
    """Read an order back (``accepted``) or say why not (``refused``)."""
    if answer not in ORDER_ANSWERS:
        return {"refused": f"An order is answered by {', '.join(ORDER_ANSWERS)}.", "code": "unknown_answer"}
    if spool.state.get("lost"):
        return _LOCKED
    try:
        spool.instructions.answer(number, cast(ReadBack, answer), note)
    except AnswerError as error:
        return {"refused": str(error), "code": f"order_{error.state or 'unknown'}"}
    ring(spool.dir, "control")
    return {"done": "order", "number": number, "state": answer}


def talk(spool: Spool, *, value: str) -> Answer:
    """``on``: the button is held, said anew each second; ``off``: it was let go."""
    if value == "off":
        end_talk(spool, by="page")
        ring(spool.dir, "live")
        return {"done": "talk", "talk": False}
    if spool.state.get("lost"):
        return _LOCKED
    sessions = spool.state.get("live_sessions") or []
    if not any(entry.get("voice") != "off" for entry in sessions if isinstance(entry, dict)):
        return {"refused": "There is no session in which to talk.", "code": "no_session"}
    hold_talk(spool, to=_read_target(spool), by="page")
    ring(spool.dir, "live")
    return {"done": "talk", "talk": True}


def choose_target(spool: Spool, *, value: str) -> Answer:
    """Who hears the officer from now on: centre, all, or a colleague's kit."""
    if not 0 < len(value) <= 64:
        return {"refused": "Name centre, all or a kit.", "code": "unknown_answer"}
    spool.state.set("talk_to", {"id": value})
    ring(spool.dir, "live")
    return {"done": "talk_to", "to": value}


def _read_target(spool: Spool) -> str:
    told = spool.state.get("talk_to")
    return str(told.get("id") or TO_CENTRE) if isinstance(told, dict) else TO_CENTRE


ANSWERED_HERE: Final[dict[str, Callable[..., Answer]]] = {
    "order": answer_order,
    "talk": talk,
    "talk_to": choose_target,
}
