"""What the drill does to whom and when: drawn from a seed, so that a run can be repeated. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

KIT_PROCESSES: Final = ("recorder", "control", "panel", "screen", "live")
CENTRE_PROCESSES: Final = ("intake", "door", "broker", "web", "api", "worker")


@dataclass(frozen=True)
class Fault:
    """One blow. ``what``: kill, power_cut, dark, reset, slow, fill. ``kit`` is -1 for the centre's side.

    ``victim`` of a kill is a process of the tables above, ``kit`` or ``centre`` for everything of one at once, or
    ``postgresql``. ``lasts_s`` is how long darkness, slowness or fullness stay.
    """

    at_s: float
    what: str
    victim: str
    kit: int = -1
    lasts_s: float = 0.0

    @property
    def is_kill(self) -> bool:
        """Whether processes die of it by signal 9; a power cut is counted for itself."""
        return self.what == "kill"

    @property
    def name(self) -> str:
        """As the report's table has it."""
        return f"kill {self.victim}" if self.is_kill else self.what


@dataclass(frozen=True)
class Means:
    """What this machine and this run allow."""

    kits: int
    has_volumes: bool  # file systems of their own: power can be cut and cards can be filled
    has_postgresql: bool


# How often each is drawn, relative to the others. One entry of a kit stands for any of the kits.
_WEIGHTS: Final[dict[tuple[str, str], int]] = {
    **{("kill", name): 12 for name in KIT_PROCESSES},
    ("kill", "kit"): 6,
    ("kill", "intake"): 10,
    ("kill", "door"): 10,
    ("kill", "broker"): 10,
    ("kill", "web"): 3,
    ("kill", "api"): 1,
    ("kill", "worker"): 1,
    ("kill", "centre"): 5,
    ("kill", "postgresql"): 7,
    ("power_cut", "kit"): 5,
    ("dark", "kit"): 5,
    ("reset", "kit"): 4,
    ("slow", "kit"): 3,
    ("fill", "kit"): 3,
    ("fill", "centre"): 2,
}
_LASTS_S: Final = {"dark": (3.0, 25.0), "slow": (10.0, 25.0), "fill": (5.0, 12.0)}
_AT_A_KIT: Final = frozenset({*KIT_PROCESSES, "kit"})


def make_plan(seed: int, kills: int, seconds: float, means: Means) -> list[Fault]:
    """Faults until ``kills`` of them are kills, at random moments within ``seconds``, in their order."""
    dice = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
    weights = {kind: weight for kind, weight in _WEIGHTS.items() if _is_possible(*kind, means)}
    drawn: list[tuple[str, str]] = []
    while sum(what == "kill" for what, _ in drawn) < kills:
        drawn.append(dice.choices(list(weights), list(weights.values()))[0])
    moments = sorted(dice.uniform(0, seconds) for _ in drawn)
    return [
        Fault(
            round(at_s, 2),
            what,
            victim,
            dice.randrange(means.kits) if victim in _AT_A_KIT else -1,
            round(dice.uniform(*_LASTS_S[what]), 1) if what in _LASTS_S else 0.0,
        )
        for at_s, (what, victim) in zip(moments, drawn, strict=True)
    ]


def _is_possible(what: str, victim: str, means: Means) -> bool:
    if what == "fill":
        return means.has_volumes
    return victim != "postgresql" or means.has_postgresql
