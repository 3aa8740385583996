"""A few small pictures of a segment, made from the clear bytes before they are gone: sealed, signed, never evidence.

Only key frames are decoded, one a second at most, and scaled to 320 by 180: some kilobytes for two seconds, sent
first where the link is too thin for the segment. Failing here never hurts the recording.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Final

from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from contract import chain, proxy
from contract.envelope import Sealer
from contract.segment import SALT_BYTES, SegmentHeader, pack_header
from contract.signing import Signed
from edge.recorder import h264
from edge.recorder.durable import create_temporary, temporary_path
from edge.recorder.segmenter import ClearSegment, PictureTemplate, mux_segment
from edge.recorder.sources import EncodedFrame
from edge.spool import ProxyRow, SegmentRow, Spool

log = logging.getLogger("zhixing.recorder")

WIDTH: Final = 320
HEIGHT: Final = 180
APART_US: Final = 900_000
QUALITY: Final = "33"  # x264's crf: a face is told from a wall, a number plate is not read


class ProxyMaker:
    """Makes the proxy of each stored segment; ``sign`` gives the device key's signature over domain and body."""

    def __init__(self, spool: Spool, sign: Callable[[bytes], bytes]) -> None:
        self._spool = spool
        self._sign = sign
        self._shrinker = Shrinker()
        self._told = ""

    def make(self, clear: ClearSegment, row: SegmentRow, recipients: Sequence[X25519PublicKey]) -> None:
        """Store the proxy of a segment that is stored; what goes wrong is logged once and forgotten."""
        try:
            picture, mime = self._shrinker.shrink(clear)
            parcel = self._seal(picture, mime, clear, row, recipients)
            self._keep(parcel, row)
        except Exception as error:
            self._shrinker = Shrinker()  # an encoder that failed is not asked again
            if str(error) != self._told:
                log.warning("recorder: no preview picture of segment %d (%s)", row.seq, error)
            self._told = str(error)

    def _seal(
        self, picture: bytes, mime: str, clear: ClearSegment, row: SegmentRow, recipients: Sequence[X25519PublicKey]
    ) -> bytes:
        salt, sink = os.urandom(SALT_BYTES), bytearray()
        header = SegmentHeader(
            recording_id=bytes.fromhex(row.recording_id),
            seq=row.seq,
            salt=salt,
            started_ms=clear.started.wall_ms,
            monotonic_ms=clear.started.monotonic_ms,
            duration_ms=row.duration_ms,
            mime=mime,
        )
        sealer = Sealer(list(recipients), sink.extend)
        sealer.write(pack_header(header))
        sealer.write(picture)
        sealer.close()
        body = proxy.encode(
            proxy.ProxyRecord(
                recording_id=header.recording_id,
                seq=row.seq,
                cipher_hash=hashlib.sha256(sink).digest(),
                clear_hash=chain.clear_hash(salt, picture),
                original_hash=row.cipher_hash,
                length=len(sink),
            )
        )
        return proxy.pack(Signed(body, self._sign(body)), bytes(sink))

    def _keep(self, parcel: bytes, row: SegmentRow) -> None:
        # Not pushed to the card: after a power cut its digest no longer fits, and it is simply not sent.
        path = self._spool.proxies.path_of(row.recording_id, row.seq)
        with create_temporary(path) as file:
            file.write(parcel)
        temporary_path(path).rename(path)
        self._spool.proxies.add(
            ProxyRow(row.recording_id, row.seq, hashlib.sha256(parcel).digest(), len(parcel), row.started_ms)
        )


class Shrinker:
    """Makes small pictures of one segment after another; the encoder and its format stay from one to the next."""

    def __init__(self) -> None:
        self._encoder: VideoCodecContext | None = None
        self._encoded = 0
        self._template = PictureTemplate()

    def shrink(self, clear: ClearSegment) -> tuple[bytes, str]:
        """The small pictures of a segment as fMP4 on the recording's own times, and their MIME type.

        Raises av.error.FFmpegError, ValueError when there is no picture in it.
        """
        frames = [
            EncodedFrame(data, True, at_us)
            for picture, at_us in _key_pictures(clear)
            for data in self._encode(picture)
        ]
        if not frames:
            raise ValueError("there is no key frame in it")
        end_us = max(clear.first_us + clear.duration_us, frames[-1].pts_us + 1)
        data = mux_segment(frames, [], None, origin_us=0, end_us=end_us, first_index=1, template=self._template)
        return data, f'video/mp4; codecs="{h264.codec_text(frames[0].data)}"'

    def _encode(self, picture: VideoFrame) -> list[bytes]:
        """One picture in, one out: the encoder keeps none back, and each of its pictures stands alone."""
        size = _fit(picture.width, picture.height)
        if self._encoder is None or (self._encoder.width, self._encoder.height) != size:
            self._encoder = _open_encoder(*size)
        small = picture.reformat(width=size[0], height=size[1], format="yuv420p")
        # Its own count, not the recording's time, which begins anew with each recording.
        self._encoded += 1
        small.pts, small.time_base = self._encoded, Fraction(1, 1)
        return [bytes(packet) for packet in self._encoder.encode(small) if packet.size]


def _key_pictures(clear: ClearSegment) -> Iterator[tuple[VideoFrame, int]]:
    # From the frames themselves: to open the segment as a film decodes its first picture once more, only to look.
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)  # noqa: S101 -- what h264 is
    decoder.thread_count = 1  # more threads hold more pictures, and memory is short
    due_us = clear.first_us
    for frame in clear.keys:
        at_us = max(clear.first_us, frame.pts_us)
        if at_us < due_us:
            continue
        due_us = at_us + APART_US
        # It stands alone, so nothing later is waited for: the decoder gives what it holds and begins anew.
        pictures = decoder.decode(Packet(frame.data)) + decoder.decode(None)
        decoder.flush_buffers()
        yield from ((picture, at_us) for picture in pictures[:1])


def _fit(width: int, height: int) -> tuple[int, int]:
    factor = min(1.0, WIDTH / width, HEIGHT / height)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def _open_encoder(width: int, height: int) -> VideoCodecContext:
    encoder = CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)  # noqa: S101 -- what libx264 is
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = encoder.framerate = Fraction(1, 1)
    encoder.thread_count = 1
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "crf": QUALITY,
        "g": "1",
    }
    return encoder
