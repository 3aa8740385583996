"""The cry for help: never lost, never doubled, withdrawn only openly."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable
from typing import Any, Final, TypeVar

from contract.messages import Alarm, encode
from edge.panel import feedback
from edge.panel.desk import Desk
from edge.panel.keepsake import Keepsake
from edge.spool import ring
from edge.spool.presses import RECEIPTED_WORD, UNSTORED_WORD

log = logging.getLogger("zhixing.panel")

# Holding the button again this soon is the same cry for help, not a second one.
REPEAT_MS: Final = 10_000
RETRY_S: Final = 1.0
# So long after an SOS a held mark button is still meant for it, though it be too late to withdraw.
MEANT_FOR_SOS_MS: Final = 60_000
CALLS_KEPT: Final = 20
_T = TypeVar("_T")


def want_recording_for(alarm: Alarm, by: str, wanted: dict[str, Any], *, is_recording: bool) -> dict[str, Any]:
    """The state ``recording_wanted`` from this call on; ``wanted`` is what it was.

    What runs by the officer's or the centre's wish goes on as it is. Else it is this call's and ends with it; then
    ``also`` names earlier calls that have to end first, and ``own`` the wish that outlives them all.
    """
    cause = wanted.get("cause") if wanted.get("on") else None
    his_own = cause not in (None, "sos", "neighbour")
    if is_recording and his_own:
        return wanted
    wish: dict[str, Any] = {"on": True, "cause": "sos", "by": by}
    wish.update(recording_id=alarm.recording_id, alarm_id=alarm.alarm_id)
    if cause == "sos":
        # Also where the recorder is just starting anew: each of the calls needs its recording.
        wish["also"] = [*wanted.get("also", []), wanted.get("alarm_id")][-CALLS_KEPT:]
    own = cause if his_own else wanted.get("own") if cause == "sos" else None
    return {**wish, "own": own} if own else wish


class Distress:
    """SOS and its withdrawal."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._keepsake = Keepsake(desk.spool.dir)
        # What a panel before this one, ended or killed meanwhile, could not store either.
        self._unsaved = self._keepsake.find()
        self._retry_at_s = desk.clock.now_s()

    @property
    def retry_at_s(self) -> float | None:
        """When an SOS that the card refused is tried again; None when all is stored."""
        return None if self._unsaved is None else self._retry_at_s

    def press(self, by: str, *, at_ms: int | None = None, mono_ms: int | None = None) -> dict[str, Any]:
        """Call for help; ``at_ms`` and ``mono_ms`` (of this boot) are when it was pressed, if not just now.

        Raises sqlite3.Error when the card refuses it; it is then in hand, and :meth:`retry` stores it.
        """
        desk = self._desk
        # What is known besides is carried along, but a card that cannot even be read must not stop the call.
        nothing: dict[str, Any] = {}
        sos, status = self._look(desk.sos, nothing), self._look(desk.status, nothing)
        fix = self._look(desk.fix, None)
        if self._unsaved is not None:
            alarm, by = self._unsaved
            self._store(alarm, by)
            return {"done": "sos", "alarm_id": alarm.alarm_id, "repeated": True}
        if at_ms is not None and sos.get("pressed_ms") == at_ms:
            # This very press was stored from memory, or by a panel that was killed before it could answer.
            return {"done": "sos", "alarm_id": sos.get("alarm_id"), "repeated": True}
        if not sos.get("withdrawn") and self._is_recent(sos, REPEAT_MS):
            desk.play(feedback.SOS_SENT)
            return {"done": "sos", "alarm_id": sos.get("alarm_id"), "repeated": True}
        recording_id = status.get("recording_id") or uuid.uuid4().hex
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="sos",
            pressed_ms=desk.clock.wall_ms() if at_ms is None else at_ms,
            boot_ms=desk.clock.boot_ms() if mono_ms is None else mono_ms,
            fix=fix,
            recording_id=recording_id,
        )
        # In hand until it is on the card: an error below must not lose the cry for help.
        self._unsaved = (alarm, by)
        self._retry_at_s = desk.clock.now_s() + RETRY_S
        self._store_or_call(alarm, by)
        return {"done": "sos", "alarm_id": alarm.alarm_id, "recording_id": recording_id}

    def retry(self) -> None:
        """Try again to store an SOS that the card refused, if one is due."""
        now_s = self._desk.clock.now_s()
        if self._unsaved is None or now_s < self._retry_at_s:
            return
        self._retry_at_s = now_s + RETRY_S
        try:
            self._store_or_call(*self._unsaved)
        except sqlite3.Error as error:
            log.critical("panel: the SOS still could not be stored: %s", error)

    def note_receipt(self, word: bytes) -> None:
        """The centre has an SOS that is still in hand here: the officer feels it, though no state could say so."""
        alarm_id = word.removeprefix(RECEIPTED_WORD).decode(errors="replace")
        if word.startswith(RECEIPTED_WORD) and self._unsaved is not None and self._unsaved[0].alarm_id == alarm_id:
            self._desk.play(feedback.CENTRE_HAS_IT)

    def withdraw(self, by: str) -> dict[str, Any]:
        """Mark the newest SOS as withdrawn; it stays, at the kit and at the centre."""
        desk, sos = self._desk, self._desk.sos()
        if sos.get("withdrawn") or not self._is_recent(sos, round(desk.settings.withdraw_s * 1000)):
            desk.play(feedback.REFUSED)
            return {
                "refused": f"An SOS can be withdrawn within {desk.settings.withdraw_s:g} s of pressing it; "
                "afterwards tell the centre.",
                "code": "withdraw_late",
            }
        alarm = Alarm(
            alarm_id=sos["alarm_id"],
            kind="sos_withdrawn",
            pressed_ms=desk.clock.wall_ms(),
            boot_ms=desk.clock.boot_ms(),
            fix=desk.fix(),
            note=f"by {by}",
        )
        with desk.transaction():
            desk.spool.outbox.append("alarm", encode(alarm), urgent=True)
            desk.spool.state.set("sos", {**sos, "withdrawn": True})
            desk.ring("control")
            desk.play(feedback.WITHDRAWN)
        return {"done": "withdraw", "alarm_id": alarm.alarm_id}

    def is_fresh(self) -> bool:
        """Whether a held button is meant for the SOS just pressed."""
        sos = self._desk.sos()
        return not sos.get("withdrawn") and self._is_recent(sos, MEANT_FOR_SOS_MS)

    def _store_or_call(self, alarm: Alarm, by: str) -> None:
        try:
            self._store(alarm, by)
        except sqlite3.Error:
            self._keepsake.put(alarm, by)
            # The link may be sound though the card is not; the control process sends it from memory.
            try:
                ring(self._desk.spool.dir, "control", UNSTORED_WORD + encode(alarm))
            except OSError as error:
                log.critical("panel: the SOS could not even be called out: %s", error)
            raise

    def _store(self, alarm: Alarm, by: str) -> None:
        desk, state = self._desk, self._desk.spool.state
        if desk.sos().get("alarm_id") == alarm.alarm_id:  # stored by a panel that was killed before it could say so
            self._let_go()
            return
        told = {
            "alarm_id": alarm.alarm_id,
            "pressed_ms": alarm.pressed_ms,
            "boot_ms": alarm.boot_ms,
            "boot": desk.spool.boot,
            "receipted": False,
            "acked": False,
            "withdrawn": False,
        }
        with desk.transaction():
            desk.spool.outbox.append("alarm", encode(alarm), urgent=True)
            state.set("sos", told)
            wanted = state.get("recording_wanted") or {}
            is_recording = bool(desk.status().get("recording"))
            state.set("recording_wanted", want_recording_for(alarm, by, wanted, is_recording=is_recording))
            desk.ring("control", "recorder")
            desk.play(feedback.SOS_SENT)
        self._let_go()

    def _let_go(self) -> None:
        self._unsaved = None
        self._keepsake.drop()

    def _is_recent(self, sos: dict[str, Any], within_ms: int) -> bool:
        """By time since boot: a step of the wall clock neither opens nor closes the window."""
        pressed_ms = sos.get("boot_ms")
        if sos.get("boot") != self._desk.spool.boot or not isinstance(pressed_ms, int):
            return False
        return 0 <= self._desk.clock.boot_ms() - pressed_ms <= within_ms

    @staticmethod
    def _look(read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except sqlite3.Error as error:
            log.critical("panel: the spool cannot be read: %s", error)
            return otherwise
