"""Where the recorder lets the live process read along: pictures and sound as they come from the camera.

A Unix stream socket in the kit's data folder; the recorder serves it (`edge.recorder.tapping`), whoever connects only
reads (`edge.live.feed`). Each message is a big-endian u32 length and one frame of ``contract.live``:

- INIT, stream PICTURE: ``Init`` with the H.264 codec, size and rate; again whenever the camera was opened anew;
- VIDEO, stream PICTURE: one Annex-B access unit; ``time_us`` is the kit's wall clock when it was taken in;
- INIT, stream SOUND: ``Init`` with the sound's codec, then one AUDIO frame with the flag KEY: the tiny fMP4 without
  samples that carries the codec's configuration (`edge.recorder.sources.AudioFormat`);
- AUDIO, stream SOUND: one packet of it.

A new reader gets what begins the present group of pictures first. One who is too slow loses pictures up to the next
key frame, and sound; the recorder never waits for anybody.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TAP_NAME: Final = "tap.sock"
LENGTH: Final = struct.Struct(">I")
PICTURE: Final = 0
SOUND: Final = 8


@contextlib.contextmanager
def short_address(folder: Path) -> Iterator[str]:
    """The socket's address below the 108 bytes of sun_path, however deep ``folder`` lies."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{TAP_NAME}"
    finally:
        os.close(handle)


def connect_tap(folder: Path) -> socket.socket:
    """A connection to the recorder of the kit in ``folder``; raises OSError while none serves there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_address(folder) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
