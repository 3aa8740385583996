"""Doorbells: one process of the kit wakes another after a commit. A lost ring costs a poll, never data."""

import contextlib
import errno
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

BELLS = ("control", "recorder", "panel", "screen", "live")
_RING = b"!"
_LONGEST = 4096
_WORDS_KEPT = 16


@contextlib.contextmanager
def _short_address(folder: Path, who: str) -> Iterator[str]:
    """A socket address below the 108 bytes of sun_path, however deep the folder lies."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/bell.{who}"
    finally:
        os.close(handle)


def ring(folder: Path, who: str, word: bytes = _RING) -> bool:
    """Wake `who` (one of BELLS); False when nobody listens, which is no fault.

    `word` (up to 4096 bytes) is for what must get through although the card takes nothing more.
    """
    if who not in BELLS:
        raise ValueError(f"{who!r} has no doorbell: use one of {', '.join(BELLS)}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, _short_address(folder, who) as address:
        sender.setblocking(False)
        try:
            sender.sendto(word, address)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            # A full queue means that the listener has rings waiting already.
            if error.errno in (errno.EAGAIN, errno.ENOBUFS):
                return True
            raise
    return True


class Doorbell:
    """The listening end; `fileno()` fits select and asyncio."""

    def __init__(self, folder: Path, who: str) -> None:
        if who not in BELLS:
            raise ValueError(f"{who!r} has no doorbell: use one of {', '.join(BELLS)}")
        self._path = folder / f"bell.{who}"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._words: list[bytes] = []
        with _short_address(folder, who) as address:
            self._socket.bind(address)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Wait until somebody rings (True) or the time is over (False); several rings count as one."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, timeout_s))
        if not ready:
            return False
        with contextlib.suppress(BlockingIOError):
            while True:
                word = self._socket.recv(_LONGEST)
                if word != _RING:
                    self._words = [*self._words[1 - _WORDS_KEPT :], word]
        return True

    def take_words(self) -> list[bytes]:
        """What came with the rings besides, once."""
        words, self._words = self._words, []
        return words

    def close(self) -> None:
        """Take the bell away; on a card that takes nothing it is left, and rings into the void."""
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
