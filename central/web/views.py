"""What the templates are given, put together from the rooms' queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from central.base.unit_of_work import ReadSession
from central.command.queries import RequestView
from central.courts import queries as courts
from central.courts.permissions import Actor, may
from central.devices import queries as devices
from central.devices.queries import KitView
from central.flows import command
from central.incidents import queries as incidents
from central.incidents.rules import URGENT_KINDS

GEO_FILE = Path(__file__).parent / "static" / "geo" / "dali.json"
ALL_STATES = ("open", "acknowledged", "closed")
TIMELINE_LINES = 40
# Degrees of longitude are shorter than those of latitude by cos(25.7°) at Dali.
LON_SCALE = 0.901


@dataclass(frozen=True)
class Outline:
    """One shape as an SVG path."""

    kind: str
    path: str


@dataclass(frozen=True)
class Outlines:
    """Dali's shapes for the log-in page."""

    view_box: str
    shapes: Sequence[Outline]


@cache
def county_outlines() -> Outlines:
    """Return the counties and the prefecture as SVG paths; nothing when the assets have not been built."""
    if not GEO_FILE.is_file():
        return Outlines("0 0 1 1", ())
    shapes, xs, ys = [], [], []
    for feature in json.loads(GEO_FILE.read_text(encoding="utf-8"))["features"]:
        kind = feature["properties"]["kind"]
        if kind == "neighbour":
            continue
        rings = []
        for polygon in feature["geometry"]["coordinates"]:
            points = [(lon * LON_SCALE * 1000, -lat * 1000) for lon, lat in polygon[0]]
            xs += [x for x, _ in points]
            ys += [y for _, y in points]
            rings.append("M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in points) + "Z")
        shapes.append(Outline(kind, "".join(rings)))
    return Outlines(f"{min(xs):.0f} {min(ys):.0f} {max(xs) - min(xs):.0f} {max(ys) - min(ys):.0f}", shapes)


@dataclass(frozen=True)
class IncidentCard:
    """An incident with whom it concerns and what became of the acknowledgement."""

    incident: Mapping[str, Any]
    officer: str
    kit_label: str
    court_zh: str
    court_en: str
    delivery: str
    """State of the `sos_ack` in the kit's mailbox; empty before somebody has acknowledged."""

    def __getattr__(self, name: str) -> Any:
        """Let templates write `card.state` for `card.incident["state"]`."""
        try:
            return self.incident[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class TimelineLine:
    """One line of the big screen's timeline."""

    at_ms: int
    what: str
    kind: str
    who: str
    officer: str
    incident_id: str
    court_zh: str
    court_en: str


@dataclass(frozen=True)
class CourtRow:
    """A court with how its kits stand."""

    code: str
    division: str
    zh: str
    en: str
    lat: float
    lon: float
    live: int
    late: int
    gone: int
    incidents: int

    @property
    def total(self) -> int:
        """Kits of this court."""
        return self.live + self.late + self.gone


@dataclass(frozen=True)
class Board:
    """Everything on the big screen that is words and figures."""

    kits: Sequence[KitView]
    queue: Sequence[IncidentCard]
    timeline: Sequence[TimelineLine]
    courts: Sequence[CourtRow]
    watch_me: Sequence[RequestView] = ()
    """Officers who ask to be watched and whom nobody has answered, longest waiting first."""

    def count(self, *states: str) -> int:
        """Count kits in these states of presence."""
        return sum(view.presence.state in states for view in self.kits)

    @property
    def open_cards(self) -> list[IncidentCard]:
        """Incidents nobody has taken yet, longest waiting first."""
        waiting = [card for card in self.queue if card.state == "open"]
        return sorted(waiting, key=lambda card: card.received_ms)

    @property
    def urgent_cards(self) -> list[IncidentCard]:
        """Those of them that sound the alarm."""
        return [card for card in self.open_cards if card.kind in URGENT_KINDS]

    @property
    def recording(self) -> list[KitView]:
        """Kits that record now and are heard."""
        return [view for view in self.kits if is_recording(view)]


def is_recording(view: KitView) -> bool:
    """Tell whether the kit said that it records and is still heard."""
    health = (view.state.health if view.state else None) or {}
    return bool(health.get("recording")) and view.presence.state in ("live", "late")


def load_board(session: ReadSession, actor: Actor, *, now_ms: int) -> Board:
    """Read the big screen for this person."""
    kits = devices.list_kits(session, actor, now_ms=now_ms)
    known = {row.code: row for row in courts.list_courts(session, actor)}
    queue: list[IncidentCard] = []
    recent: list[IncidentCard] = []
    if may(actor, "see_incidents"):
        queue = load_cards(session, actor, states=("open", "acknowledged"), now_ms=now_ms, kits=kits)
        recent = load_cards(session, actor, states=ALL_STATES, now_ms=now_ms, kits=kits, limit=60)
    queue.sort(key=lambda card: (card.state != "open", card.kind == "fault", -card.received_ms))
    rows = [
        CourtRow(
            row.code,
            row.division,
            row.short_zh,
            row.short_en,
            row.lat,
            row.lon,
            *_count_presence([view for view in kits if view.kit.court_code == row.code]),
            sum(card.court_code == row.code for card in queue),
        )
        for row in known.values()
        if row.level == "basic" or any(view.kit.court_code == row.code for view in kits)
    ]
    return Board(kits, queue, _timeline(recent), rows, command.list_watch_me(session, actor))


def _count_presence(kits: Sequence[KitView]) -> tuple[int, int, int]:
    states = [view.presence.state for view in kits]
    return states.count("live"), states.count("late") + states.count("stale"), states.count("dark")


def load_cards(
    session: ReadSession,
    actor: Actor,
    *,
    states: Sequence[str],
    now_ms: int,
    kits: Sequence[KitView] | None = None,
    limit: int = 200,
) -> list[IncidentCard]:
    """Read incidents as cards, newest first."""
    if kits is None:
        kits = devices.list_kits(session, actor, now_ms=now_ms)
    found = incidents.list_incidents(session, actor, states=states, limit=limit)
    return [make_card(session, actor, incidents.describe(row), kits, now_ms=now_ms) for row in found]


def make_card(
    session: ReadSession, actor: Actor, incident: Mapping[str, Any], kits: Sequence[KitView], *, now_ms: int
) -> IncidentCard:
    """Put an incident together with its kit, court and the state of its acknowledgement."""
    view = next((view for view in kits if view.kit.kit_id == incident["kit_id"]), None)
    court = courts.get_court(session, incident["court_code"])
    delivery = ""
    if incident["felt_ms"] is not None:
        delivery = "felt"
    elif incident["state"] != "open" and view is not None:
        delivery = _find_delivery(session, actor, incident, now_ms)
    return IncidentCard(
        incident=incident,
        officer=view.kit.officer if view else "",
        kit_label=view.kit.label if view else "",
        court_zh=court.short_zh,
        court_en=court.short_en,
        delivery=delivery,
    )


def _find_delivery(session: ReadSession, actor: Actor, incident: Mapping[str, Any], now_ms: int) -> str:
    entries = devices.list_directives(session, actor, incident["kit_id"], now_ms=now_ms)
    for entry in entries:
        if entry.kind == "sos_ack" and entry.body.get("alarm_id") == incident["alarm_id"]:
            return entry.state
    return ""


def _timeline(cards: Sequence[IncidentCard]) -> list[TimelineLine]:
    lines = []
    for card in cards:
        officer = card.officer or card.kit_id
        stamps = (
            ("opened", card.received_ms, ""),
            ("withdrawn", card.withdrawn_ms, ""),
            ("acknowledged", card.acknowledged_ms, card.acknowledged_by),
            ("felt", card.felt_ms, ""),
            ("closed", card.closed_ms, card.closed_by),
        )
        lines += [
            TimelineLine(at_ms, what, card.kind, who, officer, card.id, card.court_zh, card.court_en)
            for what, at_ms, who in stamps
            if at_ms is not None
        ]
    lines.sort(key=lambda line: -line.at_ms)
    return lines[:TIMELINE_LINES]
