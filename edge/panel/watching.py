"""The officer is watched, and can ask to be: felt at the beginning, shown while it lasts, felt at the end."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from typing import Any, Final

from contract.messages import Alarm, CommandReceipt, encode
from edge.panel import feedback
from edge.panel.desk import Desk
from edge.spool.talk import RENEW_S, TO_CENTRE, end_talk, hold_talk

log = logging.getLogger("zhixing.panel")

WINK_S: Final = 5.0
TOUCH_S: Final = 30.0
# Who looks right after the session began is told by its beginning already.
_SAME_NEWS_S: Final = 10.0
_FELT: Final = "live_felt"


class Watching:
    """Sessions of remote command as the officer's senses have them; his request to be watched; the talk button."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feeling: set[str] = set()
        self._watched = self._is_watched()
        self._news_s = desk.clock.now_s() - _SAME_NEWS_S
        self._wink_s = desk.clock.now_s()
        self._renew_s: float | None = None

    def attend(self) -> None:
        """Let the officer feel what has begun or ended since."""
        sessions = self._sessions()
        felt = self._desk.read_state(_FELT)
        for session, entry in sessions.items():
            number = entry.get("number", 0)
            if felt.get(session) != number and session not in self._feeling:
                self._feeling.add(session)
                self._news_s = self._desk.clock.now_s()
                self._desk.play(feedback.LIVE_BEGUN, done=lambda s=session, n=number: self._felt(s, n))  # type: ignore[misc]
        ended = [session for session in felt if session not in sessions]
        if ended:
            with self._desk.transaction():
                self._change_felt(lambda felt: {key: felt[key] for key in felt if key not in ended})
                self._desk.play(feedback.LIVE_ENDED)
        self._attend_watchers()
        self._attend_request(sessions)

    def tick(self) -> None:
        """While somebody looks, show it; while the talk button is held, keep the microphone open."""
        try:
            self._tick(self._desk.clock.now_s())
        except sqlite3.Error as error:
            log.warning("panel: the card does not take the talk button: %s", error)

    def _tick(self, now_s: float) -> None:
        desk = self._desk
        if self._watched and now_s >= self._wink_s:
            quiet = desk.is_quiet()
            self._wink_s = now_s + (TOUCH_S if quiet else WINK_S)
            if desk.player.is_idle:
                # Not by the desk: what comes back every few seconds is no news for the page, nor for the card.
                desk.player.play(feedback.WATCHED_TOUCH if quiet else feedback.WATCHED_WINK, now_s)
        if self._renew_s is not None and now_s >= self._renew_s:
            self._renew_s = now_s + RENEW_S
            self.talk(on=True)

    @property
    def due_s(self) -> float | None:
        """When :meth:`tick` has something to do."""
        due = [self._wink_s if self._watched else None, self._renew_s]
        return min((when for when in due if when is not None), default=None)

    @property
    def may_talk(self) -> bool:
        """Whether a session is on in which the officer has a voice."""
        return any(entry.get("voice") != "off" for entry in self._sessions().values())

    def talk(self, *, on: bool) -> dict[str, Any]:
        """The talk button went down or up. Pressing it outside of a session is refused, and felt."""
        desk = self._desk
        if on and not self.may_talk:
            self._renew_s = None
            end_talk(desk.spool, by="button")
            desk.play(feedback.REFUSED)
            return {"refused": "There is no session in which to talk.", "code": "no_session"}
        with desk.transaction():
            if on:
                to = str(desk.read_state("talk_to").get("id") or TO_CENTRE)
                hold_talk(desk.spool, to=to, by="button", now_ms=desk.clock.boot_ms())
            else:
                end_talk(desk.spool, by="button")
            desk.ring("live", "screen")
        self._renew_s = desk.clock.now_s() + RENEW_S if on else None
        return {"done": "talk", "talk": on}

    def ask(self, by: str, value: str = "") -> dict[str, Any]:
        """Ask to be watched, or (asked already, or ``value`` "off") take that back."""
        asked = self._desk.read_state("watch_me")
        if value == "on" and asked:
            return {"done": "watch_me", "alarm_id": asked.get("alarm_id"), "repeated": True}
        if asked or value == "off":
            return self._take_back(asked, by)
        return self._ask(by)

    def _ask(self, by: str) -> dict[str, Any]:
        desk = self._desk
        wanted, recording_id = desk.read_state("recording_wanted"), desk.status().get("recording_id") or None
        if recording_id is None and not wanted.get("on"):
            recording_id = uuid.uuid4().hex
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="watch_me",
            pressed_ms=desk.clock.wall_ms(),
            boot_ms=desk.clock.boot_ms(),
            fix=desk.fix(),
            recording_id=recording_id,
            task=desk.read_state("task_current").get("number"),
        )
        with desk.transaction():
            seq = desk.spool.outbox.append("alarm", encode(alarm), urgent=True)
            told = {"alarm_id": alarm.alarm_id, "at_ms": alarm.pressed_ms, "seq": seq}
            desk.spool.state.set("watch_me", told)
            if not wanted.get("on"):
                wish = {"on": True, "cause": "watch_me", "by": by, "recording_id": alarm.recording_id}
                desk.spool.state.set("recording_wanted", wish)
            desk.ring("control", "recorder", "screen")
            desk.play(feedback.WATCH_ASKED)
        return {"done": "watch_me", "alarm_id": alarm.alarm_id}

    def _take_back(self, asked: dict[str, Any], by: str) -> dict[str, Any]:
        desk = self._desk
        if not asked:
            desk.play(feedback.REFUSED)
            return {"refused": "Nobody was asked to watch.", "code": "not_asked"}
        if asked.get("taken"):
            desk.play(feedback.REFUSED)
            return {"refused": "The centre has taken it and ends the session; tell it.", "code": "watch_taken"}
        alarm = Alarm(
            alarm_id=str(asked["alarm_id"]),
            kind="watch_me_withdrawn",
            pressed_ms=desk.clock.wall_ms(),
            boot_ms=desk.clock.boot_ms(),
        )
        with desk.transaction():
            desk.spool.outbox.append("alarm", encode(alarm), urgent=True)
            desk.spool.state.set("watch_me", None)
            self._end_recording("officer", by)
            desk.ring("control", "recorder", "screen")
            desk.play(feedback.WATCH_WITHDRAWN)
        return {"done": "watch_me", "withdrawn": alarm.alarm_id}

    def _attend_watchers(self) -> None:
        before, self._watched = self._watched, self._is_watched()
        now_s = self._desk.clock.now_s()
        if self._watched and not before:
            self._wink_s = now_s + WINK_S
            if now_s - self._news_s > _SAME_NEWS_S:
                self._desk.play(feedback.WATCHED)

    def _attend_request(self, sessions: dict[str, dict[str, Any]]) -> None:
        """The first session after the press answers it; with the end of that session the request is over."""
        desk, asked = self._desk, self._desk.read_state("watch_me")
        if not asked:
            return
        taken = asked.get("taken")
        if not taken and sessions:
            session, entry = next(reversed(sessions.items()))
            told = {"session": session, "by": entry.get("by", ""), "court": entry.get("court", "")}
            desk.spool.state.set("watch_me", {**asked, "taken": told})
            desk.ring("screen")
        elif taken and taken.get("session") not in sessions:
            with desk.transaction():
                desk.spool.state.set("watch_me", None)
                # Nobody in the field decided this end: the recorder goes on for a while.
                self._end_recording("live", str(taken.get("by", "")))
                desk.ring("recorder", "screen")

    def _end_recording(self, cause: str, by: str) -> None:
        wanted = self._desk.read_state("recording_wanted")
        if wanted.get("on") and wanted.get("cause") == "watch_me":
            self._desk.spool.state.set("recording_wanted", {"on": False, "cause": cause, "by": by})

    def _felt(self, session: str, number: int) -> None:
        desk = self._desk
        receipt = CommandReceipt(
            number=number or 1, state="felt", at_ms=desk.clock.wall_ms(), note=desk.outputs.note[:500]
        )
        with desk.transaction():
            if number:
                desk.spool.outbox.append("receipt", encode(receipt), urgent=True)
            self._change_felt(lambda felt: {**felt, session: number})
            desk.ring("control")
        self._feeling.discard(session)

    def _change_felt(self, change: Any) -> None:
        self._desk.spool.state.change(_FELT, lambda felt: change(felt if isinstance(felt, dict) else {}))

    def _sessions(self) -> dict[str, dict[str, Any]]:
        told = self._desk.spool.state.get("live_sessions")
        entries = [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
        return {str(entry["session"]): entry for entry in entries if entry.get("session")}

    def _is_watched(self) -> bool:
        return bool(self._sessions()) and bool(self._desk.read_state("live_status").get("watchers"))
