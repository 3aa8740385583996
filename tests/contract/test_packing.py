"""Packing gives back what was put in, and never more than was allowed."""

from __future__ import annotations

import random
import zlib

import msgspec
import pytest

from contract import messages
from contract.channel import is_frame
from contract.packing import PackingError, is_packed, pack, unpack

LIMIT = messages.MAX_UP_BYTES


def make_message(count: int) -> bytes:
    """As a kit writes it: one fix a second while it walks."""
    chance = random.Random(count)
    items = []
    for number in range(count):
        fix = messages.Fix(
            lat=round(25.6 + number * 1e-5 + chance.random() * 1e-5, 6),
            lon=round(100.2 + number * 1.3e-5, 6),
            fix_ms=1_795_728_900_000 + 1000 * number,
            speed_mps=round(chance.random() * 2, 2),
            course_deg=round(chance.random() * 360, 1),
        )
        at_ms, mono_ms = 1_795_728_900_037 + 1000 * number, 16_280_000 + 1000 * number
        items.append(messages.Item(4000 + number, at_ms, msgspec.Raw(messages.encode(fix)), mono_ms))
    spool, boot = (f"{chance.getrandbits(128):032x}" for _ in range(2))
    return messages.encode(messages.UpMessage(spool=spool, boot=boot, items=items))


@pytest.mark.parametrize("count", [1, 2, 30, 200])
def test_what_was_packed_comes_out_again_and_was_small(count: int) -> None:
    message = make_message(count)
    packed = pack(message)
    assert unpack(packed, max_bytes=LIMIT) == message
    assert is_packed(packed) and not is_packed(message)
    assert not is_frame(packed), "it would be taken for a sealed one"
    assert len(packed) < len(message) / (2 if count == 1 else 2.5)


def test_what_does_not_shrink_goes_as_it_is() -> None:
    noise = random.Random(1).randbytes(300)
    assert pack(b"{" + noise) == b"{" + noise


def test_of_a_bomb_no_more_is_made_than_is_allowed() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"\x10" + packer.compress(bytes(200_000_000)) + packer.flush()
    assert len(bomb) < LIMIT
    with pytest.raises(PackingError, match="longer"):
        unpack(bomb, max_bytes=LIMIT)


@pytest.mark.parametrize("spoil", ["cut", "longer", "flipped", "empty"])
def test_what_is_no_packed_message_is_refused(spoil: str) -> None:
    packed = bytearray(pack(make_message(3)))
    if spoil == "cut":
        packed = packed[:-3]
    elif spoil == "longer":
        packed += b"x"
    elif spoil == "flipped":
        packed[1] = 0xFF
    else:
        packed = packed[:1]
    with pytest.raises(PackingError):
        unpack(bytes(packed), max_bytes=LIMIT)
