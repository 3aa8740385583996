"""Remote command on the officer's page: he sees who watches, reads orders back, talks, asks to be watched."""

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from contract.messages import CommandReceipt, decode, encode
from contract.orders import Instruction
from edge.spool import ring
from edge.spool.talk import VALID_MS, find_talk
from tests.edge.screen.test_page import (  # noqa: F401 - fixtures
    GLOVE_PX,
    SMALL,
    TOO_SMALL,
    WORDS,
    alarms,
    browser,
    glass,
    hold,
    kit,
    standing,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)  # a busy machine is given time
SESSION = {
    "session": "a" * 32,
    "number": 5,
    "by": "样例指挥长",
    "court": "大理州中院",
    "purpose": "强制迁出现场指挥",
    "voice": "ptt",
}


def begin(kit, *, watchers=(), voice="ptt", **status):  # noqa: F811
    now_ms = int(time.time() * 1000)
    told = {**SESSION, "on_ms": now_ms, "until_ms": now_ms + 3_600_000, "voice": voice}
    kit.spool.state.set("live_sessions", [told])
    people = [{"name": name, "court": "大理州中院"} for name in watchers]
    kit.spool.state.set("live_status", {"connected": True, "watchers": people, "kbps": 900, "note": ""})
    others = [{"id": "p:1", "name": "样例值班员"}, {"id": "dl-2902-01", "name": "样例同事"}]
    spoken = {"connected": True, "mode": voice, "reason": "", "talking": None, "hears": [], "others": others}
    kit.spool.state.set("voice_status", {**spoken, "trouble": "", **status})
    ring(kit.spool.dir, "panel")


def order(kit, number, text, no=1):  # noqa: F811
    body = encode(Instruction(session="a" * 32, no=no, text=text, by="样例指挥长", court="大理州中院"))
    kit.spool.instructions.put(number, body, int(time.time() * 1000))


def receipts(kit, number):  # noqa: F811
    told = [decode(entry.body, CommandReceipt) for entry in kit.spool.outbox.pending(50, ["receipt"])]
    return [(one.state, one.note) for one in told if one.number == number]


def test_who_watches_stands_on_every_view_from_beginning_to_end(glass, kit):  # noqa: F811
    bar = glass.locator("#live")
    expect(bar).to_be_hidden()
    begin(kit)
    expect(bar).to_contain_text("暂无人观看")
    expect(bar).to_contain_text("样例指挥长（大理州中院）")
    expect(glass.locator("#said")).to_contain_text("远程指挥已开始")
    begin(kit, watchers=["样例值班员", "样例监督员"])
    for tab in ("home", "tasks", "state", "more"):
        glass.click(f"#tab-{tab}")
        expect(bar).to_contain_text("正在被观看： 2 人")
        expect(bar).to_contain_text("样例值班员（大理州中院）、样例监督员（大理州中院）")
    bar.click()
    view = glass.locator("#command")
    for words in ("强制迁出现场指挥", "样例指挥长（大理州中院）", "样例监督员", "900 kbit/s", "按键通话"):
        expect(view).to_contain_text(words)
    kit.spool.state.set("live_sessions", [])
    kit.spool.state.set("live_status", {"connected": False})
    expect(bar).to_be_hidden()
    expect(glass.locator("#said")).to_contain_text("远程指挥已结束")
    expect(glass.locator("#talk")).to_be_hidden()


def test_an_order_comes_forward_by_itself_and_is_read_back_by_holding(glass, kit):  # noqa: F811
    begin(kit, watchers=["样例值班员"])
    glass.click("#tab-state")
    order(kit, 11, "从北门进入，先控制二楼。", no=3)
    card = glass.locator("#order-11")
    expect(card.locator(".order-text")).to_have_text("从北门进入，先控制二楼。")
    expect(glass.locator("#live")).to_contain_text("第3号命令")
    hold(glass, "#back-11", 300)
    assert receipts(kit, 11) == [], "a brush reads nothing back"
    hold(glass, "#back-11", 1500)
    expect(card).to_have_count(0)
    expect(glass.locator("#command")).to_contain_text("3. 从北门进入，先控制二楼。")
    expect(glass.locator("#command .row .badge")).to_have_text("已复诵")
    expect(glass.locator("#command .row")).to_contain_text("已记在本机")
    assert receipts(kit, 11) == [("accepted", "已复诵：从北门进入，先控制二楼。")]


