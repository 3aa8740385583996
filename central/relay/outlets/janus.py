"""Pictures through a Janus gateway: WebRTC for many viewers, by setting (decision 0040).

One mountpoint for each picture of a session somebody takes this way, fed with RTP while somebody looks. The relay
speaks to Janus on a browser's behalf, so that who may look is judged here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from central.base.settings import Settings
from central.relay.line import Line
from central.relay.outlets.janus_api import JanusApi, JanusError
from central.relay.outlets.rtp import H264, Packer, split_units
from contract.live import CLOSE_RESTARTING, HEADER, Type, pack, read_init, unpack

LOOK_S: Final = 0.1
MAX_SDP: Final = 32_000
Key = tuple[str, str, int]
"""Session, source, stream."""
_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class Mount:
    """A mountpoint of the gateway. Its first viewer's pictures feed it; the others' are the same."""

    key: Key
    port: int
    secrets: dict[str, Any]
    viewers: list[Seat] = field(default_factory=list)
    packer: Packer = field(default_factory=lambda: Packer(secrets.randbits(32), secrets.randbits(15)))
    needs_key: bool = True


@dataclass(eq=False)
class Seat:
    """One browser that looks through the gateway."""

    line: Line
    answered: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    place: str = ""
    mount: Mount | None = None

    def tell(self, kind: str, **values: str) -> None:
        """A message of the signalling (not of the kits' contract): offer, up, detour."""
        self.line.put(pack(Type.CONTROL, msgspec.json.encode({"type": kind, **values})))

    def answer(self, payload: bytes) -> bool:
        """Take the browser's answer; False when it is none."""
        try:
            found = msgspec.json.decode(payload) if len(payload) <= MAX_SDP else None
        except msgspec.DecodeError:
            return False
        if not isinstance(found, dict) or found.get("type") != "answer" or not isinstance(found.get("sdp"), str):
            return False
        if not self.answered.full():
            self.answered.put_nowait(found["sdp"])
        return True


class JanusGateway:
    """The gateway of `live_janus_url`; belongs to the relay's loop."""

    def __init__(self, api: JanusApi) -> None:
        self._api = api
        self.mounts: dict[Key, Mount] = {}
        self._lock = asyncio.Lock()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setblocking(False)

    async def close(self) -> None:
        """No more pictures."""
        self._udp.close()
        await self._api.close()

    async def serve(self, seat: Seat, key: Key, begin: Callable[[], None], ask_key: Callable[[], None]) -> None:
        """Show a picture until the seat's line closes. `begin` is called when the viewer starts to watch.

        Whatever Janus fails at is told to the browser, which then takes the picture from the relay itself.
        """
        work = asyncio.create_task(self._negotiate(seat, key, begin, ask_key))
        try:
            while not seat.line.is_closing and not seat.line.is_over and not work.done():
                await asyncio.wait({work}, timeout=LOOK_S)
            if work.done() and not work.cancelled() and (error := work.exception()) is not None:
                _LOG.warning("relay: a picture does not come by Janus: %s", error)
                seat.tell("detour", reason=str(error)[:200])
                seat.line.close(CLOSE_RESTARTING, "gateway")
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.shield(self._leave(seat))

    async def _negotiate(self, seat: Seat, key: Key, begin: Callable[[], None], ask_key: Callable[[], None]) -> None:
        seat.place = await self._api.open()
        mount = await self._join(seat, key)
        await self._api.ask(seat.place, {"request": "watch", "id": mount.secrets["id"], "pin": mount.secrets["pin"]})
        async for event in self._api.events(seat.place):
            data = event.get("plugindata", {}).get("data", {})
            if event.get("janus") in ("hangup", "timeout", "detached") or "error" in data:
                raise JanusError(str(data.get("error") or event.get("reason") or event["janus"]))
            if event.get("jsep", {}).get("type") == "offer":
                seat.tell("offer", sdp=event["jsep"]["sdp"])
                async with asyncio.timeout(10):
                    answer = await seat.answered.get()
                begin()
                await self._api.ask(seat.place, {"request": "start"}, {"type": "answer", "sdp": answer})
            elif event.get("janus") == "webrtcup":
                seat.tell("up")
                ask_key()

    async def _join(self, seat: Seat, key: Key) -> Mount:
        async with self._lock:
            mount = self.mounts.get(key) or await self._make(seat.place, key)
            self.mounts[key] = seat.mount = mount
            mount.viewers.append(seat)
            return mount

    async def _make(self, place: str, key: Key) -> Mount:
        own: dict[str, Any] = {name: secrets.token_urlsafe(18) for name in ("pin", "secret")}
        own["id"] = secrets.randbits(52) + 1
        wanted: dict[str, Any] = own | {"is_private": True, "permanent": False, "bufferkf": True}
        media = {"type": "video", "mid": "v", "label": "v", "codec": "h264", "pt": H264, "port": 0}
        media |= {"fmtp": "profile-level-id=42e01f;packetization-mode=1", "iface": "127.0.0.1"}
        port = await self._api.create(place, wanted | {"media": [media]})
        return Mount(key, port, own)

    async def _leave(self, seat: Seat) -> None:
        """Cut the viewer, and the mountpoint with its last one; a Janus that is gone has cut both."""
        mount, seat.mount = seat.mount, None
        try:
            if mount is not None:
                was_feeder = mount.viewers[0] is seat
                mount.viewers.remove(seat)
                mount.needs_key = mount.needs_key or was_feeder
                if not mount.viewers:
                    self.mounts.pop(mount.key, None)
                    asked = {"request": "destroy", "id": mount.secrets["id"], "secret": mount.secrets["secret"]}
                    await self._api.ask(seat.place, asked)
            if seat.place:
                await self._api.end(seat.place)
        except JanusError as error:
            _LOG.info("relay: Janus did not take the end of a picture: %s", error)

    def take(self, seat: Seat, message: bytes) -> bytes | None:
        """A frame for this viewer: pictures go to the mountpoint; what its browser is sent instead, or None.

        Of a key frame the browser gets the header, so that it knows how old the picture is.
        """
        frame = unpack(message)
        if frame.type is Type.INIT and not read_init(frame).codec.startswith("avc1"):
            seat.tell("detour", reason="this picture is no H.264")
            seat.line.close(CLOSE_RESTARTING, "gateway")
        if frame.type is not Type.VIDEO:
            return message
        mount = seat.mount
        if mount is not None and mount.viewers[0] is seat and (frame.is_key or not mount.needs_key):
            mount.needs_key = False
            for packet in mount.packer.pack(split_units(frame.payload), frame.time_us):
                try:
                    self._udp.sendto(packet, ("127.0.0.1", mount.port))
                except OSError:  # nobody takes it (any more), or too much at once: the next key frame mends it
                    mount.needs_key = True
                    break
        return message[: HEADER.size] if frame.is_key else None


def make_gateway(settings: Settings) -> JanusGateway | None:
    """The gateway the settings name; None without one. Raises OSError when its secret cannot be read."""
    if not settings.live_janus_url:
        return None
    name = settings.live_janus_secret_file
    return JanusGateway(JanusApi(settings.live_janus_url, Path(name).read_text().strip() if name else ""))
