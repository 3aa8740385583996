"""Live picture and voice on the wire: frames over secure WebSockets, from kits, browsers and cameras to the relay.

One binary WebSocket message is one frame: a header of 16 bytes and a payload. A source sends H.264 access units as
it has them (Annex B, parameter sets in band) or another codec that its ``Init`` names; the relay passes them on as
they are.
Control messages are JSON in frames of type CONTROL. Sound is Opus, mono, 48 kHz, one packet of 20 ms a frame.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

HEADER: Final = struct.Struct(">BBHIQ")
"""Type, flags, stream (picture: MAIN or LOW; voice: number of the talker), sequence, time in µs since 1970 UTC."""
MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
MAX_CONTROL_BYTES: Final = 16 * 1024
KEY: Final = 1
WANTS_ACK: Final = 2
PRESSED: Final = 4
"""Sound of a kit: it was taken while the officer held his key (said of the sound, not of the moment it is sent)."""
MAIN: Final = 0
"""The picture as it is recorded, or as much of it as the link carries."""
LOW: Final = 1
"""A small picture for the tiles of a wall: at most 640x360."""
SOUND_RATE: Final = 48_000
SOUND_FRAME_US: Final = 20_000

# Where the relay takes them; a kit proves itself there as at the devices' door (contract.door_auth).
NONCE_PATH: Final = "/v1/nonce"
PICTURE_PATH: Final = "/v1/live/picture"
VOICE_PATH: Final = "/v1/live/voice"
# Why the relay ends a connection (RFC 6455, 7.4.2: 4000 to 4999 are ours).
CLOSE_ENDED: Final = 4000
CLOSE_UNPROVEN: Final = 4401
CLOSE_REFUSED: Final = 4403
CLOSE_REPLACED: Final = 4409
CLOSE_GARBAGE: Final = 4422
CLOSE_TOO_SLOW: Final = 4429
CLOSE_RESTARTING: Final = 1012

_T = TypeVar("_T")
_Short = Annotated[str, Meta(max_length=64)]
_Name = Annotated[str, Meta(max_length=100)]
_Note = Annotated[str, Meta(max_length=300)]


class LiveError(ValueError):
    """A frame from outside cannot be used; the text is the one-line reason."""


class Type(IntEnum):
    """What a frame is."""

    INIT = 0
    VIDEO = 1
    AUDIO = 2
    ACK = 9
    CONTROL = 10


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame taken apart. ``stream`` and ``seq`` count per sender; ``time_us`` is when it was captured."""

    type: Type
    flags: int
    stream: int
    seq: int
    time_us: int
    payload: memoryview

    @property
    def is_key(self) -> bool:
        """Whether a decoder can begin here."""
        return bool(self.flags & KEY)


def pack(
    type_: Type, payload: bytes = b"", *, flags: int = 0, stream: int = 0, seq: int = 0, time_us: int = 0
) -> bytes:
    """One frame as bytes."""
    return HEADER.pack(type_, flags, stream, seq & 0xFFFFFFFF, time_us) + payload


def unpack(message: bytes) -> Frame:
    """Take a frame apart without copying its payload; raise LiveError."""
    if not HEADER.size <= len(message) <= MAX_FRAME_BYTES:
        raise LiveError(f"A frame has {HEADER.size} to {MAX_FRAME_BYTES} bytes, not {len(message)}.")
    number, flags, stream, seq, time_us = HEADER.unpack_from(message)
    try:
        kind = Type(number)
    except ValueError:
        raise LiveError(f"There is no frame of type {number}.") from None
    return Frame(kind, flags, stream, seq, time_us, memoryview(message)[HEADER.size :])


class Init(Struct, frozen=True, omit_defaults=True):
    """Payload of INIT: how what follows on this stream is to be decoded. ``codec`` as in RFC 6381."""

    codec: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9.]{3,40}$")]
    width: Annotated[int, Meta(ge=0, le=8192)] = 0
    height: Annotated[int, Meta(ge=0, le=8192)] = 0
    fps: Annotated[float, Meta(ge=0, le=240)] = 0


class Want(Struct, frozen=True, omit_defaults=True, tag="want"):
    """Relay to source, viewer to relay: which streams are looked at now, none: no picture. ``key``: one now."""

    streams: Annotated[list[Annotated[int, Meta(ge=0, le=1)]], Meta(max_length=2)] = []
    key: bool = False


