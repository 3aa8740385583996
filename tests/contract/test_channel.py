"""The sealed channel: what passes between kit and centre, and everything that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract.channel import (
    KIND,
    CentreChannel,
    ChannelError,
    KitChannel,
    UnknownChannelError,
    is_frame,
    read_frame,
)
from contract.signing import sign_p256

KIT = "dl-2901-01"
TEXT = b'{"lat":25.6,"lon":100.2}'


class Pair:
    """Both ends, the centre's made from the first frame."""

    def __init__(self) -> None:
        self.device: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
        self.centre_key = X25519PrivateKey.generate()
        self.kit = self.open_kit()
        opening = read_frame(self.kit.seal("beat", b"")).opening
        assert opening is not None
        opening.check_signature(self.device.public_key())
        assert (opening.kit_id, opening.certificate) == (KIT, b"certificate")
        self.opening = opening
        self.centre = CentreChannel(opening, self.centre_key)

    def open_kit(self) -> KitChannel:
        return KitChannel(
            KIT,
            b"certificate",
            self.centre_key.public_key(),
            lambda domain, body: sign_p256(self.device, domain, body),
        )

    def hear(self, kind: str, data: bytes) -> bytes:
        return self.centre.open_frame(kind, read_frame(data))


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_both_hear_each_other_and_nobody_else_anything(pair: Pair) -> None:
    said = pair.kit.seal("position", TEXT)
    assert is_frame(said) and not is_frame(TEXT) and not is_frame(b"")
    assert TEXT not in said and b"lat" not in said
    assert pair.hear("position", said) == TEXT
    told = pair.centre.seal("directive", b"order")
    assert b"order" not in told
    assert pair.kit.open("directive", told) == b"order"


def test_the_opening_goes_along_until_the_centre_answers_and_again_when_it_asks(pair: Pair) -> None:
    long = len(pair.kit.seal("beat", b""))
    assert read_frame(pair.kit.seal("beat", b"")).opening is not None
    assert pair.kit.open(KIND, pair.centre.seal(KIND, b"")) is None
    assert read_frame(pair.kit.seal("beat", b"")).opening is None
    assert len(pair.kit.seal("beat", b"")) == 33 < long
    assert pair.kit.open(KIND, b"") is None
    assert read_frame(pair.kit.seal("beat", b"")).opening is not None


@pytest.mark.parametrize("spot", [0, 1, 9, 16, 17, -1])
def test_a_changed_frame_is_refused(pair: Pair, spot: int) -> None:
    pair.kit.open(KIND, pair.centre.seal(KIND, b""))
    changed = bytearray(pair.kit.seal("position", TEXT))
    changed[spot] ^= 0x01
    with pytest.raises(ChannelError):
        pair.hear("position", bytes(changed))


def test_the_address_is_bound_into_the_seal(pair: Pair) -> None:
    with pytest.raises(ChannelError, match="misdirected"):
        pair.hear("alarm", pair.kit.seal("position", TEXT))
    with pytest.raises(ChannelError, match="misdirected"):
        pair.kit.open("receipt", pair.centre.seal("directive", b"order"))


def test_what_the_kit_said_cannot_be_played_back_to_it(pair: Pair) -> None:
    pair.kit.open(KIND, pair.centre.seal(KIND, b""))
    with pytest.raises(ChannelError):
        pair.kit.open("receipt", pair.kit.seal("receipt", TEXT))


def test_nothing_is_taken_twice_and_a_little_disorder_is(pair: Pair) -> None:
    frames = [pair.kit.seal("position", b"%d" % number) for number in range(400)]
    assert pair.hear("position", frames[10]) == b"10"
    assert pair.hear("position", frames[9]) == b"9"
    for again in (9, 10):
        with pytest.raises(ChannelError, match="second time"):
            pair.hear("position", frames[again])
    assert pair.hear("position", frames[399]) == b"399"
    assert pair.hear("position", frames[399 - 255]) == b"144"
    with pytest.raises(ChannelError, match="second time"):
        pair.hear("position", frames[399 - 256])


def test_a_forged_frame_uses_up_no_number(pair: Pair) -> None:
    frame = pair.kit.seal("position", TEXT)
    with pytest.raises(ChannelError):
        pair.hear("position", frame[:-1] + bytes([frame[-1] ^ 1]))
    assert pair.hear("position", frame) == TEXT


def test_an_unsealed_word_of_a_conquered_broker_is_no_word_of_the_centre(pair: Pair) -> None:
    for forged in (b"", TEXT, b"\x01", b"\x02\xff\xff", bytes(60)):
        with pytest.raises(ChannelError):
            pair.kit.open("directive", forged)


def test_who_only_knows_the_public_keys_cannot_seal_to_the_kit(pair: Pair) -> None:
    stranger = X25519PrivateKey.generate()
    with pytest.raises(ChannelError, match="not this centre's"):
        CentreChannel(pair.opening, stranger)
    forged = CentreChannel(pair.opening._replace(to=stranger.public_key().public_bytes_raw()), stranger)
    with pytest.raises(ChannelError, match="forged"):
        pair.kit.open("directive", forged.seal("directive", b"destroy"))


def test_an_opening_somebody_else_signed_is_refused(pair: Pair) -> None:
    with pytest.raises(ChannelError, match="not signed"):
        pair.opening.check_signature(generate_private_key(SECP256R1()).public_key())


def test_each_connection_has_keys_of_its_own(pair: Pair) -> None:
    other = pair.open_kit()
    other_id = read_frame(other.seal("beat", b"")).channel_id
    assert other_id != pair.centre.channel_id
    with pytest.raises(UnknownChannelError):
        other.open("directive", pair.centre.seal("directive", b"order"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame[:2],
        lambda frame: frame[:40],
        lambda frame: b"\x02\x10\x00" + bytes(4096),
        lambda frame: b"\x02\xff\xff" + bytes(65_535) + bytes(30),
        lambda frame: frame[:3] + bytes(len(frame) - 3),
    ],
)
def test_openings_that_are_none(pair: Pair, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ChannelError):
        read_frame(spoil(pair.kit.seal("beat", b"")))
