"""The recorder's side of the tap: what the camera gives, for whoever reads along (`edge.tap`).

Filled by the capture's thread, before the recorder's own queue, so that a picture is on its way at once. A reader
that hangs, sends garbage or dies costs a few megabytes of memory and nothing else: each has a thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contract.live import KEY, Init, Type, pack, pack_init
from edge.recorder import h264
from edge.recorder.sources import AudioFormat, AudioPacket, CameraSource, EncodedFrame
from edge.tap import LENGTH, PICTURE, SOUND, TAP_NAME, short_address

log = logging.getLogger("zhixing.recorder")

MAX_READERS: Final = 4
MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
MAX_GROUP_BYTES: Final = 6 * 1024 * 1024
STUCK_S: Final = 10.0


class _Reader:
    """One who reads along; `offer` never waits, a thread of its own does."""

    def __init__(self, connection: socket.socket, begin: list[bytes], forget: Callable[[_Reader], None]) -> None:
        self._connection, self._forget = connection, forget
        self._waiting: deque[bytes] = deque(begin)
        self._size = sum(len(item) for item in begin)
        self._waits_for_key = False
        self._ended = False
        self._filled = threading.Condition()
        connection.settimeout(STUCK_S)
        threading.Thread(target=self._run, name="tap-reader", daemon=True).start()

    def offer(self, message: bytes, *, picture: bool, key: bool) -> None:
        """Queue a message, or leave it out: pictures are taken up again at the next key frame."""
        with self._filled:
            if self._size > MAX_WAITING_BYTES:
                self._waits_for_key = True
            if self._waits_for_key and picture:
                if not key or self._size > MAX_WAITING_BYTES // 2:
                    return
                self._waits_for_key = False
            elif self._size > 2 * MAX_WAITING_BYTES:
                return
            self._waiting.append(message)
            self._size += len(message)
            self._filled.notify()

    def end(self) -> None:
        """Let go of the connection."""
        with self._filled:
            self._ended = True
            self._filled.notify()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            while (message := self._take()) is not None:
                self._connection.sendall(LENGTH.pack(len(message)) + message)
        except OSError as error:
            log.info("recorder: who read along is gone or hangs (%s)", error)
        finally:
            self._forget(self)
            self._connection.close()

    def _take(self) -> bytes | None:
        with self._filled:
            while not self._waiting and not self._ended:
                self._filled.wait()
            if self._ended:
                return None
            message = self._waiting.popleft()
            self._size -= len(message)
            return message


class Tapping:
    """Serves the tap of one recorder process; without a reader a picture costs the note of it."""

    def __init__(
        self,
        folder: Path,
        *,
        size: tuple[int, int] = (0, 0),
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._folder, self._size, self._clock_us = folder, size, clock_us
        self._lock = threading.Lock()
        self._readers: list[_Reader] = []
        self._inits: dict[int, list[bytes]] = {}
        self._group: list[tuple[EncodedFrame, int, int]] = []
        self._group_size = 0
        self._seq = {PICTURE: 0, SOUND: 0}
        self._rate = 0.0
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        (folder / TAP_NAME).unlink(missing_ok=True)
        with short_address(folder) as address:
            self._server.bind(address)
        (folder / TAP_NAME).chmod(0o600)
        self._server.listen(MAX_READERS)
        threading.Thread(target=self._accept, name="tap", daemon=True).start()

    def begin(self, source: CameraSource) -> None:
        """A camera is open: what came before it is no beginning any more."""
        with self._lock:
            self._inits, self._group, self._group_size, self._rate = {}, [], 0, source.fps
            if source.audio is not None:
                self._inits[SOUND] = _describe_sound(source.audio)
                self._tell(self._inits[SOUND])

    def offer(self, item: EncodedFrame | AudioPacket) -> None:
        """An item of the camera, in its thread; never waits."""
        now_us = self._clock_us()
        with self._lock:
            if isinstance(item, EncodedFrame):
                self._offer_picture(item, now_us)
            elif self._readers:
                seq = self._count(SOUND)
                message = pack(Type.AUDIO, item.data, stream=SOUND, seq=seq, time_us=now_us)
                for reader in self._readers:
                    reader.offer(message, picture=False, key=False)

    def end_camera(self) -> None:
        """The camera is let go of: nobody begins with its last pictures."""
        with self._lock:
            self._inits, self._group, self._group_size = {}, [], 0

    def close(self) -> None:
        """Serve nobody any more."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.end()
        with contextlib.suppress(OSError):
            (self._folder / TAP_NAME).unlink(missing_ok=True)

    def _offer_picture(self, frame: EncodedFrame, now_us: int) -> None:
        seq = self._count(PICTURE)
        if frame.key:
            self._group, self._group_size = [], 0
            self._note_codec(frame.data)
        if frame.key or self._group:
            self._group.append((frame, seq, now_us))
            self._group_size += len(frame.data)
            if self._group_size > MAX_GROUP_BYTES:
                self._group, self._group_size = [], 0
        if self._readers:
            message = _pack_picture(frame, seq, now_us)
            for reader in self._readers:
                reader.offer(message, picture=True, key=frame.key)

    def _note_codec(self, key_frame: bytes) -> None:
        try:
            codec = h264.codec_text(key_frame)
        except h264.NotH264Error:
            return
        width, height = self._size
        init = [pack_init(Init(codec=codec, width=width, height=height, fps=min(self._rate, 240.0)), stream=PICTURE)]
        if self._inits.get(PICTURE) != init:
            self._inits[PICTURE] = init
            self._tell(init)

    def _tell(self, messages: list[bytes]) -> None:
        for reader in self._readers:
            for message in messages:
                reader.offer(message, picture=False, key=False)

    def _count(self, stream: int) -> int:
        self._seq[stream] += 1
        return self._seq[stream]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed
            with self._lock:
                if len(self._readers) >= MAX_READERS:
                    connection.close()
                    continue
                begin = [message for messages in self._inits.values() for message in messages]
                begin += [_pack_picture(*taken) for taken in self._group]
                self._readers.append(_Reader(connection, begin, self._forget))

    def _forget(self, reader: _Reader) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._readers.remove(reader)


def _pack_picture(frame: EncodedFrame, seq: int, time_us: int) -> bytes:
    return pack(Type.VIDEO, frame.data, flags=KEY if frame.key else 0, stream=PICTURE, seq=seq, time_us=time_us)


def _describe_sound(audio: AudioFormat) -> list[bytes]:
    return [
        pack_init(Init(codec=audio.codec), stream=SOUND),
        pack(Type.AUDIO, audio.init, flags=KEY, stream=SOUND),
    ]
