"""Orders to record or to stop: a person's count at once; those of a call for help touch only what it started."""

from __future__ import annotations

from typing import Any

from contract.orders import RecordOrder
from edge.spool import Spool


def obey_record_order(spool: Spool, told: RecordOrder, *, on: bool) -> str:
    """Write the wish for the recorder; returns what came of it, for the receipt."""
    if told.for_alarm is None:
        spool.state.set("recording_wanted", {"on": on, "cause": "centre", "by": told.by or told.cause})
        return "handed to the recorder"
    with spool.transaction():
        said = spool.state.get("recording_wanted")
        wanted: dict[str, Any] = said if isinstance(said, dict) else {}
        wish, note = _join(wanted, told) if on else _leave(wanted, told)
        if wish is not wanted:
            spool.state.set("recording_wanted", wish)
    return note


def _join(wanted: dict[str, Any], told: RecordOrder) -> tuple[dict[str, Any], str]:
    calls = _calls(wanted)
    if wanted.get("on") and wanted.get("cause") != "neighbour":
        return wanted, "already recording, for another reason"
    if wanted.get("on") and told.for_alarm in calls:
        return wanted, "already recording for this call"
    if wanted.get("on"):
        return {**wanted, "calls": [*calls, told.for_alarm]}, "already recording; it now ends with this call too"
    wish = {"on": True, "cause": "neighbour", "by": told.by or told.cause}
    return {**wish, "together": told.for_alarm, "calls": [told.for_alarm]}, "handed to the recorder"


def _leave(wanted: dict[str, Any], told: RecordOrder) -> tuple[dict[str, Any], str]:
    by = told.by or told.cause
    if not wanted.get("on"):
        return wanted, "was not recording"
    if wanted.get("cause") == "sos":
        return _end_own_call(wanted, told.for_alarm, by)
    calls = _calls(wanted)
    if wanted.get("cause") != "neighbour" or told.for_alarm not in calls:
        return wanted, "goes on: recorded for another reason"
    rest = [call for call in calls if call != told.for_alarm]
    if rest:
        return {**wanted, "calls": rest}, "goes on for another call"
    return {"on": False, "cause": "neighbour", "by": by}, "handed to the recorder"


def _end_own_call(wanted: dict[str, Any], call: str | None, by: str) -> tuple[dict[str, Any], str]:
    """One of the kit's own calls is over: another may still be open, and the officer may want it by himself."""
    open_calls = [*wanted.get("also", []), wanted.get("alarm_id")]
    if call not in open_calls:
        return wanted, "goes on: recorded for another reason"
    rest = [other for other in open_calls if other != call]
    if rest:
        return {**wanted, "alarm_id": rest[-1], "also": rest[:-1]}, "goes on for another call"
    if own := wanted.get("own"):
        return {"on": True, "cause": own, "by": wanted.get("by", "")}, "goes on: recorded for another reason"
    return {"on": False, "cause": "centre", "by": by}, "handed to the recorder"


def _calls(wanted: dict[str, Any]) -> list[Any]:
    calls = wanted.get("calls")
    return calls if isinstance(calls, list) else []
