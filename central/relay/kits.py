"""The kits' door of the relay: pictures and voice of proven kits in open sessions, and the cameras' own feed.

A kit proves itself as at the devices' door (`contract.door_auth`): a token over a fresh nonce, signed with its device
key. What it may be is decided by its certificate alone; nothing that it sends names another kit.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import msgspec
from anyio import to_thread

from central.devices import service as devices
from central.relay import wire
from central.relay.bounds import guard_pictures, guard_voice
from central.relay.line import Line, Receive, Send
from central.relay.relay import Relay
from central.relay.room import Participant
from central.relay.secret import FEED_PATH, read_secret
from central.relay.sources import CAMERA
from central.relay.wire import Closed, Scope
from central.sync.admission import Admission, Gate, read_certificate
from central.sync.proof import Nonces, ProofError, Prover, body_matches
from central.sync.registry import RegistryWatch
from contract import door_auth
from contract.live import CLOSE_ENDED, CLOSE_REFUSED, NONCE_PATH, PICTURE_PATH, VOICE_PATH

log = logging.getLogger(__name__)

WATCH_EVERY_S: Final = 0.05  # a look at one file; a revocation waits no longer
_CAMERA: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class KitsDoor:
    """The application of the kits' listener (ASGI)."""

    def __init__(self, relay: Relay) -> None:
        settings, store = relay.settings, relay.store
        self.relay = relay
        self.directory = devices.KitDirectory()
        self.watch = RegistryWatch(settings, store, self.directory)
        self.watch.poll()
        gate = Gate(read_certificate(Path(settings.keys_dir) / "kits-ca.crt"), self.directory)
        self.nonces = Nonces(store.clock)
        self.prover = Prover(gate, self.nonces, store.clock)
        self._secret = read_secret(settings)
        self._lines: dict[str, dict[Line, Admission]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        path = scope["path"]
        if scope["type"] == "http":
            await self._answer(scope, send)
        elif scope["type"] == "websocket":
            if path in (PICTURE_PATH, VOICE_PATH):
                await self._serve_kit(scope, receive, send)
            elif path.startswith(FEED_PATH):
                await self._serve_camera(scope, receive, send, path.removeprefix(FEED_PATH))
            else:
                await wire.reject(send, 404, b"{}")

    async def _answer(self, scope: Scope, send: Send) -> None:
        if scope["path"] != NONCE_PATH or scope["method"] != "GET":
            await wire.respond(send, 404, b"{}")
            return
        is_several = wire.query(scope, "several") == "true"
        more = [self.nonces.make() for _ in range(door_auth.MAX_NONCES_AT_ONCE - 1)] if is_several else []
        body = {"nonce": self.nonces.make(), "now_ms": self.relay.store.clock.now_ms(), "more": more}
        await wire.respond(send, 200, msgspec.json.encode(body))

    # -- kits

    async def _serve_kit(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            wire.check_room(self.relay)
            admission = await self._prove(scope)
        except ProofError as error:
            self.relay.count_refusal(error.problem.removeprefix(door_auth.PROBLEM_PREFIX))
            body = msgspec.json.encode({"type": error.problem, "status": error.status, "detail": str(error)})
            await wire.reject(send, error.status, body, [self._next_nonce()])
            return
        except Closed as closed:
            await wire.refuse(scope, receive, send, self.relay, closed)
            return
        kit_id = admission.kit.kit_id
        if not self.relay.exchange.sessions_of(kit_id):
            await self.relay.refresh()  # its call may be younger than the last look
        if not self.relay.exchange.sessions_of(kit_id):
            await wire.refuse(scope, receive, send, self.relay, Closed(CLOSE_ENDED, "ended"))
            return
        line = await wire.accept(scope, receive, send, [self._next_nonce()])
        serve = self._take_pictures if scope["path"] == PICTURE_PATH else self._take_voice
        await self._within_certificate(line, admission, serve(line, kit_id))

    async def _prove(self, scope: Scope) -> Admission:
        authorization, path = wire.header(scope, "authorization"), scope["path"]
        proof = await to_thread.run_sync(lambda: self.prover.check(authorization, method="GET", path=path))
        if not body_matches(proof, door_auth.EMPTY_BODY_DIGEST):
            raise ProofError(401, door_auth.BAD_TOKEN, "The token speaks of a body: sign the digest of an empty one.")
        return proof.admission

    async def _within_certificate(self, line: Line, admission: Admission, serving: Awaitable[None]) -> None:
        """Serve as long as the certificate holds: it may be revoked at any moment, and it ends at one."""
        kit_id = admission.kit.kit_id
        lines = self._lines.setdefault(kit_id, {})
        lines[line] = admission
        left_s = (admission.until_ms - self.relay.store.clock.now_ms()) / 1000
        # Loops measure no more than a day reliably; a session is over by then.
        end = asyncio.get_running_loop().call_later(min(left_s, 86_400.0), line.close, CLOSE_REFUSED, "expired")
        if self.directory.find_by_serial(admission.serial) is None:  # revoked since it was judged
            line.close(CLOSE_REFUSED, "revoked")
        try:
            await serving
        finally:
            end.cancel()
            lines.pop(line, None)
            if not lines:
                self._lines.pop(kit_id, None)

    async def _take_pictures(self, line: Line, kit_id: str) -> None:
        if line.is_closing:
            await line.run(lambda _message: None)
            return
        exchange = self.relay.exchange
        source = exchange.attach(kit_id, line)
        guard = guard_pictures(asyncio.get_running_loop().time())
        try:
            await wire.read(
                self.relay, line, guard, lambda message, frame: exchange.take(source, line, message, frame)
            )
        finally:
            exchange.detach(kit_id, line)

    async def _take_voice(self, line: Line, kit_id: str) -> None:
        if line.is_closing:
            await line.run(lambda _message: None)
            return
        rooms = self.relay.rooms
        kit = Participant(kit_id, self.relay.rights.officer(kit_id), line)
        rooms.join(kit)
        source = self.relay.exchange.sources.get(kit_id)
        if source is not None:
            rooms.tell_watchers(kit_id, source.watchers)
        guard = guard_voice(asyncio.get_running_loop().time())
        try:
            await wire.read(self.relay, line, guard, lambda message, frame: rooms.take(kit, message, frame))
        finally:
            rooms.leave(kit)

    # -- cameras

    async def _serve_camera(self, scope: Scope, receive: Receive, send: Send, camera_id: str) -> None:
        given = wire.header(scope, "authorization").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._secret.encode()) or not _CAMERA.fullmatch(camera_id):
            self.relay.count_refusal("camera")
            await wire.reject(send, 401, b"{}")
            return
        line = await wire.accept(scope, receive, send)
        exchange, source_id = self.relay.exchange, CAMERA + camera_id
        source = exchange.attach(source_id, line)
        guard = guard_pictures(asyncio.get_running_loop().time())
        try:
            await wire.read(
                self.relay, line, guard, lambda message, frame: exchange.take(source, line, message, frame)
            )
        finally:
            exchange.detach(source_id, line)

    # -- the register

    async def follow_register(self) -> None:
        """Shut revoked kits out at once; no database is waited for. What outlasts us hears of it afterwards."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if self.watch.has_changed():
                try:
                    self._cut(await to_thread.run_sync(self.watch.look))
                except OSError as error:
                    log.error("relay: the register cannot be read: %s", error)
            if self.watch.is_due:
                await to_thread.run_sync(self.watch.apply)

    def _cut(self, kit_ids: list[str]) -> None:
        for kit_id in kit_ids:
            for line in list(self._lines.get(kit_id, {})):
                line.close(CLOSE_REFUSED, "revoked")
        self.relay.cut_kits(kit_ids)

    def _next_nonce(self) -> tuple[bytes, bytes]:
        return door_auth.NONCE_HEADER.lower().encode(), self.nonces.make().encode()
