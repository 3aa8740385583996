"""Small pictures of a segment: made from the clear bytes, sealed and signed, and never at the recording's cost."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import av
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import chain, envelope, proxy
from contract.segment import split_plaintext
from contract.signing import sign_p256
from edge.recorder.proxy import HEIGHT, WIDTH, ProxyMaker, Shrinker
from edge.recorder.segmenter import ClearSegment
from edge.recorder.sources.synthetic import SyntheticCamera
from edge.spool import SegmentRow, open_spool
from tests.fakes.cutting import cut_source

RID = "ab" * 16
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def segments() -> list[ClearSegment]:
    camera = SyntheticCamera("dl-2901-01", width=640, height=360, fps=15, paced=False)
    return cut_source(camera, frames=70).segments


def row_of(segment: ClearSegment) -> SegmentRow:
    digest = hashlib.sha256(segment.data).digest()
    return SegmentRow(RID, 1, digest, len(segment.data), segment.started.wall_ms, 2_000)


def sign(body: bytes) -> bytes:
    return sign_p256(KEY, proxy.DOMAIN, body)


def test_it_is_small_and_stands_where_its_segment_stands(segments: list[ClearSegment]) -> None:
    shrinker = Shrinker()
    # The last one again: a new recording begins at zero once more.
    for segment in (*segments[:2], segments[0]):
        data, mime = shrinker.shrink(segment)
        with av.open(io.BytesIO(data)) as container:
            pictures = [(frame.time, frame.width, frame.height) for frame in container.decode(video=0)]
        times = [round(time * 1e6) for time, _, _ in pictures]
        assert times[0] == segment.first_us and times[-1] < segment.first_us + segment.duration_us
        assert all((width, height) == (WIDTH, HEIGHT) for _, width, height in pictures)
        assert len(data) < 12_000 < len(segment.data)
        assert mime.startswith('video/mp4; codecs="avc1.')


def test_its_shape_is_kept(segments: list[ClearSegment]) -> None:
    tall = cut_source(SyntheticCamera("dl-2901-01", width=240, height=480, fps=15, paced=False), frames=40)
    shrinker = Shrinker()
    shrinker.shrink(segments[0])
    data, mime = shrinker.shrink(tall.segments[0])
    with av.open(io.BytesIO(data)) as container:
        picture = next(container.decode(video=0))
    assert (picture.width, picture.height) == (90, 180)
    assert Shrinker().shrink(tall.segments[0])[1] == mime, "one that made others before says the same"


def test_each_segments_small_pictures_stand_alone(segments: list[ClearSegment]) -> None:
    shrinker = Shrinker()
    kept = [shrinker.shrink(segment)[0] for segment in segments[:2]]
    alone = [Shrinker().shrink(segment)[0] for segment in segments[:2]]
    for several, single in zip(kept, alone, strict=True):
        with av.open(io.BytesIO(several)) as left, av.open(io.BytesIO(single)) as right:
            pairs = list(zip(left.decode(video=0), right.decode(video=0), strict=True))
        assert pairs and all(one.time == other.time for one, other in pairs)
        for one, other in pairs:
            rows = (bytes(one.planes[0]), bytes(other.planes[0]))
            apart = sum(abs(a - b) for a, b in zip(*rows, strict=True)) / len(rows[0])
            assert apart < 6, "the same picture, but for what compressing takes"


def test_it_is_sealed_and_signed_and_names_its_segment(segments: list[ClearSegment], tmp_path: Path) -> None:
    centre = X25519PrivateKey.generate()
    row = row_of(segments[0])
    with open_spool(tmp_path / "spool.db") as spool:
        (tmp_path / "vault" / RID).mkdir()
        spool.vault.add_segment(row, b"record", b"s" * 64)
        ProxyMaker(spool, sign).make(segments[0], row, [centre.public_key()])
        (kept,) = spool.proxies.pending(10)
        parcel = spool.proxies.path_of(RID, 1).read_bytes()
    assert (kept.length, kept.digest) == (len(parcel), hashlib.sha256(parcel).digest())
    signed, record, sealed = proxy.unpack(parcel)
    assert proxy.is_signed_by(KEY.public_key(), signed)
    assert (record.recording_id.hex(), record.seq, record.original_hash) == (RID, 1, row.cipher_hash)
    header, picture = split_plaintext(b"".join(envelope.open_stream(io.BytesIO(sealed), [centre])))
    assert chain.clear_hash(header.salt, picture) == record.clear_hash
    assert picture[4:8] == b"ftyp" and picture not in parcel


def test_a_segment_it_cannot_read_costs_only_the_proxy(segments: list[ClearSegment], tmp_path: Path) -> None:
    keys = (dataclasses.replace(segments[0].keys[0], data=b"no film"),)
    broken = dataclasses.replace(segments[0], keys=keys)
    row = row_of(broken)
    with open_spool(tmp_path / "spool.db") as spool:
        (tmp_path / "vault" / RID).mkdir()
        spool.vault.add_segment(row, b"record", b"s" * 64)
        ProxyMaker(spool, sign).make(broken, row, [X25519PrivateKey.generate().public_key()])
        assert spool.proxies.count() == 0 and spool.vault.count_pending() == 1


def test_it_goes_with_its_segment(segments: list[ClearSegment], tmp_path: Path) -> None:
    row = row_of(segments[0])
    with open_spool(tmp_path / "spool.db") as spool:
        (tmp_path / "vault" / RID).mkdir()
        spool.vault.add_segment(row, b"record", b"s" * 64)
        ProxyMaker(spool, sign).make(segments[0], row, [X25519PrivateKey.generate().public_key()])
        with spool.transaction() as db:
            db.execute("UPDATE segments SET receipt = x'00', receipted_ms = 0")
        assert spool.proxies.pending(10) == [], "of no use once the original is there"
        spool.vault.delete_receipted()
        assert spool.proxies.count() == 0 and not spool.proxies.path_of(RID, 1).exists()
