"""Whether the link is metered or thin, who says so, and what that means for the order of uploads.

Metered: originals wait for a link that costs nothing, except those of an alarm's window and those the centre asked
for; proxies go. Thin (measured): proxies go before originals, but nothing waits; a full thin link is still used.
"""

import time
from collections.abc import Callable
from typing import Any

from contract import orders
from edge.options import LinkSettings
from edge.spool import Spool
from edge.spool.store import read_clock_ms
from edge.uplink.pace import Speed

LOOK_EVERY_S = 1.0
TELL_EVERY_S = 10.0
# An original that the link carries in this time needs no proxy before it.
AT_ONCE_S = 10.0
# Once thin, a link must be twice as fast before it is believed to be a good one.
HYSTERESIS = 2.0
MAX_ASKED = 50


def judge_metered(setting: str, officer: Any, centre: Any) -> tuple[bool, str]:
    """Whether the link counts as metered and by whose word: "setting", "officer" or "centre"; "" when not.

    `officer` and `centre`: {on: bool or None, at_ms} or None. The newer word counts; None takes it back.
    """
    words = [
        (int(word.get("at_ms", 0)), bool(word["on"]), who)
        for who, word in (("officer", officer), ("centre", centre))
        if isinstance(word, dict) and isinstance(word.get("on"), bool)
    ]
    if words:
        _, on, who = max(words)
        return on, who
    return (True, "setting") if setting == "yes" else (False, "")


def judge_thin(was_thin: bool, kbps: float, thin_below_kbps: float) -> bool:
    """Whether a link of this measured speed (kbit/s; 0: not measured) is thin; it changes only when clearly so."""
    if kbps <= 0:
        return was_thin
    return kbps < thin_below_kbps * (HYSTERESIS if was_thin else 1.0)


class LinkPolicy:
    """The uploader's view of the link; writes the states `metered` and `link_speed`."""

    def __init__(
        self,
        spool: Spool,
        settings: LinkSettings,
        speed: Speed,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._speed = speed
        self._monotonic_s = monotonic_s
        self._look_s = self._tell_s = float("-inf")
        self._counted = 0
        self.metered = False
        self.thin = False
        self.asked: list[tuple[str, int, int]] = []

    @property
    def wants_proxies(self) -> bool:
        """Whether proxies are worth their bytes."""
        return self.metered or self.thin

    def wants_proxy_of(self, original: int) -> bool:
        """Whether the proxy of a segment of so many bytes is: on a thin link not where that goes nearly as soon."""
        return self.metered or (self.thin and original > self._speed.bytes_per_s * AT_ONCE_S)

    def look(self) -> None:
        """Read what officer, centre and the measure say; cheap, so it may be called at every turn."""
        now_s = self._monotonic_s()
        if now_s - self._look_s < LOOK_EVERY_S:
            return
        self._look_s = now_s
        state = self._spool.state
        self.metered, why = judge_metered(
            self._settings.metered, state.get("metered_officer"), state.get("metered_centre")
        )
        if self._speed.count != self._counted:
            self._counted = self._speed.count
            self.thin = judge_thin(self.thin, self._speed.bytes_per_s * 8 / 1000, self._settings.thin_below_kbps)
            self._tell_speed(now_s)
        state.set("metered", {"on": self.metered, "why": why or ("thin" if self.thin else ""), "thin": self.thin})
        self.asked = read_asked(self._spool)

    def _tell_speed(self, now_s: float) -> None:
        if now_s - self._tell_s < TELL_EVERY_S:
            return
        self._tell_s = now_s
        told = {
            "up_kbps": round(self._speed.bytes_per_s * 8 / 1000, 1),
            "rtt_ms": round(self._speed.round_s * 1000),
            "at_ms": read_clock_ms(),
        }
        before = self._spool.state.get("link_speed")
        self._spool.state.set("link_speed", {**before, **told} if isinstance(before, dict) else told)


def obey_link_order(spool: Spool, order: orders.LinkOrder) -> str:
    """The centre says whether the link counts as metered; returns one line for its receipt."""
    spool.state.set("metered_centre", {"on": order.metered, "by": order.by, "at_ms": read_clock_ms()})
    words = {True: "the link counts as metered", False: "the link counts as free", None: "the kit judges the link"}
    return words[order.metered]


def obey_originals_order(spool: Spool, order: orders.OriginalsOrder) -> str:
    """The centre asks for originals in full; returns one line for its receipt."""
    asked = [order.recording_id, order.from_seq, order.to_seq]

    def add(before: Any) -> list[Any]:
        kept = [item for item in before if item != asked] if isinstance(before, list) else []
        return [*kept, asked][-MAX_ASKED:]

    spool.state.change("originals_asked", add)
    waiting = spool.vault.count_waiting(order.recording_id, order.from_seq, order.to_seq)
    return f"{waiting} segments of it are on the card and go first"


def read_asked(spool: Spool) -> list[tuple[str, int, int]]:
    """Ranges the centre asked for: recording id, first and last number."""
    asked = spool.state.get("originals_asked")
    return [(str(rid), int(low), int(high)) for rid, low, high in asked] if isinstance(asked, list) else []
