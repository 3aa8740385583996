"""Pages of what recordings are about, and of kits that record together."""

from urllib.parse import quote

import pytest
from sqlmodel import select

from central.devices import service as devices
from central.devices.models import MailboxEntry
from central.incidents.calls import list_open_calls
from central.web.labels.footage import CATEGORIES, NOTES
from contract import categories, notes
from tests.browser.footage import Footage, film
from tests.browser.world import World

CASE = "（2026）云2901执77号"


@pytest.fixture
def world(store, settings, bus, kits):
    return World(store, settings, bus, kits=kits)


@pytest.fixture
def footage(world, store, kits):
    """A recording made on a task, with a mark and a turn of the wheel."""
    body = {"title": "搜查被执行人住所", "case_no": CASE, "category": "search"}
    with store.write() as uow:
        number = devices.put_directive(uow, kits["dl-2901-01"], kind="task", body=body).number
    made = Footage(world, "dl-2901-01", world.now_ms() - 60_000, opening={"task": number, "category": "search"})
    at_ms = world.now_ms() - 58_000
    said = [
        {"what": "mark", "at_ms": at_ms, "category": "search", "task": number},
        {"what": "category", "at_ms": at_ms, "category": "seizure"},
        {"what": "stop", "at_ms": at_ms, "cause": "centre"},
        {"what": "sound", "at_ms": at_ms, "sound": "lost"},
    ]
    for segment in film("dl-2901-01", 2):
        made.add(segment, notes=said)
        said = []
    return made


def test_every_code_has_its_words():
    assert set(CATEGORIES) == set(categories.CATEGORIES)
    assert set(NOTES) == set(notes.WHATS)


def test_the_list_finds_by_category_and_case(log_in, footage):
    client = log_in("zhiban")
    link = f"/recordings/{footage.id}"
    assert link in client.get("/recordings").text
    for query in ("category=search", "category=seizure", f"case={quote(CASE)}", f"case=%20{quote(CASE)}%20"):
        text = client.get(f"/recordings?{query}").text
        assert link in text, query
        assert CASE in text
    for query in ("category=eviction", "case=other", f"together={'a' * 32}", "category=%3Cb%3E"):
        assert link not in client.get(f"/recordings?{query}").text


def test_the_page_tells_task_case_and_what_happened(log_in, footage):
    text = log_in("zhiban").get(f"/recordings/{footage.id}").text
    for words in (CASE, "查封、扣押", "录制经过", "重点标记", "麦克风中断", "要求停止，继续录制一段时间", "中心指令"):
        assert words in text, words


def test_a_kit_and_those_near_it_are_ordered_from_its_page(log_in, store, kits):
    client = log_in("zhiban")
    page = client.get("/kits/dl-2901-01").text
    assert "与附近装备一同录像" in page
    assert "结束联动录像" not in page
    answer = client.post("/kits/dl-2901-01/together", data={"wanted": "true", "cause": "共同执行"})
    assert answer.status_code == 303
    with store.read() as session:
        (call,) = list_open_calls(session, kits["dl-2901-01"].kit_no)
    assert "结束联动录像" in client.get("/kits/dl-2901-01").text
    assert client.post("/kits/dl-2901-01/together", data={"wanted": "false", "cause": "结束"}).status_code == 303
    with store.read() as session:
        entries = session.exec(select(MailboxEntry).order_by(MailboxEntry.number)).all()
        assert list_open_calls(session, kits["dl-2901-01"].kit_no) == []
    assert [(entry.kind, entry.body["for_alarm"]) for entry in entries] == [
        ("record_start", call),
        ("record_stop", call),
    ]


def test_without_the_right_nobody_orders(log_in):
    answer = log_in("faguan").post("/kits/dl-2901-01/together", data={"wanted": "true", "cause": "x"})
    assert answer.status_code == 403
