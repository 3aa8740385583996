"""A sealed channel between a kit and the centre, through a zone that must not read, forge or command.

Kit to centre and back, each payload is sealed with ChaCha20-Poly1305 (RFC 8439) under keys that only those two
have: a fresh X25519 key of the kit against the centre's key of the trust list, by HKDF-SHA256 (RFC 5869), one key
for each direction. The kit's fresh key is vouched for by its device key; the centre is who can derive the keys.

Two frames, told from JSON (which begins with ``{``) by their first byte::

    0x01  channel id (8)  counter (8)  ciphertext            # both directions
    0x02  length (2)  opening  counter (8)  ciphertext       # kit to centre, until the centre has answered

The address (kit id, kind) is bound into each seal, and no counter of a channel is taken twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contract.signing import BadSignatureError, CodecError, Signed, dumps, loads, verify_p256

DOMAIN: Final = b"zhixing/channel/v1"
KIND: Final = "channel"
"""The centre's own word under ``cmd/<kit>/channel``: sealed, it answers an opening; empty, it asks for one."""
SHORT: Final = 1
OPENING: Final = 2
FRAME_STARTS: Final = (b"\x01", b"\x02")
MAX_OPENING_BYTES: Final = 4096
_ID_BYTES: Final = 8
_COUNTER_BYTES: Final = 8
_KEY_BYTES: Final = 32
_WINDOW: Final = 256
_UP: Final = b"up"
_DOWN: Final = b"down"


class ChannelError(ValueError):
    """A frame is broken, forged, repeated, misdirected or of another channel; the text is one sentence."""


class UnknownChannelError(ChannelError):
    """A frame of a channel whose opening was not seen here: ask the kit to open anew."""


class Opening(NamedTuple):
    """What a kit says of itself: id, fresh public key, to which key of the centre, its certificate (DER)."""

    kit_id: str
    key: bytes
    to: bytes
    certificate: bytes
    signed: Signed

    @property
    def channel_id(self) -> bytes:
        """How short frames name the channel."""
        return _name_channel(self.key)

    def check_signature(self, device_key: EllipticCurvePublicKey) -> None:
        """Raise ChannelError unless the kit's own key vouches for the opening."""
        try:
            verify_p256(device_key, DOMAIN, self.signed.body, self.signed.sig)
        except BadSignatureError as error:
            raise ChannelError("The opening of a channel is not signed by the kit's key.") from error


class Frame(NamedTuple):
    """A frame taken apart, nothing of it believed yet."""

    channel_id: bytes
    counter: int
    sealed: bytes
    opening: Opening | None


def is_frame(data: bytes) -> bool:
    """Whether bytes are a frame, not plain JSON or nothing."""
    return bool(data) and data[0] in (SHORT, OPENING)


def read_frame(data: bytes) -> Frame:
    """Take a frame apart; raise ChannelError."""
    if not is_frame(data):
        raise ChannelError("The message is not sealed.")
    if data[0] == SHORT:
        start = 1 + _ID_BYTES
        opening, channel_id = None, data[1:start]
    else:
        length = int.from_bytes(data[1:3], "big")
        start = 3 + length
        opening = read_opening(data[3:start])
        channel_id = opening.channel_id
    counter = data[start : start + _COUNTER_BYTES]
    if len(counter) != _COUNTER_BYTES:
        raise ChannelError("A sealed message ends inside its frame.")
    return Frame(channel_id, int.from_bytes(counter, "big"), data[start + _COUNTER_BYTES :], opening)


def read_opening(data: bytes) -> Opening:
    """Read an opening; its signature is still to be checked. Raises ChannelError."""
    try:
        signed = Signed.unpack(data) if len(data) <= MAX_OPENING_BYTES else _refuse_length(data)
        value = loads(signed.body)
        if not (isinstance(value, list) and len(value) == 5 and value[0] == 1):
            raise CodecError("The opening of a channel does not have the fields of its version.")
        _, kit_id, key, to, certificate = value
        right = isinstance(kit_id, str) and all(isinstance(part, bytes) for part in (key, to, certificate))
        if not right or len(key) != _KEY_BYTES or len(to) != _KEY_BYTES:
            raise CodecError("The opening of a channel has a field of wrong type or length.")
    except CodecError as error:
        raise ChannelError(str(error)) from error
    return Opening(kit_id, key, to, certificate, signed)


class _Window:
    """Counters taken, so that none is taken again; what is far behind the newest counts as taken."""

    def __init__(self) -> None:
        self._newest = -1
        self._seen = 0

    def check(self, counter: int) -> None:
        behind = self._newest - counter
        if behind >= _WINDOW or (behind >= 0 and self._seen >> behind & 1):
            raise ChannelError("A sealed message came a second time.")

    def take(self, counter: int) -> None:
        if counter > self._newest:
            self._seen = (self._seen << min(counter - self._newest, _WINDOW) | 1) & ((1 << _WINDOW) - 1)
            self._newest = counter
        else:
            self._seen |= 1 << (self._newest - counter)