def test_an_order_that_cannot_be_is_refused_with_a_reason(glass, kit):  # noqa: F811
    begin(kit)
    order(kit, 11, "进入二楼。")
    order(kit, 12, "封锁楼梯。", no=2)
    expect(glass.locator("#order-11")).to_be_visible()
    expect(glass.locator("#command")).to_contain_text("其后还有命令 1")
    glass.click("#cannot-11")
    glass.click("#cannot-11-not_understood")
    expect(glass.locator("#order-12")).to_be_visible()
    assert receipts(kit, 11) == [("refused", "not_understood")]


def test_talk_is_open_while_the_button_is_held_and_no_longer(glass, kit):  # noqa: F811
    begin(kit)
    talk = glass.locator("#talk")
    expect(talk).to_contain_text("按住讲话")
    expect(talk).to_contain_text("对 指挥中心")
    expect(talk).to_be_visible()
    box = talk.bounding_box()
    glass.mouse.move(box["x"] + 40, box["y"] + 30)
    glass.mouse.down()
    wait_until(lambda: find_talk(kit.spool), 10)
    expect(talk).to_contain_text("松开结束")
    glass.wait_for_timeout(VALID_MS + 800)
    assert find_talk(kit.spool).to == "centre", "renewed for as long as it is held"
    glass.mouse.up()
    wait_until(lambda: find_talk(kit.spool) is None, 5)


def test_a_page_that_goes_away_with_the_button_down_leaves_no_open_microphone(glass, kit):  # noqa: F811
    begin(kit)
    expect(glass.locator("#talk")).to_contain_text("按住讲话")
    box = glass.locator("#talk").bounding_box()
    glass.mouse.move(box["x"] + 40, box["y"] + 30)
    glass.mouse.down()
    wait_until(lambda: find_talk(kit.spool), 10)
    glass.goto("about:blank")
    wait_until(lambda: find_talk(kit.spool) is None, VALID_MS / 1000 + 5)


def test_to_whom_he_talks_is_chosen(glass, kit):  # noqa: F811
    begin(kit)
    glass.click("#live")
    expect(glass.locator("#to-centre")).to_have_attribute("aria-pressed", "true")
    glass.click("#to-dl-2902-01")
    expect(glass.locator("#talk")).to_contain_text("对 样例同事")
    hold(glass, "#talk", 600)
    assert kit.spool.state.get("talk")["to"] == "dl-2902-01"
    expect(glass.locator("[id='to-p:1']")).to_have_count(0)


def test_who_talks_and_why_it_is_the_button_now(glass, kit):  # noqa: F811
    begin(kit, watchers=["样例值班员"], mode="ptt", voice="duplex", reason="thin", hears=["样例值班员"])
    expect(glass.locator("#live")).to_contain_text("样例值班员 正在讲话")
    glass.click("#live")
    expect(glass.locator("#watchers")).to_contain_text("弱网，改为按键通话")
    begin(kit, trouble="nobody_there")
    expect(glass.locator("#talk")).to_contain_text("中心无人收听")


def test_in_two_kinds_of_session_it_says_that_one_hears_him_by_the_button_alone(glass, kit):  # noqa: F811
    begin(kit, voice="duplex")
    expect(glass.locator("#talk")).to_contain_text("话筒已开")
    (open_,) = kit.spool.state.get("live_sessions")
    kit.spool.state.set("live_sessions", [open_, {**open_, "session": "b" * 32, "voice": "ptt"}])
    ring(kit.spool.dir, "panel")
    expect(glass.locator("#talk")).to_contain_text("按住各方都听到")


def test_without_a_voice_there_is_no_button(glass, kit):  # noqa: F811
    begin(kit, voice="off")
    expect(glass.locator("#live")).to_be_visible()
    expect(glass.locator("#talk")).to_be_hidden()


