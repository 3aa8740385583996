"""A TCP relay between a kit and one door of the centre: it can go dark, cut everything off, or become slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import Final

_CHUNK_BYTES: Final = 4096
_SLOW_BYTES_S: Final = 8_000.0  # 64 kbit/s, each direction of each connection


class Relay:
    """Listens on ``port`` of loopback and carries bytes to ``target``. One thread with one event loop each.

    In the dark nothing is answered and nothing passes; connections stay open on both sides, as in a tunnel.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._light = asyncio.Event()
        self._light.set()
        self._is_slow = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=f"relay-{target}", daemon=True)
        self._thread.start()

    def go_dark(self) -> None:
        """Nothing passes until `mend`."""
        self._loop.call_soon_threadsafe(self._light.clear)

    def slow_down(self) -> None:
        """64 kbit/s until `mend`."""
        self._is_slow = True

    def mend(self) -> None:
        """All is well again."""
        self._is_slow = False
        self._loop.call_soon_threadsafe(self._light.set)

    def reset(self) -> None:
        """Every connection breaks off on both sides at once."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._server.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._serve())
        self._loop.run_forever()
        serving.cancel()
        self._reset_all()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                self._loop.run_until_complete(task)
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._join, sock=self._server)
        async with server:
            await server.serve_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._light.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        both = {writer, far_writer}
        self._writers |= both
        ways = [
            asyncio.ensure_future(self._carry(reader, far_writer)),
            asyncio.ensure_future(self._carry(far_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        self._writers -= both
        for way in ways:
            way.cancel()
        for each in both:
            _reset(each)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._light.wait()
                if self._is_slow:
                    await asyncio.sleep(len(data) / _SLOW_BYTES_S)
                writer.write(data)
                await writer.drain()

    def _reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
