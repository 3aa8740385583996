"""Writer of command units: centres, rapid-reaction forces, standby teams; addressees of orders (seed 8, 10, 14).

A unit keeps its id as long as it lives, so that what was addressed to it stays addressed; a unit that ended is kept
with its times, and the audit holds what each change replaced.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlmodel import col

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.courts import queries, rules
from central.courts.models import CommandUnit
from central.courts.permissions import Actor, check_permission


def add_unit(
    uow: UnitOfWork,
    actor: Actor,
    court_code: str,
    *,
    kind: str,
    name: str,
    phone: str = "",
    note: str = "",
    from_ms: int | None = None,
) -> CommandUnit:
    """Add a unit under a court, serving from `from_ms` (None: now) on.

    Raises ForbiddenError, NotFoundError, CentreTakenError, BackdatedError, TextLengthError or PhoneError.
    """
    check_permission(actor, "manage_units", court_code)
    queries.get_court(uow.session, court_code)
    unit = CommandUnit(
        court_code=court_code,
        kind=rules.check_unit_kind(kind),
        name=rules.check_text(name, rules.MAX_NAME_CHARS),
        phone=rules.check_phone(phone),
        note=rules.tidy(note)[: rules.MAX_TEXT_CHARS],
        from_ms=uow.now_ms if from_ms is None else rules.check_start(from_ms, uow.now_ms),
    )
    if unit.kind == rules.CENTRE:
        _check_single(uow, actor, unit)
    uow.session.add(unit)
    uow.session.flush()
    _audit(uow, actor, "add", unit, {"kind": kind, "name": unit.name, "from_ms": unit.from_ms})
    return unit


def change_unit(
    uow: UnitOfWork, actor: Actor, unit_id: str, version: int, *, name: str, phone: str, note: str
) -> CommandUnit:
    """Change a unit's name, telephone or note. Raises as `add_unit`, and UnitChangedError."""
    unit = _get(uow, actor, unit_id)
    values = {
        "name": rules.check_text(name, rules.MAX_NAME_CHARS),
        "phone": rules.check_phone(phone),
        "note": rules.tidy(note)[: rules.MAX_TEXT_CHARS],
    }
    before = {key: getattr(unit, key) for key in values}
    unit = _update(uow, unit, version, values)
    _audit(uow, actor, "change", unit, {"before": before, "after": values})
    return unit


def end_unit(
    uow: UnitOfWork, actor: Actor, unit_id: str, version: int, *, until_ms: int | None = None
) -> CommandUnit:
    """Let a unit serve until `until_ms` (None: now) and no longer; a unit not yet serving never will.

    Raises ForbiddenError, NotFoundError, UnitChangedError or BackdatedError.
    """
    unit = _get(uow, actor, unit_id)
    wanted_ms = uow.now_ms if until_ms is None else rules.check_start(until_ms, uow.now_ms)
    unit = _update(uow, unit, version, {"until_ms": max(wanted_ms, unit.from_ms)})
    _audit(uow, actor, "end", unit, {"name": unit.name, "until_ms": unit.until_ms})
    return unit


def _get(uow: UnitOfWork, actor: Actor, unit_id: str) -> CommandUnit:
    unit = uow.session.get(CommandUnit, unit_id)
    if unit is None:
        raise NotFoundError("There is no such unit in your courts; see the court's page.")
    check_permission(actor, "manage_units", unit.court_code)
    return unit


def _update(uow: UnitOfWork, unit: CommandUnit, version: int, values: dict[str, Any]) -> CommandUnit:
    rule = update(CommandUnit).where(
        col(CommandUnit.id) == unit.id,
        col(CommandUnit.version) == version,
        col(CommandUnit.until_ms).is_(None) | (col(CommandUnit.until_ms) > uow.now_ms),
    )
    if not uow.connection.execute(rule.values(version=version + 1, **values)).rowcount:
        raise rules.UnitChangedError(
            "Somebody else changed or ended this unit meanwhile; open the court again and enter your change anew.",
            current=unit.version,
        )
    uow.session.refresh(unit)
    return unit


def _check_single(uow: UnitOfWork, actor: Actor, unit: CommandUnit) -> None:
    for other in queries.list_units(uow.session, actor, unit.court_code, at_ms=unit.from_ms):
        if other.kind == rules.CENTRE:
            raise rules.CentreTakenError(
                f"{other.name} serves as the court's centre in that time; end it first, or change its name.",
                unit=other.name,
            )


def _audit(uow: UnitOfWork, actor: Actor, verb: str, unit: CommandUnit, detail: dict[str, Any]) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=unit.court_code,
        action=f"courts:unit:{verb}",
        subject=unit.id,
        detail=detail,
    )
