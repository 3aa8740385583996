"""Remote command through the pages: asked, decided, begun, led, ended; without scripts throughout."""

import re

import msgspec
import pytest

from central.command import queries
from central.command.entries import add_entry
from central.courts.permissions import Actor
from central.devices.rules import ItemKey
from central.flows.felt import receive_command_receipt
from central.flows.sos import receive_alarm
from contract.messages import Alarm, CommandReceipt

KIT = "dl-2901-01"
ASKED = {"kits": [KIT], "reason": "样例：强制<b>腾退", "court": "云29"}
SEES_ALL = Actor("x", "x", "样例", "supervisor", "云29")


def answer(store, kit, number, state, note=""):
    with store.write() as uow:
        told = CommandReceipt(number=number, state=state, at_ms=store.clock.now_ms(), note=note)
        receive_command_receipt(uow, kit, told)


@pytest.fixture
def begun(kit, log_in):
    """A session of the intermediate court over a county's kit: (address, the commander's browser)."""
    address = log_in("juzhang").post("/command", data=ASKED).headers["location"]
    commander = log_in("zhihui")
    assert commander.post(f"{address}/grant", data={"minutes": 30, "voice": "duplex"}).status_code == 303
    return commander.post(f"{address}/begin").headers["location"], commander


def test_asked_by_a_county_decided_and_begun_above(kit, log_in):
    chief, commander, operator = log_in("juzhang"), log_in("zhihui"), log_in("zhiban")
    form = chief.get(f"/command/new?kits={KIT}").text
    assert f'value="{KIT}" checked' in form and "提交申请" in form and "依职权" not in form
    sent = chief.post("/command", data=ASKED)
    address = sent.headers["location"]
    assert re.fullmatch(r"/command/requests/[0-9a-f]{32}", address)
    assert "样例：强制&lt;b&gt;腾退" in commander.get("/command").text
    assert "1 项待您的法院决定" in commander.get("/command/waiting").text
    assert chief.post(f"{address}/grant", data={}).status_code == 403
    assert operator.post(f"{address}/begin").status_code == 409
    assert commander.post(f"{address}/grant", data={"minutes": 9999}).status_code == 422
    assert commander.post(f"{address}/grant", data={"minutes": 30, "reason": "样例理由"}).status_code == 303
    assert "发起远程指挥" in operator.get(address).text
    session = operator.post(f"{address}/begin").headers["location"]
    page = operator.get(session).text
    for word in (
        "样例理由",
        "依申请决定",
        "大理中院",
        "样例执行局长",
        "样例值班员",
        "正在呼叫",
        'id="stage"',
        'id="voice"',
    ):
        assert word in page
    assert operator.post(f"{address}/begin").status_code == 409
    for who in (chief, log_in("jiandu")):  # both courts, and who supervises
        assert "进行中" in who.get(session).text


def test_the_county_next_door_sees_nothing(begun, log_in):
    address, _ = begun
    stranger = log_in("linxian")
    assert stranger.get(address).status_code == 404
    assert address not in stranger.get("/command").text
    assert stranger.post(f"{address}/end").status_code == 404
    for nobody in ("shuji", "guanli"):
        assert log_in(nobody).get("/command").status_code == 403


def test_led_from_the_page(store, begun, kits, log_in):
    address, commander = begun
    kit = kits[KIT]
    answer(store, kit, 1, "felt")
    assert "警员已知悉" in commander.get(address).text
    assert commander.post(f"{address}/kits", data={"kit_id": "yb-2922-01"}).status_code == 303
    assert commander.post(f"{address}/kits", data={"kit_id": "yb-2922-01"}).status_code == 409
    assert commander.post(f"{address}/orders", data={"text": "原地待命"}).status_code == 303
    answer(store, kit, 2, "accepted", "已复诵")
    page = commander.get(address).text
    assert "第 1 号" in page and "已复诵" in page and "待送达" in page
    store.clock.advance(ms=61_000)
    page = commander.get(address).text
    assert "久未复诵" in page and "一分钟内未联系上" in page and "再次呼叫" in page
    assert commander.post(f"{address}/kits/yb-2922-01/call").status_code == 303
    assert commander.post(f"{address}/orders/1/yb-2922-01/heard", data={}).status_code == 303
    assert "样例指挥长 听取口头复诵" in commander.get(address).text
    assert commander.post(f"{address}/kits/yb-2922-01/leave").status_code == 303
    assert commander.post(f"{address}/guests", data={"kind": "person", "ref": "faguan"}).status_code == 303
    assert commander.post(f"{address}/guests", data={"kind": "court", "ref": "云2922"}).status_code == 303
    assert commander.post(f"{address}/guests", data={"kind": "dragon", "ref": "x"}).status_code == 422
    assert commander.post(f"{address}/voice", data={"voice": "off"}).status_code == 303
    for invited in ("faguan", "linxian"):
        assert log_in(invited).get(address).status_code == 200
    with store.read() as session:
        guests = queries.get_session(session, SEES_ALL, address.rsplit("/", 1)[1]).present_guests
        queries.verify_entries(session, address.rsplit("/", 1)[1])
    assert commander.post(f"{address}/guests/{guests[0].id}/leave").status_code == 303
    assert log_in("faguan").get(address).status_code == 404  # taken out: what goes on now is not his to know
    assert commander.post(f"{address}/end", data={"reason": "样例：处置完毕"}).status_code == 303
    page = commander.get(address).text
    assert "已结束" in page and "样例：处置完毕" in page and 'id="stage"' not in page
    assert commander.post(f"{address}/end").status_code == 409
    assert "样例：强制&lt;b&gt;腾退" in commander.get("/command").text


