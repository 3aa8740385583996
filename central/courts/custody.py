"""Writer of custody levels: where an inquiry category's data are asked for, from when on (seed 9).

A level changed here reroutes inquiries by itself: `queries.route_court` reads these rows and nothing else.
"""

from __future__ import annotations

from sqlalchemy import or_
from sqlmodel import col, select

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.courts import queries, rules
from central.courts.models import CustodyLevel
from central.courts.permissions import Actor, check_permission


def set_custody_level(
    uow: UnitOfWork, actor: Actor, court_code: str, category: str, level: str, *, from_ms: int, basis: str
) -> CustodyLevel:
    """Fix at which level a court and those below it ask for a category, from `from_ms` on, on what ground.

    What was planned for later days gives way. Raises ForbiddenError, NotFoundError, InvalidInputError, BackdatedError
    or TextLengthError.
    """
    check_permission(actor, "manage_courts", court_code)
    queries.get_court(uow.session, court_code)
    row = CustodyLevel(
        category=rules.check_category(category),
        court_code=court_code,
        level=rules.check_custody(level),
        from_ms=rules.check_start(from_ms, uow.now_ms),
        basis=rules.check_text(basis),
    )
    before = _close(uow, row.category, court_code, row.from_ms)
    uow.session.add(row)
    uow.session.flush()
    _audit(uow, actor, "set", row, {"before": before, "after": row.level, "from_ms": row.from_ms})
    return row


def inherit_custody_level(
    uow: UnitOfWork, actor: Actor, court_code: str, category: str, *, from_ms: int, basis: str
) -> None:
    """Let the court above decide a category again from `from_ms` on. Raises as `set_custody_level`."""
    check_permission(actor, "manage_courts", court_code)
    queries.get_court(uow.session, court_code)
    row = CustodyLevel(
        category=rules.check_category(category),
        court_code=court_code,
        level="",
        from_ms=rules.check_start(from_ms, uow.now_ms),
        basis=rules.check_text(basis),
    )
    before = _close(uow, row.category, court_code, row.from_ms)
    if before is not None:
        _audit(uow, actor, "inherit", row, {"before": before, "from_ms": row.from_ms})


def _close(uow: UnitOfWork, category: str, court_code: str, from_ms: int) -> str | None:
    """End the court's own row at `from_ms` and take back what was planned after it; returns the level that ended."""
    query = select(CustodyLevel).where(
        CustodyLevel.category == category,
        CustodyLevel.court_code == court_code,
        or_(col(CustodyLevel.until_ms).is_(None), col(CustodyLevel.until_ms) > from_ms),
    )
    before = None
    for row in uow.session.exec(query.order_by(col(CustodyLevel.from_ms))).all():
        before = before or row.level
        row.until_ms = max(row.from_ms, from_ms)
        uow.session.add(row)
    return before


def _audit(uow: UnitOfWork, actor: Actor, verb: str, row: CustodyLevel, detail: dict[str, object]) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=row.court_code,
        action=f"courts:custody:{verb}",
        subject=f"{row.court_code}/{row.category}",
        purpose=row.basis,
        detail=detail,
    )
