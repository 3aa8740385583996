"""The devices room's writers; long ones live beside it and are offered here under one name."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, func, select

from central.base.outbox import KIT_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.devices import positions, rules
from central.devices.directory import (
    KitDirectory,
    RegistryChange,
    apply_registry,
    find_registry_epoch,
    note_certificate_end,
)
from central.devices.health_history import note_hour
from central.devices.mailbox import (
    apply_receipt,
    expire_directives,
    find_waiting_kits,
    list_undelivered,
    list_waiting,
    put_directive,
    void_waiting,
)
from central.devices.models import Counter, KitState, SetAside
from central.devices.positions import (
    KitMarkers,
    save_markers,
    store_items,
    store_positions,
)
from central.devices.rules import KitRef
from central.devices.trail import prune_items, prune_positions
from contract.health import Health
from contract.messages import Hello

__all__ = [
    "KitDirectory",
    "KitMarkers",
    "RegistryChange",
    "add_to_counter",
    "apply_receipt",
    "apply_registry",
    "expire_directives",
    "find_registry_epoch",
    "find_waiting_kits",
    "keep_aside",
    "list_undelivered",
    "list_waiting",
    "note_certificate_end",
    "prune_items",
    "prune_positions",
    "put_directive",
    "record_health",
    "record_hello",
    "record_link",
    "save_markers",
    "set_counter",
    "store_items",
    "store_positions",
    "void_waiting",
]

_GOODBYES = frozenset({"switched_off", "restarting", "battery_empty"})
_GOODBYE_HOLDS_MS = 30_000
# A change in one of these is worth an event; the rest is read when somebody looks.
_TELLING = ("recording", "recording_id", "duty", "gps", "clock", "source", "note", "warnings")


def record_health(
    uow: UnitOfWork, kit: KitRef, health: Health, *, at_ms: int, received_ms: int, written_ms: int | None = None
) -> None:
    """Keep the newest health of a kit (by the time received) and tell screens when it says something new.

    `written_ms` is when the centre believes that it was written: a report of hours in darkness is late, not wrong.
    """
    state = _state(uow, kit)
    body: dict[str, Any] = msgspec.to_builtins(health)
    before = state.health or {}
    state.health, state.health_ms, state.version = body, received_ms, health.version
    state.clock_offset_ms = rules.clock_offset_ms(at_ms, received_ms if written_ms is None else written_ms)
    state.last_heard_ms = max(received_ms, state.last_heard_ms or 0)
    note_hour(uow, kit.kit_no, health, received_ms=received_ms)
    uow.session.add(state)
    uow.session.flush()
    if any(before.get(name) != body.get(name) for name in _TELLING):
        uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "health", "health": body})


def record_link(uow: UnitOfWork, kit: KitRef, word: str, *, at_ms: int) -> None:
    """Keep the newest word about a kit's session: up, lost (the broker's), or the kit's own goodbye.

    The end of a session does not overwrite the goodbye before it, which says more.
    """
    state = _state(uow, kit)
    is_fresh = state.link_ms is not None and at_ms - state.link_ms < _GOODBYE_HOLDS_MS
    if word == "lost" and state.link in _GOODBYES and is_fresh:
        return
    state.link, state.link_ms = word, at_ms
    uow.session.add(state)
    uow.session.flush()


def record_hello(uow: UnitOfWork, kit: KitRef, hello: Hello, *, at_ms: int, received_ms: int) -> None:
    """Note that a kit has connected and which directives it holds."""
    state = _state(uow, kit)
    state.mailbox_have, state.version = hello.have, hello.version
    state.link, state.link_ms = "up", received_ms
    state.clock_offset_ms = rules.clock_offset_ms(at_ms, received_ms)
    state.last_heard_ms = max(received_ms, state.last_heard_ms or 0)
    uow.session.add(state)
    uow.session.flush()
    uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "hello"})


def keep_aside(
    uow: UnitOfWork, *, kit_id: str, source: str, reason: str, detail: str, payload: bytes, limit: int = 10_000
) -> None:
    """Keep what could not be accepted, with its reason, and count it; the oldest beyond `limit` go.

    `reason` is a short code (unparsable, oversize, out_of_range, number_reused, foreign, forged, ...).
    """
    entry = SetAside(
        received_ms=uow.now_ms,
        kit_id=kit_id[:64],
        source=source[:200],
        reason=reason[:40],
        detail=detail[:500],
        size_bytes=len(payload),
        payload=payload[: rules.PAYLOAD_KEPT_BYTES],
    )
    uow.session.add(entry)
    uow.session.flush()
    if entry.id is not None and entry.id % 100 == 0:
        newest = uow.session.exec(select(func.max(SetAside.id))).one() or 0
        uow.connection.execute(delete(SetAside).where(col(SetAside.id) <= newest - limit))
    add_to_counter(uow, f"set_aside.{reason[:40]}", 1)


def add_to_counter(uow: UnitOfWork, name: str, count: int) -> None:
    """Add to a running total."""
    dialect = sqlite if uow.connection.dialect.name == "sqlite" else postgresql
    rule = dialect.insert(Counter).values(name=name, value=count, changed_ms=uow.now_ms)
    uow.connection.execute(
        rule.on_conflict_do_update(
            index_elements=["name"],
            set_={"value": col(Counter.value) + rule.excluded.value, "changed_ms": rule.excluded.changed_ms},
        )
    )


def set_counter(uow: UnitOfWork, name: str, value: int) -> None:
    """Note how many there are of something now."""
    dialect = sqlite if uow.connection.dialect.name == "sqlite" else postgresql
    rule = dialect.insert(Counter).values(name=name, value=value, changed_ms=uow.now_ms)
    uow.connection.execute(
        rule.on_conflict_do_update(
            index_elements=["name"], set_={"value": rule.excluded.value, "changed_ms": rule.excluded.changed_ms}
        )
    )


def _state(uow: UnitOfWork, kit: KitRef) -> KitState:
    positions.ensure_states(uow, [kit.kit_no])
    return uow.session.get_one(KitState, kit.kit_no)
