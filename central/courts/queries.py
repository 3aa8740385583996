"""Reads of the courts room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, true
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.courts.models import Court
from central.courts.permissions import SUPREME, Viewer


def in_scope(column: Any, actor: Viewer) -> ColumnElement[bool]:
    """Return the SQL condition that `column` (a court code) lies in the actor's scope."""
    if actor.court_code == SUPREME:
        return true()
    condition: ColumnElement[bool] = col(column).startswith(actor.court_code, autoescape=True)
    return condition


def list_courts(session: Session, actor: Viewer) -> Sequence[Court]:
    """Return the courts the actor sees, superior first."""
    return session.exec(select(Court).where(in_scope(Court.code, actor)).order_by(Court.code)).all()


def get_court(session: Session, code: str) -> Court:
    """Return one court; raises NotFoundError."""
    court = session.get(Court, code)
    if court is None:
        raise NotFoundError(f"There is no court with code {code!r}; see courts.toml.", court_code=code)
    return court
