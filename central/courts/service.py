"""Writer of the courts room."""

from __future__ import annotations

import tomllib
from pathlib import Path

from central.base.unit_of_work import UnitOfWork
from central.courts.models import Court

COURTS_FILE = Path(__file__).with_name("courts.toml")


def seed_courts(uow: UnitOfWork, path: Path = COURTS_FILE) -> int:
    """Insert or correct the courts of `path`; returns how many there are. Repeating it is harmless."""
    courts = tomllib.loads(path.read_text(encoding="utf-8"))["court"]
    for row in courts:
        values = {"parent_code": row.pop("parent", None), **row}
        uow.session.merge(Court(**values))
        uow.session.flush()
    return len(courts)
