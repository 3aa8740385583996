"""What people do meanwhile: officers press, mark and answer tasks; the duty desk takes alarms and gives tasks."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from central.base.errors import DomainError
from central.base.unit_of_work import Store
from central.devices.task_rules import TaskDraft
from central.flows.acknowledge import acknowledge_incident, close_incident
from central.flows.tasks import assign_task
from central.incidents.models import Incident
from central.people.queries import actor_of, get_user
from demo.drill.ground import KitGround
from demo.drill.witness import open_quietly

_PRESS_AGAIN_S: Final = 0.25
_PAUSE_S: Final = (1.5, 5.0)
_SOS_PAUSE_S: Final = 11.0  # sooner the kit takes it for the same cry for help
_TASK_EVERY_S: Final = 9.0
_NEXT_ANSWER: Final = {"received": "accepted", "read": "accepted", "accepted": "done"}
_COMMANDER: Final = "commander"


@dataclass
class Pressed:
    """What officers were told is done: alarm ids by kind, with the wall clock at the press."""

    alarms: dict[str, dict[str, int]] = field(default_factory=lambda: {"sos": {}, "mark": {}})
    unanswered: int = 0


class Officer:
    """Bears one kit. He presses again under the same key until the kit has answered him."""

    def __init__(self, kit: KitGround, seed: int) -> None:
        self.kit = kit
        self.pressed = Pressed()
        self._dice = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
        self._ending = threading.Event()
        self._finishing = threading.Event()
        self._last_sos_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"officer-{kit.part.kit_id}", daemon=True)

    def start(self) -> None:
        """Begin the day."""
        self._thread.start()

    def finish(self) -> None:
        """Press nothing more of his own, but answer what is asked."""
        self._finishing.set()

    def stop(self) -> None:
        """Go home."""
        self._ending.set()
        self._thread.join()

    def press(self, act: str, value: str = "", give_up_s: float = 120.0) -> dict[str, Any]:
        """Press until it is answered; empty when nobody answers for so long or the day ends."""
        body = {"key": uuid.uuid4().hex, "value": value}
        deadline = time.monotonic() + give_up_s
        while time.monotonic() < deadline and not self._ending.is_set():
            answer = self._post(f"/press/{act}", body)
            if answer is not None and "waiting" not in answer and answer.get("code") not in ("no_answer", "card"):
                return answer
            self._ending.wait(_PRESS_AGAIN_S)
        return {}

    def note_press(self, act: str) -> dict[str, Any]:
        """Press and remember what the kit said is done."""
        at_ms = time.time_ns() // 1_000_000
        answer = self.press(act)
        if not answer:
            self.pressed.unanswered += 1
        elif alarm_id := answer.get("alarm_id"):
            self.pressed.alarms[act].setdefault(str(alarm_id), at_ms)
        return answer

    def _run(self) -> None:
        while not self._ending.wait(self._dice.uniform(*_PAUSE_S)):
            if not self._finishing.is_set():
                self._press_something()
            self._answer_tasks()

    def _press_something(self) -> None:
        act = self._dice.choice(("sos", "mark", "mark", "mark", "nothing"))
        if act == "sos" and time.monotonic() - self._last_sos_s < _SOS_PAUSE_S:
            act = "mark"
        if act == "sos":
            self._last_sos_s = time.monotonic()
        if act != "nothing":
            self.note_press(act)

    def _answer_tasks(self) -> None:
        for number, state in self.find_tasks() or ():
            if answer := _NEXT_ANSWER.get(state):
                self._post(f"/tasks/{number}", {"value": answer, "note": ""})

    def find_tasks(self) -> list[tuple[int, str]] | None:
        """Tasks on the kit by number, with their state; None while its card cannot be read."""
        try:
            with self.kit.witness.glimpse(), open_quietly(self.kit.folder) as db:
                return db.execute("SELECT number, state FROM tasks ORDER BY number").fetchall()
        except sqlite3.Error:
            return None

    def _post(self, path: str, body: dict[str, str]) -> dict[str, Any] | None:
        try:
            with self.kit.witness.glimpse(), open_quietly(self.kit.folder) as db:
                row = db.execute("SELECT value FROM state WHERE key = 'screen_http'").fetchone()
            address = json.loads(row[0])["address"]
            request = urllib.request.Request(  # noqa: S310 -- loopback
                f"{address}{path}", method="POST", data=json.dumps(body).encode()
            )
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- loopback
                told: dict[str, Any] = json.loads(answer.read())
                return told
        except urllib.error.HTTPError as error:
            refusal: dict[str, Any] = json.loads(error.read() or b"{}")
            return refusal
        except (OSError, ValueError, TypeError, KeyError, sqlite3.Error):
            return None


class Desk:
    """The duty desk at the centre: takes and closes alarms, gives tasks. While the database is away it waits."""

    def __init__(self, store: Store, kit_ids: list[str], seed: int) -> None:
        self.tasks: list[tuple[str, int]] = []
        self._store, self._kit_ids = store, kit_ids
        self._dice = random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret
        self._ending, self._finishing = threading.Event(), threading.Event()
        self._task_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Give no more tasks."""
        self._finishing.set()

    def stop(self) -> None:
        """End."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(self._dice.uniform(0.5, 1.5)):
            try:
                self._take_alarms()
                if not self._finishing.is_set() and time.monotonic() >= self._task_at_s:
                    self._task_at_s = time.monotonic() + _TASK_EVERY_S
                    self._give_task()
            except (DBAPIError, DomainError):
                continue  # as a page would say: try again

    def _take_alarms(self) -> None:
        with self._store.read() as session:
            waiting = session.exec(
                select(Incident.id, Incident.state).where(col(Incident.state) != "closed").limit(20)
            ).all()
        for incident_id, state in waiting:
            with self._store.write() as uow:
                actor = actor_of(get_user(uow.session, _COMMANDER))
                if state == "open":
                    acknowledge_incident(uow, actor, incident_id)
                else:
                    close_incident(uow, actor, incident_id, note="drill")

    def _give_task(self) -> None:
        kit_id = self._dice.choice(self._kit_ids)
        with self._store.write() as uow:
            actor = actor_of(get_user(uow.session, _COMMANDER))
            number = assign_task(uow, actor, kit_id, TaskDraft(title="drill")).number
        self.tasks.append((kit_id, number))
