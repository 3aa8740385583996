"""The inside's hand in the zone: fetches what kits brought, lets the door in here answer it, brings the answer back.

Every connection is opened from here. A held request is judged once more by the kit's own proof; only whether it is
fresh was the zone's to say, and a repeat changes nothing. The door in this process listens nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import uvloop
from anyio import to_thread
from cryptography import x509
from sqlalchemy.exc import OperationalError

from central.base.bus import zone_tls
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.devices import service as devices
from central.sync.door import Door, create_app
from central.sync.door_process import lifespan_of, make_door
from central.sync.proof import Nonces
from central.sync.zone_inner import INSIDE_FILES, ZoneState, digest_list, read_list
from central.sync.zone_store import Held, Verdict
from contract import door_auth

log = logging.getLogger(__name__)

ASK_S: Final = 5.0
TIMEOUT_S: Final = 30.0
RETRY_S: Final = 1.0
LATER_S: Final = 5.0
AT_ONCE: Final = 4
LISTS_EVERY_S: Final = 0.05  # a revocation waits no longer
# The zone says how long ago it was asked; the answer of these is worth waiting for here, not at the kit.
BUSY: Final = frozenset({408, 425, 429})


class PastNonces(Nonces):
    """For requests that were held: the zone said whether their nonce was fresh, days ago perhaps."""

    def use(self, nonce: str) -> bool:
        """Take any; a request held twice is the same request, and changes nothing."""
        return bool(nonce)


def main(settings: Settings) -> None:
    """Fetch until SIGINT or SIGTERM."""
    store = open_store(settings)
    try:
        uvloop.run(_run(settings, store))
    finally:
        store.close()


async def _run(settings: Settings, store: Store) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door, watch = await to_thread.run_sync(make_door, settings, store, PastNonces(store.clock))
    app = create_app(door)
    limits = httpx.Limits(max_connections=AT_ONCE + 4)
    async with (
        lifespan_of(door, watch)(app),
        httpx.AsyncClient(
            base_url=settings.zone_url, verify=zone_tls(settings), timeout=TIMEOUT_S, limits=limits
        ) as zone,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="https://inside"
        ) as own,
    ):
        log.info("zone link: ready")
        works = [asyncio.create_task(work) for work in ZoneLink(settings, door, zone=zone, own=own).works()]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*works, stopping], return_when=asyncio.FIRST_COMPLETED)
        for work in works:
            if work.done():
                work.result()
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


class ZoneLink:
    """``zone`` asks the zone's inner door, ``own`` the devices' door in this process."""

    def __init__(self, settings: Settings, door: Door, *, zone: httpx.AsyncClient, own: httpx.AsyncClient) -> None:
        self._settings = settings
        self._door = door
        self._zone = zone
        self._own = own
        self._later: dict[str, float] = {}
        self._zone_digests: dict[str, str] = {}
        self._told: dict[str, tuple[int, int, int] | None] = {}
        self._refusals: dict[str, int] = {}
        self._trouble = ""

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What to run beside each other, for ever."""
        return [self._fetch_forever(), self._bring_lists_forever()]

    # Held requests -------------------------------------------------------------------------------------------

    async def _fetch_forever(self) -> None:
        after = 0
        while True:
            try:
                state = await self._ask(after)
                await self._note(state)
                await self._work_off(state.held)
                after = state.held[-1].number if state.held and self._later else 0
                self._tell("")
            except (httpx.HTTPError, msgspec.MsgspecError) as error:
                self._tell(f"{type(error).__name__} {error}".strip())
                after = 0
                await asyncio.sleep(RETRY_S)

    async def _ask(self, after: int) -> ZoneState:
        wait_s = RETRY_S if self._later else ASK_S
        answer = await self._zone.get("/inside/held", params={"after": after, "wait_s": wait_s})
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=ZoneState)

    async def _work_off(self, items: list[Held]) -> None:
        """Segments beside each other, but what came before a chain record is answered before it, and after it."""
        now_s = time.monotonic()
        self._later = {name: until_s for name, until_s in self._later.items() if until_s > now_s}
        beside: list[Held] = []
        for held in (held for held in items if held.id not in self._later):
            if held.method == "PUT":
                beside.append(held)
            if len(beside) == AT_ONCE or held.method != "PUT":
                await self._handle_all(beside)
                beside = []
            if held.method != "PUT":
                await self._handle(held)
        await self._handle_all(beside)

    async def _handle_all(self, items: list[Held]) -> None:
        await asyncio.gather(*(self._handle(held) for held in items))

    async def _handle(self, held: Held) -> None:
        """Fetch one, have it answered, bring the answer; what cannot be answered now is fetched again later."""
        fetched = await self._zone.get(f"/inside/held/{held.id}")
        if fetched.status_code == 404:
            return
        fetched.raise_for_status()
        self._door.prover.learn_certificate(x509.load_der_x509_certificate(held.certificate))
        headers = {"Authorization": held.token, "Content-Type": held.media_type or "application/octet-stream"}
        answer = await self._own.request(held.method, held.path, content=fetched.content, headers=headers)
        is_revoked = answer.status_code == 403 and door_auth.REVOKED.encode() in answer.content
        if answer.status_code >= 500 or answer.status_code in BUSY or (is_revoked and not self._has_same_register()):
            self._later[held.id] = time.monotonic() + LATER_S
            return
        if is_revoked:
            log.warning("zone link: %s of %s set aside in the zone: it was revoked meanwhile", held.path, held.kit_id)
            (await self._zone.delete(f"/inside/held/{held.id}")).raise_for_status()
            return
        if held.path == door_auth.RENEWAL_PATH:
            await self._bring_list("registry")  # a kit that shows its new certificate is known in the zone by then
        verdict = Verdict(
            id=held.id,
            length=held.length,
            status=answer.status_code,
            media_type=answer.headers.get("content-type", ""),
            body=answer.content,
            retry_after=answer.headers.get("retry-after", ""),
        )
        brought = await self._zone.put(f"/inside/held/{held.id}", content=msgspec.json.encode(verdict))
        if brought.status_code != 404:
            brought.raise_for_status()

    def _has_same_register(self) -> bool:
        """Whether the zone lets in by the very register that is in force here."""
        return self._zone_digests.get("registry") == digest_list(self._settings, "registry")

    async def _note(self, state: ZoneState) -> None:
        self._zone_digests = state.digests
        if state.is_nearly_full:
            log.warning("zone link: the zone is nearly full: %d requests, %d bytes", state.count, state.size_bytes)
        fresh = {kind: count - self._refusals.get(kind, 0) for kind, count in state.refusals.items()}
        if any(count < 0 for count in fresh.values()):
            fresh = dict(state.refusals)  # the zone's door was started anew
        if any(fresh.values()):
            await to_thread.run_sync(self._count, fresh)
        self._refusals = dict(state.refusals)
        for what in INSIDE_FILES:
            if state.digests[what] != await to_thread.run_sync(digest_list, self._settings, what):
                await self._bring_list(what)

    def _count(self, refusals: dict[str, int]) -> None:
        try:
            with self._door.store.write() as uow:
                for kind, count in refusals.items():
                    devices.add_to_counter(uow, f"door.{kind}", count)
        except OperationalError as error:
            log.warning("zone link: counts not written (%s)", error.orig)

    # The authority's lists -----------------------------------------------------------------------------------

    async def _bring_lists_forever(self) -> None:
        """Bring register and trust list to the zone as soon as the authority hands them over in here."""
        while True:
            for what, name in INSIDE_FILES.items():
                stamp = _stamp(Path(self._settings.handover_dir) / name)
                if stamp is None or stamp == self._told.get(what):
                    continue
                try:
                    await self._bring_list(what)
                    self._told[what] = stamp
                except httpx.HTTPError as error:
                    self._tell(f"{type(error).__name__} {error}".strip())
                    await asyncio.sleep(RETRY_S)
            await asyncio.sleep(LISTS_EVERY_S)

    async def _bring_list(self, what: str) -> None:
        data = await to_thread.run_sync(read_list, self._settings, what)
        if not data:
            return
        answer = await self._zone.put(f"/inside/lists/{what}", content=data)
        if answer.status_code != 409:  # the zone was given a newer one: it lets in fewer than we would
            answer.raise_for_status()

    def _tell(self, trouble: str) -> None:
        # One line when it fails and one when it works again.
        if trouble and not self._trouble:
            log.warning("zone link: the zone cannot be reached: %s", trouble)
        elif self._trouble and not trouble:
            log.info("zone link: the zone is reached again")
        self._trouble = trouble


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
