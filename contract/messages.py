"""Every message over MQTT: shape, units, limits.

Times are integer milliseconds since the Unix epoch, UTC; positions are WGS-84 degrees. Payloads are JSON, so
that a person with a broker client can read them. Unknown fields are ignored: a newer kit may say more.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from contract.health import Health

MAX_UP_BYTES: Final = 256 * 1024
MAX_ITEMS: Final = 200
# Year 2000 to 2200: a clock outside is a fault to be reported, a number outside is not a time at all.
_TimeMs = Annotated[int, Meta(ge=0, le=7_258_118_400_000)]
_Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
_Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Note = Annotated[str, Meta(max_length=500)]
_Short = Annotated[str, Meta(max_length=64)]
_T = TypeVar("_T")


class MessageError(ValueError):
    """A message from outside cannot be used; the text is the one-line reason."""


class Item(Struct, frozen=True, omit_defaults=True):
    """One entry of a kit's outbox. ``seq`` counts all kinds of one spool; ``at_ms`` is the kit's wall clock.

    ``mono_ms`` is the time since the message's boot at the same moment, suspended time included: it orders what
    the wall clock may not. None: written by a kit of before it was said.
    """

    seq: _Seq
    at_ms: _TimeMs
    body: msgspec.Raw
    mono_ms: _Seq | None = None


class UpMessage(Struct, frozen=True):
    """What a kit publishes on ``kits/<kit>/up/<kind>``: entries of one kind."""

    spool: _Hex32
    boot: _Hex32
    items: Annotated[list[Item], Meta(min_length=1, max_length=MAX_ITEMS)]
    v: Literal[1] = 1


# What a kit says in ``Fix.suspect`` when it is the receiver's time that is not to be believed.
TIME_SUSPECTS: Final = frozenset({"gps_week_rollover", "receiver_time_behind", "receiver_time_ahead"})


class Fix(Struct, frozen=True, omit_defaults=True):
    """A position. ``fix_ms`` is the receiver's own time, ``suspect`` why it may be wrong."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    fix_ms: _TimeMs | None = None
    mode: Literal[2, 3] = 3
    alt_m: Annotated[float, Meta(ge=-1000, le=20000)] | None = None
    speed_mps: Annotated[float, Meta(ge=0, le=1000)] | None = None
    course_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    source: _Short = "gpsd"
    suspect: _Short = ""


class PositionItem(Struct, frozen=True, omit_defaults=True):
    """An :class:`Item` whose body is known to be a fix: decoded in one pass on the busiest path."""

    seq: _Seq
    at_ms: _TimeMs
    body: Fix
    mono_ms: _Seq | None = None


