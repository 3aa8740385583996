"""Previews: played in place of a segment that has not come, named for what they are, under purpose and audit."""

from __future__ import annotations

import hashlib
import io
import os

import av
import pytest

from central.audit import queries as audit
from central.evidence import proxies, queries
from contract import chain, envelope, proxy
from contract.segment import SegmentHeader, pack_header
from contract.signing import Signed, sign_p256
from edge.recorder.proxy import Shrinker
from tests.browser.footage import Footage, film, identity_of
from tests.browser.world import World


@pytest.fixture
def world(store, settings, bus, kits) -> World:
    return World(store, settings, bus, kits=kits)


@pytest.fixture
def footage(world) -> Footage:
    """Two segments, of the second only the small picture."""
    footage = Footage(world, "dl-2901-01", world.now_ms() - 60_000)
    first, second = film("dl-2901-01", 4)[:2]
    footage.add(first)
    send_preview(world, footage, footage.add(second, store=False), second)
    return footage


def send_preview(world, footage, seq, segment) -> None:
    picture, mime = Shrinker().shrink(segment)
    salt = os.urandom(32)
    header = SegmentHeader(
        recording_id=footage.recording_id,
        seq=seq,
        salt=salt,
        started_ms=1,
        monotonic_ms=1,
        duration_ms=2000,
        mime=mime,
    )
    sealed = envelope.seal(pack_header(header) + picture, [identity_of(world).public_key()])
    with world.store.read() as session:
        original = queries.find_link(session, footage.id, seq).cipher_hash
    body = proxy.encode(
        proxy.ProxyRecord(
            recording_id=footage.recording_id,
            seq=seq,
            cipher_hash=hashlib.sha256(sealed).digest(),
            clear_hash=chain.clear_hash(salt, picture),
            original_hash=original,
            length=len(sealed),
        )
    )
    parcel = proxy.pack(Signed(body, sign_p256(footage.holder.key, proxy.DOMAIN, body)), sealed)
    assert proxies.receive_proxy(
        world.store, footage.vault, kit=footage.kit, recording_id=footage.id, seq=seq, parcel=parcel
    )


def state_purpose(client, footage) -> str:
    answer = client.post(f"/recordings/{footage.id}/grants", data={"purpose": "核实执行现场情况"})
    return answer.json()["grant"]


def test_the_page_names_it_for_what_it_is(log_in, footage):
    client = log_in("zhiban")
    text = client.get(f"/recordings/{footage.id}").text
    assert "低清预览，非证据" in text and "尚未收到" in text
    segments = client.get(f"/recordings/{footage.id}/index").json()["segments"]
    assert [(line["stored"], line["has_proxy"]) for line in segments] == [(True, False), (False, True)]
    assert segments[1]["words"] == "尚未收到", "continuity does not count it"


def test_it_opens_for_a_purpose_and_is_audited(log_in, footage, store):
    client = log_in("zhiban")
    path = f"/recordings/{footage.id}/segments/2/preview"
    assert client.get(path).status_code >= 400, "without a purpose nothing is opened"
    answer = client.get(path, params={"grant": state_purpose(client, footage)})
    assert answer.status_code == 200 and answer.headers["x-segment-mime"].startswith("video/mp4; codecs=")
    with av.open(io.BytesIO(answer.content)) as container:
        pictures = list(container.decode(video=0))
    assert pictures and pictures[0].width == 320
    with store.read() as session:
        (entry,) = audit.list_entries(session, court_prefix="云", action_prefix="evidence:proxy:open")
    assert (entry.subject, entry.purpose) == (f"{footage.id}/2", "核实执行现场情况")


def test_of_a_segment_that_is_here_there_is_none(log_in, footage):
    client = log_in("zhiban")
    grant = state_purpose(client, footage)
    assert client.get(f"/recordings/{footage.id}/segments/1/preview?grant={grant}").status_code == 404
    assert client.get(f"/recordings/{footage.id}/segments/2/clear?grant={grant}").status_code == 404


def test_a_package_knows_nothing_of_it(world, footage):
    with world.store.read() as session:
        assert set(queries.list_stored_digests(session, footage.id)) == {1}


def test_an_hour_on_the_kit_is_one_line_not_a_thousand(log_in, world):
    footage = Footage(world, "dl-2901-01", world.now_ms() - 60_000)
    segments = film("dl-2901-01", 10)
    for number, segment in enumerate(segments[:5]):
        footage.add(segment, store=number in (0, 3))
    footage.close()
    text = log_in("zhihui").get(f"/recordings/{footage.id}").text
    steps = text[text.index("核验") : text.index("导出证据包")]
    assert steps.count("尚未收到") == 2
    assert "时长 0:04 · 2 段 · 由中心发现" in steps
