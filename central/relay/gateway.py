"""A browser that takes a picture by way of the gateway: who he is, what he sends, and what he is sent here."""

from __future__ import annotations

import asyncio

from central.relay import wire
from central.relay.bounds import guard_viewer
from central.relay.line import Line
from central.relay.outlets.janus import Seat
from central.relay.outlets.janus_api import JanusError
from central.relay.relay import Relay
from central.relay.sources import Looker
from contract.live import CLOSE_RESTARTING, Frame, LiveError, Type, Want, read_control


async def show_by_gateway(relay: Relay, looker: Looker, line: Line, stream: int) -> None:
    """Show a source until the connection ends; he counts as who watches from the moment he can see something."""
    gateway, exchange, outflow = relay.gateway, relay.exchange, looker.viewer.outflow
    now = asyncio.get_running_loop().time
    seat = Seat(line)

    def begin() -> None:
        if line.is_closing or not exchange.is_in(looker.source_id, looker.viewer.session_id):
            raise JanusError("the session has no such picture any more")
        exchange.add_looker(looker)

    def ask_key() -> None:
        source = exchange.sources.get(looker.source_id)
        if source is not None and looker in source.lookers:  # nobody sees anything before he stands in the record
            exchange.switch(looker, Want(streams=[stream], key=True))

    def take_next() -> bytes | None:
        while gateway is not None and (message := outflow.take(now())) is not None:
            outflow.acknowledge(int.from_bytes(message[4:8], "big"), now())
            told = gateway.take(seat, message)
            if told is not None:
                return told
        return None

    def take(_message: bytes, frame: Frame) -> None:
        if frame.type is not Type.CONTROL:
            raise LiveError(f"A viewer does not send frames of type {frame.type.name}.")
        if seat.answer(bytes(frame.payload)):
            return
        control = read_control(frame)
        if not isinstance(control, Want):
            raise LiveError(f"A viewer does not send {type(control).__name__}.")
        ask_key()  # all a viewer can want here: the other stream has another mountpoint

    line.take_next = take_next
    if gateway is None:
        seat.tell("detour", reason="live_janus_url is not set")
        line.close(CLOSE_RESTARTING, "gateway")
        await wire.read(relay, line, guard_viewer(now()), take)
        return
    serving = asyncio.create_task(
        gateway.serve(
            seat,
            (looker.viewer.session_id, looker.source_id, stream),
            begin,
            ask_key,
        )
    )
    try:
        await wire.read(relay, line, guard_viewer(now()), take)
    finally:
        await serving
