"""Who is to hear the officer, and how his microphone is open. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from contract.live import Talker
from edge.spool.talk import TO_ALL, TO_CENTRE

PERSON: Final = "p:"
VoiceMode = Literal["off", "ptt", "duplex"]
Reason = Literal["", "thin", "late"]
# Voice that leaves so late is no conversation any more; it comes back after the link was good for so long.
LATE_S: Final = 1.0
FINE_S: Final = 0.3
RECOVER_S: Final = 10.0
# What the relay is told for the operators' pages.
WORDS: Final[dict[Reason, str]] = {"": "", "thin": "装备链路过窄，改为按键通话", "late": "装备链路拥挤，改为按键通话"}


def find_targets(to: str, talkers: Sequence[Talker], you: str) -> list[str]:
    """The source ids behind the officer's choice: the centre's people, everybody ([]), or one colleague.

    With nobody of the centre there, a list that names nobody: then the record alone has what he says.
    """
    if to == TO_ALL:
        return []
    if to == TO_CENTRE:
        return [talker.id for talker in talkers if talker.id.startswith(PERSON)] or [PERSON]
    return [to] if to != you else [PERSON]


def choose_mode(orders: Sequence[VoiceMode]) -> VoiceMode:
    """Of several sessions the one that opens the microphone the furthest."""
    if "duplex" in orders:
        return "duplex"
    return "ptt" if "ptt" in orders else "off"


def obey_mode(ordered: VoiceMode, orders: Sequence[VoiceMode], *, tells_apart: bool) -> VoiceMode:
    """What to do of the relay's order, beside what each session decided.

    ``tells_apart``: the relay lets a press-to-talk session hear the officer by his key alone, whatever else his
    microphone is open for. One that does not (up to 0.4.0, or not heard from yet) is given the key's sound alone.
    """
    return "ptt" if ordered == "duplex" and "ptt" in orders and not tells_apart else ordered


class ModeKeeper:
    """Full duplex only on a link that carries it; else the button, until the link was good for ten seconds."""

    def __init__(self) -> None:
        self.ordered: VoiceMode = "ptt"
        self.reason: Reason = ""
        self._good_since_s: float | None = None

    @property
    def mode(self) -> VoiceMode:
        """How the microphone is open now."""
        return "ptt" if self.ordered == "duplex" and self.reason else self.ordered

    def judge(self, now_s: float, *, is_thin: bool, late_s: float) -> bool:
        """Look at the link; True when the mode became another."""
        before = self.mode
        trouble: Reason = "thin" if is_thin else "late" if late_s > LATE_S else ""
        if trouble:
            self.reason, self._good_since_s = trouble, None
        elif self.reason and late_s <= FINE_S:
            self._good_since_s = now_s if self._good_since_s is None else self._good_since_s
            if now_s - self._good_since_s >= RECOVER_S:
                self.reason = ""
        else:
            self._good_since_s = None
        return self.mode != before


class Lateness:
    """How late voice leaves: what lies unacknowledged beyond what a round trip holds, at the rate of sending."""

    def __init__(self, bytes_per_s: float = 5_500.0) -> None:
        self._bytes_per_s = bytes_per_s
        self._least_rtt_s: float | None = None

    def judge(self, waiting_bytes: int, rtt_ms: int | None) -> float:
        """Seconds; ``waiting_bytes`` in our hands and in the kernel's, ``rtt_ms`` as TCP measures it."""
        if rtt_ms is not None:
            rtt_s = rtt_ms / 1000
            self._least_rtt_s = rtt_s if self._least_rtt_s is None else min(self._least_rtt_s, rtt_s)
        return max(0.0, waiting_bytes / self._bytes_per_s - (self._least_rtt_s or 0.0) - 0.06)
