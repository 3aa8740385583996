"""What the other processes want of the recorder, read from the spool's state."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.spool import Spool


class Wish(msgspec.Struct, frozen=True):
    """State ``recording_wanted``. ``recording_id`` (32 hex) is set by who announced the recording beforehand."""

    on: bool = False
    cause: str = "officer"
    by: str = ""
    recording_id: str = ""
    alarm_id: str = ""


class Sos(msgspec.Struct, frozen=True):
    """The part of state ``sos`` that decides which segments leave first; a withdrawal changes nothing here."""

    alarm_id: str
    pressed_ms: int


class Mark(msgspec.Struct, frozen=True):
    """State ``mark``: the officer pressed the mark button at ``at_ms`` during recording ``recording_id``."""

    at_ms: int
    recording_id: str = ""


class Wishes(msgspec.Struct, frozen=True):
    """All of it, read at one moment."""

    recording: Wish
    sos: Sos | None
    mark: Mark | None
    on_duty: bool


def read_wishes(spool: Spool) -> Wishes:
    """Read the state; what is malformed counts as not said."""
    return Wishes(
        recording=_read(spool.state.get("recording_wanted"), Wish) or Wish(),
        sos=_read(spool.state.get("sos"), Sos),
        mark=_read(spool.state.get("mark"), Mark),
        on_duty=spool.state.get("duty") is True,
    )


def _read(value: Any, shape: type[Any]) -> Any:
    try:
        return None if value is None else msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None