class _Side:
    """One end of a channel: seals under one key, opens under the other."""

    def __init__(self, kit_id: str, channel_id: bytes, seals: bytes, opens: bytes, ways: tuple[bytes, bytes]) -> None:
        self.kit_id = kit_id
        self.channel_id = channel_id
        self._seal, self._open = ChaCha20Poly1305(seals), ChaCha20Poly1305(opens)
        self._seal_way, self._open_way = ways
        self._counter = 0
        self._window = _Window()

    def seal(self, kind: str, payload: bytes) -> bytes:
        """A short frame."""
        return bytes([SHORT]) + self.channel_id + self._seal_next(kind, payload)

    def open_frame(self, kind: str, frame: Frame) -> bytes:
        """The payload of a frame of this channel; raise ChannelError."""
        if frame.channel_id != self.channel_id:
            raise UnknownChannelError("A sealed message is of another channel.")
        self._window.check(frame.counter)
        bound = _bind(self._open_way, self.kit_id, kind)
        try:
            payload = self._open.decrypt(_nonce(frame.counter), frame.sealed, bound)
        except InvalidTag as error:
            raise ChannelError("A sealed message was changed, misdirected or forged on its way.") from error
        self._window.take(frame.counter)
        return payload

    def _seal_next(self, kind: str, payload: bytes) -> bytes:
        counter, self._counter = self._counter, self._counter + 1
        sealed = self._seal.encrypt(_nonce(counter), payload, _bind(self._seal_way, self.kit_id, kind))
        return counter.to_bytes(_COUNTER_BYTES, "big") + sealed


class KitChannel(_Side):
    """The kit's end, made anew for each connection. `seal` from one thread, `open` from one thread."""

    def __init__(
        self, kit_id: str, certificate: bytes, centre: X25519PublicKey, sign: Callable[[bytes, bytes], bytes]
    ) -> None:
        """``certificate``: the kit's own, DER; ``sign(domain, body)``: a P-256 signature, raw, by its key."""
        fresh = X25519PrivateKey.generate()
        public, to = fresh.public_key().public_bytes_raw(), centre.public_bytes_raw()
        up, down = _derive(fresh.exchange(centre), public, to)
        super().__init__(kit_id, _name_channel(public), up, down, (_UP, _DOWN))
        body = dumps([1, kit_id, public, to, certificate])
        self._opening = Signed(body, sign(DOMAIN, body)).pack()
        self._is_answered = False

    def seal(self, kind: str, payload: bytes) -> bytes:
        """A frame for the centre, with the opening for as long as nothing came back on this channel."""
        if self._is_answered:
            return super().seal(kind, payload)
        head = bytes([OPENING]) + len(self._opening).to_bytes(2, "big") + self._opening
        return head + self._seal_next(kind, payload)

    def open(self, kind: str, data: bytes) -> bytes | None:
        """What the centre says; None for its word on the channel itself. Raises ChannelError."""
        if kind == KIND and not data:
            self._is_answered = False  # the centre does not know the channel (any more)
            return None
        payload = self.open_frame(kind, read_frame(data))
        self._is_answered = True
        return None if kind == KIND else payload


class CentreChannel(_Side):
    """The centre's end of a channel whose opening was checked."""

    def __init__(self, opening: Opening, centre: X25519PrivateKey) -> None:
        """Raises ChannelError when the opening is to another key than ``centre``'s."""
        to = centre.public_key().public_bytes_raw()
        if opening.to != to:
            raise ChannelError("The kit seals to a key that is not this centre's: let it fetch the trust list anew.")
        try:
            shared = centre.exchange(X25519PublicKey.from_public_bytes(opening.key))
        except ValueError as error:
            raise ChannelError("The opening of a channel carries no usable key.") from error
        up, down = _derive(shared, opening.key, to)
        super().__init__(opening.kit_id, opening.channel_id, down, up, (_DOWN, _UP))


def _derive(shared: bytes, kit: bytes, centre: bytes) -> tuple[bytes, bytes]:
    made = HKDF(SHA256(), 2 * _KEY_BYTES, salt=kit + centre, info=DOMAIN).derive(shared)
    return made[:_KEY_BYTES], made[_KEY_BYTES:]


def _name_channel(key: bytes) -> bytes:
    return hashlib.sha256(DOMAIN + b"\0id\0" + key).digest()[:_ID_BYTES]


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")


def _bind(way: bytes, kit_id: str, kind: str) -> bytes:
    return b"\0".join((DOMAIN, way, kit_id.encode(), kind.encode()))


def _refuse_length(data: bytes) -> Signed:
    raise CodecError(f"The opening of a channel has {len(data)} bytes, more than the {MAX_OPENING_BYTES} allowed.")
