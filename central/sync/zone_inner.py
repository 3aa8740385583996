"""The zone's inner door: what the inside fetches, answers and brings. Only who shows a services' certificate enters.

The zone opens no connection itself: the inside asks, and its question stays open until something is held.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath

from central.base.settings import Settings
from central.sync.door import make_app
from central.sync.problems import ProblemError
from central.sync.registry import REGISTRY_FILE, TRUST_FILE, read_root_key, replace_durably
from central.sync.zone_door import ZoneDoor
from central.sync.zone_store import Held, Verdict
from contract import door_auth
from contract.signing import BadSignatureError, CodecError
from contract.trust import StaleListError, verify_registry, verify_trust_list

MAX_WAIT_S: Final = 20
PAGE: Final = 50
MAX_LIST_BYTES: Final = 8 * 1024 * 1024
FILES: Final = {"registry": REGISTRY_FILE, "trust": TRUST_FILE}
# The inside hands over the register without people; in the zone it lies under the register's own name.
INSIDE_FILES: Final = {"registry": "registry-zone.cbor", "trust": TRUST_FILE}
NOTHING_SUCH: Final = door_auth.PROBLEM_PREFIX + "nothing-such"

Name = Annotated[str, InPath(pattern="^[0-9a-f]{32}-[0-9a-f]{64}$")]
ListName = Annotated[str, InPath(pattern="^(registry|trust)$")]


class ZoneState(msgspec.Struct, frozen=True):
    """What the inside is told whenever it asks: what is held, and how the zone does."""

    held: list[Held]
    digests: dict[str, str]
    """SHA-256 of the authority's lists as they lie in the zone; "" for none."""
    count: int
    size_bytes: int
    is_nearly_full: bool
    refusals: dict[str, int]
    """Problems told to kits since the zone's door was started, by type."""


def create_inner_app(door: ZoneDoor) -> FastAPI:
    """The application that the inside reaches."""
    app = make_app(door.count_problem)

    @app.get("/inside/held")
    async def list_held(
        after: Annotated[int, Query(ge=0)] = 0, wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0
    ) -> Response:
        async with door.inside.asking():
            held = door.store.list_held(after=after, count=PAGE)
            if not held and wait_s:
                door.inside.held.clear()
                try:
                    async with asyncio.timeout(wait_s):
                        await door.inside.held.wait()
                except TimeoutError:
                    pass
                held = door.store.list_held(after=after, count=PAGE)
            return _as_json(_describe(door, held))

    @app.get("/inside/held/{name}")
    async def give_body(name: Name) -> Response:
        try:
            body = await to_thread.run_sync(door.store.read_body, name)
        except FileNotFoundError as error:
            raise ProblemError(404, NOTHING_SUCH, "Nothing of this name is held: ask what is.") from error
        return Response(body, media_type="application/octet-stream")

    @app.put("/inside/held/{name}")
    async def take_verdict(request: Request, name: Name) -> Response:
        verdict = _read(await request.body(), Verdict)
        return await _settle(door, name, lambda: door.store.settle(name, verdict))

    @app.delete("/inside/held/{name}")
    async def set_aside(name: Name) -> Response:
        return await _settle(door, name, lambda: door.store.set_aside(name))

    @app.put("/inside/lists/{what}")
    async def take_list(request: Request, what: ListName) -> Response:
        await to_thread.run_sync(_put_list, door.settings, what, await request.body())
        if door.follow is not None:
            await door.follow()  # whoever brings it may rely on it
        return Response(status_code=204)

    return app


async def _settle(door: ZoneDoor, name: str, act: Callable[[], bool]) -> Response:
    if not await to_thread.run_sync(act):
        raise ProblemError(404, NOTHING_SUCH, "Nothing of this name is held: it was answered before.")
    door.inside.tell_answered(name)
    return Response(status_code=204)


def _describe(door: ZoneDoor, held: list[Held]) -> ZoneState:
    store = door.store
    return ZoneState(
        held=held,
        digests={what: digest_list(door.settings, what) for what in FILES},
        count=store.held_count,
        size_bytes=store.held_bytes,
        is_nearly_full=store.is_nearly_full,
        refusals=dict(door.refusals),
    )


def digest_list(settings: Settings, what: str) -> str:
    """SHA-256 (hex) of one of the authority's lists in the hand-over folder; "" when it is not there."""
    data = read_list(settings, what)
    return hashlib.sha256(data).hexdigest() if data else ""


def read_list(settings: Settings, what: str) -> bytes:
    """One of the authority's lists in the hand-over folder; empty when it is not there."""
    names = INSIDE_FILES if settings.role == "inside" else FILES
    try:
        return (Path(settings.handover_dir) / names[what]).read_bytes()
    except FileNotFoundError:
        return b""


def _put_list(settings: Settings, what: str, data: bytes) -> None:
    """Put one of the authority's lists in place when it is the authority's and not older than the one there.

    Raises ProblemError (409) otherwise.
    """
    try:
        root, present = read_root_key(settings), read_list(settings, what)
        epoch = _read_epoch(root, what, present, 0) if present else 0
        _read_epoch(root, what, data, epoch)
    except (CodecError, BadSignatureError, StaleListError) as error:
        raise ProblemError(409, door_auth.BAD_REQUEST, f"The list is not taken: {error}") from error
    if data != present:
        folder = Path(settings.handover_dir)
        folder.mkdir(parents=True, exist_ok=True)
        replace_durably(folder / FILES[what], data)


def _read_epoch(root: EllipticCurvePublicKey, what: str, data: bytes, not_before: int) -> int:
    if len(data) > MAX_LIST_BYTES:
        raise CodecError("The list is too long.")
    verify = verify_registry if what == "registry" else verify_trust_list
    return verify(root, data, not_before_epoch=not_before).epoch


def _read(data: bytes, shape: type[Verdict]) -> Verdict:
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.MsgspecError as error:
        raise ProblemError(400, door_auth.BAD_REQUEST, f"The verdict cannot be read: {error}.") from error


def _as_json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
