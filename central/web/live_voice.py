"""What the voice part of a session's page and a judge's page are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from central.base.unit_of_work import ReadSession
from central.command.session_rights import OpenSession, Voice, may_talk
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.devices import queries as devices
from central.web.i18n import Words


@dataclass(frozen=True)
class Team:
    """Kits of one court in a session, spoken to together. `ids` are source ids of the wire."""

    name: str
    ids: Sequence[str]


@dataclass(frozen=True)
class VoiceView:
    """Variable `voice` of templates/command/_voice.html. `url`: ws:// or wss:// address of the relay, no path."""

    url: str
    session_id: str
    mode: Voice
    may_talk: bool
    teams: Sequence[Team]


def make_voice(session: ReadSession, actor: Actor, open_: OpenSession, url: str, words: Words) -> VoiceView:
    """Return how a person hears and may speak in a session; kits of one court alone are no team of their own."""
    by_court: dict[str, list[str]] = {}
    for kit_id in open_.kits:
        ref = devices.find_kit_ref(session, kit_id)
        if ref is not None:
            by_court.setdefault(ref.court_code, []).append(kit_id)
    teams = []
    for code, ids in sorted(by_court.items()) if len(by_court) > 1 else ():
        court = courts.get_court(session, code)
        teams.append(Team(words.choose(court.short_zh, court.short_en), ids))
    return VoiceView(url, open_.id, open_.voice, may_talk(actor, open_), teams)
