"""A session's record in the browser's hands: what it holds, parts for a purpose, the package; each act audited."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from pathlib import Path

import av
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from central.audit import queries as audit
from central.base.bus import LocalBus
from central.base.outbox import SESSION_CHANGED, read_outbox
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import record_service
from central.devices.rules import KitRef
from central.relay.record import SessionRecorder
from contract import verify
from contract.live import Type, pack
from contract.signers import load_anchor
from tests.browser.footage import Footage
from tests.browser.footage import film as film_segments
from tests.browser.world import World
from tests.central.relay.recording import KIT, Session, authority, begin, hand_over
from tests.fakes.clocks import FakeClock

LogIn = Callable[[str], httpx.Client]


@pytest.fixture
def session(store: Store, settings: Settings, clock: FakeClock, kits: object) -> Session:
    return Session(store, settings, clock)


def acts(store: Store, action: str) -> list[tuple[str, str]]:
    with store.read() as reading:
        rows = audit.list_entries(reading, court_prefix="云", action_prefix=f"command:record:{action}")
    return [(row.actor, row.purpose) for row in rows]


def open_for(client: httpx.Client, session: Session, purpose: str = "核实执行现场情况") -> str:
    """State a purpose; returns the address of the player's source."""
    stated = client.post(f"/command/{session.id}/record/open", data={"purpose": purpose})
    assert stated.status_code == 303, stated.text
    page = client.get(stated.headers["location"])
    found = re.search(r'<video [^>]*src="([^"#]+)', page.text)
    assert found, page.text
    return html.unescape(found[1])


def test_the_page_tells_what_is_in_it_and_that_is_audited(log_in: LogIn, session: Session, store: Store) -> None:
    text = log_in("zhihui").get(f"/command/{session.id}/record").text
    for part in ("会话记录", "完整", "开始指挥", "调阅前请说明用途", "导出证据包", "装备原始录像"):
        assert part in text
    assert "<video" not in text
    assert acts(store, "view") == [("user:zhihui", "")]


def test_a_part_is_opened_for_a_purpose_and_audited(log_in: LogIn, session: Session, store: Store) -> None:
    client = log_in("zhiban")
    answer = client.get(open_for(client, session))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.headers["cache-control"] == "no-store"
    with av.open(io.BytesIO(answer.content)) as container:
        assert len(list(container.decode(video=0))) == 80
    with av.open(io.BytesIO(answer.content)) as container:
        assert sum(heard.samples for heard in container.decode(audio=0)) > 7 * 48_000
    assert acts(store, "open") == [("user:zhiban", "核实执行现场情况")]


def test_without_a_purpose_or_with_another_s_nothing_opens(log_in: LogIn, session: Session, store: Store) -> None:
    client = log_in("zhiban")
    assert client.post(f"/command/{session.id}/record/open", data={"purpose": " "}).status_code == 422
    address = open_for(client, session)
    assert client.get(re.sub("grant=[^&]+", "grant=", address)).status_code == 403
    assert log_in("zhihui").get(address).status_code == 403
    assert acts(store, "open") == []


def test_a_role_that_may_see_and_not_play(log_in: LogIn, session: Session) -> None:
    client = log_in("juzhang")
    text = client.get(f"/command/{session.id}/record").text
    assert "您的角色无权调阅录像内容" in text
    stated = client.post(f"/command/{session.id}/record/open", data={"purpose": "样例"})
    page = client.get(stated.headers["location"])
    assert "<video" not in page.text
    grant = stated.headers["location"].split("grant=")[1]
    assert client.get(f"/command/{session.id}/record/clip?grant={grant}&source={KIT}").status_code == 403


def test_courts_that_took_no_part_find_nothing(log_in: LogIn, session: Session) -> None:
    assert log_in("linxian").get(f"/command/{session.id}/record").status_code == 404


def test_what_is_damaged_is_not_shown(log_in: LogIn, session: Session, settings: Settings) -> None:
    client = log_in("zhiban")
    address = open_for(client, session)
    path = Path(settings.data_dir) / "session_records" / session.id / "000001.age"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    answer = client.get(address)
    assert answer.status_code == 409
    assert "与签名不符" in answer.text


def test_a_part_without_that_picture_is_said(log_in: LogIn, session: Session) -> None:
    client = log_in("zhiban")
    answer = client.get(open_for(client, session).replace(f"source={KIT}", "source=dl-2901-77"))
    assert answer.status_code == 404
    assert "所选时段没有该画面或通话" in answer.text


def test_the_package_verifies_and_its_leaving_is_audited(
    log_in: LogIn, session: Session, store: Store, tmp_path: Path
) -> None:
    answer = log_in("zhihui").post(f"/command/{session.id}/record/export", data={"purpose": "样例：移送"})
    assert answer.status_code == 200, answer.text
    (tmp_path / "session.zip").write_bytes(answer.content)
    anchor = load_anchor(authority().root.cert.public_bytes(Encoding.DER))
    judgement = verify.verify_package(tmp_path / "session.zip", anchor)
    assert (judgement.verdict, judgement.session) == ("genuine", session.id)
    assert acts(store, "export") == [("user:zhihui", "样例：移送")]


def test_what_could_not_be_recorded_stands_on_the_page(
    log_in: LogIn, store: Store, settings: Settings, clock: FakeClock, kits: object
) -> None:
    hand_over(settings)
    session_id = begin(store, [KIT]).id
    recorder = SessionRecorder(store, settings)
    recorder.frame(session_id, KIT, pack(Type.VIDEO, b"1" * 99, flags=1))
    clock.advance(ms=6000)
    recorder.turn()
    with store.write() as uow:
        record_service.note_trouble(uow, session_id, "storage_full")
    client = log_in("zhihui")
    for path in (f"/command/{session_id}/record", f"/command/{session_id}"):
        assert "此刻没有记录：存储已满" in client.get(path).text
    with store.read() as reading:
        told = [row.payload["change"] for row in read_outbox(reading, after_id=0) if row.kind == SESSION_CHANGED]
    assert told[-1] == "record"
    clock.advance(ms=60_000)
    SessionRecorder(store, settings).turn()  # the relay was killed and comes back
    text = client.get(f"/command/{session_id}/record").text
    assert "中心已签名说明" in text
    assert "程序异常重启" in text


def test_the_kit_s_own_recording_of_that_time_is_beside_it(
    log_in: LogIn, session: Session, store: Store, settings: Settings, bus: LocalBus, kits: dict[str, KitRef]
) -> None:
    world = World(store, settings, bus, kits=kits)
    beside, before = Footage(world, KIT, world.now_ms() - 8000), Footage(world, KIT, world.now_ms() - 900_000)
    for footage in (beside, before):
        for segment in film_segments(KIT, 2):
            footage.add(segment)
    text = log_in("zhihui").get(f"/command/{session.id}/record").text
    assert f'href="/recordings/{beside.id}"' in text
    assert before.id not in text
