"""Drains the outbox over the link: SOS before all, entries freed only by the centre's own receipt."""

import logging
import math
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from contract import messages
from contract.packing import pack
from edge.reach.trusted_time import TrustedTime
from edge.spool import Entry, Spool
from edge.spool.store import read_boot_ms
from edge.uplink.batches import ENVELOPE_BYTES, SMALL_KINDS, fit, split_batches
from edge.uplink.link import Link
from edge.uplink.window import ByteWindow

log = logging.getLogger("zhixing.telemetry")

SOS_REPEAT_S = 3.0
# An SOS that is receipted but not acknowledged for this long is repeated less often, but never given up.
SOS_REPEAT_LONG_S = 15.0
SOS_LONG_AFTER_S = 600.0
RESEND_S = 10.0
RESEND_CAP_S = 300.0
# Entries on their way at once. Bounds what a thin link holds back and what a lost link repeats.
WINDOW = 600
# What was sent this often without a receipt no longer holds a place in the window (it may be set aside there).
WINDOW_ATTEMPTS = 2
POSITIONS_SINGLY = 3
# Beside what is said anyway: the centre takes more than 7 s of silence for lateness.
BEAT_S = 3.0
# While a backlog waits for the link, look again this often.
REFILL_S = 0.25
# From such a round trip on, a message is packed even when it goes alone: the way is long or full.
LONG_WAY_MS = 250
# How much more than its room a batch may weigh unpacked: what packed well before may pack worse now.
PACKS_TO_AT_BEST = 8.0


class _Flight(msgspec.Struct):
    sent_s: float
    attempts: int


