"""Calls for help that nobody has settled, for the centre's own figures (no actor)."""

from __future__ import annotations

from typing import NamedTuple

from sqlmodel import Session, func, select

from central.incidents.models import Incident


class OpenCalls(NamedTuple):
    """How many SOS somebody took and nobody closed, how many nobody took, since when the oldest of those waits."""

    acknowledged: int
    waiting: int
    oldest_ms: int | None


def count_open_calls(session: Session) -> OpenCalls:
    """Return the SOS that are not closed."""
    query = select(Incident.state, func.count(), func.min(Incident.received_ms)).where(Incident.kind == "sos")
    found = {state: (count, since) for state, count, since in session.exec(query.group_by(Incident.state)).all()}
    waiting, oldest_ms = found.get("open", (0, None))
    return OpenCalls(found.get("acknowledged", (0, None))[0], waiting, oldest_ms)
