"""In which of his sessions a participant may talk now: each by its own decision, however many he is in. Pure.

A kit's microphone may be open all the time for a full-duplex session. A press-to-talk session of the same kit hears
the officer only while his key is pressed, and only when those he speaks to are of that session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from central.command.session_rights import OpenSession, Voice
from central.relay import bounds
from contract.live import PRESSED, Frame, Talk

if TYPE_CHECKING:
    from central.relay.room import Participant

Sessions = Mapping[str, OpenSession]


def voice_of(sessions: Sessions, session_id: str) -> Voice:
    """How microphones are open in a session; ``off`` in one that is over."""
    session = sessions.get(session_id)
    return session.voice if session is not None else "off"


def read_key(participant: Participant, talk: Talk) -> bool:
    """Whether who begins to talk did so by a press.

    A kit that does not tell (up to 0.4.0) counts as pressed only while none of its sessions opens its microphone
    without a press: rather unheard where talking is by the key than overheard there.
    """
    if not participant.is_kit:
        return True
    return participant.mode != "duplex" if talk.key is None else talk.key


def find_floor(participant: Participant, sessions: Sessions, people: Iterable[Participant]) -> frozenset[str]:
    """The sessions in which he is heard if he talks now, by his last word on key and listeners."""
    if not participant.may_talk:
        return frozenset()
    others = [other for other in people if other is not participant]
    return frozenset(
        session_id
        for session_id in participant.sessions
        if _opens(participant, session_id, sessions, others)
        and (session_id in participant.talks_in or _has_room(participant, session_id, others))
    )


def carries(participant: Participant, frame: Frame, voice: Voice) -> bool:
    """Whether this very sound is for a session in which he talks: what was said before a press comes after it."""
    return voice == "duplex" or not participant.tells_key or bool(frame.flags & PRESSED)


def _opens(participant: Participant, session_id: str, sessions: Sessions, others: list[Participant]) -> bool:
    voice = voice_of(sessions, session_id)
    if voice == "ptt":
        return participant.key and _is_meant(participant, session_id, sessions, others)
    return voice == "duplex"


def _is_meant(participant: Participant, session_id: str, sessions: Sessions, others: list[Participant]) -> bool:
    """Whether those he speaks to are of this session, or of none: then the records alone have what he says."""
    if not participant.to or len(participant.sessions) == 1:
        return True
    meant = {one for one in participant.sessions if not _ids_in(one, sessions, others).isdisjoint(participant.to)}
    return not meant or session_id in meant


def _ids_in(session_id: str, sessions: Sessions, others: list[Participant]) -> set[str]:
    session = sessions.get(session_id)
    return {*(session.kits if session else ()), *(other.id for other in others if session_id in other.sessions)}


def _has_room(participant: Participant, session_id: str, others: list[Participant]) -> bool:
    # Counted apart: the open microphones of a team must not keep whoever commands it from speaking.
    limit = bounds.MAX_KITS_TALKING if participant.is_kit else bounds.MAX_TALKERS
    talking = sum(session_id in other.talks_in for other in others if other.is_kit is participant.is_kit)
    return talking < limit
