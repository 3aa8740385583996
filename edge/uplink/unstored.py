"""A cry for help that the card refused: it leaves from memory, over the same link, until the centre has it.

The panel keeps such an SOS in hand and tries on to store it; meanwhile it calls it out to this process once a second
(`edge.spool.doorbell`, a datagram needs no card). Here it gets a number in a spool of its own that lives as long as
this process. The centre knows an alarm by its id, so the stored one that follows later changes nothing there.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from contract import messages
from edge.spool.presses import RECEIPTED_WORD, UNSTORED_WORD
from edge.spool.store import read_boot_ms, read_clock_ms
from edge.uplink.link import Link

log = logging.getLogger("zhixing.unstored")

REPEAT_S: Final = 3.0


@dataclass
class _Call:
    seq: int
    alarm: messages.Alarm
    at_ms: int
    mono_ms: int
    sent_s: float = -REPEAT_S
    receipted: bool = False


class UnstoredSos:
    """Lives in the control process's main loop."""

    def __init__(
        self,
        link: Link,
        boot: str,
        ring: Callable[[str, bytes], object],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spool_id = uuid.uuid4().hex
        self._link, self._boot, self._ring, self._monotonic_s = link, boot, ring, monotonic_s
        self._calls: dict[str, _Call] = {}

    def take(self, word: bytes) -> None:
        """A word that came with a ring; what is no call for help of the panel is left aside."""
        if not word.startswith(UNSTORED_WORD):
            return
        try:
            alarm = messages.decode(word[len(UNSTORED_WORD) :], messages.Alarm)
        except messages.MessageError as error:
            log.error("unstored: a call of the panel cannot be read: %s", error)
            return
        if alarm.alarm_id not in self._calls:
            log.critical("unstored: the card refuses an SOS; it leaves from memory")
            told = msgspec.structs.replace(alarm, unstored=True, note="from memory, the card refuses it")
            self._calls[alarm.alarm_id] = _Call(len(self._calls) + 1, told, read_clock_ms(), read_boot_ms())

    @property
    def is_calling(self) -> bool:
        """Whether there is one that the centre does not have yet."""
        return any(not call.receipted for call in self._calls.values())

    def turn(self) -> float:
        """Send what is due; seconds until the next turn is worth it."""
        now_s = self._monotonic_s()
        waiting = [call for call in self._calls.values() if not call.receipted]
        for call in waiting:
            if now_s - call.sent_s >= REPEAT_S and self._publish(call):
                call.sent_s = now_s
        return REPEAT_S / 3 if waiting else REPEAT_S * 20

    def on_receipt(self, payload: bytes) -> bool:
        """Whether a receipt was for these; the panel then lets the officer feel that the centre has it.

        Raises contract.messages.MessageError when it cannot be read.
        """
        receipt = messages.decode(payload, messages.TelemetryReceipt)
        if receipt.spool != self.spool_id:
            return False
        for call in self._calls.values():
            if not call.receipted and any(low <= call.seq <= high for low, high in receipt.ranges):
                call.receipted = True
                self._ring("panel", RECEIPTED_WORD + call.alarm.alarm_id.encode())
        return True

    def _publish(self, call: _Call) -> bool:
        body = msgspec.Raw(messages.encode(call.alarm))
        item = messages.Item(seq=call.seq, at_ms=call.at_ms, body=body, mono_ms=call.mono_ms)
        message = messages.UpMessage(spool=self.spool_id, boot=self._boot, items=[item])
        return self._link.publish("alarm", messages.encode(message), qos=1)