class PositionMessage(Struct, frozen=True):
    """An :class:`UpMessage` of positions, decoded in one pass."""

    spool: _Hex32
    boot: _Hex32
    items: Annotated[list[PositionItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    v: Literal[1] = 1


class Alarm(Struct, frozen=True, omit_defaults=True):
    """An act or fault that a person must see. ``boot_ms`` is monotonic time since boot at the press.

    ``watch_me``: the officer asks to be watched by the centre; it is not a call for help. ``watch_me_withdrawn``,
    under the same id: he no longer does.
    A mark may name its ``category`` (``contract.categories``) and the ``task`` (directive number) it belongs to.
    ``unstored``: the card refused it, and it left from memory; the same alarm follows once it is stored.
    """

    alarm_id: _Hex32
    kind: Literal["sos", "sos_withdrawn", "mark", "fault", "tamper", "watch_me", "watch_me_withdrawn"]
    pressed_ms: _TimeMs
    boot_ms: _Seq = 0
    fix: Fix | None = None
    recording_id: _Hex32 | None = None
    note: _Note = ""
    category: _Short = ""
    task: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    unstored: bool = False


class ChainItem(Struct, frozen=True):
    """A signed chain record (``contract.chain``): body and signature, base64url without padding."""

    record: Annotated[str, Meta(max_length=8192)]
    sig: Annotated[str, Meta(max_length=128)]


class CommandReceipt(Struct, frozen=True, omit_defaults=True):
    """What became of directive ``number`` at the kit.

    ``felt``: lights, sound or vibration told the officer. ``read``, ``accepted`` and ``refused`` are a person's
    answers to a task; ``refused`` gives its reason in ``note``. ``proof`` is the statement of a kit that destroys its
    keys (``contract.lost``), base64url without padding.
    """

    number: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    state: Literal["received", "felt", "read", "accepted", "refused", "done", "failed"]
    at_ms: _TimeMs
    note: _Note = ""
    proof: Annotated[str, Meta(max_length=16384)] = ""


class Hello(Struct, frozen=True, omit_defaults=True):
    """Said on every connection: ``have`` is the highest directive number held without a hole.

    ``signer``: the certificate of the key that signs this kit's chains, base64 DER, where it is not that of TLS
    (a key in a token).
    """

    have: _Seq
    version: _Short
    trust_epoch: _Seq = 0
    signer: Annotated[str, Meta(max_length=4096)] = ""


class Beat(Struct, frozen=True, omit_defaults=True):
    """A sign of life where nothing else was said for some seconds; then the payload is empty, no message at all.

    ``bye`` is the last word of a kit that goes in good order, so that its silence is not taken for a dark spot.
    """

    bye: Literal["", "switched_off", "restarting", "battery_empty"] = ""


class TelemetryReceipt(Struct, frozen=True):
    """What the centre has committed of a spool: inclusive ranges of ``seq``. Only this frees outbox entries.

    ``now_ms``: the centre's clock when it was written, for kits that have nothing to ask its door. ``unpacks``: this
    centre takes packed messages, too (`contract.packing`).
    """

    spool: _Hex32
    ranges: list[tuple[int, int]]
    now_ms: _TimeMs | None = None
    v: Literal[1] = 1
    unpacks: bool = False


class Directive(Struct, frozen=True, omit_defaults=True):
    """An entry of a kit's mailbox. ``number`` counts from 1 without holes per kit."""

    number: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    kind: Annotated[str, Meta(pattern="^[a-z][a-z_]{1,31}$")]
    issued_ms: _TimeMs
    body: msgspec.Raw
    expires_ms: _TimeMs | None = None
    v: Literal[1] = 1


# The kinds of uplink item and the shape of their bodies.
BODY_OF_KIND: Final[dict[str, Any]] = {
    "position": Fix,
    "alarm": Alarm,
    "chain": ChainItem,
    "health": Health,
    "receipt": CommandReceipt,
    "hello": Hello,
    "beat": Beat,
}

_encoder: Final = msgspec.json.Encoder()
_up_decoder: Final = msgspec.json.Decoder(UpMessage)
_position_decoder: Final = msgspec.json.Decoder(PositionMessage)


def encode(message: Struct) -> bytes:
    """JSON bytes of any message or body of this module."""
    return _encoder.encode(message)


def decode(data: bytes | msgspec.Raw, shape: type[_T]) -> _T:
    """Read JSON as ``shape``; raise MessageError with a one-line reason."""
    if len(memoryview(data)) > MAX_UP_BYTES:
        raise MessageError(f"The message is longer than the {MAX_UP_BYTES} bytes allowed.")
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(str(error)) from error


def decode_up(data: bytes) -> UpMessage:
    """Read an uplink message, its bodies still raw; raise MessageError with a one-line reason."""
    return _decode_with(_up_decoder, data)


def decode_positions(data: bytes) -> PositionMessage:
    """Read an uplink message of positions in one pass; raise MessageError with a one-line reason."""
    return _decode_with(_position_decoder, data)


def _decode_with(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T:
    if len(data) > MAX_UP_BYTES:
        raise MessageError(f"The message is longer than the {MAX_UP_BYTES} bytes allowed.")
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(str(error)) from error
