"""A small RTSP camera (RFC 2326, interleaved RTP over TCP, H.264 after RFC 6184) that plays real encoded frames."""

import socket
import struct
import threading
import time

from edge.recorder import h264
from tests.fakes.camera import FPS, real_frames

_PIECE_BYTES = 1200
_DESCRIPTION = (
    "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "t=0 0", "m=video 0 RTP/AVP 96",
    "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1", "a=control:track",
)  # fmt: skip


class RtspCamera:
    """Serves one viewer at a time at `address`; falls silent after `frames`, or hangs up when `hang_up`."""

    def __init__(self, *, frames: int, hang_up: bool = False, pace: float = 4.0) -> None:
        self._frames, self._hang_up, self._pace = frames, hang_up, pace
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/camera"
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        self._listener.settimeout(0.2)
        while not self._closed.is_set():
            try:
                viewer, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with viewer:
                try:
                    self._talk(viewer)
                except ConnectionError:
                    continue

    def _talk(self, viewer: socket.socket) -> None:
        viewer.settimeout(None)
        while request := self._read_request(viewer):
            method, sequence = request
            extra, body = "", ""
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = "\r\n".join(_DESCRIPTION) + "\r\n"
                extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            else:
                extra = "Session: 1\r\n"
            viewer.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{extra}\r\n{body}".encode())
            if method == "PLAY":
                self._play(viewer)
                return
            if method == "TEARDOWN":
                return

    def _read_request(self, viewer: socket.socket) -> tuple[str, str] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = viewer.recv(4096)
            if not piece:
                return None
            data += piece
        lines = data.decode().split("\r\n")
        sequence = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
        return lines[0].split()[0], sequence

    def _play(self, viewer: socket.socket) -> None:
        started_s, sequence = time.monotonic(), 0
        for number, frame in enumerate(real_frames(self._frames)):
            wait_s = started_s + number / FPS / self._pace - time.monotonic()
            if self._closed.wait(max(0.0, wait_s)):
                return
            nals = h264.split_nals(frame.data)
            pieces = [(piece, nal is nals[-1]) for nal in nals for piece in _split(nal)]
            for index, (piece, of_last) in enumerate(pieces):
                marker = 0x80 if of_last and index == len(pieces) - 1 else 0
                header = struct.pack(">BBHII", 0x80, 96 | marker, sequence & 0xFFFF, frame.pts_us * 9 // 100, 7)
                packet = header + piece
                viewer.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence += 1
        if not self._hang_up:
            self._closed.wait(60)


def _split(nal: bytes) -> list[bytes]:
    """The unit as it is, or as fragments (FU-A) when it is too long for one packet."""
    if len(nal) <= _PIECE_BYTES:
        return [nal]
    kind, rest = nal[0] & 0x1F, nal[1:]
    pieces = [rest[at : at + _PIECE_BYTES] for at in range(0, len(rest), _PIECE_BYTES)]
    last = len(pieces) - 1
    return [
        bytes([nal[0] & 0xE0 | 28, kind | (0x80 if at == 0 else 0) | (0x40 if at == last else 0)]) + piece
        for at, piece in enumerate(pieces)
    ]
