"""Binds the RTSP outlet to the grants in the database: which hold, and what secret they ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import foreign_rules, outlets
from central.relay.outlets.adapter import Pictures
from central.relay.outlets.rtsp import Opening, RtspOutlet

_LOG = logging.getLogger(__name__)


class Grants:
    """Looks grants up, in worker threads."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._keyring: Keyring | None = None

    async def find(self, grant_id: str) -> Opening | None:
        """The grant of that id if it holds now; raises DomainError when its seal does not open."""
        return await asyncio.to_thread(self._find, grant_id) if len(grant_id) <= 32 else None

    async def still_open(self, ids: Iterable[str]) -> set[str]:
        """Which of these grants hold now."""
        return await asyncio.to_thread(self._list, list(ids))

    def _find(self, grant_id: str) -> Opening | None:
        with self._store.read() as session:
            held = outlets.find_held(session, grant_id, self._store.clock.now_ms())
        if held is None:
            return None
        self._keyring = self._keyring or load_keyring(Path(self._settings.keys_dir))
        secret = self._keyring.open(foreign_rules.SECRET_FIELD, held.id, held.secret_cipher)
        return Opening(held.id, held.session_id, held.source, held.stream, held.system, secret)

    def _list(self, ids: list[str]) -> set[str]:
        with self._store.read() as session:
            return {held.id for held in outlets.list_held(session, ids, self._store.clock.now_ms())}


def make_outlet(settings: Settings, store: Store, pictures: Pictures) -> RtspOutlet:
    """The outlet over the database's grants."""
    grants = Grants(settings, store)
    return RtspOutlet(pictures, grants.find, grants.still_open)


async def start_outlet(outlet: RtspOutlet, settings: Settings) -> None:
    """Listen if the settings say so; a port that cannot be had costs the outlet alone, and nobody's session."""
    if not settings.live_rtsp_port:
        return
    try:
        await outlet.start(settings.live_rtsp_host, settings.live_rtsp_port)
    except OSError as error:
        _LOG.error(
            "relay: no outlet on live_rtsp_host %s with live_rtsp_port %d (%s): end the program that holds the port, "
            "or set another one, and start the relay again",
            settings.live_rtsp_host,
            settings.live_rtsp_port,
            error.strerror,
        )
