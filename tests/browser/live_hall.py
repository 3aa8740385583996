"""Kits that film, the relay's process between its two doors, the centre's pages: what a hall sees, in one place.

The kits are the wire alone: real pictures by x264 over proven connections, without the kit's own processes (those
stand in tests/central/relay/test_with_kit.py).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page
from websockets.exceptions import ConnectionClosed

from central.base import db, schema
from central.base.bus import LocalBus
from central.base.clock import SystemClock
from central.base.unit_of_work import Store
from central.courts import service as courts
from central.web.security import SESSION_COOKIE
from contract.live import KEY, LOW, MAIN, WANTS_ACK, Init, Type, Want, pack, pack_init, read_control
from edge.recorder.sources import EncodedFrame
from edge.recorder.sources.synthetic import SyntheticCamera
from tests.browser.conftest import DESK
from tests.central.relay.stand import Socket, Stand
from tests.central.web.serving import Server

KITS: Final = ("dl-2901-01", "dl-2901-02", "dl-2901-03", "yb-2922-01")
SIZES: Final = {MAIN: (1280, 720, 1_400_000), LOW: (640, 360, 300_000)}
FPS: Final = 15


class Filmer:
    """A kit's pictures: encodes what is wanted, in threads of its own, and comes back when the relay does."""

    def __init__(self, stand: Stand, kit_id: str) -> None:
        self._stand, self._kit_id = stand, kit_id
        self.wanted: set[int] = set()
        self.ever_wanted: set[int] = set()
        self.shift_s = 0.0
        """By how much the kit's clock is wrong."""
        self.is_frozen = False
        self.garbles = False
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._seq = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(ConnectionClosed, OSError):
                self._serve()
            self.wanted = set()
            self._stopped.wait(0.3)

    def _serve(self) -> None:
        socket = self._stand.kit(self._kit_id)
        cameras: dict[int, tuple[SyntheticCamera, threading.Thread]] = {}
        try:
            while not self._stopped.is_set():
                frame = socket.take(0.2)
                want = read_control(frame) if frame is not None and frame.type is Type.CONTROL else None
                if isinstance(want, Want):
                    self.wanted = set(want.streams)
                    self.ever_wanted |= self.wanted
                    for stream in set(cameras) - self.wanted:
                        cameras.pop(stream)[0].close()
                    for stream in self.wanted - set(cameras):
                        cameras[stream] = self._film(socket, stream)
        finally:
            for camera, thread in cameras.values():
                camera.close()
                thread.join(5)
            socket.close()

    def _film(self, socket: Socket, stream: int) -> tuple[SyntheticCamera, threading.Thread]:
        width, height, bitrate_bps = SIZES[stream]
        camera = SyntheticCamera(self._kit_id, width=width, height=height, fps=FPS, bitrate_bps=bitrate_bps)
        thread = threading.Thread(
            target=self._send, args=(socket, camera, stream, Init("avc1.42C01F", width, height, FPS))
        )
        thread.start()
        return camera, thread

    def _send(self, socket: Socket, camera: SyntheticCamera, stream: int, init: Init) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            socket.send(pack_init(init, stream=stream))
            for item in camera.items():
                if not isinstance(item, EncodedFrame) or self.is_frozen:
                    continue
                data = bytes(reversed(item.data)) if self.garbles else bytes(item.data)
                flags = WANTS_ACK | (KEY if item.key else 0)
                with self._lock:
                    self._seq += 1
                    at_us = int((time.time() + self.shift_s) * 1e6)
                    socket.send(pack(Type.VIDEO, data, flags=flags, stream=stream, seq=self._seq, time_us=at_us))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


class Hall:
    """The relay's process, the pages over the same database, and four kits of two courts."""

    def __init__(self, folder: Path) -> None:
        database = folder / "empty.db"
        schema.migrate_url(f"sqlite:///{database}")
        store = Store(db.create_engine(f"sqlite:///{database}"), SystemClock())
        with store.write() as uow:
            courts.seed_courts(uow)
        store.close()
        self.stand = Stand(folder, database)
        centre = self.stand.centre
        centre.kits["dl-2901-03"] = centre.pki.kit("dl-2901-03")
        centre.entries["dl-2901-03"] = "云2901"
        centre.write_registry()
        self.filmers: dict[str, Filmer] = {}
        self.bus = LocalBus()
        self.pages = Server(self.stand.settings, self.stand.store, self.bus)

    def start(self) -> None:
        self.stand.start()
        self.address = self.pages.start()

    def film(self, *kit_ids: str) -> None:
        for kit_id in kit_ids:
            self.filmers[kit_id] = Filmer(self.stand, kit_id)

    def clear(self) -> None:
        """The kits stop and the sessions end."""
        for filmer in self.filmers.values():
            filmer.stop()
        self.filmers = {}
        self.stand.clear()

    def stop(self) -> None:
        self.clear()
        self.pages.stop()
        self.stand.stop()

    def open(
        self, browser: Browser, path: str, *, by: str = "zhihui", size: dict[str, int] = DESK, script: str = ""
    ) -> Page:
        """A page of somebody logged in; `script` runs before any of the page's."""
        context = browser.new_context(viewport=size, locale="zh-CN", base_url=self.address)  # type: ignore[arg-type]
        context.add_cookies([{"name": SESSION_COOKIE, "value": self.stand.tokens[by], "url": self.address}])
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(path)
        return page


@contextlib.contextmanager
def open_hall(folder: Path) -> Iterator[Hall]:
    hall = Hall(folder)
    try:
        hall.start()
        yield hall
    finally:
        hall.stop()