def test_watch_me_says_who_has_taken_it_or_that_nobody_has(glass, kit):  # noqa: F811
    kit.spool.state.set("recording_wanted", {"on": False, "cause": "officer", "by": "page"})
    glass.click("#watch")
    key = glass.locator("#watch")
    expect(key).to_contain_text("已记下，等待发出")
    expect(glass.locator("#said")).to_contain_text("已请求中心观看")
    (asked,) = alarms(kit, "watch_me")
    assert kit.spool.state.get("recording_wanted")["cause"] == "watch_me"
    kit.spool.outbox.release([(kit.spool.state.get("watch_me")["seq"],) * 2])
    expect(key).to_contain_text("尚无人应答")
    begin(kit)
    expect(key).to_contain_text("样例指挥长（大理州中院） 已应答")
    glass.click("#watch")
    glass.click("#watch")
    answered = "SELECT answer FROM presses ORDER BY number DESC LIMIT 1"
    wait_until(lambda: "watch_taken" in str(kit.spool._store.value(answered)), 20)
    assert alarms(kit, "watch_me_withdrawn") == [] and asked.recording_id


def test_watch_me_is_taken_back_by_a_second_press_meant_as_one(glass, kit):  # noqa: F811
    glass.click("#watch")
    expect(glass.locator("#watch")).to_have_class(re.compile(r"\bon\b"))
    glass.click("#watch")
    glass.wait_for_timeout(300)
    assert alarms(kit, "watch_me_withdrawn") == [], "a drop of rain takes nothing back"
    glass.click("#watch")
    expect(glass.locator("#watch")).to_contain_text("请中心看现场")
    assert len(alarms(kit, "watch_me_withdrawn")) == 1


def test_a_key_drawn_anew_under_the_thumb_is_pressed_all_the_same(glass, kit):  # noqa: F811
    glass.locator("#watch small").hover()
    glass.mouse.down()
    glass.evaluate("document.getElementById('watch').replaceChildren(document.createElement('span'))")
    glass.mouse.up()
    expect(glass.locator("#watch")).to_have_class(re.compile(r"\bon\b"))
    assert len(alarms(kit, "watch_me")) == 1


def test_a_lost_kit_shows_neither_orders_nor_names(glass, kit):  # noqa: F811
    begin(kit, watchers=["样例值班员"])
    order(kit, 11, "进入二楼。")
    kit.spool.state.set("lost", {"step": "locked", "since_ms": 1, "by": "样例", "reason": "遗失"})
    expect(glass.locator("#locked")).to_be_visible()
    expect(glass.locator("#live")).to_be_hidden()
    expect(glass.locator("#talk")).to_be_hidden()
    told = kit.state()
    assert told["orders"] == [] and told["live"] is None and told["voice"] is None
    assert kit.post("/talk", value="on")[1]["code"] == "locked"
    assert kit.post("/orders/11", value="accepted")[1]["code"] == "locked"


def test_every_target_fits_a_glove(glass, kit):  # noqa: F811
    begin(kit, watchers=["样例值班员"])
    order(kit, 11, "从北门进入，先控制二楼，等候支援。")
    order(kit, 12, "封锁楼梯。", no=2)
    kit.spool.instructions.answer(12, "accepted")
    expect(glass.locator("#order-11")).to_be_visible()
    for theme in ("night", "day"):
        glass.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        for step in ("#tab-home", "#live", "#cannot-11"):
            glass.click(step)
            small = glass.eval_on_selector_all("button", TOO_SMALL, GLOVE_PX)
            assert small == [], f"{step}: too small for a glove"
            assert glass.evaluate("document.documentElement.scrollWidth") <= SMALL["width"], step
            found = Axe().run(glass, options={"rules": {"page-has-heading-one": {"enabled": False}}})
            assert [item["id"] for item in found.response["violations"]] == [], found.generate_report()
        glass.click("#cannot-back")


def test_in_english_no_word_is_missing(glass, kit):  # noqa: F811
    kit.spool.state.set("live_sessions", [{**SESSION, "by": "Commander", "court": "Dali", "purpose": "Eviction"}])
    glass.click("#tab-more")
    glass.click("#language")
    glass.click("#live")
    expect(glass.locator("#command")).to_contain_text("Decided by")
    expect(glass.locator("#said")).to_be_hidden()
    assert not re.search(r"[\u4e00-\u9fff]", glass.locator("body").inner_text())
    text = WORDS.read_text(encoding="utf-8")
    for code in (
        "note_thin",
        "note_voice_first",
        "reason_late",
        "voice_no_microphone",
        "voice_not_heard",
        "mode_off",
    ):
        assert f'{code}: ["' in text, code
