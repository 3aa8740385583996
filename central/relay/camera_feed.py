"""One camera's line to the relay: pictures while somebody looks, and nothing fetched while nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import ssl
import threading
from collections.abc import Callable
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from central.base.settings import Settings
from central.relay.secret import FEED_PATH, read_secret
from contract import live

QUEUE: Final = 90
"""Pictures that may wait for the relay; beyond them all are dropped up to the next key frame."""
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
REFUSED_RETRY_S: Final = 30.0
"""A wrong password is not tried often: cameras lock the account."""
_LOG = logging.getLogger(__name__)

NoteState = Callable[[str, str], None]
"""(state, what it gives): told from a thread, at each change."""


class CameraFeed:
    """Runs until cancelled. `address` opens the camera, with user and password."""

    def __init__(self, settings: Settings, camera_id: str, address: str, note: NoteState) -> None:
        self._settings, self._camera_id, self._address, self._note = settings, camera_id, address, note
        self._wanted = asyncio.Event()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        self._needs_key = True
        self._number = itertools.count()

    async def run(self) -> None:
        """Keep the line to the relay, for ever."""
        for attempt in itertools.count():
            try:
                async with await self._connect() as line:
                    await self._serve(line)
            except (OSError, WebSocketException, TimeoutError) as error:
                _LOG.info("camera %s: no line to the relay (%s)", self._camera_id, type(error).__name__)
            finally:
                self._wanted.clear()
            await asyncio.sleep(RETRY_S[min(attempt, 2)])

    async def _connect(self) -> connect:
        settings = self._settings
        secret = await asyncio.to_thread(read_secret, settings)
        host = "127.0.0.1" if settings.live_kit_host in {"", "0.0.0.0"} else settings.live_kit_host  # noqa: S104
        url = f"wss://{host}:{settings.live_kit_port}{FEED_PATH}{self._camera_id}"
        headers = {"Authorization": f"Bearer {secret}"}
        return connect(
            url, ssl=trust_own_door(settings), additional_headers=headers, compression=None, proxy=None,
            max_size=live.MAX_CONTROL_BYTES * 2,
        )  # fmt: skip

    async def _serve(self, line: ClientConnection) -> None:
        works = [asyncio.create_task(self._fetch()), asyncio.create_task(self._send(line))]
        try:
            async for message in line:
                if isinstance(message, bytes):
                    self._hear(message)
        finally:
            self._wanted.clear()
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    def _hear(self, message: bytes) -> None:
        frame = live.unpack(message)
        control = live.read_control(frame) if frame.type is live.Type.CONTROL else None
        if isinstance(control, live.Want):
            (self._wanted.set if control.streams else self._wanted.clear)()

    async def _send(self, line: ClientConnection) -> None:
        while True:
            await line.send(await self._queue.get())

    async def _fetch(self) -> None:
        """Fetch while it is wanted; a camera that fails is tried again, less and less often."""
        failures = 0
        while True:
            await self._wanted.wait()
            grabber = _Grabber(self._address, asyncio.get_running_loop(), self._put, self._note)
            grabber.start()
            try:
                state = await self._until_over(grabber)
            finally:
                grabber.is_wanted = False
            if not state:
                failures = 0
                continue
            failures = 0 if grabber.has_begun else failures + 1
            self._put(live.pack_control(live.Told(note="no_camera")), is_key=True)
            pause_s = REFUSED_RETRY_S if state == "unauthorised" else RETRY_S[min(failures, len(RETRY_S) - 1)]
            await asyncio.sleep(pause_s)

    async def _until_over(self, grabber: _Grabber) -> str:
        """Wait until nobody wants it any more (returns "") or it failed (returns the state)."""
        while not grabber.over.is_set():
            if not self._wanted.is_set():
                return ""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await grabber.over.wait()
        return grabber.state

    def _put(self, message: bytes, *, is_key: bool) -> None:
        """A frame to be sent; when the relay does not take them, a gap up to a key frame."""
        if self._queue.full():
            self._needs_key = True
            while not self._queue.empty():
                self._queue.get_nowait()
        if self._needs_key and not is_key:
            return
        self._needs_key = False
        self._queue.put_nowait(message)


class _Grabber(threading.Thread):
    """Fetches one camera's pictures in a thread. A thread that hangs in a dead camera ends by itself later."""

    def __init__(
        self, address: str, loop: asyncio.AbstractEventLoop, put: Callable[..., None], note: NoteState
    ) -> None:
        super().__init__(daemon=True, name="camera")
        self._address, self._loop, self._put, self._note = address, loop, put, note
        self.is_wanted, self.has_begun, self.state = True, False, ""
        self.over = asyncio.Event()

    def run(self) -> None:
        """Fetch until nobody wants it or it fails."""
        from central.relay.camera_picture import CameraError, open_camera

        try:
            camera = open_camera(self._address)
            try:
                self._pass_on(camera)
            finally:
                camera.close()
        except CameraError as error:
            self.state = error.state
            if self.is_wanted:
                self._note(error.state, "")
        except Exception:
            _LOG.exception("camera: a fault of ours")
            self.state = "unreachable"
        finally:
            self._call(self.over.set)

    def _pass_on(self, camera: object) -> None:
        from central.relay.camera_picture import CameraPicture, now_us

        assert isinstance(camera, CameraPicture)  # noqa: S101 -- a late import, to spare who fetches nothing
        told: live.Init | None = None
        for seq, picture in enumerate(camera.pictures(lambda: self.is_wanted)):
            if camera.init is not None and camera.init != told:
                told = camera.init
                self._hand(live.pack_control(live.Told()), is_key=True)
                self._hand(live.pack_init(told), is_key=True)
            if not self.has_begun:
                self.has_begun = True
                self._note("seen", camera.summary)
            flags = live.KEY if picture.is_key else 0
            message = live.pack(live.Type.VIDEO, picture.data, flags=flags, seq=seq, time_us=now_us())
            if len(message) <= live.MAX_FRAME_BYTES:
                self._hand(message, is_key=picture.is_key)

    def _hand(self, message: bytes, *, is_key: bool) -> None:
        self._call(lambda: self._put(message, is_key=is_key) if self.is_wanted else None)

    def _call(self, act: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants anything any more
            self._loop.call_soon_threadsafe(act)


def trust_own_door(settings: Settings) -> ssl.SSLContext:
    """Trust the relay's very certificate and no other: both ends are this machine's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=str(settings.door_certificate[0]))
    return context
