"""A camera of somebody else's on loopback: RTSP with Digest, a moving bar in H.264.

A double only in that its lens is a drawing; protocol, password and pictures are real.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from central.relay.outlets.digest import hash_secret
from central.relay.outlets.rtsp import Opening, RtspOutlet
from tests.fakes.pictures import FilmedPictures

USER, PASSWORD = "kanmen", "mima-1"


class FilmedCamera:
    """Give it a port to come back at the same one."""

    def __init__(self, port: int = 0, **film: Any) -> None:
        self.port, self.film = port, FilmedPictures(**film)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        opening = Opening(USER, self.film.session_id, self.film.source, 0, "中心", hash_secret(USER, PASSWORD))

        async def find(user: str) -> Opening | None:
            return opening if user == USER else None

        async def still_open(ids: Any) -> set[str]:
            return set(ids)

        self._outlet = RtspOutlet(self.film, find, still_open)

    def __enter__(self) -> FilmedCamera:
        self._thread.start()
        self._do(self._outlet.start("127.0.0.1", self.port))
        self.port = self._outlet.port
        self._filming = asyncio.run_coroutine_threadsafe(self.film.run(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        self._filming.cancel()
        self._do(self._outlet.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, password: str = PASSWORD) -> str:
        return f"rtsp://{USER}:{password}@127.0.0.1:{self.port}/{USER}"

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
