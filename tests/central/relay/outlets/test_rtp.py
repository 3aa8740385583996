"""Packets as RFC 3550 and 6184 want them, taken apart again by rules of the test's own."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from central.relay.outlets.rtp import MAX_PAYLOAD, Packer, describe, find_parameters, split_units
from tests.fakes.pictures import moving_pictures

UNIT = st.binary(min_size=1, max_size=5000).map(
    # as a codec makes them: no start code inside, no zero at the end
    lambda raw: bytes([0x65]) + raw.replace(b"\x00", b"\x01")
)


def put_together(packets: list[bytes]) -> list[bytes]:
    """RFC 6184, 5.6 and 5.8, from the receiver's side."""
    units: list[bytes] = []
    for packet in packets:
        payload = packet[12:]
        if payload[0] & 31 != 28:
            units.append(payload)
        elif payload[1] & 0x80:
            units.append(bytes([payload[0] & 0xE0 | payload[1] & 31]) + payload[2:])
        else:
            units[-1] += payload[2:]
    return units


@given(units=st.lists(UNIT, min_size=1, max_size=5), seq=st.integers(0, 65535))
def test_every_unit_comes_out_as_it_went_in(units: list[bytes], seq: int) -> None:
    annexb = b"".join(b"\x00\x00\x00\x01" + unit for unit in units)
    packets = Packer(ssrc=7, seq=seq).pack(split_units(annexb), 1_000_000)
    assert put_together(packets) == units
    assert all(len(packet) <= 12 + MAX_PAYLOAD for packet in packets)
    assert [packet[1] >> 7 for packet in packets] == [0] * (len(packets) - 1) + [1]
    numbers = [struct.unpack_from(">H", packet, 2)[0] for packet in packets]
    assert numbers == [(seq + step) & 0xFFFF for step in range(len(packets))]
    assert {struct.unpack_from(">I", packet, 4)[0] for packet in packets} == {90_000}


@given(st.binary(max_size=400))
def test_rubbish_is_split_without_a_fault(rubbish: bytes) -> None:
    assert all(len(unit) for unit in split_units(rubbish))


def test_a_real_picture_and_its_description() -> None:
    is_key, picture = moving_pictures(seconds=1)[0]
    found = find_parameters(split_units(picture))
    assert is_key and found is not None
    text = describe(*found, host="127.0.0.1", title="zhixing", session=1)
    assert f"profile-level-id={found[0][1:4].hex()}" in text and "packetization-mode=1" in text


def test_the_report_ties_media_time_to_utc() -> None:
    packer = Packer(ssrc=9, offset=5)
    kind, length = struct.unpack_from(">xBH", packer.report(1_500_000))
    seconds, rest, stamp = struct.unpack_from(">III", packer.report(1_500_000), 8)
    assert (kind, length) == (200, 6)
    assert (seconds - 2_208_988_800, rest, stamp) == (1, 2**31, 135_005)
