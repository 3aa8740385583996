"""How much room a recording has left, and when that is little: pure rules, no card.

Two things bound what may be stored: the card's free space above its reserve, and the vault's share of the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from edge.options import StorageSettings

Level = Literal["ok", "low", "critical", "full"]
ORDER: Final[dict[Level, int]] = {"ok": 0, "low": 1, "critical": 2, "full": 3}
# A level is left only with this much more room than it was entered with, so that nothing flickers at a threshold.
EASE: Final = 1.2
# To start anew takes a tenth more than to go on.
START_EASE: Final = 1.1


@dataclass(frozen=True, slots=True)
class Room:
    """What the card says, in bytes."""

    free_bytes: int
    held_bytes: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """``minutes_left`` of recording at the present rate; ``text`` is one sentence for people."""

    level: Level
    free_bytes: int
    minutes_left: int
    text: str


def find_shortage(room: Room, settings: StorageSettings, *, to_start: bool = False) -> str | None:
    """One sentence why nothing more may be stored, or None."""
    ease = START_EASE if to_start else 1.0
    if room.free_bytes < settings.reserve_bytes * ease:
        return f"The card has {room.free_bytes // 1_000_000} MB left, less than its reserve: let the kit upload."
    if room.held_bytes * ease > settings.vault_max_bytes:
        return f"The vault holds {room.held_bytes // 1_000_000} MB, its whole share: let the kit upload."
    return None


def judge(room: Room, settings: StorageSettings, bytes_per_s: float, *, before: Level = "ok") -> Judgement:
    """The level at this moment; ``before`` is the level last told, ``bytes_per_s`` what a recording takes."""
    left_bytes = min(room.free_bytes - settings.reserve_bytes, settings.vault_max_bytes - room.held_bytes)
    minutes = max(0.0, left_bytes / max(1.0, bytes_per_s) / 60)
    shortage = find_shortage(room, settings, to_start=before == "full")
    level = _find_level(minutes, settings, before) if shortage is None else "full"
    whole = int(minutes)
    text = shortage or {
        "critical": f"Room for {whole} minutes of recording: let the kit upload now.",
        "low": f"Room for {whole} minutes of recording: let the kit upload soon.",
    }.get(level, f"Room for {_in_words(whole)} of recording.")
    return Judgement(level, room.free_bytes, whole, text)


def _find_level(minutes: float, settings: StorageSettings, before: Level) -> Level:
    def below(limit_min: float, level: Level) -> bool:
        return minutes < limit_min * (EASE if ORDER[before] >= ORDER[level] else 1.0)

    if below(settings.critical_minutes, "critical"):
        return "critical"
    return "low" if below(settings.low_minutes, "low") else "ok"


def _in_words(minutes: int) -> str:
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
