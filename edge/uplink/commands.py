"""What the centre orders: kept in the inbox first, receipted, then carried out or handed on."""

import base64
import binascii
import logging
import time
from collections.abc import Callable
from typing import Literal

from contract import messages, orders, trust
from contract.signing import BadSignatureError, CodecError
from edge.spool import Order, Spool
from edge.uplink.trust_keeper import TrustKeeper
from edge.uplink.trusted_time import TrustedTime

log = logging.getLogger("zhixing.commands")

# Carried out by the panel, which alone knows when the officer felt it.
PANEL_KINDS = ("sos_ack",)
_Outcome = Literal["received", "done", "failed"]


class Commands:
    """Handles directives in the control process; rings `recorder` and `panel` through `ring`."""

    def __init__(
        self, spool: Spool, keeper: TrustKeeper, trusted_time: TrustedTime, ring: Callable[[str], object]
    ) -> None:
        self._spool = spool
        self._keeper = keeper
        self._trusted_time = trusted_time
        self._ring = ring
        self._handlers: dict[str, Callable[[Order], str]] = {
            "record_start": self._start_recording,
            "record_stop": self._stop_recording,
            "trust": self._accept_trust,
        }

    def receive(self, payload: bytes) -> None:
        """Keep a directive and confirm it; a repeat is confirmed again, for its receipt may have been lost.

        Raises contract.messages.MessageError when it cannot be read.
        """
        directive = messages.decode(payload, messages.Directive)
        self._trusted_time.learn_floor(directive.issued_ms)
        with self._spool.transaction():
            self._spool.inbox.put(
                directive.number,
                directive.kind,
                bytes(directive.body),
                directive.issued_ms,
                directive.expires_ms,
            )
            self._answer(directive.number, "received")
        self.work_off()

    def work_off(self) -> None:
        """Carry out what waits in the inbox; also called at start, for orders kept before a restart."""
        for order in self._spool.inbox.unhandled():
            if order.kind in PANEL_KINDS:
                self._note_acknowledgement(order)
                continue
            if order.expires_ms is not None and self._trusted_time.is_past(order.expires_ms):
                self._finish(order, "failed", "the order had expired before it reached the kit")
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
                self._finish(order, "done", note)

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
        self._spool.state.set("recording_wanted", {"on": on, "cause": "centre", "by": told.by or told.cause})
        self._ring("recorder")
        self._ring("panel")
        return "handed to the recorder"

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