class Watcher(Struct, frozen=True, omit_defaults=True):
    """Somebody who sees or hears this source now, for the officer's page."""

    name: _Name
    court: _Name = ""


class Watchers(Struct, frozen=True, omit_defaults=True, tag="watchers"):
    """Relay to kit: everybody who watches it at this moment, recording centre included."""

    people: Annotated[list[Watcher], Meta(max_length=64)] = []


class Told(Struct, frozen=True, omit_defaults=True, tag="told"):
    """Source to relay, passed on to viewers: how the link is. ``note``: code of a reason, "" when all is well."""

    kbps: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    rtt_ms: Annotated[int, Meta(ge=0, le=600_000)] | None = None
    dropped: Annotated[int, Meta(ge=0)] = 0
    note: Literal["", "thin", "metered", "sos_first", "voice_first", "no_camera", "no_key_frame"] = ""


class State(Struct, frozen=True, omit_defaults=True, tag="state"):
    """Relay to viewer: how the source stands. ``waiting``: ordered, not here yet; ``stale``: here, silent for 2 s."""

    state: Literal["waiting", "live", "stale", "gone", "ended"]
    reason: _Note = ""


class Talk(Struct, frozen=True, omit_defaults=True, tag="talk"):
    """A talker begins or ends. ``to``: source ids (kits, people) who are to hear it; empty: all in the session.

    ``key``, of a kit: whether the officer holds his key, or the microphone is open without it (`Mode` ``duplex``). A
    kit that says it marks its sound with PRESSED. None: a kit up to 0.4.0, or a person, who is in one session alone.
    """

    on: bool
    to: Annotated[list[_Short], Meta(max_length=64)] = []
    key: bool | None = None


class Talker(Struct, frozen=True, omit_defaults=True):
    """Who stands behind a stream number on the voice socket. ``id``: a kit's id or ``p:`` and a person's user id."""

    stream: Annotated[int, Meta(ge=0, le=65535)]
    id: _Short
    name: _Name = ""
    on: bool = False
    to: Annotated[list[_Short], Meta(max_length=64)] = []


class Talkers(Struct, frozen=True, omit_defaults=True, tag="talkers"):
    """Relay to every voice socket, at each change: who is there and who talks to whom."""

    you: _Short = ""
    talkers: Annotated[list[Talker], Meta(max_length=128)] = []


class Mode(Struct, frozen=True, omit_defaults=True, tag="mode"):
    """How a kit's microphone is open: ``ptt`` while the officer holds a button, ``duplex`` all the time, ``off``.

    The relay orders it, a kit on a thin link answers with what it does instead and says why. ``keys``: this relay
    tells a pressed key from an open microphone for each session (`Talk.key`); one up to 0.4.0 does not say so, and a
    kit that is in sessions of both kinds opens its microphone by the key alone then.
    """

    mode: Literal["off", "ptt", "duplex"]
    reason: _Note = ""
    keys: bool = False


class End(Struct, frozen=True, omit_defaults=True, tag="end"):
    """Relay to anybody: this is over and need not be tried again."""

    reason: _Note = ""


Control = Want | Watchers | Told | State | Talk | Talkers | Mode | End
_decoder: Final[msgspec.json.Decoder[Control]] = msgspec.json.Decoder(Control)


def pack_control(message: Control) -> bytes:
    """A control message as a frame."""
    return pack(Type.CONTROL, msgspec.json.encode(message))


def pack_init(init: Init, *, stream: int = 0) -> bytes:
    """An INIT frame."""
    return pack(Type.INIT, msgspec.json.encode(init), stream=stream)


def read_control(frame: Frame) -> Control:
    """The control message in a frame; raise LiveError."""
    if len(frame.payload) > MAX_CONTROL_BYTES:
        raise LiveError(f"A control message is longer than {MAX_CONTROL_BYTES} bytes.")
    return _decode(_decoder, frame)


def read_init(frame: Frame) -> Init:
    """The description in an INIT frame; raise LiveError."""
    return _decode(_init_decoder, frame)


_init_decoder: Final = msgspec.json.Decoder(Init)


def _decode(decoder: msgspec.json.Decoder[_T], frame: Frame) -> _T:
    try:
        return decoder.decode(frame.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LiveError(f"A message cannot be read ({error}).") from error
