"""What the drill found, as a table for people (Markdown) and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from demo.drill.count import Tally
from demo.drill.faults import Blow
from demo.drill.holes import Hole
from demo.drill.plan import Fault

# In the order in which a hole is laid at a door: the first of these that fell into it.
_HOLE_CLASSES: Final = ("fill", "power_cut", "kill kit", "kill recorder")
_OTHERS: Final = "nothing of the kit's recorder"
_BEFORE_MS: Final = 3_500


@dataclass
class Finding:
    """Everything a run found. ``ok``: nothing lost, doubled or changed, every hole stated, everything came back."""

    database: str
    seed: int
    kits: int
    took_s: float
    drained: bool
    tallies: list[Tally]
    blows: list[tuple[Blow, float | None]]
    holes: list[tuple[str, Hole]]
    silent_ends: int
    set_aside: dict[str, int]
    sos_ms: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Items acknowledged at a kit, or ordered at the centre, that the other side never got."""
        return sum(tally.lost for tally in self.tallies)

    @property
    def doubled(self) -> int:
        """Items that stand twice, or otherwise than they were written."""
        return sum(tally.doubled + tally.changed for tally in self.tallies)

    @property
    def kills(self) -> int:
        """Kills that found their victim."""
        return sum(blow.fault.is_kill and not blow.missed.startswith("it was not") for blow, _ in self.blows)

    @property
    def unstated(self) -> int:
        """Holes without a signed cause, and recordings whose end or predecessor is not named."""
        return sum(not hole.cause for _, hole in self.holes) + self.silent_ends

    @property
    def unrecovered(self) -> list[str]:
        """Blows after which something did not come back."""
        return [f"{blow.fault.name} at {blow.fault.at_s} s: {blow.missed}" for blow, _ in self.blows if blow.missed]

    @property
    def ok(self) -> bool:
        """Whether the drill was passed."""
        return self.drained and not (self.lost or self.doubled or self.unstated or self.unrecovered)

    def longest_hole_s(self, *doors: str) -> float:
        """The longest hole laid at one of these doors (all when none is named); 0 without one."""
        return max((hole.seconds for door, hole in self.holes if not doors or door in doors), default=0.0)


def lay_at_doors(holes: Sequence[Hole], blows: Sequence[Blow], kit: int) -> list[tuple[str, Hole]]:
    """Each hole of a kit with the gravest fault that fell into it or into the segment it swallowed."""
    found = []
    for hole in holes:
        near = {
            blow.fault.name
            for blow in blows
            if blow.fault.kit == kit
            and hole.from_ms - _BEFORE_MS <= (blow.ended_mono_ms or blow.mono_ms)
            and blow.mono_ms <= hole.to_ms
        }
        found.append((next((name for name in _HOLE_CLASSES if name in near), _OTHERS), hole))
    return found


def write_markdown(found: Finding) -> str:
    """The table as it stands in the README."""
    lines = [
        f"{found.kills} kills on {found.database} in {found.took_s / 60:.0f} min, {found.kits} kits, "
        f"seed {found.seed}: {'passed' if found.ok else 'NOT PASSED'}",
        "",
        "| Item | Taken | At the centre | Still at the kit | Lost | Doubled | Changed |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {each.what} | {each.taken} | {each.arrived} | {each.held} "
        f"| {each.lost} | {each.doubled} | {each.changed} |"
        for each in found.tallies
    ]
    lines += ["", "| Fault | Times | Back after, median | Slowest |", "|---|---:|---:|---:|"]
    for name, spans in sorted(_group_recoveries(found).items()):
        known = sorted(span for span in spans if span is not None)
        middle = f"{known[len(known) // 2]:.1f} s" if known else "-"
        slowest = f"{known[-1]:.1f} s" if known else "-"
        lines.append(f"| {name} | {len(spans)} | {middle} | {slowest} |")
    lines += ["", "| Hole in a recording | Times | Longest | Unstated |", "|---|---:|---:|---:|"]
    for door in (*reversed(_HOLE_CLASSES), _OTHERS):
        there = [hole for name, hole in found.holes if name == door]
        if there:
            longest = max(hole.seconds for hole in there)
            lines.append(f"| {door} | {len(there)} | {longest:.1f} s | {sum(not hole.cause for hole in there)} |")
    lines += ["", *_remarks(found)]
    return "\n".join(lines) + "\n"


def write_json(found: Finding) -> str:
    """Everything, blow by blow."""
    return json.dumps(
        {
            "database": found.database,
            "seed": found.seed,
            "kits": found.kits,
            "ok": found.ok,
            "kills": found.kills,
            "took_s": round(found.took_s, 1),
            "drained": found.drained,
            "lost": found.lost,
            "doubled": found.doubled,
            "unstated": found.unstated,
            "longest_hole_s": {door: found.longest_hole_s(door) for door in (*_HOLE_CLASSES, _OTHERS)},
            "tallies": [asdict(tally) for tally in found.tallies],
            "unrecovered": found.unrecovered,
            "set_aside": found.set_aside,
            "sos_ms": found.sos_ms,
            "notes": found.notes,
            "holes": [{"door": door, "s": hole.seconds, **asdict(hole)} for door, hole in found.holes],
            "blows": [_tell_blow(blow, span) for blow, span in found.blows],
        },
        ensure_ascii=False,
        indent=1,
    )


def _tell_blow(blow: Blow, span: float | None) -> dict[str, Any]:
    fault: Fault = blow.fault
    return {**asdict(fault), **asdict(blow), "fault": fault.name, "back_after_s": span}


def _group_recoveries(found: Finding) -> dict[str, list[float | None]]:
    grouped: dict[str, list[float | None]] = {}
    for blow, span in found.blows:
        grouped.setdefault(blow.fault.name, []).append(span)
    return grouped


def _remarks(found: Finding) -> list[str]:
    lines = []
    if found.sos_ms:
        ordered = sorted(found.sos_ms)
        lines.append(
            f"SOS from press to commit at the centre: median {ordered[len(ordered) // 2]} ms, "
            f"slowest {ordered[-1] / 1000:.1f} s."
        )
    if found.set_aside:
        lines.append(f"Set aside at the centre: {found.set_aside}.")
    if not found.drained:
        lines.append("The kits had not handed over everything when the drill gave up waiting.")
    lines += found.unrecovered
    lines += [line for tally in found.tallies for line in tally.wrong]
    return lines + found.notes
