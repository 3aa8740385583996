import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import messages as m

SPOOL, BOOT = "a" * 32, "b" * 32


def position_message(**changes):
    body = {"lat": 25.6, "lon": 100.2, **changes}
    return json.dumps(
        {"v": 1, "spool": SPOOL, "boot": BOOT, "items": [{"seq": 1, "at_ms": 5, "body": body}]}
    ).encode()


def test_positions_decode_in_one_pass_and_ignore_what_a_newer_kit_adds():
    message = m.decode_positions(position_message(satellites=9))
    assert message.items[0].body == m.Fix(lat=25.6, lon=100.2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lat": 91}, "<= 90"),
        ({"lon": -181}, ">= -180"),
        ({"mode": 1}, "Invalid enum value"),
        ({"fix_ms": -1}, ">= 0"),
        ({"lat": "25"}, "Expected `float`"),
        ({"source": "x" * 65}, "length <= 64"),
    ],
)
def test_a_position_out_of_range_is_refused_with_its_reason(changes, reason):
    with pytest.raises(m.MessageError, match=reason):
        m.decode_positions(position_message(**changes))


def test_nan_is_no_position():
    with pytest.raises(m.MessageError):
        m.decode_positions(position_message(lat=float("nan")))


def test_an_oversize_message_is_refused_before_it_is_read():
    with pytest.raises(m.MessageError, match="longer than"):
        m.decode_up(b" " * (m.MAX_UP_BYTES + 1))


def test_more_items_than_allowed_are_refused():
    item = {"seq": 1, "at_ms": 1, "body": {}}
    data = json.dumps({"spool": SPOOL, "boot": BOOT, "items": [item] * (m.MAX_ITEMS + 1)}).encode()
    with pytest.raises(m.MessageError, match="length <= 200"):
        m.decode_up(data)


def test_a_version_from_the_future_is_refused():
    data = json.dumps({"v": 2, "spool": SPOOL, "boot": BOOT, "items": [{"seq": 1, "at_ms": 1, "body": {}}]}).encode()
    with pytest.raises(m.MessageError):
        m.decode_up(data)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_message_error(data):
    for decode in (m.decode_up, m.decode_positions, lambda raw: m.decode(raw, m.Alarm)):
        try:
            decode(data)
        except m.MessageError as error:
            assert str(error)


@pytest.mark.parametrize(
    "message",
    [
        m.Alarm(alarm_id=SPOOL, kind="sos", pressed_ms=1, fix=m.Fix(lat=1.5, lon=2.5)),
        m.Hello(have=3, version="0.1"),
        m.TelemetryReceipt(spool=SPOOL, ranges=[(1, 5), (7, 7)]),
        m.Directive(number=1, kind="sos_ack", issued_ms=1, body=msgspec.Raw(b'{"a":1}')),
        m.CommandReceipt(number=1, state="felt", at_ms=2),
    ],
)
def test_every_message_survives_the_wire(message):
    assert m.encode(m.decode(m.encode(message), type(message))) == m.encode(message)


def test_every_uplink_kind_has_a_body():
    from contract.names import UP_KINDS

    assert set(m.BODY_OF_KIND) == set(UP_KINDS)