class Telemetry:
    """One connection's view of the outbox. Call `drain()` after every ring and at the time it returns."""

    def __init__(
        self,
        spool: Spool,
        link: Link,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        trusted_time: TrustedTime | None = None,
    ) -> None:
        self._spool = spool
        self._link = link
        self._monotonic_s = monotonic_s
        self._trusted_time = trusted_time
        self._flights: dict[int, _Flight] = {}
        self._sos_sent: dict[str, tuple[float, float]] = {}  # alarm id: first and last sent
        self._window = ByteWindow()
        self._can_unpack = False  # the centre said so
        # Bytes of messages of these kinds in one byte of packed ones.
        self._packs_to: dict[tuple[str, ...], float] = {}
        self._said_s = 0.0
        self._live_seq = 0
        self._answered_s = 0.0
        self._connected = False

    def on_connected(self, *, version: str, trust_epoch: int, signer: str = "") -> None:
        """Say hello with what the inbox holds; everything unreceipted is sent anew."""
        self._connected = True
        self._window.reset()
        self._live_seq = 0
        self._flights.clear()
        self._sos_sent.clear()
        self._answered_s = self._monotonic_s()
        hello = messages.Hello(have=self._spool.inbox.have(), version=version, trust_epoch=trust_epoch, signer=signer)
        now_ms = time.time_ns() // 1_000_000
        body = messages.encode(hello)
        # Number 0: a greeting is of this connection alone and has no place in the outbox.
        mono_ms, boot = read_boot_ms(), self._spool.boot
        entry = Entry(seq=0, kind="hello", body=body, at_ms=now_ms, boot=boot, urgent=True, mono_ms=mono_ms)
        self._publish([entry], qos=1)

    def say_goodbye(self, bye: Literal["switched_off", "restarting", "battery_empty"]) -> None:
        """Say why this kit goes, so that its silence is not taken for a dark spot."""
        if not self._connected:
            return
        now_ms, mono_ms = time.time_ns() // 1_000_000, read_boot_ms()
        body, boot = messages.encode(messages.Beat(bye=bye)), self._spool.boot
        entry = Entry(seq=0, kind="beat", body=body, at_ms=now_ms, boot=boot, urgent=True, mono_ms=mono_ms)
        self._publish([entry], qos=0)

    def on_disconnected(self) -> None:
        """Nothing is on its way any more."""
        self._connected = False
        self._flights.clear()

    def on_receipt(self, payload: bytes) -> list[str]:
        """Release what the centre committed; returns the alarm ids of SOS receipted just now.

        Raises contract.messages.MessageError when the receipt cannot be read.
        """
        receipt = messages.decode(payload, messages.TelemetryReceipt)
        if receipt.spool != self._spool.id:
            log.warning("telemetry: a receipt for another spool (%s) was left aside", receipt.spool)
            return []
        self._can_unpack = receipt.unpacks
        outbox = self._spool.outbox
        heads = {entry.seq: _read_head(entry) for entry in outbox.pending(WINDOW, ("alarm",))}
        outbox.release(receipt.ranges)
        landed: list[_Flight] = []
        for low, high in receipt.ranges:
            for seq in [seq for seq in self._flights if low <= seq <= high]:
                landed.append(self._flights.pop(seq))
        self._learn_time(receipt.now_ms, landed)
        self._note_answer(landed)
        freed = [head for seq, head in heads.items() if not outbox.is_pending(seq)]
        for head in freed:
            if head.kind == "sos_withdrawn":
                # The centre knows that the officer took it back: repeating the call would only confuse.
                outbox.settle_sos(head.alarm_id)
        return [head.alarm_id for head in freed if head.kind == "sos"]

    def _note_answer(self, landed: list[_Flight]) -> None:
        """After a silence of the centre whatever left before the first that landed went to nobody: it is due again.

        Pauses that grow are for what the centre will not have, not for what it did not hear.
        """
        if not landed:
            return
        now_s = self._monotonic_s()
        was_silent = now_s - self._answered_s >= RESEND_S
        self._answered_s = now_s
        heard_from_s = max(flight.sent_s for flight in landed)
        for flight in self._flights.values() if was_silent else ():
            if flight.sent_s < heard_from_s:
                flight.sent_s, flight.attempts = -math.inf, WINDOW_ATTEMPTS

    def _learn_time(self, now_ms: int | None, landed: list[_Flight]) -> None:
        """The centre wrote the receipt after the last of these had left here; what was sent twice proves nothing."""
        if now_ms is None or self._trusted_time is None:
            return
        sent_s = max((flight.sent_s for flight in landed if flight.attempts == 1), default=None)
        if sent_s is None:
            self._trusted_time.learn_floor(now_ms)
        else:
            self._trusted_time.learn_now(now_ms, round_trip_ms=round((self._monotonic_s() - sent_s) * 1000))

    def drain(self) -> float:
        """Send what is due; returns after how many seconds something will be due again (at most BEAT_S)."""
        if not self._connected:
            return RESEND_S
        wait_s = min(self._send_sos(), BEAT_S)
        self._send_batches(self._find_alarms())
        room = self._window.room(self._link.unacknowledged_bytes(), self._monotonic_s())
        # The newest fixes are where the officer is; what waited through a dark spot is where he was.
        for entry in self._find_live():
            room -= self._publish([entry], qos=0)
        for kinds, qos in ((SMALL_KINDS, 1), (("position",), 0)):
            room = self._fill(kinds, room, qos=qos)
        return min(wait_s, self._beat(), REFILL_S if room < 8 * ENVELOPE_BYTES else BEAT_S)

    def _fill(self, kinds: tuple[str, ...], room: int, *, qos: int) -> int:
        """Send what is due of these kinds until the room is taken; how much is left of it."""
        while room > 0:
            # Packed it weighs less, by as much as the last of its kind did and a little caution.
            unpacked = int(room * max(1.0, 0.8 * self._packs_to.get(kinds, 1.0)))
            due = fit(self._find_due(kinds, at_most=unpacked // ENVELOPE_BYTES + 1), unpacked)
            sent = self._send_batches(due, qos=qos)
            if not sent:
                break
            weight = sum(len(entry.body) + ENVELOPE_BYTES for entry in due)
            self._packs_to[kinds] = min(PACKS_TO_AT_BEST, weight / sent) if self._can_unpack else 1.0
            room -= sent
        return room

    def _beat(self) -> float:
        """Say something when nothing was said for a while; seconds until the next time."""
        silent_s = self._monotonic_s() - self._said_s
        if silent_s < BEAT_S:
            return BEAT_S - silent_s
        if self._link.publish("beat", b"", qos=0):
            self._said_s = self._monotonic_s()
        return BEAT_S

    def _send_sos(self) -> float:
        wait_s = RESEND_S
        now = self._monotonic_s()
        alarms = {_read_head(entry).alarm_id: entry for entry in self._spool.outbox.unsettled_sos()}
        for alarm_id in [known for known in self._sos_sent if known not in alarms]:
            del self._sos_sent[alarm_id]
        for alarm_id, entry in alarms.items():
            first, last = self._sos_sent.get(alarm_id, (now, -1e9))
            pause = SOS_REPEAT_S if now - first < SOS_LONG_AFTER_S else SOS_REPEAT_LONG_S
            if now - last >= pause:
                self._publish([entry], qos=1)
                self._sos_sent[alarm_id] = (first, now)
                wait_s = min(wait_s, pause)
            else:
                wait_s = min(wait_s, last + pause - now)
        return wait_s

    def _find_alarms(self) -> list[Entry]:
        sos = {entry.seq for entry in self._spool.outbox.unsettled_sos()}
        return [entry for entry in self._find_due(("alarm",), is_bounded=False) if entry.seq not in sos]

    def _find_live(self) -> list[Entry]:
        """The few newest fixes of those newer than all that was sent live, oldest first."""
        newest = self._spool.outbox.newest("position", POSITIONS_SINGLY)
        fresh = [entry for entry in reversed(newest) if entry.seq > self._live_seq]
        self._live_seq = fresh[-1].seq if fresh else self._live_seq
        return fresh

    def _send_batches(self, due: list[Entry], *, qos: int = 1) -> int:
        return sum(self._publish(batch, qos=qos) for batch in split_batches(due))

    def _find_due(self, kinds: tuple[str, ...], *, at_most: int = WINDOW, is_bounded: bool = True) -> list[Entry]:
        now = self._monotonic_s()
        held = sum(1 for flight in self._flights.values() if flight.attempts <= WINDOW_ATTEMPTS)
        room = min(at_most, WINDOW - held) if is_bounded else WINDOW
        due: list[Entry] = []
        for entry in self._spool.outbox.pending(min(at_most, WINDOW) + len(self._flights), kinds):
            flight = self._flights.get(entry.seq)
            if flight is not None:
                pause = min(RESEND_CAP_S, RESEND_S * 2.0 ** (flight.attempts - 1))
                if now - flight.sent_s >= pause:
                    due.append(entry)
            elif room > 0:
                room -= 1
                due.append(entry)
        return due

    def _publish(self, batch: list[Entry], *, qos: int) -> int:
        """Hand a batch over; how many bytes that was, 0 when the link took it not."""
        kind = batch[0].kind
        items = [
            messages.Item(seq=entry.seq, at_ms=entry.at_ms, body=msgspec.Raw(entry.body), mono_ms=entry.mono_ms)
            for entry in batch
        ]
        message = messages.UpMessage(spool=self._spool.id, boot=batch[0].boot, items=items)
        payload = messages.encode(message)
        if self._is_worth_packing(batch):
            payload = pack(payload)
        if not self._link.publish(kind, payload, qos=qos):
            return 0
        self._said_s = now = self._monotonic_s()
        self._window.sent(len(payload))
        for entry in batch if batch[0].seq else ():
            flight = self._flights.get(entry.seq)
            self._flights[entry.seq] = _Flight(sent_s=now, attempts=1 if flight is None else flight.attempts + 1)
        return len(payload)

    def _is_worth_packing(self, batch: list[Entry]) -> bool:
        """Whether the centre should have the work of unpacking: not for what is urgent or goes well as it is."""
        if not self._can_unpack or batch[0].urgent or any(entry.seq in self._flights for entry in batch):
            return False  # whatever got no receipt in one form goes in the other
        is_alone = len(batch) == 1 and not self._link.unacknowledged_bytes()
        return not is_alone or (self._link.round_trip_ms() or 0) >= LONG_WAY_MS


class _AlarmHead(msgspec.Struct):
    kind: str
    alarm_id: str


def _read_head(entry: Entry) -> _AlarmHead:
    return msgspec.json.decode(entry.body, type=_AlarmHead)
