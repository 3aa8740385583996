"""What the broker's list says of a session counts only while no event has told more since it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from central.sync.sessions import Sessions

KIT = "dl-2901-01"
Callback = Callable[[Any], Awaitable[None]]


class SlowBroker:
    """A double for the one thing that no real broker does on request: an event between a list and its arrival."""

    def __init__(self) -> None:
        self.events: dict[str, Callback] = {}
        self.listed: list[int] = []
        self.meanwhile: list[tuple[str, int]] = []
        self.kicked: list[int] = []

    async def subscribe(self, subject: str, cb: Callback) -> None:
        self.events[subject.rsplit(".", 1)[-1]] = cb

    async def request(self, subject: str, body: bytes, timeout: float) -> SimpleNamespace:
        if subject.endswith(".KICK"):
            self.kicked.append(msgspec.json.decode(body)["cid"])
            return SimpleNamespace(data=b"{}")
        connections = [{"cid": cid, "type": "mqtt", "authorized_user": KIT} for cid in self.listed]
        for kind, cid in self.meanwhile:
            client = {"id": cid, "user": KIT, "client_type": "mqtt"}
            told = {"server": {"id": "S"}, "client": client, "reason": "gone"}
            await self.events[kind](SimpleNamespace(data=msgspec.json.encode(told)))
        data = {"total": len(connections), "connections": connections}
        return SimpleNamespace(data=msgspec.json.encode({"server": {"id": "S"}, "data": data}))


@pytest.mark.parametrize(
    ("before", "meanwhile", "cut", "told"),
    [
        ([], [("CONNECT", 7)], [7], [(True, "")]),
        ([5], [("DISCONNECT", 5)], [], [(True, ""), (False, "gone")]),
        ([5], [("CONNECT", 7), ("DISCONNECT", 5)], [7], [(True, "")]),
    ],
    ids=["comes", "goes", "is taken over"],
)
def test_an_event_while_the_list_is_on_its_way_counts(
    before: list[int], meanwhile: list[tuple[str, int]], cut: list[int], told: list[tuple[bool, str]]
) -> None:
    broker, changes = SlowBroker(), []
    sessions = Sessions(lambda kit_id, connected, reason: changes.append((connected, reason)))

    async def work() -> None:
        broker.listed = before
        await sessions.start(broker)  # type: ignore[arg-type]
        broker.meanwhile = meanwhile
        await sessions.reconcile()
        await sessions.end(KIT)

    asyncio.run(work())
    assert broker.kicked == cut, "a revocation finds the session that stands, and no other"
    assert changes == told
