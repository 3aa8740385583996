"""What the intake commits together, and what that asks for afterwards."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from central.devices.feed import LivePosition
from central.devices.rules import KitRef
from central.sync.admission import Admission
from central.sync.decoding import RawMessage, Reject
from central.sync.receipts import SpoolKey

# Kinds whose receipts go out at once; the rest is gathered.
URGENT_KINDS: Final = frozenset({"alarm", "chain"})
# Said of one connection alone: they have no place in the kit's outbox and get no receipt.
UNNUMBERED_KINDS: Final = frozenset({"hello", "beat"})
_REMEMBERED_REJECTS: Final = 5000


@dataclass(frozen=True)
class LinkChange:
    """A kit's connection came or went."""

    kit: KitRef
    connected: bool
    reason: str


@dataclass
class Batch:
    """What is committed together."""

    messages: list[RawMessage] = field(default_factory=list)
    signers: list[tuple[Admission, bytes]] = field(default_factory=list)
    links: list[LinkChange] = field(default_factory=list)
    refusals: list[Reject] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)
    """Signs of life since the last batch that flushed markers: kit id to ms."""
    flush_markers: bool = False

    def take_back(self, failed: Batch) -> None:
        """Put what could not be committed before what has come since."""
        self.messages[:0] = failed.messages
        self.signers[:0] = failed.signers
        self.links[:0] = failed.links
        self.refusals[:0] = failed.refusals
        self.heard = {**failed.heard, **self.heard}
        self.flush_markers |= failed.flush_markers


@dataclass
class Outcome:
    """What a committed batch asks for afterwards."""

    receipts: dict[SpoolKey, list[int]] = field(default_factory=dict)
    urgent: set[SpoolKey] = field(default_factory=set)
    hellos: list[tuple[KitRef, int]] = field(default_factory=list)
    moved: list[LivePosition] = field(default_factory=list)
    fixes: int = 0

    def receipt(self, key: SpoolKey, seq: int) -> None:
        """Promise a receipt once the batch is committed."""
        self.receipts.setdefault(key, []).append(seq)

    def add(self, part: Outcome) -> None:
        """Take over what a part of the batch asks for."""
        for key, seqs in part.receipts.items():
            self.receipts.setdefault(key, []).extend(seqs)
        self.urgent |= part.urgent
        self.hellos.extend(part.hellos)
        self.moved.extend(part.moved)
        self.fixes += part.fixes


class Memory:
    """Rejects kept lately: a repeat is counted only, so that a stuck kit cannot wash other rejects away."""

    def __init__(self) -> None:
        self._seen: OrderedDict[object, None] = OrderedDict()

    def knows(self, key: object) -> bool:
        """Whether it was kept lately; one that keeps coming stays known."""
        if key not in self._seen:
            return False
        self._seen.move_to_end(key)
        return True

    def add(self, key: object) -> None:
        """Remember what is kept now."""
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED_REJECTS:
            self._seen.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._seen.clear()
