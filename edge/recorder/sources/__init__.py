"""Camera sources: whatever gives H.264 pictures, and sound where there is some.

One :class:`CameraSource` interface; the segmenter does not know which one it is fed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class SourceError(Exception):
    """A camera source cannot go on; the text says why and what to do."""


class SourceOpenError(SourceError):
    """The camera, file or address could not be opened."""


class SourceStalledError(SourceError):
    """The source stopped giving frames without saying so."""


class SourceFailedError(SourceError):
    """The source broke off with an error of its own."""


class KeyFrameMissingError(SourceError):
    """The stream goes on too long without a frame at which a segment could begin."""


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One picture: an Annex-B access unit.

    ``key`` frames carry SPS and PPS and depend on nothing before them. Times in µs from the source's first
    frame; ``dts_us`` is given only where the stream has reordered (B) frames.
    """

    data: bytes
    key: bool
    pts_us: int
    dts_us: int | None = None


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One packet of sound on the same time scale as the pictures."""

    data: bytes
    pts_us: int
    duration_us: int


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the packets of a sound track are to be read.

    ``init`` is a tiny fMP4 without samples that carries the codec's configuration: bytes, because a PyAV stream
    dies with the container that it came from.
    """

    init: bytes
    codec: str
    sample_rate: int


class CameraSource(Protocol):
    """Opened once, read once from one thread, closed once; ``close`` may be called from another thread."""

    @property
    def name(self) -> str:
        """Short name for people: kind and address."""
        ...

    @property
    def fps(self) -> float:
        """Nominal frames per second; known once open."""
        ...

    @property
    def audio(self) -> AudioFormat | None:
        """Format of the sound; known once open, None for a silent source."""
        ...

    @property
    def missed(self) -> int:
        """Frames and packets that were thrown away because nobody took them in time; never counts down."""
        ...

    @property
    def watermarked(self) -> bool:
        """Whether the watermark is burnt into the pictures; known once open."""
        ...

    def open(self) -> None:
        """Get ready to give frames; raise SourceOpenError."""
        ...

    def items(self) -> Iterator[EncodedFrame | AudioPacket]:
        """Block for each next frame or packet; end with the input; raise SourceError when it fails or stalls."""
        ...

    def close(self) -> None:
        """Stop giving frames and let go of the device."""
        ...
