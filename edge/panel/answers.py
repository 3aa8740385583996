"""What the centre says to the officer: felt first, then reported as felt."""

from __future__ import annotations

import logging
from typing import Any

from contract.messages import CommandReceipt, MessageError, decode, encode
from contract.orders import SosAck, TaskRecall
from edge.panel import feedback
from edge.panel.desk import Desk
from edge.panel.feedback import Pattern
from edge.spool import Order

log = logging.getLogger("zhixing.panel")


class Answers:
    """Receipt and acknowledgement of an SOS, tasks and their recalls, orders to be read back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feeling: set[int] = set()
        sos = desk.sos()
        self._receipt_felt_for = sos.get("alarm_id") if sos.get("receipted") else None

    def attend(self) -> None:
        """Let the officer feel what has come since."""
        sos = self._desk.sos()
        if sos.get("receipted") and sos.get("alarm_id") != self._receipt_felt_for:
            self._receipt_felt_for = sos.get("alarm_id")
            self._desk.play(feedback.CENTRE_HAS_IT)
        for order in self._desk.spool.inbox.unhandled():
            if order.number in self._feeling:
                continue
            if order.kind == "sos_ack":
                self._feel_acknowledgement(order)
            elif order.kind in ("task", "task_recall"):
                self._feel_task(order)
            elif order.kind == "instruct" and self._desk.spool.instructions.find(order.number) is not None:
                self._feel(order.number, feedback.INSTRUCTION)

    def _feel_acknowledgement(self, order: Order) -> None:
        try:
            told = decode(order.body, SosAck)
        except MessageError as error:
            log.error("panel: acknowledgement %d cannot be read: %s", order.number, error)
            self._answer(order.number, "failed", str(error))
            return
        log.info("panel: a person has taken alarm %s", told.alarm_id)
        self._feel(order.number, feedback.PERSON_HAS_IT)

    def _feel_task(self, order: Order) -> None:
        # Control checks the order and puts the task on the page; before that there is nothing to be felt.
        pattern = self._find_recall_pattern(order) if order.kind == "task_recall" else self._find_pattern(order)
        if pattern is not None:
            self._feel(order.number, pattern)

    def _find_pattern(self, order: Order) -> Pattern | None:
        task = self._desk.spool.tasks.find(order.number)
        if task is None:
            return None
        return feedback.TASK if task.read_body().urgency == "normal" else feedback.TASK_URGENT

    def _find_recall_pattern(self, order: Order) -> Pattern | None:
        try:
            number = decode(order.body, TaskRecall).task
        except MessageError:
            return None  # control refuses it
        task = self._desk.spool.tasks.find(number)
        return feedback.TASK_RECALLED if task is not None and task.state == "recalled" else None

    def _feel(self, number: int, pattern: Pattern) -> None:
        self._feeling.add(number)
        self._desk.play(pattern, done=lambda: self._felt(number))

    def _felt(self, number: int) -> None:
        self._answer(number, "felt", self._desk.outputs.note)
        self._feeling.discard(number)

    def _answer(self, number: int, state: Any, note: str) -> None:
        desk = self._desk
        receipt = CommandReceipt(number=number, state=state, at_ms=desk.clock.wall_ms(), note=note[:500])
        with desk.transaction():
            desk.spool.outbox.append("receipt", encode(receipt), urgent=True)
            desk.spool.inbox.mark_handled(number)
            desk.ring("control")
