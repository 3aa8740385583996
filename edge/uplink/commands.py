"""What the centre orders: kept in the inbox first, receipted, then carried out or handed on."""

import base64
import binascii
import logging
import time
from collections.abc import Callable
from typing import Literal

from contract import messages, orders, trust
from contract.signing import BadSignatureError, CodecError
from edge.reach.trusted_time import TrustedTime
from edge.spool import Order, Spool
from edge.uplink.link_policy import obey_link_order, obey_originals_order
from edge.uplink.live_orders import end_past_sessions, obey_live_order
from edge.uplink.logs import LogBringer
from edge.uplink.lost import LostKit
from edge.uplink.recording_orders import obey_record_order
from edge.uplink.trust_keeper import TrustKeeper

log = logging.getLogger("zhixing.commands")

# Never too late to be felt: a person has taken the alarm.
ACKNOWLEDGEMENT = "sos_ack"
# Left unhandled for the panel, which alone knows when the officer felt them.
TASK_KINDS = ("task", "task_recall", "instruct")
ANSWERS_LOOKED_AT = 200
SETTLED = 0  # as an expiry: long past by any clock
_Outcome = Literal["received", "done", "failed"]


class Commands:
    """Handles directives in the control process; rings `recorder` and `panel` through `ring`."""

    def __init__(
        self,
        spool: Spool,
        keeper: TrustKeeper,
        trusted_time: TrustedTime,
        ring: Callable[[str], object],
        *,
        lost: LostKit | None = None,
        logs: LogBringer | None = None,
    ) -> None:
        self._spool = spool
        self._keeper = keeper
        self._trusted_time = trusted_time
        self._ring = ring
        # None: the order is under way and finished by whom it was handed to.
        self._handlers: dict[str, Callable[[Order], str | None]] = {
            "record_start": self._start_recording,
            "record_stop": self._stop_recording,
            "trust": self._accept_trust,
            "link": self._judge_link,
            "originals": self._ask_originals,
            "live": self._obey_live,
        }
        if lost is not None:
            self._handlers["lost"] = lost.obey
        if logs is not None:
            self._handlers["logs"] = logs.obey

    def receive(self, payload: bytes) -> None:
        """Keep a directive and confirm it; a repeat is confirmed again, for its receipt may have been lost.

        Not while an answer to it still waits here: the centre asks every few seconds, and a thin link has other work.

        Raises contract.messages.MessageError when it cannot be read.
        """
        directive = messages.decode(payload, messages.Directive)
        self._trusted_time.learn_floor(directive.issued_ms)
        with self._spool.transaction():
            is_new = self._spool.inbox.put(
                directive.number,
                directive.kind,
                bytes(directive.body),
                directive.issued_ms,
                directive.expires_ms,
            )
            if is_new or not self._has_answer_waiting(directive.number):
                self._answer(directive.number, "received")
        self.work_off()

    def _has_answer_waiting(self, number: int) -> bool:
        waiting = self._spool.outbox.pending(ANSWERS_LOOKED_AT, ("receipt",))
        return any(messages.decode(entry.body, messages.CommandReceipt).number == number for entry in waiting)

    def work_off(self) -> None:
        """Carry out what waits in the inbox; also called at start, for orders kept before a restart."""
        for order in self._spool.inbox.unhandled():
            if order.expires_ms == SETTLED:
                # Done with on an earlier card of this kit, or taken back: counted, not obeyed, not answered.
                self._spool.inbox.mark_handled(order.number)
                continue
            if order.kind == ACKNOWLEDGEMENT:
                self._note_acknowledgement(order)
                continue
            if self._is_too_late(order):
                self._finish(order, "failed", "the order had expired before it reached the kit")
                continue
            if order.kind in TASK_KINDS:
                self._note_task(order)
                continue
            handler = self._handlers.get(order.kind)
            if handler is None:
                self._finish(order, "failed", f"this kit does not know {order.kind}: update its software")
                continue
            try:
                note = handler(order)
            except (messages.MessageError, CodecError, BadSignatureError, trust.StaleListError) as error:
                log.warning("commands: %s %d failed: %s", order.kind, order.number, error)
                self._finish(order, "failed", str(error))
            else:
                if note is not None:
                    self._finish(order, "done", note)

    def _is_too_late(self, order: Order) -> bool:
        if order.expires_ms is None or not self._trusted_time.is_past(order.expires_ms):
            return False
        # What came in time stays before the officer, however long the panel takes to let him feel it.
        if order.kind == "instruct":
            return self._spool.instructions.find(order.number) is None
        return order.kind != "task" or self._spool.tasks.find(order.number) is None

    def note_sos_receipted(self, alarm_ids: list[str]) -> None:
        """The centre holds these SOS: the officer's first buzz."""
        for alarm_id in alarm_ids:
            self._change_sos(alarm_id, receipted=True)
        if alarm_ids:
            self._ring("panel")

    def _note_acknowledgement(self, order: Order) -> None:
        try:
            told = messages.decode(order.body, orders.SosAck)
        except messages.MessageError as error:
            self._finish(order, "failed", str(error))
            return
        # Settling is idempotent: the order stays unhandled until the panel has made the officer feel it.
        self._spool.outbox.settle_sos(told.alarm_id)
        self._change_sos(told.alarm_id, acked=True, acked_by=told.by)
        self._ring("panel")

    def _note_task(self, order: Order) -> None:
        """A task, its recall or an order is on the page at once; repeated here until the panel let him feel it."""
        try:
            if order.kind == "task":
                messages.decode(order.body, orders.Task)
                self._spool.tasks.put(order.number, order.body, order.issued_ms)
            elif order.kind == "instruct":
                messages.decode(order.body, orders.Instruction)
                self._spool.instructions.put(order.number, order.body, order.issued_ms)
                self._ring("screen")
            elif not self._recall_task(order, messages.decode(order.body, orders.TaskRecall).task):
                return
        except messages.MessageError as error:
            self._finish(order, "failed", str(error))
            return
        self._ring("panel")

    def _recall_task(self, order: Order, number: int) -> bool:
        """Whether the officer has something to feel; else the order is finished or waits for its task."""
        state = self._spool.tasks.recall(number)
        if state == "done":
            # The answer crossed the recall: what was done is not undone, and the centre is told so.
            self._finish(order, "failed", f"task {number} was already done")
        elif state is None and number <= self._spool.inbox.have():
            self._finish(order, "done", f"task {number} had not been put before the officer")
        return state not in (None, "done")

    def _change_sos(self, alarm_id: str, **facts: object) -> None:
        def change(sos: object) -> object:
            known = isinstance(sos, dict) and sos.get("alarm_id") == alarm_id
            return {**sos, **facts} if known and isinstance(sos, dict) else sos

        if self._spool.state.get("sos") is not None:
            self._spool.state.change("sos", change)

    def _start_recording(self, order: Order) -> str:
        return self._want_recording(order, on=True)

    def _stop_recording(self, order: Order) -> str:
        return self._want_recording(order, on=False)

    def _want_recording(self, order: Order, *, on: bool) -> str:
        told = messages.decode(order.body, orders.RecordOrder)
        note = obey_record_order(self._spool, told, on=on)
        self._ring("recorder")
        self._ring("panel")
        return note

    def _judge_link(self, order: Order) -> str:
        note = obey_link_order(self._spool, messages.decode(order.body, orders.LinkOrder))
        self._ring("control")
        return note

    def _ask_originals(self, order: Order) -> str:
        note = obey_originals_order(self._spool, messages.decode(order.body, orders.OriginalsOrder))
        self._ring("control")
        return note

    def _obey_live(self, order: Order) -> str:
        told = messages.decode(order.body, orders.LiveOrder)
        note = obey_live_order(self._spool, order, told, self._trusted_time.is_past)
        self._ring_live()
        return note

    def end_past_sessions(self) -> None:
        """Sessions of remote command end by themselves when their time is over."""
        if end_past_sessions(self._spool, self._trusted_time.is_past):
            self._ring_live()

    def _ring_live(self) -> None:
        for who in ("live", "recorder", "panel", "screen"):
            self._ring(who)

    def _accept_trust(self, order: Order) -> str:
        told = messages.decode(order.body, orders.TrustUpdate)
        try:
            data = base64.urlsafe_b64decode(told.list + "=" * (-len(told.list) % 4))
        except (binascii.Error, ValueError) as error:
            raise CodecError("The trust list is not base64url.") from error
        return f"trust list of epoch {self._keeper.accept(data).epoch} in force"

    def _finish(self, order: Order, state: _Outcome, note: str) -> None:
        with self._spool.transaction():
            self._answer(order.number, state, note)
            self._spool.inbox.mark_handled(order.number)

    def _answer(self, number: int, state: _Outcome, note: str = "") -> None:
        receipt = messages.CommandReceipt(
            number=number, state=state, at_ms=time.time_ns() // 1_000_000, note=note[:500]
        )
        self._spool.outbox.append("receipt", messages.encode(receipt))
