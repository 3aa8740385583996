from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contract import chain
from contract.chain_writer import ChainWriter
from contract.signing import CodecError, Signed, dumps, loads

KEY = ec.generate_private_key(ec.SECP256R1())
RID = bytes(range(16))


def writer(rid=RID, key=KEY):
    return ChainWriter(chain.begin(rid), lambda body: chain.sign(key, body))


def segment(w, n):
    return w.segment(
        cipher_hash=bytes([n]) * 32, clear_hash=bytes([n + 1]) * 32, length=1000 + n,
        started_ms=1_764_000_000_000 + 2000 * n, duration_ms=2000, monotonic_ms=2000 * n,
    )  # fmt: skip


def recording(segments=5, rid=RID, key=KEY):
    w = writer(rid, key)
    signed = [w.open(kit_id="dl-2901-01", boot="0" * 32, started_ms=1, monotonic_ms=0, previous=None)]
    signed += [segment(w, n) for n in range(segments)]
    signed.append(w.gap(cause="camera_stall", started_ms=2, duration_ms=900, monotonic_ms=3))
    signed.append(w.final(cause="officer", started_ms=3, monotonic_ms=4))
    return signed


def walk(signed, rid=RID, key=KEY):
    state = chain.begin(rid)
    for item in signed:
        _, state = chain.check_record(item, key.public_key(), state)
    return state


def test_a_whole_chain_checks_and_closes():
    state = walk(recording())
    assert state.closed
    assert state.next_seq == 8


def test_a_record_stays_near_two_hundred_bytes():
    assert len(recording()[2].body) + 64 <= 220


@pytest.mark.parametrize(
    ("spoil", "seq", "reason"),
    [
        (lambda r: r[:3] + r[4:], 3, "dropped, swapped or repeated"),
        (lambda r: [*r[:2], r[3], r[2], *r[4:]], 2, "dropped, swapped or repeated"),
        (lambda r: [*r[:3], r[2], *r[3:]], 3, "dropped, swapped or repeated"),
        (lambda r: [*r, r[-1]], 8, "already closed"),
        (lambda r: [*r[:2], recording(rid=b"x" * 16)[2], *r[3:]], 2, "another recording"),
        (lambda r: [*r[:2], Signed(r[2].body, bytes(64)), *r[3:]], 2, "signature"),
        (lambda r: [*r[:2], Signed(r[2].body[:-1] + b"\x01", r[2].sig), *r[3:]], 2, "signature"),
    ],
    ids=["dropped", "swapped", "repeated", "added", "spliced", "forged", "flipped"],
)
def test_whatever_is_done_to_a_chain_the_first_wrong_record_is_named(spoil, seq, reason):
    with pytest.raises(chain.ChainError, match=reason) as caught:
        walk(spoil(recording()))
    assert caught.value.seq == seq


def test_a_second_version_of_a_record_breaks_the_link_after_it():
    good = recording()
    state = chain.begin(RID)
    for item in good[:2]:
        _, state = chain.check_record(item, KEY.public_key(), state)
    forked = ChainWriter(state, lambda body: chain.sign(KEY, body))
    with pytest.raises(chain.ChainError, match="does not continue") as caught:
        walk([*good[:2], segment(forked, 9), *good[3:]])
    assert caught.value.seq == 3


def test_a_strangers_chain_does_not_pass_for_the_kits():
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(chain.ChainError, match="signature"):
        walk(recording(key=stranger))


def test_a_chain_goes_on_after_a_restart_where_it_stood():
    w = writer()
    first = [w.open(kit_id="dl-1", boot="0" * 32, started_ms=1, monotonic_ms=0), segment(w, 1)]
    resumed = ChainWriter(walk(first), lambda body: chain.sign(KEY, body))
    rest = [resumed.gap(cause="crash", started_ms=1, duration_ms=1, monotonic_ms=1), segment(resumed, 2)]
    assert walk(first + rest).next_seq == 4


def test_nothing_is_written_after_the_end():
    w = writer()
    w.open(kit_id="dl-1", boot="0" * 32, started_ms=1, monotonic_ms=0)
    w.final(cause="officer", started_ms=1, monotonic_ms=1)
    with pytest.raises(chain.ChainError, match="closed"):
        segment(w, 1)


def test_encoding_and_decoding_agree():
    for item in recording():
        assert chain.encode(chain.decode(item.body)) == item.body


def spoiled_bodies():
    fields = loads(recording()[2].body)
    yield dumps({**fields, 99: 1})
    yield dumps({**fields, 9: 0})
    yield dumps({**fields, 9: -1})
    yield dumps({**fields, 9: True})
    yield dumps({**fields, 6: b"short"})
    yield dumps({**fields, 3: 9})
    yield dumps({**fields, 13: ""})
    yield dumps({**fields, 13: "x" * 300})
    yield dumps({**fields, 2: 7})
    yield dumps({key: value for key, value in fields.items() if key != 7})
    yield dumps({**loads(recording()[0].body), 5: 3})
    yield dumps([1, 2])
    yield b"\xff"
    yield b"x" * 5000


@pytest.mark.parametrize("body", list(spoiled_bodies()))
def test_a_malformed_body_is_refused(body):
    with pytest.raises(CodecError):
        chain.decode(body)


def test_a_gap_must_state_its_cause():
    gap = chain.decode(recording()[-2].body)
    with pytest.raises(CodecError, match="cause"):
        chain.decode(chain.encode(replace(gap, cause="")))
