"""What a recording states of itself: openly in its first record, and of people and matters under the encryption."""

from __future__ import annotations

from typing import Any, Final

from edge.recorder.wish import Wishes
from edge.settings import Settings

# Who is named openly: buttons and options of the kit itself. Orders carry the names of people.
_OPEN_CAUSES: Final = frozenset({"officer", "sos", "start"})


def sound_of(settings: Settings, *, source_has_sound: bool) -> str:
    """``on``, ``off`` (nobody wants it) or ``missing`` (wanted, but the source gives none)."""
    if not settings.camera.audio:
        return "off"
    return "on" if source_has_sound else "missing"


def state_opening(
    wishes: Wishes, settings: Settings, *, camera: str, source_has_sound: bool, past_ms: int
) -> dict[str, Any]:
    """The ``extra`` of an opening record. ``past_ms``: how much of it is from before it was asked for.

    Nothing in it names a person or a case: chain records are read on the way.
    """
    wish = wishes.recording
    stated: dict[str, Any] = {
        "cause": wish.cause,
        "by": wish.by if wish.cause in _OPEN_CAUSES else wish.cause,
        "camera": camera,
        "sound": sound_of(settings, source_has_sound=source_has_sound),
    }
    if past_ms > 0:
        stated |= {"pre_event_ms": past_ms, "pre_event_sound": settings.segments.pre_event_sound}
    if wish.alarm_id:
        stated["alarm"] = wish.alarm_id
    if wish.together:
        stated["together"] = wish.together
    if wishes.task is not None:
        stated["task"] = wishes.task.number
    if wishes.category:
        stated["category"] = wishes.category
    return stated


def gather_facts(wishes: Wishes) -> dict[str, Any]:
    """What the encrypted header of a segment says of people and matters as they stand; empty: nothing is known."""
    task = wishes.task
    facts: dict[str, Any] = {"category": wishes.category, "by": wishes.recording.by[:64]}
    if task is not None:
        facts |= {
            "task": task.number,
            "title": task.title[:100],
            "case_no": task.case_no[:64],
            "officer": task.officer[:64],
        }
    return {name: value for name, value in facts.items() if value}
