"""The courts a centre starts with, from courts.toml.

The file is a first filling, not a rule: what an administrator changed in a court stays. Only a court nobody has
edited (version 1) takes corrections of the file, as a mistake put right and without a line in its history.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from sqlmodel import col, select

from central.base.unit_of_work import UnitOfWork
from central.courts.models import CommandUnit, Court, CourtName, CourtSeat, CustodyLevel
from central.courts.rules import CENTRE

COURTS_FILE = Path(__file__).with_name("courts.toml")
UNEDITED: Final = 1


def seed_courts(uow: UnitOfWork, path: Path = COURTS_FILE) -> int:
    """Insert the courts of `path` with seat, name and command centre, and its custody levels.

    Returns how many courts the file has. Repeating it is harmless.
    """
    seed = tomllib.loads(path.read_text(encoding="utf-8"))
    for row in seed["court"]:
        values = {"parent_code": row.pop("parent", None), **row}
        court = uow.session.get(Court, values["code"])
        if court is None:
            add_with_history(uow, Court(**values), address="", from_ms=0)
        elif court.version == UNEDITED:
            _correct(uow, court, values)
    uow.session.flush()
    for row in seed["court"]:
        add_centre(uow, row["code"], row["name_zh"], from_ms=0)
    for row in seed.get("custody", []):
        _add_custody(uow, row)
    uow.session.flush()
    return len(seed["court"])


def add_with_history(uow: UnitOfWork, court: Court, *, address: str, from_ms: int) -> None:
    """Insert a court and the first lines of its history."""
    uow.session.add(court)
    uow.session.flush()
    uow.session.add(CourtSeat(court_code=court.code, address=address, lat=court.lat, lon=court.lon, from_ms=from_ms))
    uow.session.add(
        CourtName(
            court_code=court.code,
            name_zh=court.name_zh,
            name_en=court.name_en,
            division=court.division,
            from_ms=from_ms,
        )
    )
    uow.session.flush()


def add_centre(uow: UnitOfWork, court_code: str, name_zh: str, *, from_ms: int) -> None:
    """Insert a court's command centre unless it has, or had, one."""
    query = select(CommandUnit.id).where(CommandUnit.court_code == court_code, CommandUnit.kind == CENTRE)
    if uow.session.exec(query).first() is None:
        name = f"{name_zh}执行指挥中心"
        uow.session.add(CommandUnit(court_code=court_code, kind=CENTRE, name=name, from_ms=from_ms))
        uow.session.flush()


def _correct(uow: UnitOfWork, court: Court, values: dict[str, Any]) -> None:
    if all(getattr(court, name) == value for name, value in values.items()):
        return
    for name, value in values.items():
        setattr(court, name, value)
    uow.session.add(court)
    for table, names in ((CourtSeat, ("lat", "lon")), (CourtName, ("name_zh", "name_en", "division"))):
        # Unedited means one line of history.
        for line in uow.session.exec(select(table).where(col(table.court_code) == court.code)).all():
            for name in names:
                setattr(line, name, values[name])
            uow.session.add(line)


def _add_custody(uow: UnitOfWork, row: dict[str, str]) -> None:
    query = select(CustodyLevel.id).where(
        CustodyLevel.category == row["category"], CustodyLevel.court_code == row["court"]
    )
    if uow.session.exec(query).first() is None:
        uow.session.add(
            CustodyLevel(
                category=row["category"], court_code=row["court"], level=row["level"], from_ms=0, basis=row["basis"]
            )
        )
