"""What the video wall and a session's stage know of their sources: who films, where, in which session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from central.base.unit_of_work import ReadSession
from central.command import queries as command
from central.command.queries import SessionView
from central.command.session_rights import may_watch
from central.courts import queries as courts
from central.courts.permissions import Actor, may
from central.devices import queries as devices
from central.devices.queries import KitView
from central.flows.tasks import list_tasks
from central.incidents import queries as incidents
from central.web import views
from central.web.i18n import Words
from central.web.labels import look_up
from central.web.labels.field import PRESENCE

MAX_TILES = 16
LAYOUTS = (1, 4, 9, 16)
PRESENCE_ORDER = ("live", "late", "stale", "dark")
PREFIXES = {"person": "p", "camera": "c"}
"""Of the relay's names for guests of a session that can be seen."""


@dataclass(frozen=True)
class Source:
    """Somebody or something that can be seen: a kit, a person by browser, a camera. Times in ms, degrees."""

    id: str
    """As the relay names it: a kit's id, `p:` and a user id, `c:` and a camera's id."""
    kind: str
    name: str
    court: str
    session: str = ""
    """The session in which it is to be seen now; empty: in none."""
    purpose: str = ""
    presence: str = ""
    recording: bool = False
    lat: float | None = None
    lon: float | None = None
    heard_ms: int | None = None


def list_watched(session: ReadSession, actor: Actor, *, now_ms: int) -> list[SessionView]:
    """Return the open sessions whose pictures the actor may see, those commanded by the own court first."""
    views_ = command.list_sessions(session, actor, is_open=True)
    found = [view for view in views_ if view.session.until_ms > now_ms and may_watch(actor, view.as_open)]
    return sorted(found, key=lambda view: view.session.court_code != actor.court_code)


def list_sources(session: ReadSession, actor: Actor, words: Words, *, now_ms: int) -> list[Source]:
    """Return everything that can be put on the wall: what is in a session first, then the other kits.

    A kit in two sessions is shown in that of the actor's own court.
    """
    facts = _Facts(session, actor, words, now_ms)
    found: dict[str, Source] = {}
    for view in list_watched(session, actor, now_ms=now_ms):
        for source in facts.list_of(view):
            found.setdefault(source.id, source)
    rest = [view for kit_id, view in facts.kits.items() if kit_id not in found and view.kit.revoked_ms is None]
    rest.sort(key=lambda view: (PRESENCE_ORDER.index(view.presence.state), view.kit.kit_id))
    return [*found.values(), *(facts.tell_kit(view) for view in rest)]


def list_session_sources(
    session: ReadSession, actor: Actor, view: SessionView, words: Words, *, now_ms: int
) -> list[Source]:
    """Return what is to be seen in one session, the kits first."""
    return _Facts(session, actor, words, now_ms).list_of(view)


class _Facts:
    """What the actor may know of kits and courts."""

    def __init__(self, session: ReadSession, actor: Actor, words: Words, now_ms: int) -> None:
        self._session = session
        sees_kits = may(actor, "see_kits")
        seen = devices.list_kits(session, actor, now_ms=now_ms) if sees_kits else []
        self.kits = {view.kit.kit_id: view for view in seen}
        self._courts = {row.code: words.choose(row.short_zh, row.short_en) for row in courts.list_all_courts(session)}

    def list_of(self, view: SessionView) -> list[Source]:
        row = view.session
        found = []
        for kit in view.present:
            known = self.kits.get(kit.kit_id)
            if known is not None:
                found.append(self.tell_kit(known, row.id, row.purpose))
            else:  # of another court, in a common session: it is seen, but where it is, is not this court's to know
                name = kit.officer or kit.kit_id
                found.append(Source(kit.kit_id, "kit", name, self._name_court(kit.court_code), row.id, row.purpose))
        for guest in view.present_guests:
            if guest.kind in PREFIXES:
                source_id, court = f"{PREFIXES[guest.kind]}:{guest.ref}", self._name_court(guest.court_code)
                found.append(Source(source_id, guest.kind, guest.name, court, row.id, row.purpose))
        known_ids = {source.id for source in found}
        for source_id, name in command.list_publishing(self._session, row.id).items():
            if source_id not in known_ids:  # nobody invited him by name: his court takes part
                found.append(Source(source_id, "person", name, "", row.id, row.purpose))
        return found

    def tell_kit(self, view: KitView, session_id: str = "", purpose: str = "") -> Source:
        state = view.state
        return Source(
            id=view.kit.kit_id,
            kind="kit",
            name=view.kit.officer or view.kit.kit_id,
            court=self._name_court(view.kit.court_code),
            session=session_id,
            purpose=purpose,
            presence=view.presence.state,
            recording=views.is_recording(view),
            lat=state.lat if state else None,
            lon=state.lon if state else None,
            heard_ms=state.last_heard_ms if state else None,
        )

    def _name_court(self, code: str) -> str:
        return self._courts.get(code, code)


def list_incident_kits(session: ReadSession, actor: Actor, incident_id: str) -> list[str]:
    """Return the kit an incident is about and those ordered to record with it; raises NotFoundError."""
    incident = incidents.get_incident(session, actor, incident_id)
    timeline = incidents.list_timeline(session, actor, incident_id)
    neighbours = [name for entry in timeline for name in entry.detail.get("kits", [])]
    return _once([incidents.describe(incident)["kit_id"], *neighbours])


def list_task_kits(session: ReadSession, actor: Actor, task: str, *, now_ms: int) -> list[str]:
    """Return the kit of the task `kit/number`, and those with open tasks of the same case; none when unknown."""
    views_ = list_tasks(session, actor, now_ms=now_ms)
    chosen = next((view for view in views_ if f"{view.kit.kit_id}/{view.entry.number}" == task), None)
    if chosen is None:
        return []
    case_no = chosen.body.get("case_no", "")
    team = [
        view.kit.kit_id for view in views_ if case_no and view.is_open and view.body.get("case_no", "") == case_no
    ]
    return _once([chosen.kit.kit_id, *team])


def _once(kit_ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(kit_ids))[:MAX_TILES]


def fit_layout(count: int) -> int:
    """Return the smallest layout with room for `count` tiles."""
    return next((size for size in LAYOUTS if size >= count), MAX_TILES)


def plain(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Sources as scripts get them."""
    return [asdict(source) for source in sources]


def words_of_presence(words: Words) -> dict[str, dict[str, str]]:
    """How scripts show a kit's presence: word, icon and tone by state."""
    found = {code: look_up(PRESENCE, code, words) for code in PRESENCE}
    return {code: {"text": label.text, "icon": label.icon, "tone": label.tone} for code, label in found.items()}
