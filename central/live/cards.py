"""A kit as the screens show it: one flat card, kept in memory and moved by live positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from central.devices import rules
from central.devices.feed import LivePosition
from central.devices.models import Kit, KitState
from central.devices.queries import link_word


class KitCard(msgspec.Struct):
    """What a screen needs of a kit. Times in ms (centre's clock unless `fix_ms`), degrees WGS-84."""

    kit_id: str
    court_code: str
    label: str
    officer: str
    revoked: bool
    lat: float | None = None
    lon: float | None = None
    fix_ms: int | None = None
    fix_received_ms: int | None = None
    mode: int | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    suspect: str = ""
    last_heard_ms: int | None = None
    clock_doubt: bool = False
    health: dict[str, Any] | None = None
    health_ms: int | None = None
    link: rules.LinkWord | None = None
    presence: str = "dark"
    reason: str = "never_heard"

    def judge(self, now_ms: int, *, is_deaf: bool = False) -> bool:
        """Judge presence anew; tells whether it changed. `is_deaf`: nobody is heard just now."""
        health = self.health or {}
        view = rules.judge_presence(
            now_ms=now_ms,
            last_heard_ms=self.last_heard_ms,
            revoked=self.revoked,
            duty=health.get("duty"),
            gps=str(health.get("gps", "")),
            has_fix=self.lat is not None,
            link=self.link,
            battery_pct=health.get("battery_pct"),
            is_deaf=is_deaf,
        )
        changed = (view.state, view.reason) != (self.presence, self.reason)
        self.presence, self.reason = view.state, view.reason
        return changed

    def move(self, position: LivePosition) -> None:
        """Take over a newer live position."""
        self.lat, self.lon, self.mode = position.lat, position.lon, position.mode
        self.fix_ms, self.fix_received_ms = position.fix_ms, position.received_ms
        self.speed_mps, self.course_deg, self.suspect = position.speed_mps, position.course_deg, position.suspect
        self.last_heard_ms = max(position.received_ms, self.last_heard_ms or 0)


def load_cards(session: Session, *, now_ms: int, kit_ids: Sequence[str] | None = None) -> dict[str, KitCard]:
    """Read all kits, or those named, as cards by kit id. For the hub, which narrows by scope itself."""
    query = select(Kit, KitState).join(KitState, col(KitState.kit_no) == Kit.kit_no, isouter=True)
    if kit_ids is not None:
        query = query.where(col(Kit.kit_id).in_(kit_ids))
    return {kit.kit_id: _card(kit, state, now_ms) for kit, state in session.exec(query)}


def _card(kit: Kit, state: KitState | None, now_ms: int) -> KitCard:
    card = KitCard(kit.kit_id, kit.court_code, kit.label, kit.officer, kit.revoked_ms is not None)
    if state is not None:
        for name in ("lat", "lon", "fix_ms", "fix_received_ms", "mode", "speed_mps", "course_deg", "suspect"):
            setattr(card, name, getattr(state, name))
        card.last_heard_ms, card.health, card.health_ms = state.last_heard_ms, state.health, state.health_ms
        card.link = link_word(state)
        offset_ms = state.clock_offset_ms
        card.clock_doubt = offset_ms is not None and rules.doubts_clock(offset_ms)
    card.judge(now_ms)
    return card
