"""Load on the relay: kits that send pictures and viewers who acknowledge every one of them, each over TLS.

Run as a process of its own, so that its CPU is not the relay's: ``python -m bench.relay_load PLAN.json`` reads a
:class:`Plan`, prints ``begin`` and ``end`` around what is counted, then one :class:`Result` as JSON.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from contract.live import HEADER, KEY, WANTS_ACK, Init, Type, Want, pack, pack_init, read_control, unpack

_VIDEO, _CONTROL, _ACK = int(Type.VIDEO), int(Type.CONTROL), int(Type.ACK)
_READY_WITHIN_S: Final = 60.0
_GRACE_S: Final = 2.0
_FOR_EVER: Final = 2**32
_OPENING: Final = 4
"""Handshakes at the same time: the rest waits."""


class End(msgspec.Struct, kw_only=True):
    """One connection: where to, as whom, and of which kit."""

    kit_id: str
    url: str
    headers: dict[str, str]
    origin: str = ""


class Plan(msgspec.Struct, kw_only=True):
    """Who sends and who looks; the first picture of each second is a key frame."""

    ca_file: str
    kits: list[End]
    viewers: list[End]
    pictures_per_s: int
    key_bytes: int
    other_bytes: int
    settle_s: float
    count_s: float


class Result(msgspec.Struct, kw_only=True):
    """What was sent and what came while it counted; ``cpu_s`` is this process's own."""

    sent: int
    expected: int
    delivered: int
    seconds: float
    cpu_s: float
    sent_in_all: int


class _Kit:
    """A camera that sends in time, whether or not anything is acknowledged."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.phase_s = number / len(plan.kits)  # cameras do not keep step: their key frames are spread
        self.key, self.other = os.urandom(plan.key_bytes), os.urandom(plan.other_bytes)
        self.seq = 0
        self.first, self.last = _FOR_EVER, _FOR_EVER
        self.wanted = asyncio.Event()
        self.lacks_key = True

    async def listen(self, connection: ClientConnection) -> None:
        async for message in connection:
            if message[0] == _CONTROL and isinstance(want := read_control(unpack(message)), Want):
                self.lacks_key = self.lacks_key or want.key
                if want.streams:
                    self.wanted.set()

    async def send(self, connection: ClientConnection) -> None:
        await self.wanted.wait()
        await connection.send(pack_init(Init(codec="avc1.42C01F", width=1280, height=720, fps=25)))
        loop = asyncio.get_running_loop()
        step_s = 1 / self.plan.pictures_per_s
        due_s = loop.time() + self.phase_s
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            due_s += step_s
            is_key, self.lacks_key = self.lacks_key or self.seq % self.plan.pictures_per_s == 0, False
            self.seq += 1
            await connection.send(
                pack(
                    Type.VIDEO,
                    self.key if is_key else self.other,
                    flags=WANTS_ACK | (KEY if is_key else 0),
                    seq=self.seq,
                    time_us=time.time_ns() // 1000,
                )
            )


class _Viewer:
    """Reads, counts each picture once, and acknowledges what is to be acknowledged."""

    def __init__(self, kit: _Kit) -> None:
        self.kit = kit
        self.counted = 0
        self.shown = asyncio.Event()

    async def look(self, connection: ClientConnection) -> None:
        newest = 0
        async for message in connection:
            kind, flags, _, seq, _ = HEADER.unpack_from(message)
            if kind != _VIDEO:
                continue
            if flags & WANTS_ACK:
                await connection.send(HEADER.pack(_ACK, 0, 0, seq, 0))
            if seq > newest:
                newest = seq
                self.counted += self.kit.first <= seq < self.kit.last
                self.shown.set()


async def run_load(plan: Plan) -> Result:
    """Connect all, let them settle, count, and wait for what is under way."""
    kits = [_Kit(plan, number) for number in range(len(plan.kits))]
    by_id = {end.kit_id: kit for end, kit in zip(plan.kits, kits, strict=True)}
    viewers = [_Viewer(by_id[end.kit_id]) for end in plan.viewers]
    context = ssl.create_default_context(cafile=plan.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    async with AsyncExitStack() as stack:
        works: list[asyncio.Task[None]] = []
        sockets = [await _dial(stack, context, end) for end in plan.kits]
        for kit, socket in zip(kits, sockets, strict=True):
            works += (asyncio.create_task(kit.listen(socket)), asyncio.create_task(kit.send(socket)))
        pairs = list(zip(viewers, plan.viewers, strict=True))
        for some in _groups(pairs, _OPENING):
            opened = await asyncio.gather(*(_dial(stack, context, end) for _, end in some))
            works += (asyncio.create_task(one.look(socket)) for (one, _), socket in zip(some, opened, strict=True))
        try:
            return await _count(plan, kits, viewers, works)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)


async def _count(plan: Plan, kits: list[_Kit], viewers: list[_Viewer], works: list[asyncio.Task[None]]) -> Result:
    async with asyncio.timeout(_READY_WITHIN_S):
        await asyncio.gather(*(viewer.shown.wait() for viewer in viewers))
    await asyncio.sleep(plan.settle_s)
    for kit in kits:
        kit.first = kit.seq + 1
    print("begin", flush=True)
    began_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(plan.count_s)
    for kit in kits:
        kit.last = kit.seq + 1
    print("end", flush=True)
    seconds, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    await asyncio.sleep(_GRACE_S)
    if ended := [work for work in works if work.done()]:
        raise ConnectionError(f"{len(ended)} connections ended; one of them: {ended[0]!r}")
    return Result(
        sent=sum(kit.last - kit.first for kit in kits),
        expected=sum(viewer.kit.last - viewer.kit.first for viewer in viewers),
        delivered=sum(viewer.counted for viewer in viewers),
        seconds=seconds,
        cpu_s=cpu_s,
        sent_in_all=sum(kit.seq for kit in kits),
    )


async def _dial(stack: AsyncExitStack, context: ssl.SSLContext, end: End) -> ClientConnection:
    return await stack.enter_async_context(
        connect(
            end.url,
            ssl=context,
            additional_headers=end.headers,
            origin=end.origin or None,  # type: ignore[arg-type]
            compression=None,
            proxy=None,
            open_timeout=30,
            close_timeout=0.3,
            ping_interval=None,
        )
    )


def _groups(items: list[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


if __name__ == "__main__":
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(run_load(plan))).decode(), flush=True)
