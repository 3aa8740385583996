"""A session that is open, and who may watch, speak, show, lead, decide and order in it. Pure.

Asked by the relay for every picture and packet, and by the pages; what binds a request and its decision: `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from central.courts.permissions import Actor, sees_court

Voice = Literal["off", "ptt", "duplex"]


@dataclass(frozen=True)
class OpenSession:
    """A session that is going on, as the relay knows it. Times in ms since 1970 UTC."""

    id: str
    court_code: str
    """The commanding court."""
    other_courts: tuple[str, ...]
    """The requesting court, the kits' courts and the halls invited."""
    kits: tuple[str, ...]
    """Those in the session now and not revoked."""
    until_ms: int
    voice: Voice
    people: tuple[str, ...] = ()
    """User ids of those invited by name (a judge with a browser's camera)."""
    cameras: tuple[str, ...] = ()
    """Ids of external cameras in the session, without the prefix `c:`."""
    kind: str = "ordinary"
    """How it was decided: ordinary, own_motion, emergency."""
    purpose: str = ""
    barred: tuple[str, ...] = ()
    """User ids of those recused from the case that it serves."""

    @property
    def courts(self) -> tuple[str, ...]:
        """Every court that takes part, the commanding one first."""
        return (self.court_code, *(code for code in self.other_courts if code != self.court_code))


def takes_part(actor: Actor, courts: Sequence[str]) -> bool:
    """Tell whether one of `courts` is the actor's own or below it."""
    return any(sees_court(actor.court_code, code) for code in courts)


def is_invited(actor: Actor, open_: OpenSession) -> bool:
    """Tell whether the actor was invited by name, and has a role that may take part."""
    if actor.user_id in open_.barred:
        return False
    return actor.user_id in open_.people and (actor.has_right("join_live") or actor.has_right("talk_live"))


def may_watch(actor: Actor, open_: OpenSession) -> bool:
    """Tell whether the actor may see the pictures of a session."""
    return is_invited(actor, open_) or _is_of(actor, open_, "watch_live")


def may_talk(actor: Actor, open_: OpenSession) -> bool:
    """Tell whether the actor may speak in a session, and hear it."""
    return is_invited(actor, open_) or _is_of(actor, open_, "talk_live")


def may_publish(actor: Actor, open_: OpenSession) -> bool:
    """Tell whether the actor may show his own camera in a session (seed 26: without a kit)."""
    return may_talk(actor, open_)


def _is_of(actor: Actor, open_: OpenSession, right: str) -> bool:
    """Tell whether a right holds in a session: of a court that takes part, and not recused from its case."""
    return actor.user_id not in open_.barred and actor.has_right(right) and takes_part(actor, open_.courts)


def may_lead(actor: Actor, court_code: str) -> bool:
    """Tell whether the actor may lead and end sessions of `court_code`: a person of that very court."""
    return actor.court_code == court_code and (actor.has_right("start_command") or actor.has_right("decide_command"))


def may_decide(actor: Actor, court_code: str) -> bool:
    """Tell whether the actor decides for `court_code`: a person of that very court, not of one above."""
    return actor.court_code == court_code and actor.has_right("decide_command")


def may_instruct(actor: Actor, court_code: str, kind: str) -> bool:
    """Tell whether the actor may give numbered orders in a session of `court_code`.

    A duty operator gives none (docs/roles.md) but in an emergency that he had to begin.
    """
    if actor.court_code != court_code:
        return False
    return actor.has_right("give_instruction") and (kind == "emergency" or bool(actor.roles & {"commander"}))