def test_who_shows_his_camera_without_being_invited_is_shown_to_the_others(store, begun):
    address, commander = begun
    session_id = address.rsplit("/", 1)[1]

    def shown():
        return [row["name"] for row in commander.get(f"/wall/sources/{session_id}").json()["sources"]]

    def tell(kind):
        with store.write() as uow:
            add_entry(uow, session_id, kind, "样例院长", {"source": "p:someone", "who": "yuanzhang"})

    assert "样例院长" not in shown()
    tell("published")
    assert shown().count("样例院长") == 1
    assert "打开本机摄像头" in commander.get(address).text
    tell("unpublished")
    assert "样例院长" not in shown()


def test_the_wall_is_offered_beside_an_incident(raise_sos, kit, log_in):
    incident = raise_sos(kit)
    assert f'href="/wall?incident={incident}"' in log_in("zhiban").get(f"/incidents/{incident}").text
    assert log_in("zhihui").get(f"/wall?incident={incident}").status_code == 200


def test_an_sos_is_begun_on_and_ratified(raise_sos, kit, log_in):
    incident_id = raise_sos(kit)
    operator, commander = log_in("zhiban"), log_in("zhihui")
    assert f"/command/new?incident={incident_id}" in operator.get(f"/incidents/{incident_id}").text
    form = operator.get(f"/command/new?incident={incident_id}").text
    assert 'value="at_once"' in form
    sent = operator.post(
        "/command",
        data={"act": "at_once", "ground": "incident", "ground_ref": incident_id, "kits": [KIT], "reason": "样例告急"},
    )
    session = sent.headers["location"]
    page = operator.get(session).text
    assert "紧急先行发起" in page and "现在确认" not in page
    found = re.search(r"/command/requests/[0-9a-f]{32}", page)
    assert found and "现在确认" in commander.get(session).text
    assert operator.post(f"{found[0]}/ratify", data={"verdict": "confirmed"}).status_code == 403
    assert commander.post(f"{found[0]}/ratify", data={"verdict": "disapproved"}).status_code == 422
    assert commander.post(f"{found[0]}/ratify", data={"verdict": "confirmed"}).status_code == 303
    assert "已确认" in commander.get(session).text
    assert session in commander.get(f"/incidents/{incident_id}").text


def test_an_officer_who_asks_is_seen_on_every_office_page_and_answered(store, kit, log_in):
    now_ms = store.clock.now_ms()
    with store.write() as uow:
        receive_alarm(
            uow, kit, Alarm(alarm_id="e" * 32, kind="watch_me", pressed_ms=now_ms), key=ItemKey(kit.kit_no, 1, 1),
            digest=bytes(8), at_ms=now_ms, received_ms=now_ms,
        )  # fmt: skip
    operator = log_in("zhiban")
    assert 'hx-get="/command/waiting"' in operator.get("/kits").text
    bar = operator.get("/command/waiting").text
    found = re.search(r"/command/requests/[0-9a-f]{32}", bar)
    assert found and "警官请求观看" in bar and KIT in bar
    assert found[0] in operator.get("/screen/board").text and found[0] in operator.get("/").text
    assert "立即观看" in operator.get(found[0]).text
    session = operator.post(f"{found[0]}/answer", data={"minutes": 15}).headers["location"]
    assert "警官请求观看" in operator.get(session).text
    assert "hidden" in operator.get("/command/waiting").text.partition("hx-get")[0]


def test_a_commander_decides_on_his_own_motion(kit, log_in):
    commander = log_in("zhihui")
    assert "依职权决定并发起" in commander.get(f"/command/new?kits={KIT}").text
    sent = commander.post("/command", data={**ASKED, "act": "begin", "minutes": 15})
    assert "指挥长依职权决定" in commander.get(sent.headers["location"]).text


class TestSwitchedOff:
    @pytest.fixture
    def settings(self, settings):
        return msgspec.structs.replace(settings, live_on=False)

    def test_nothing_begins_and_nothing_is_left_half_decided(self, kit, log_in):
        commander = log_in("zhihui")
        assert commander.post("/command", data={**ASKED, "act": "begin"}).status_code == 409
        page = commander.get("/command").text
        assert "还没有远程指挥" in page and "样例：强制" not in page


def test_english(begun, log_in):
    address, commander = begun
    commander.cookies.set("zhixing_language", "en")
    for path in ("/command", "/command/new", address, "/command/waiting"):
        page = commander.get(path)
        assert page.status_code == 200
    assert "Numbered orders" in commander.get(address).text
