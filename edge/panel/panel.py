"""What each act of the officer does: durable in the spool first, told to the other processes, then felt."""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from contract.messages import Alarm, CommandReceipt, Fix, MessageError, decode, encode
from contract.orders import SosAck
from edge.options import PanelSettings
from edge.panel import feedback
from edge.panel.feedback import Outputs, Pattern, Player
from edge.panel.gestures import Act
from edge.spool import Order, Spool, ring
from edge.spool.last_fix import find_last_fix

log = logging.getLogger("zhixing.panel")

# Holding the button again this soon is the same cry for help, not a second one.
REPEAT_MS: Final = 10_000
RETRY_S: Final = 1.0
_HISTORY: Final = 20
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PanelClock:
    """Injected clocks: ms since the epoch, ms since boot, and the seconds that patterns are played by."""

    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    boot_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    now_s: Callable[[], float] = time.monotonic


class Panel:
    """Carries out acts and passes on what the centre answers. Lives in one thread."""

    def __init__(
        self, spool: Spool, settings: PanelSettings, outputs: Outputs, clock: PanelClock | None = None
    ) -> None:
        self._spool, self._settings, self._outputs = spool, settings, outputs
        self._clock = clock or PanelClock()
        self._player = Player(outputs)
        self._played: list[dict[str, Any]] = []
        self._feeling: set[int] = set()
        self._unsaved: tuple[Alarm, str] | None = None
        self._retry_at_s = 0.0
        sos = self._sos()
        self._receipt_felt_for = sos.get("alarm_id") if sos.get("receipted") else None
        self._acts: dict[Act, Callable[[str], dict[str, Any]]] = {
            Act.SOS: self._press_sos,
            Act.WITHDRAW: self._withdraw_sos,
            Act.RECORD: lambda by: self._want_recording(by, on=None),
            Act.RECORD_ON: lambda by: self._want_recording(by, on=True),
            Act.RECORD_OFF: lambda by: self._want_recording(by, on=False),
            Act.MARK: self._mark,
            Act.DUTY: self._toggle_duty,
        }

    def perform(self, act: Act, *, by: str) -> dict[str, Any]:
        """Do what the officer wants; ``by`` names the button or stand-in. Returns what was done, for the page."""
        log.info("panel: %s by %s", act.value, by)
        try:
            return self._acts[act](by)
        except sqlite3.Error as error:
            log.critical("panel: %s could not be stored: %s", act.value, error)
            self._play(feedback.FAULT)
            return {"refused": f"The kit could not store this ({error}); it tries on and vibrates when it is stored."}

    def attend(self) -> None:
        """Look for answers of the centre and for changes of state, and let the officer feel them."""
        sos = self._sos()
        if sos.get("receipted") and sos.get("alarm_id") != self._receipt_felt_for:
            self._receipt_felt_for = sos.get("alarm_id")
            self._play(feedback.CENTRE_HAS_IT)
        for order in self._spool.inbox.unhandled("sos_ack"):
            if order.number not in self._feeling:
                self._feel(order)
        status = self._status()
        self._player.set_steady(red=bool(status.get("recording")), green=self._spool.state.get("duty") is True)

    def tick(self) -> None:
        """Play on, and try again to store an SOS that the card refused."""
        now_s = self._clock.now_s()
        self._player.tick(now_s)
        if self._unsaved is not None and now_s >= self._retry_at_s:
            self._retry_at_s = now_s + RETRY_S
            try:
                self._store_sos(*self._unsaved)
            except sqlite3.Error as error:
                log.critical("panel: the SOS still could not be stored: %s", error)

    @property
    def due_s(self) -> float | None:
        """When :meth:`tick` has something to do."""
        if self._unsaved is not None:
            return min(self._retry_at_s, self._player.due_s or self._retry_at_s)
        return self._player.due_s

    def describe(self) -> dict[str, Any]:
        """The state as the officer's page shows it."""
        state = self._spool.state
        wanted = state.get("recording_wanted") or {}
        return {
            "recorder": state.get("recorder_status") or {},
            "recording_wanted": bool(wanted.get("on")),
            "duty": state.get("duty") is True,
            "sos": self._sos() or None,
            "link": state.get("link_status") or {},
            "gps": state.get("gps_status") or "",
            "waiting_messages": self._spool.outbox.count(),
            "waiting_segments": self._spool.vault.count_pending(),
            "felt": self._played,
        }

    # Acts

    def _press_sos(self, by: str) -> dict[str, Any]:
        # What is known besides is carried along, but a card that cannot even be read must not stop the call.
        nothing: dict[str, Any] = {}
        sos, status = self._look(self._sos, nothing), self._look(self._status, nothing)
        fix = self._look(self._fix, None)
        if self._unsaved is not None or (not sos.get("withdrawn") and self._is_recent(sos, REPEAT_MS)):
            if self._unsaved is None:
                self._play(feedback.SOS_SENT)
            return {"done": "sos", "alarm_id": sos.get("alarm_id"), "repeated": True}
        recording_id = status.get("recording_id") or uuid.uuid4().hex
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="sos",
            pressed_ms=self._clock.wall_ms(),
            boot_ms=self._clock.boot_ms(),
            fix=fix,
            recording_id=recording_id,
        )
        # In hand until it is on the card: an error below must not lose the cry for help.
        self._unsaved = (alarm, by)
        self._retry_at_s = self._clock.now_s() + RETRY_S
        self._store_sos(alarm, by)
        return {"done": "sos", "alarm_id": alarm.alarm_id, "recording_id": recording_id}

    def _store_sos(self, alarm: Alarm, by: str) -> None:
        state = self._spool.state
        with self._spool.transaction():
            self._spool.outbox.append("alarm", encode(alarm), urgent=True)
            state.set(
                "sos",
                {
                    "alarm_id": alarm.alarm_id,
                    "pressed_ms": alarm.pressed_ms,
                    "boot_ms": alarm.boot_ms,
                    "boot": self._spool.boot,
                    "receipted": False,
                    "acked": False,
                    "withdrawn": False,
                },
            )
            status = self._status()
            if not (status.get("recording") and (state.get("recording_wanted") or {}).get("on")):
                state.set(
                    "recording_wanted",
                    {
                        "on": True,
                        "cause": "sos",
                        "by": by,
                        "recording_id": alarm.recording_id,
                        "alarm_id": alarm.alarm_id,
                    },
                )
        self._unsaved = None
        ring(self._spool.dir, "control")
        ring(self._spool.dir, "recorder")
        self._play(feedback.SOS_SENT)

    def _withdraw_sos(self, by: str) -> dict[str, Any]:
        sos = self._sos()
        if sos.get("withdrawn") or not self._is_recent(sos, round(self._settings.withdraw_s * 1000)):
            self._play(feedback.REFUSED)
            return {
                "refused": f"An SOS can be withdrawn within {self._settings.withdraw_s:g} s of pressing it; "
                "afterwards tell the centre."
            }
        alarm = Alarm(
            alarm_id=sos["alarm_id"],
            kind="sos_withdrawn",
            pressed_ms=self._clock.wall_ms(),
            boot_ms=self._clock.boot_ms(),
            fix=self._fix(),
            note=f"by {by}",
        )
        with self._spool.transaction():
            self._spool.outbox.append("alarm", encode(alarm), urgent=True)
            self._spool.state.set("sos", {**sos, "withdrawn": True})
        ring(self._spool.dir, "control")
        self._play(feedback.WITHDRAWN)
        return {"done": "withdraw", "alarm_id": alarm.alarm_id}

    def _want_recording(self, by: str, *, on: bool | None) -> dict[str, Any]:
        def change(wanted: Any) -> Any:
            now_on = isinstance(wanted, dict) and bool(wanted.get("on"))
            target = not now_on if on is None else on
            return wanted if target == now_on else {"on": target, "cause": "officer", "by": by}

        wanted = self._spool.state.change("recording_wanted", change) or {}
        ring(self._spool.dir, "recorder")
        ring(self._spool.dir, "control")
        self._play(feedback.RECORDING_ON if wanted.get("on") else feedback.RECORDING_OFF)
        return {"done": "record", "recording_wanted": bool(wanted.get("on"))}

    def _mark(self, by: str) -> dict[str, Any]:
        status = self._status()
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="mark",
            pressed_ms=self._clock.wall_ms(),
            boot_ms=self._clock.boot_ms(),
            fix=self._fix(),
            recording_id=status.get("recording_id") or None,
            note=f"by {by}",
        )
        with self._spool.transaction():
            self._spool.outbox.append("alarm", encode(alarm))
            mark = {"at_ms": alarm.pressed_ms, "recording_id": alarm.recording_id or ""}
            self._spool.state.set("mark", mark)
        ring(self._spool.dir, "control")
        ring(self._spool.dir, "recorder")
        self._play(feedback.MARKED)
        return {"done": "mark", "alarm_id": alarm.alarm_id, "recording_id": alarm.recording_id}

    def _toggle_duty(self, by: str) -> dict[str, Any]:
        on = bool(self._spool.state.change("duty", lambda duty: duty is not True))
        ring(self._spool.dir, "control")
        ring(self._spool.dir, "recorder")
        self._play(feedback.DUTY_ON if on else feedback.DUTY_OFF)
        return {"done": "duty", "duty": on}

    # Feeling

    def _feel(self, order: Order) -> None:
        try:
            told = decode(order.body, SosAck)
        except MessageError as error:
            log.error("panel: acknowledgement %d cannot be read: %s", order.number, error)
            self._answer(order.number, "failed", str(error))
            return
        log.info("panel: %s has taken alarm %s", told.by, told.alarm_id)
        self._feeling.add(order.number)
        self._play(feedback.PERSON_HAS_IT, done=lambda: self._felt(order.number))

    def _felt(self, number: int) -> None:
        self._answer(number, "felt", self._outputs.note)
        self._feeling.discard(number)

    def _answer(self, number: int, state: Any, note: str) -> None:
        receipt = CommandReceipt(number=number, state=state, at_ms=self._clock.wall_ms(), note=note[:500])
        with self._spool.transaction():
            self._spool.outbox.append("receipt", encode(receipt), urgent=True)
            self._spool.inbox.mark_handled(number)
        ring(self._spool.dir, "control")

    def _play(self, pattern: Pattern, done: Callable[[], None] | None = None) -> None:
        self._played = [*self._played[1 - _HISTORY :], {"pattern": pattern.name, "at_ms": self._clock.wall_ms()}]
        self._player.play(pattern, self._clock.now_s(), done=done)

    def _sos(self) -> dict[str, Any]:
        sos = self._spool.state.get("sos")
        return sos if isinstance(sos, dict) else {}

    def _status(self) -> dict[str, Any]:
        status = self._spool.state.get("recorder_status")
        return status if isinstance(status, dict) else {}

    def _fix(self) -> Fix | None:
        return find_last_fix(self._spool)

    @staticmethod
    def _look(read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except sqlite3.Error as error:
            log.critical("panel: the spool cannot be read: %s", error)
            return otherwise

    def _is_recent(self, sos: dict[str, Any], within_ms: int) -> bool:
        """By time since boot: a step of the wall clock neither opens nor closes the window."""
        pressed_ms = sos.get("boot_ms")
        if sos.get("boot") != self._spool.boot or not isinstance(pressed_ms, int):
            return False
        return 0 <= self._clock.boot_ms() - pressed_ms <= within_ms
