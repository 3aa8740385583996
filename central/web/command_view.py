"""What the pages of remote command are given, put together from the rooms' queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from central.base.unit_of_work import ReadSession
from central.command import cameras, session_rights
from central.command import queries as command
from central.command.instructions import OrderView, list_orders
from central.command.queries import RequestView, SessionView
from central.courts import queries as courts
from central.courts.permissions import Actor, may, sees_court
from central.devices import queries as devices
from central.devices.queries import KitView
from central.flows import command as flows
from central.web import wall_view
from central.web.i18n import Words
from central.web.live_voice import VoiceView, make_voice

# For how long a session may be granted, as the form offers it.
MINUTES = (15, 30, 60, 120, 240)


@dataclass(frozen=True)
class KitLine:
    """A kit in a session: its officer, how its call stands, where it is. `place`: (lat, lon) in degrees."""

    kit_id: str
    officer: str
    court_code: str
    joined_ms: int
    left_ms: int | None
    call: str
    """State of its `live` directive; "" once it has left."""
    call_note: str
    view: KitView | None
    """None for whoever may not see kits of that court."""
    place: tuple[float, float] | None
    place_ms: int | None
    is_revoked: bool
    is_lost: bool


@dataclass(frozen=True)
class SessionPage:
    """Everything of a session's page."""

    view: SessionView
    kits: Sequence[KitLine]
    orders: Sequence[OrderView]
    entries: Sequence[Any]
    sources: Sequence[wall_view.Source]
    voice: VoiceView | None
    courts: Mapping[str, Any]
    leads: bool
    """Whether the actor ends it, and takes kits and guests in."""
    ratifies: bool
    instructs: bool
    watches: bool
    publishes: bool
    free_kits: Sequence[KitView]
    cameras: Sequence[cameras.CameraChoice]
    is_live: bool
    """Whether it goes on, by the clock too."""

    @property
    def awaits_ratification(self) -> bool:
        """Whether the emergency has still to be ratified."""
        return self.view.decision.kind == "emergency" and not self.view.decision.ratified


def load_session_page(
    session: ReadSession, actor: Actor, session_id: str, words: Words, *, now_ms: int, url: str
) -> SessionPage:
    """Read a session's page; raises ForbiddenError, NotFoundError. `url`: the relay's, as browsers reach it."""
    view = command.get_session(session, actor, session_id)
    is_live = view.is_open and view.session.until_ms > now_ms
    open_ = view.as_open
    watches = session_rights.may_watch(actor, open_)
    leads = is_live and session_rights.may_lead(actor, view.session.court_code)
    kits = _list_kits(session, actor, now_ms)
    present = {kit.kit_id for kit in view.present}
    free = [row for row in kits.values() if row.kit.kit_id not in present and row.kit.revoked_ms is None]
    return SessionPage(
        view=view,
        kits=_list_lines(session, view, kits, watches=watches, now_ms=now_ms),
        orders=list_orders(session, view, now_ms=now_ms),
        entries=list(reversed(command.list_entries(session, session_id))),
        sources=wall_view.list_session_sources(session, actor, view, words, now_ms=now_ms) if watches else (),
        voice=make_voice(session, actor, open_, url, words) if is_live and watches else None,
        courts={row.code: row for row in courts.list_all_courts(session)},
        leads=leads,
        ratifies=session_rights.may_decide(actor, view.session.court_code)
        and view.decision.decider_id != actor.user_id,
        instructs=is_live and session_rights.may_instruct(actor, view.session.court_code, view.decision.kind),
        watches=watches,
        publishes=is_live and session_rights.may_publish(actor, open_),
        free_kits=free if leads else (),
        cameras=cameras.list_choices(session, actor) if leads else (),
        is_live=is_live,
    )


def _list_kits(session: ReadSession, actor: Actor, now_ms: int) -> dict[str, KitView]:
    if not may(actor, "see_kits"):
        return {}
    return {view.kit.kit_id: view for view in devices.list_kits(session, actor, now_ms=now_ms)}


def _list_lines(
    session: ReadSession, view: SessionView, kits: Mapping[str, KitView], *, watches: bool, now_ms: int
) -> list[KitLine]:
    lines = []
    calls = command.list_calls(session, view, now_ms=now_ms)
    for row in view.kits:
        state = devices.find_state(session, row.kit_no) if watches else None
        has_place = state is not None and state.lat is not None and state.lon is not None
        call = calls[row.kit_no]
        lines.append(
            KitLine(
                kit_id=row.kit_id,
                officer=row.officer,
                court_code=row.court_code,
                joined_ms=row.joined_ms,
                left_ms=row.left_ms,
                call="" if row.left_ms is not None else call.state,
                call_note=call.note,
                view=kits.get(row.kit_id),
                place=(state.lat, state.lon) if has_place and state and state.lat and state.lon else None,
                place_ms=state.fix_received_ms if has_place and state else None,
                is_revoked=call.is_revoked,
                is_lost=call.is_lost,
            )
        )
    return lines


@dataclass(frozen=True)
class Desk:
    """The list of remote commands, as one person sees it."""

    waiting: Sequence[RequestView]
    """Officers who ask to be watched and nobody answers."""
    to_decide: Sequence[RequestView]
    to_ratify: Sequence[RequestView]
    asked: Sequence[RequestView]
    """Asked by the own courts, decided elsewhere."""
    granted: Sequence[RequestView]
    running: Sequence[SessionView]
    past: Sequence[SessionView]
    settled: Sequence[RequestView]
    """Refused, withdrawn, lapsed."""


def load_desk(session: ReadSession, actor: Actor, *, now_ms: int) -> Desk:
    """Read the list; raises ForbiddenError."""
    views = command.list_requests(session, actor)
    waiting = flows.list_watch_me(session, actor)
    ids = {view.request.id for view in waiting}
    asked = [view for view in views if view.request.state == "asked" and view.request.id not in ids]
    mine = [view for view in asked if session_rights.may_decide(actor, view.request.commanding_court)]
    running = command.list_sessions(session, actor, is_open=True)
    return Desk(
        waiting=waiting,
        to_decide=mine,
        to_ratify=[view for view in views if view.awaits_ratification],
        asked=[view for view in asked if view not in mine],
        granted=[view for view in views if view.may_begin(now_ms)],
        running=[view for view in running if view.session.until_ms > now_ms],
        past=[
            *(view for view in running if view.session.until_ms <= now_ms),
            *command.list_sessions(session, actor, is_open=False, limit=50),
        ],
        settled=command.list_requests(session, actor, states=("refused", "withdrawn", "lapsed"), limit=30),
    )


def list_commanding(session: ReadSession, actor: Actor) -> list[Any]:
    """Return the courts that the actor may ask to command: the own one first, then those above it."""
    found = [row for row in courts.list_all_courts(session) if sees_court(row.code, actor.court_code)]
    return sorted(found, key=lambda row: -len(row.code) if row.code != "最高法" else 0)
