"""Writer of the courts room: courts with their names and seats.

Units are written by `units`, custody levels by `custody`, functions switched on by `switches`. Every act is audited
with what stood before, and a court's `version` settles who of two editors was first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.courts import history, places, queries, rules
from central.courts.models import Court, CourtName, CourtSeat
from central.courts.permissions import SUPREME, Actor, check_permission
from central.courts.seeding import add_centre, add_with_history, seed_courts

__all__ = [
    "CourtNames", "add_court", "cancel_planned", "correct_seat", "move_seat", "rename_court", "seed_courts",
    "settle_courts",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CourtNames:
    """What a court is called, and the division it serves (GB/T 2260)."""

    name_zh: str
    name_en: str
    short_zh: str
    short_en: str
    division: str

    def checked(self) -> CourtNames:
        """Return the names without slips; raises TextLengthError or DivisionError."""
        return CourtNames(
            rules.check_text(self.name_zh, rules.MAX_NAME_CHARS),
            rules.check_text(self.name_en, rules.MAX_NAME_CHARS),
            rules.check_text(self.short_zh, 40),
            rules.check_text(self.short_en, 40),
            rules.check_division(self.division.strip()),
        )


def add_court(
    uow: UnitOfWork, actor: Actor, code: str, names: CourtNames, *, lat: float, lon: float, address: str, basis: str
) -> Court:
    """Add a court with its seat, name and command centre; its code tells its level and the court above.

    Raises ForbiddenError, CourtCodeError, CourtExistsError, SuperiorMissingError, or what names and places raise.
    """
    code = rules.check_code(rules.tidy(code))
    check_permission(actor, "manage_courts", code)
    names, (lat, lon) = names.checked(), places.check_seat(lat, lon)
    basis, address = rules.check_text(basis), rules.tidy(address)[: rules.MAX_TEXT_CHARS]
    if uow.session.get(Court, code) is not None:
        raise rules.CourtExistsError(f"{code} is in the tree already; open it to change it.", court_code=code)
    above = rules.parent_of(code)
    superior = uow.session.get(Court, above) if above else None
    if superior is None:
        raise rules.SuperiorMissingError(f"Add {above} first: it is the court above {code}.", superior=above)
    _check_near(superior, lat, lon)
    court = Court(
        code=code,
        parent_code=above,
        level=rules.level_of(code),
        name_zh=names.name_zh,
        name_en=names.name_en,
        short_zh=names.short_zh,
        short_en=names.short_en,
        division=names.division,
        lat=lat,
        lon=lon,
        version=2,  # an administrator's work: a later courts.toml does not correct it
    )
    add_with_history(uow, court, address=address, from_ms=uow.now_ms)
    add_centre(uow, code, names.name_zh, from_ms=uow.now_ms)
    _audit(uow, actor, "court:add", code, basis, detail={"name": names.name_zh, "seat": [lat, lon]})
    return court


def rename_court(
    uow: UnitOfWork,
    actor: Actor,
    court_code: str,
    names: CourtNames,
    *,
    from_ms: int | None,
    basis: str,
    version: int,
) -> None:
    """Give a court other names or another division from `from_ms` on; None puts the present line right as it stands.

    Raises ForbiddenError, NotFoundError, CourtChangedError, LaterChangeError, TextLengthError or DivisionError.
    """
    check_permission(actor, "manage_courts", court_code)
    names, basis = names.checked(), rules.check_text(basis)
    court = _take(uow, court_code, version)
    line = history.present_line(uow, history.load_lines(uow, CourtName, court_code))
    before = {"name": line.name_zh, "division": line.division}
    if from_ms is not None:
        history.continue_from(uow, CourtName, court_code, from_ms)
        line = CourtName(court_code=court_code, name_zh="", name_en="", division="", from_ms=from_ms)
    line.name_zh, line.name_en, line.division = names.name_zh, names.name_en, names.division
    court.short_zh, court.short_en = names.short_zh, names.short_en
    uow.session.add_all([line, court])
    _settle(uow, court)
    after = {"name": names.name_zh, "division": names.division, "from_ms": line.from_ms}
    verb = "correct" if from_ms is None else "rename"
    _audit(uow, actor, f"court:{verb}", court_code, basis, detail={"before": before, "after": after})


def move_seat(
    uow: UnitOfWork,
    actor: Actor,
    court_code: str,
    *,
    lat: float,
    lon: float,
    address: str,
    from_ms: int,
    reason: str,
    version: int,
) -> CourtSeat:
    """Let a court sit elsewhere from `from_ms` on; where it sat before stays in its history (seed 27).

    Raises ForbiddenError, NotFoundError, CourtChangedError, LaterChangeError, or what `places` raises.
    """
    check_permission(actor, "manage_courts", court_code)
    (lat, lon), reason = places.check_seat(lat, lon), rules.check_text(reason)
    court = _take(uow, court_code, version)
    last = history.continue_from(uow, CourtSeat, court_code, from_ms)
    places.check_distance((last.lat, last.lon), (lat, lon), places.MAX_MOVE_KM)
    seat = CourtSeat(
        court_code=court_code,
        address=rules.tidy(address)[: rules.MAX_TEXT_CHARS],
        lat=lat,
        lon=lon,
        from_ms=from_ms,
        reason=reason,
    )
    uow.session.add(seat)
    _settle(uow, court)
    detail = {"before": [last.lat, last.lon], "after": [lat, lon], "address": seat.address, "from_ms": from_ms}
    _audit(uow, actor, "seat:move", court_code, reason, detail=detail)
    return seat


def correct_seat(
    uow: UnitOfWork,
    actor: Actor,
    court_code: str,
    *,
    lat: float,
    lon: float,
    address: str,
    reason: str,
    version: int,
) -> CourtSeat:
    """Put the present seat right: the court did not move, the record was wrong. The audit keeps what stood there.

    Raises ForbiddenError, NotFoundError, CourtChangedError, or what `places` raises.
    """
    check_permission(actor, "manage_courts", court_code)
    (lat, lon), reason = places.check_seat(lat, lon), rules.check_text(reason)
    court = _take(uow, court_code, version)
    superior = uow.session.get(Court, court.parent_code) if court.parent_code else None
    if superior is not None:
        _check_near(superior, lat, lon)
    seat = history.present_line(uow, history.load_lines(uow, CourtSeat, court_code))
    detail = {"before": [seat.lat, seat.lon, seat.address], "after": [lat, lon], "address": address}
    seat.lat, seat.lon, seat.address = lat, lon, rules.tidy(address)[: rules.MAX_TEXT_CHARS]
    uow.session.add(seat)
    _settle(uow, court)
    _audit(uow, actor, "seat:correct", court_code, reason, detail=detail)
    return seat


def cancel_planned(uow: UnitOfWork, actor: Actor, court_code: str, reason: str, version: int) -> int:
    """Take back moves and names entered for a later day; returns how many there were.

    Raises ForbiddenError, NotFoundError or CourtChangedError.
    """
    check_permission(actor, "manage_courts", court_code)
    reason = rules.check_text(reason)
    _take(uow, court_code, version)
    count = history.cancel_planned(uow, CourtSeat, court_code) + history.cancel_planned(uow, CourtName, court_code)
    _audit(uow, actor, "court:cancel", court_code, reason, detail={"lines": count})
    return count


def settle_courts(uow: UnitOfWork) -> int:
    """Bring each court's own row to the seat and name that hold now; returns how many changed.

    A move entered for a later day takes effect here: housekeeping calls it.
    """
    return sum(_settle(uow, court) for court in uow.session.exec(select(Court)).all())


def _take(uow: UnitOfWork, court_code: str, version: int) -> Court:
    """Raise the court's version, when it still is the one the editor saw."""
    court = queries.get_court(uow.session, court_code)
    rule = update(Court).where(col(Court.code) == court_code, col(Court.version) == version)
    done = uow.connection.execute(rule.values(version=version + 1)).rowcount
    uow.session.refresh(court)
    if not done:
        raise rules.CourtChangedError(
            "Somebody else changed this court meanwhile; open it again and enter your change anew.",
            current=court.version,
        )
    return court


def _settle(uow: UnitOfWork, court: Court) -> bool:
    uow.session.flush()
    seat = queries.seat_at(uow.session, court.code, uow.now_ms)
    name = queries.name_at(uow.session, court.code, uow.now_ms)
    holds = (seat.lat, seat.lon, name.name_zh, name.name_en, name.division)
    if holds == (court.lat, court.lon, court.name_zh, court.name_en, court.division):
        return False
    court.lat, court.lon, court.name_zh, court.name_en, court.division = holds
    uow.session.add(court)
    uow.session.flush()
    return True


def _check_near(superior: Court, lat: float, lon: float) -> None:
    if superior.code != SUPREME:
        places.check_distance((superior.lat, superior.lon), (lat, lon), places.MAX_FROM_SUPERIOR_KM)


def _audit(uow: UnitOfWork, actor: Actor, verb: str, court_code: str, basis: str, *, detail: dict[str, Any]) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=court_code,
        action=f"courts:{verb}",
        subject=court_code,
        purpose=basis,
        detail=detail,
    )
