import pytest

from contract import segment
from contract.signing import dumps

HEADER = segment.SegmentHeader(
    recording_id=b"r" * 16, seq=1, salt=b"s" * 32, started_ms=1, monotonic_ms=2, duration_ms=2000,
    fix={"lat": 25.6, "lon": 100.2}, gps_ms=5,
)  # fmt: skip


def test_a_segment_splits_into_what_it_was_made_of():
    assert segment.split_plaintext(segment.pack_header(HEADER) + b"fmp4") == (HEADER, b"fmp4")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\0", b"\0\0\0\0", b"\xff\xff\xff\xff" + b"x" * 100, segment.pack_header(HEADER)[:-1],
     b"\0\0\0\1\xa0", b"\0\0\0\2\xff\xff"],
)  # fmt: skip
def test_anything_else_is_refused(data):
    with pytest.raises(segment.SegmentError):
        segment.split_plaintext(data)


def test_a_salt_of_wrong_length_is_refused():
    body = segment.pack_header(HEADER)
    import cbor2

    fields = cbor2.loads(body[4:])
    short = dumps({**fields, "salt": b"s"})
    with pytest.raises(segment.SegmentError, match="wrong length"):
        segment.split_plaintext(len(short).to_bytes(4, "big") + short)
