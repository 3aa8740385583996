"""Drains the outbox over the link: SOS before all, entries freed only by the centre's own receipt."""

import logging
import time
from collections.abc import Callable, Iterable
from itertools import groupby

import msgspec

from contract import messages
from edge.spool import Entry, Spool
from edge.uplink.link import Link
from edge.uplink.trusted_time import TrustedTime

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
BATCH_BYTES = 96 * 1024
POSITIONS_SINGLY = 3
_SMALL_KINDS = ("alarm", "receipt", "health", "chain")


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
        self._connected = False

    def on_connected(self, *, version: str, trust_epoch: int) -> None:
        """Say hello with what the inbox holds; everything unreceipted is sent anew."""
        self._connected = True
        self._flights.clear()
        self._sos_sent.clear()
        hello = messages.Hello(have=self._spool.inbox.have(), version=version, trust_epoch=trust_epoch)
        now_ms = time.time_ns() // 1_000_000
        body = messages.encode(hello)
        # Number 0: a greeting is of this connection alone and has no place in the outbox.
        entry = Entry(seq=0, kind="hello", body=body, at_ms=now_ms, boot=self._spool.boot, urgent=True)
        self._publish([entry], qos=1)

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
        outbox = self._spool.outbox
        heads = {entry.seq: _read_head(entry) for entry in outbox.pending(WINDOW, ("alarm",))}
        outbox.release(receipt.ranges)
        landed: list[_Flight] = []
        for low, high in receipt.ranges:
            for seq in [seq for seq in self._flights if low <= seq <= high]:
                landed.append(self._flights.pop(seq))
        self._learn_time(receipt.now_ms, landed)
        freed = [head for seq, head in heads.items() if not outbox.is_pending(seq)]
        for head in freed:
            if head.kind == "sos_withdrawn":
                # The centre knows that the officer took it back: repeating the call would only confuse.
                outbox.settle_sos(head.alarm_id)
        return [head.alarm_id for head in freed if head.kind == "sos"]

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
        """Send what is due; returns after how many seconds something will be due again (at most RESEND_S)."""
        if not self._connected:
            return RESEND_S
        wait_s = self._send_sos()
        self._send_small()
        self._send_positions()
        return min(wait_s, RESEND_S / 2 if self._flights else RESEND_S)

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

    def _send_small(self) -> None:
        sos = {entry.seq for entry in self._spool.outbox.unsettled_sos()}
        due = [entry for entry in self._find_due(_SMALL_KINDS) if entry.seq not in sos]
        for batch in _split_batches(due):
            self._publish(batch, qos=1)

    def _send_positions(self) -> None:
        due = self._find_due(("position",))
        # Live positions go one by one; what waited through a dead spot goes in batches.
        single = len(due) <= POSITIONS_SINGLY
        for batch in [[entry] for entry in due] if single else _split_batches(due):
            self._publish(batch, qos=0)

    def _find_due(self, kinds: tuple[str, ...]) -> list[Entry]:
        now = self._monotonic_s()
        held = sum(1 for flight in self._flights.values() if flight.attempts <= WINDOW_ATTEMPTS)
        room = WINDOW - held
        due: list[Entry] = []
        for entry in self._spool.outbox.pending(WINDOW + len(self._flights), kinds):
            flight = self._flights.get(entry.seq)
            if flight is not None:
                pause = min(RESEND_CAP_S, RESEND_S * 2.0 ** (flight.attempts - 1))
                if now - flight.sent_s >= pause:
                    due.append(entry)
            elif room > 0:
                room -= 1
                due.append(entry)
        return due

    def _publish(self, batch: list[Entry], *, qos: int) -> None:
        kind = batch[0].kind
        items = [
            messages.Item(seq=entry.seq, at_ms=entry.at_ms, body=msgspec.Raw(entry.body), mono_ms=entry.mono_ms)
            for entry in batch
        ]
        message = messages.UpMessage(spool=self._spool.id, boot=batch[0].boot, items=items)
        if not self._link.publish(kind, messages.encode(message), qos=qos) or kind == "hello":
            return
        now = self._monotonic_s()
        for entry in batch:
            flight = self._flights.get(entry.seq)
            self._flights[entry.seq] = _Flight(sent_s=now, attempts=1 if flight is None else flight.attempts + 1)


def _split_batches(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries of one kind and boot together, within the contract's limits; urgent ones come alone."""
    batches: list[list[Entry]] = []
    ordered = sorted(entries, key=lambda entry: (not entry.urgent, _SMALL_ORDER.get(entry.kind, 9), entry.seq))
    for _, group in groupby(ordered, key=lambda entry: (entry.urgent, entry.kind, entry.boot)):
        batch: list[Entry] = []
        size = 0
        for entry in group:
            full = size + len(entry.body) > BATCH_BYTES or len(batch) >= messages.MAX_ITEMS or entry.urgent
            if batch and full:
                batches.append(batch)
                batch, size = [], 0
            batch.append(entry)
            size += len(entry.body) + 64
        batches.append(batch)
    return batches


_SMALL_ORDER = {kind: place for place, kind in enumerate(_SMALL_KINDS)}


class _AlarmHead(msgspec.Struct):
    kind: str
    alarm_id: str


def _read_head(entry: Entry) -> _AlarmHead:
    return msgspec.json.decode(entry.body, type=_AlarmHead)
