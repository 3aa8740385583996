"""What each act of the officer does: durable in the spool first, told to the other processes, then felt."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable
from typing import Any, Final

from contract.categories import CATEGORIES
from contract.messages import Alarm, encode
from edge.options import PanelSettings
from edge.panel import feedback
from edge.panel.answers import Answers
from edge.panel.desk import Desk, PanelClock
from edge.panel.distress import Distress
from edge.panel.feedback import Outputs
from edge.panel.gestures import Act
from edge.panel.warnings import Warnings
from edge.panel.watching import Watching
from edge.spool import Spool
from edge.spool.presses import Press

log = logging.getLogger("zhixing.panel")

# A press of the page that nobody carried out for so long is not what the officer wants now. An SOS always is.
STALE_PRESS_MS: Final = 10_000
_SWITCH: Final = {"on": True, "off": False}

Answer = dict[str, Any]


class Panel:
    """Carries out acts and passes on what the centre answers. Lives in one thread."""

    def __init__(
        self, spool: Spool, settings: PanelSettings, outputs: Outputs, clock: PanelClock | None = None
    ) -> None:
        self._spool, self._clock = spool, clock or PanelClock()
        self._desk = Desk(spool, settings, outputs, self._clock)
        self._distress = Distress(self._desk)
        self._answers = Answers(self._desk)
        self._warnings = Warnings(self._desk)
        self._watching = Watching(self._desk)
        self._refused_by_card: set[int] = set()
        self._acts: dict[Act, Callable[[str, str], Answer]] = {
            Act.SOS: lambda by, _: self._distress.press(by),
            Act.WITHDRAW: lambda by, _: self._distress.withdraw(by),
            Act.RECORD: lambda by, value: self._want_recording(by, on=_SWITCH.get(value)),
            Act.RECORD_ON: lambda by, _: self._want_recording(by, on=True),
            Act.RECORD_OFF: lambda by, _: self._want_recording(by, on=False),
            Act.MARK: lambda by, _: self._mark(by),
            Act.MARK_HELD: lambda by, _: self._hold_mark(by),
            Act.CATEGORY: lambda _, value: self._choose_category(value),
            Act.QUIET: lambda _, value: self._set_quiet(_SWITCH.get(value)),
            Act.METERED: lambda _, value: self._set_metered(_SWITCH.get(value)),
            Act.DUTY: lambda _, value: self._set_duty(_SWITCH.get(value)),
            Act.WATCH_ME: self._watching.ask,
            Act.TALK_ON: lambda *_: self._watching.talk(on=True),
            Act.TALK_OFF: lambda *_: self._watching.talk(on=False),
        }

    @property
    def played(self) -> list[dict[str, Any]]:
        """The last patterns: {pattern, at_ms}."""
        return self._desk.played

    def perform(self, act: Act, *, by: str, value: str = "") -> Answer:
        """Do what the officer wants; ``by`` names the button or page. Returns what was done, or ``refused``."""
        log.info("panel: %s %sby %s", act.value, value and f"{value} ", by)
        try:
            return self._carry_out(act, by, value)
        except sqlite3.Error as error:
            log.critical("panel: %s could not be stored: %s", act.value, error)
            self._desk.play(feedback.FAULT)
            return {
                "refused": f"The kit could not store this ({error}); it tries on and vibrates when it is stored.",
                "code": "card",
            }

    def take_presses(self) -> None:
        """Carry out what was pressed on the officer's page: act and answer are one transaction, or neither is.

        Only a cry for help is stored by itself, and a repeat known by its time: a card that fails in the commit then
        leaves it in hand, as after the press of a button, and it calls from memory.
        """
        for press in self._spool.presses.waiting():
            try:
                called = self._perform_press(press) if press.act == "sos" else None
                with self._desk.transaction():
                    self._spool.presses.answer(press.number, called or self._perform_press(press))
                    self._desk.ring("screen")
            except sqlite3.Error as error:
                log.critical("panel: %s of the page could not be stored and is tried again: %s", press.act, error)
                if press.number not in self._refused_by_card:
                    self._refused_by_card.add(press.number)
                    self._desk.play(feedback.FAULT)
                return

    def note_word(self, word: bytes) -> None:
        """What the control process says by doorbell while the card takes nothing."""
        self._distress.note_receipt(word)

    def attend(self) -> None:
        """Look for answers of the centre and for changes of state, and let the officer feel them."""
        self._desk.outputs.set_quiet(self._desk.is_quiet())
        self._answers.attend()
        self._warnings.attend()
        self._watching.attend()
        recording = bool(self._desk.status().get("recording"))
        self._desk.player.set_steady(red=recording, green=self._spool.state.get("duty") is True)

    def tick(self) -> None:
        """Play on, and try again to store an SOS that the card refused."""
        self._desk.player.tick(self._clock.now_s())
        self._distress.retry()
        self._watching.tick()

    @property
    def holds_talk(self) -> bool:
        """Whether the mark button held talks now: in a session with voice, unless it is meant for an SOS."""
        return self._watching.may_talk and not self._distress.is_fresh()

    @property
    def due_s(self) -> float | None:
        """When :meth:`tick` has something to do."""
        due = (self._distress.retry_at_s, self._desk.player.due_s, self._watching.due_s)
        return min((when for when in due if when is not None), default=None)

    def _carry_out(self, act: Act, by: str, value: str) -> Answer:
        if act is not Act.SOS and self._desk.read_state("lost"):
            self._desk.play(feedback.REFUSED)
            return {"refused": "This kit is locked; only SOS works. Tell the centre.", "code": "locked"}
        return self._acts[act](by, value)

    def _perform_press(self, press: Press) -> Answer:
        now_here = press.boot == self._spool.boot
        log.info("panel: %s %sby page", press.act, press.value and f"{press.value} ")
        if press.act == "sos":
            return self._distress.press("page", at_ms=press.at_ms, mono_ms=press.mono_ms if now_here else None)
        if not now_here or self._clock.boot_ms() - press.mono_ms > STALE_PRESS_MS:
            return {"refused": "The panel came to this too late; press again.", "code": "late"}
        return self._carry_out(Act(press.act), "page", press.value)

    def _want_recording(self, by: str, *, on: bool | None) -> Answer:
        def change(wanted: Any) -> Any:
            now_on = isinstance(wanted, dict) and bool(wanted.get("on"))
            target = not now_on if on is None else on
            # Switched on by hand while it runs for a call, it is the officer's own and ends when he says so.
            if target and now_on and wanted.get("cause") == "sos":
                return {**wanted, "own": "officer"}
            his_own = target and now_on and wanted.get("cause") == "neighbour"
            return wanted if target == now_on and not his_own else {"on": target, "cause": "officer", "by": by}

        with self._desk.transaction():
            wanted = self._spool.state.change("recording_wanted", change) or {}
            self._desk.ring("recorder", "control")
            self._desk.play(feedback.RECORDING_ON if wanted.get("on") else feedback.RECORDING_OFF)
        return {"done": "record", "recording_wanted": bool(wanted.get("on"))}

    def _mark(self, by: str) -> Answer:
        desk = self._desk
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="mark",
            pressed_ms=self._clock.wall_ms(),
            boot_ms=self._clock.boot_ms(),
            fix=desk.fix(),
            recording_id=desk.status().get("recording_id") or None,
            note=f"by {by}",
            category=str(desk.read_state("category").get("code", "")),
            task=desk.read_state("task_current").get("number"),
        )
        with desk.transaction():
            self._spool.outbox.append("alarm", encode(alarm))
            self._spool.state.set("mark", {"at_ms": alarm.pressed_ms, "recording_id": alarm.recording_id or ""})
            desk.ring("control", "recorder")
            desk.play(feedback.MARKED)
        return {"done": "mark", "alarm_id": alarm.alarm_id, "recording_id": alarm.recording_id}

    def _hold_mark(self, by: str) -> Answer:
        return self._distress.withdraw(by) if self._distress.is_fresh() else self._choose_category("")

    def _choose_category(self, value: str) -> Answer:
        """``value``: a code, "none", or empty for the next on the wheel (after the last: none)."""
        wheel = ("none", *CATEGORIES)
        now = str(self._desk.read_state("category").get("code") or "none")
        place = (wheel.index(now) + 1) % len(wheel) if now in wheel else 0
        if value:
            if value not in wheel:
                return {"refused": f"There is no category {value!r} on this kit.", "code": "unknown_category"}
            place = wheel.index(value)
        code = "" if place == 0 else wheel[place]
        with self._desk.transaction():
            chosen = {"code": code, "at_ms": self._clock.wall_ms()} if code else None
            self._spool.state.set("category", chosen)
            self._desk.ring("recorder")
            self._desk.play(feedback.count_out(place))
        return {"done": "category", "category": code}

    def _set_quiet(self, on: bool | None) -> Answer:
        target = not self._desk.is_quiet() if on is None else on
        with self._desk.transaction():
            self._spool.state.set("quiet", target)
            self._desk.play(feedback.QUIET_ON if target else feedback.QUIET_OFF)
        self._desk.outputs.set_quiet(target)
        return {"done": "quiet", "quiet": target}

    def _set_duty(self, on: bool | None) -> Answer:
        with self._desk.transaction():
            duty = self._spool.state.change("duty", lambda duty: duty is not True if on is None else on)
            self._desk.ring("control", "recorder")
            self._desk.play(feedback.DUTY_ON if duty else feedback.DUTY_OFF)
        return {"done": "duty", "duty": bool(duty)}

    def _set_metered(self, on: bool | None) -> Answer:
        """Whether the officer says that bytes cost money here; None: the kit judges by itself again."""
        with self._desk.transaction():
            self._spool.state.set("metered_officer", {"on": on, "at_ms": self._clock.wall_ms()})
            self._desk.ring("control")
        return {"done": "metered", "metered": on}
