"""Recordings: the index with its gaps, and segments opened for a stated purpose only."""

import io
from itertools import pairwise
from pathlib import Path

import av
import pytest

from central.audit import queries as audit
from central.base.unit_of_work import Store
from contract import verify
from tests.browser.footage import Footage, authority, film, make_recording
from tests.browser.world import World
from tests.waiting import wait_until


@pytest.fixture
def world(store: Store, settings, bus, kits) -> World:
    return World(store, settings, bus, kits=kits)


@pytest.fixture
def footage(world) -> Footage:
    return make_recording(world, "dl-2901-01", seconds=6)


def state_purpose(client, footage, purpose="核实执行现场情况"):
    return client.post(f"/recordings/{footage.id}/grants", data={"purpose": purpose})


def test_page_tells_what_is_missing_and_why(log_in, footage):
    text = log_in("zhihui").get(f"/recordings/{footage.id}").text
    assert "有间断" in text
    assert "摄像头中断" in text
    assert "装备已签名说明" in text
    assert "导出证据包" in text
    assert "导出证据包" not in log_in("zhiban").get(f"/recordings/{footage.id}").text


def test_index_lays_gaps_on_the_recordings_own_scale(log_in, footage):
    index = log_in("zhiban").get(f"/recordings/{footage.id}/index").json()
    assert index["closed"]
    segments = index["segments"]
    gap = next(line for line in segments if line["is_gap"])
    assert (gap["cause"], gap["words"], gap["duration_ms"]) == ("camera_stall", "摄像头中断", 7000)
    for before, after in pairwise(segments):
        assert after["at_ms"] == before["at_ms"] + before["duration_ms"]


def test_segment_not_received_is_stated(log_in, world):
    footage = Footage(world, "dl-2901-01", world.now_ms() - 60_000)
    for number, segment in enumerate(film("dl-2901-01", 4)):
        footage.add(segment, store=number != 1)
    client = log_in("zhiban")
    index = client.get(f"/recordings/{footage.id}/index").json()
    assert [line["stored"] for line in index["segments"]] == [True, False]
    assert index["segments"][1]["words"] == "尚未收到"
    grant = state_purpose(client, footage).json()["grant"]
    assert client.get(f"/recordings/{footage.id}/segments/2/clear?grant={grant}").status_code == 404


def test_segment_opens_for_a_purpose_and_is_audited(log_in, footage, store):
    client = log_in("zhiban")
    grant = state_purpose(client, footage).json()["grant"]
    answer = client.get(f"/recordings/{footage.id}/segments/1/clear", params={"grant": grant})
    assert answer.status_code == 200
    assert answer.headers["x-segment-mime"].startswith("video/mp4; codecs=")
    assert answer.headers["cache-control"] == "no-store"
    with av.open(io.BytesIO(answer.content)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) >= 15
    with store.read() as session:
        entry = audit.list_entries(session, court_prefix="云", action_prefix="evidence:segment:open")[0]
    assert (entry.actor, entry.purpose) == ("user:zhiban", "核实执行现场情况")
    assert entry.subject.startswith(footage.id)


def test_looking_at_a_recording_is_audited(log_in, footage, store):
    log_in("zhiban").get(f"/recordings/{footage.id}")
    log_in("guanli").get(f"/recordings/{footage.id}")  # refused: nothing was seen
    with store.read() as session:
        entries = audit.list_entries(session, court_prefix="云", action_prefix="evidence:recording:view")
    assert [(entry.actor, entry.subject) for entry in entries] == [("user:zhiban", footage.id)]


def test_no_purpose_no_picture(log_in, footage):
    client = log_in("zhiban")
    assert state_purpose(client, footage, "  ").status_code == 422
    assert state_purpose(client, footage, "长" * 201).status_code == 422
    path = f"/recordings/{footage.id}/segments/1/clear"
    assert client.get(path).status_code == 403
    assert client.get(path, params={"grant": "AAAA"}).status_code == 403


def test_grant_is_bound_to_log_in_and_recording(log_in, world, footage):
    other = make_recording(world, "dl-2901-01", seconds=2, gap=False)
    client = log_in("zhiban")
    grant = state_purpose(client, footage).json()["grant"]
    assert client.get(f"/recordings/{other.id}/segments/1/clear", params={"grant": grant}).status_code == 403
    path = f"/recordings/{footage.id}/segments/1/clear"
    assert log_in("zhihui").get(path, params={"grant": grant}).status_code == 403


def test_damaged_segment_shows_nothing(log_in, footage):
    path = footage.vault.path_of(footage.id, 1)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    client = log_in("zhiban")
    grant = state_purpose(client, footage).json()["grant"]
    answer = client.get(f"/recordings/{footage.id}/segments/1/clear", params={"grant": grant})
    assert answer.status_code == 409
    assert "与签名记录不符" in answer.text
    assert b"ftyp" not in answer.content


@pytest.mark.parametrize("login", ["linxian", "guanli"])
def test_others_see_no_recording(log_in, footage, login):
    client = log_in(login)
    for path in ("", "/index", "/segments/1/clear"):
        assert client.get(f"/recordings/{footage.id}{path}").status_code in (403, 404)
    assert state_purpose(client, footage).status_code in (403, 404)


def test_list_shows_length_and_state(log_in, footage):
    text = log_in("zhiban").get("/recordings").text
    assert footage.id in text
    assert "已收齐" in text
    assert "1 处" in text


def test_export_is_a_package_that_verifies(log_in, footage, store, tmp_path, capsys):
    client = log_in("zhihui")
    assert client.post(f"/recordings/{footage.id}/export", data={"purpose": ""}).status_code == 422
    answer = client.post(f"/recordings/{footage.id}/export", data={"purpose": "移送审查"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="zhixing-dl-2901-01-' in answer.headers["content-disposition"]
    package, root = tmp_path / "package.zip", tmp_path / "root.crt"
    package.write_bytes(answer.content)
    root.write_bytes(authority().root.cert_pem())
    assert verify.main([str(package), "--anchor", str(root)]) == 0, capsys.readouterr().out
    exports = Path(footage.world.settings.data_dir) / "exports"
    wait_until(lambda: not list(exports.iterdir()), 5, "the temporary file to go")
    with store.read() as session:
        entry = audit.list_entries(session, court_prefix="云", action_prefix="evidence:recording:export")[0]
    assert (entry.actor, entry.purpose) == ("user:zhihui", "移送审查")


def test_only_commanders_export(log_in, footage):
    answer = log_in("zhiban").post(f"/recordings/{footage.id}/export", data={"purpose": "移送审查"})
    assert answer.status_code == 403
