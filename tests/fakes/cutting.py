"""Runs a camera source through the segmenter and looks at what comes out."""

import io
from dataclasses import dataclass

import av

from edge.recorder.moment import Moment
from edge.recorder.segmenter import ClearSegment, Segmenter
from edge.recorder.sources import AudioPacket, CameraSource, EncodedFrame


@dataclass
class Cut:
    """Segments of a source and everything that went into them."""

    segments: list[ClearSegment]
    frames: list[EncodedFrame]
    sound: list[AudioPacket]


def cut_source(source: CameraSource, *, frames: int = 10**9, target_s: float = 2.0) -> Cut:
    """Open `source`, read until it ends or gave `frames` pictures, and cut what it gave."""
    source.open()
    segmenter = Segmenter(target_s=target_s, fps=source.fps, audio=source.audio)
    out = Cut([], [], [])
    for item in source.items():
        if isinstance(item, EncodedFrame):
            if len(out.frames) == frames:
                break
            out.frames.append(item)
        else:
            out.sound.append(item)
        at_ms = item.pts_us // 1000
        if finished := segmenter.feed(item, Moment(1_700_000_000_000 + at_ms, 5_000 + at_ms)):
            out.segments.append(finished)
    source.close()
    if last := segmenter.flush():
        out.segments.append(last)
    return out


def decode_times_s(data: bytes, kind: str = "video") -> list[float]:
    """Times of all decodable frames of one segment, in s."""
    with av.open(io.BytesIO(data)) as container:
        return [frame.time for frame in container.decode(**{kind: 0})]
