"""The zone's gate: answers the broker who may connect, and ends the sessions of whoever is revoked.

It needs the signed register and the kits' CA, and works whether the inside is there or not. It reads no message.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

from central.base.clock import SystemClock
from central.base.settings import Settings
from central.devices.service import KitDirectory
from central.sync.admission import Admission, Gate, RefusedError, read_certificate
from central.sync.callout import Callout
from central.sync.links import open_links
from central.sync.registry import ZoneRegister
from central.sync.sessions import Sessions
from central.sync.station import RECONCILE_S, REGISTRY_EVERY_S

log = logging.getLogger(__name__)


def main(settings: Settings) -> None:
    """Guard the broker until SIGINT or SIGTERM."""
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ZoneGate(settings).run(stop)


class ZoneGate:
    """The callout and the ending of sessions, over the register file alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = KitDirectory()
        self._watch = ZoneRegister(settings, self._directory)
        self._gate = Gate(read_certificate(Path(settings.keys_dir) / "kits-ca.crt"), self._directory)
        self._sessions = Sessions(self._changed)
        self._admitted_with: dict[str, str] = {}
        self._errands: set[asyncio.Task[int]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``."""
        once_revoked = await asyncio.to_thread(self._watch.poll)
        async with open_links(self._settings, stop) as links:
            if links is None or links.callout is None or links.system is None or links.secrets is None:
                return
            callout = Callout(
                links.secrets.issuer(),
                self._gate,
                SystemClock(),
                on_admitted=self._admitted,
                on_refused=self._refused,
            )
            await callout.start(links.callout)
            await self._sessions.start(links.system)
            for kit_id in once_revoked:
                await self._sessions.end(kit_id)
            log.info("gate: ready")
            works = [asyncio.create_task(self._follow_register()), asyncio.create_task(self._reconcile())]
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([*works, stopping], return_when=asyncio.FIRST_COMPLETED)
            for work in works:
                if work.done():
                    work.result()  # a work that fails takes the process with it: the supervisor starts it anew
                work.cancel()

    async def _follow_register(self) -> None:
        while True:
            await asyncio.sleep(REGISTRY_EVERY_S)
            try:
                if self._watch.has_changed():
                    gone = await asyncio.to_thread(self._watch.look)
                    await asyncio.gather(*(self._sessions.end(kit_id) for kit_id in gone))
                if self._watch.is_due:
                    await asyncio.to_thread(self._watch.apply)
            except OSError as error:
                log.error("gate: the register cannot be read or kept: %s", error)

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_S)
            await self._sessions.reconcile()

    def _admitted(self, admission: Admission) -> None:
        self._admitted_with[admission.kit.kit_id] = admission.serial

    def _refused(self, client_id: str, refusal: RefusedError) -> None:
        log.warning("gate: %r is not let in: %s", client_id[:64], refusal)

    def _changed(self, kit_id: str, connected: bool, _reason: str) -> None:
        serial = self._admitted_with.get(kit_id)
        barred = self._directory.find(kit_id) is None or (
            serial is not None and self._directory.find_by_serial(serial) is None
        )
        if connected and barred:  # it was let in while its revocation was on the way
            task = asyncio.get_running_loop().create_task(self._sessions.end(kit_id))
            self._errands.add(task)
            task.add_done_callback(self._errands.discard)
