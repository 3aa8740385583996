"""Who may be here: open sessions and log-ins, read again and again, so that an end or a loss of rights cuts at once.

One read serves everybody connected. While the database does not answer, what was last known holds and nobody new is
let in: a call for help is not cut by a restart of the database, and a session's end is known without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import queries as command
from central.command.session_rights import OpenSession, may_publish, may_talk, may_watch
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.devices import queries as devices
from central.people import queries as people
from central.people.queries import Login
from central.people.rules import terminal_serves

log = logging.getLogger(__name__)

NAMES_EVERY_S: Final = 30.0


@dataclass(frozen=True)
class Standing:
    """How things stood at one read."""

    sessions: Mapping[str, OpenSession] = field(default_factory=dict)
    logins: Mapping[str, Login] = field(default_factory=dict)


@dataclass(frozen=True)
class Names:
    """What people are told others by: courts by code, officers by kit id."""

    courts: Mapping[str, str] = field(default_factory=dict)
    officers: Mapping[str, str] = field(default_factory=dict)


class Rights:
    """Reads in worker threads; the newest read is at `standing`. Belongs to the event loop."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self.standing = Standing()
        self.names = Names()
        self._names_s = float("-inf")
        self._failing = False
        self._reading = asyncio.Lock()

    async def refresh(self, tokens: Collection[str] = ()) -> bool:
        """Read anew, with the log-ins of these tokens; returns whether the database answered."""
        async with self._reading:
            try:
                standing = await asyncio.to_thread(self._read, frozenset(tokens))
            except SQLAlchemyError as error:
                if not self._failing:
                    log.error("relay: the database does not answer, what was last known holds: %s", error)
                self._failing = True
                return False
            if self._failing:
                log.info("relay: the database answers again")
            self._failing = False
            self.standing = standing
            return True

    async def find_login(self, token: str) -> Login | None:
        """The whole log-in of a token, read now; None when there is none, or it may not be used here."""
        if not token:
            return None
        try:
            found = await asyncio.to_thread(self._find_logins, frozenset([token]))
        except SQLAlchemyError as error:
            log.warning("relay: nobody is let in while the database does not answer: %s", error)
            return None
        return found.get(token)

    def _read(self, tokens: frozenset[str]) -> Standing:
        now_ms, now_s = self._store.clock.now_ms(), self._store.clock.monotonic_s()
        with self._store.read() as session:
            sessions = {one.id: one for one in command.list_open(session, now_ms=now_ms)}
            if now_s - self._names_s > NAMES_EVERY_S:
                rows = courts.list_all_courts(session)
                self.names = Names({row.code: row.name_zh for row in rows}, devices.list_officers(session))
                self._names_s = now_s
            return Standing(sessions, self._read_logins(session, tokens, now_ms) if tokens else {})

    def _find_logins(self, tokens: frozenset[str]) -> dict[str, Login]:
        with self._store.read() as session:
            return self._read_logins(session, tokens, self._store.clock.now_ms())

    def _read_logins(self, session: Any, tokens: frozenset[str], now_ms: int) -> dict[str, Login]:
        found = people.find_logins(session, tokens, now_ms=now_ms, idle_s=self._settings.session_idle_s)
        return {token: login for token, login in found.items() if login.is_full and self._is_placed(login)}

    def _is_placed(self, login: Login) -> bool:
        """Where log-ins are bound to registered terminals, one whose terminal was struck off is none."""
        if self._settings.terminal_binding != "all":
            return True
        return login.terminal_court is not None and terminal_serves(login.terminal_court, login.actor.court_code)

    def court_name(self, code: str) -> str:
        """A court's name, or its code while that is not known."""
        return self.names.courts.get(code, code)[:100]

    def officer(self, kit_id: str) -> str:
        """Who carries a kit, or its id while that is not known."""
        return (self.names.officers.get(kit_id) or kit_id)[:100]


def may_listen(actor: Actor, session: OpenSession) -> bool:
    """Whether a person may hear a session: who may see it or speak in it."""
    return may_watch(actor, session) or may_talk(actor, session)


__all__ = ["Names", "Rights", "Standing", "may_listen", "may_publish", "may_talk", "may_watch"]
