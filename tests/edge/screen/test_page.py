"""The officer's page in Debian's Chromium on a 320-pixel display, with no network but the kit itself."""

import contextlib
import re
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from contract.categories import CATEGORIES
from contract.health import WARNINGS
from contract.messages import Alarm, CommandReceipt, decode, encode
from contract.orders import CANNOT, OUTCOMES, REFUSALS, SosAck, Task
from edge.spool import ring
from tests.browser.conftest import FLAGS, SHELL
from tests.edge.screen.conftest import RunningScreen
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

SMALL = {"width": 320, "height": 480}
GLOVE_PX = 64
TOO_SMALL = """(all, px) => all.filter(one => one.offsetParent && Math.min(one.offsetHeight, one.offsetWidth) < px)
    .map(one => one.id || one.outerHTML)"""
WORDS = Path(__file__).parents[3] / "edge/screen/static/words.js"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(SHELL), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    running = RunningScreen(tmp_path_factory.mktemp("kit"))
    yield running
    assert running.close() == [0, 0]


@pytest.fixture
def kit(standing):
    """The kit as at the start of a day: nothing pressed, nothing to do, nothing waiting."""
    spool = standing.spool
    was_watched = bool(spool.state.get("live_sessions"))
    with spool.transaction() as database:
        for table in ("outbox", "inbox", "tasks", "presses", "instructions"):
            database.execute(f"DELETE FROM {table}")
        database.execute("DELETE FROM state WHERE key != 'screen_http'")
        database.execute("DELETE FROM meta WHERE key = 'inbox_have'")
    tell(standing)
    if was_watched:  # the panel says that it is over, if it knew of it: not in the middle of what comes now
        ring(spool.dir, "panel")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: spool.state.get("felt"), 5)
    return standing


@pytest.fixture
def glass(browser, kit):
    """The page as the officer has it open; an error in it or a request to anybody else fails the test."""
    context = browser.new_context(viewport=SMALL, has_touch=True)
    page, wrong = context.new_page(), []
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: wrong.append(f"error {error}"))
    page.on("request", lambda told: is_foreign(told.url, kit.address) and wrong.append(f"foreign {told.url}"))
    page.goto(kit.address)
    expect(page.locator("#record svg")).to_be_visible()
    yield page
    context.close()
    assert wrong == []


def is_foreign(url, address):
    return not url.startswith((f"{address}/", "data:"))


def tell(kit, **changes):
    """What the other processes of a kit in a cellar would say."""
    now_ms = int(time.time() * 1000)
    facts = {
        "duty": True,
        "recorder_status": {"state": "recording", "recording": True, "recording_id": "a" * 32, "since_ms": now_ms},
        "recording_wanted": {"on": True, "cause": "officer", "by": "page"},
        "gps_status": "no fix",
        "link_status": {"connected": False, "since_ms": now_ms, "reason": "the connection to the broker was lost"},
        **changes,
    }
    for key, value in facts.items():
        kit.spool.state.set(key, value)


def alarms(kit, kind):
    told = [decode(entry.body, Alarm) for entry in kit.spool.outbox.pending(50, ["alarm"])]
    return [alarm for alarm in told if alarm.kind == kind]


def hold(page, selector, for_ms):
    box = page.locator(selector).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(for_ms)
    page.mouse.up()


def test_what_it_shows_without_a_network(glass):
    expect(glass.locator("#recording")).to_contain_text("录像中")
    expect(glass.locator("#recording")).to_have_class(re.compile(r"\bon\b"))
    signs = glass.locator("#signs")
    for words in ("无定位", "未连接", "连接已断"):
        expect(signs).to_contain_text(words)
    expect(glass.locator("#duty")).to_contain_text("在勤")


def test_sos_is_held_felt_and_taken(glass, kit):
    hold(glass, "#sos", 400)
    assert alarms(kit, "sos") == [], "a brush is nothing"
    hold(glass, "#sos", 1500)
    expect(glass.locator("#sos-state")).to_contain_text("求助已记下")
    (alarm,) = alarms(kit, "sos")
    expect(glass.locator("#sos-state")).to_contain_text("无网络")
    kit.spool.state.change("sos", lambda sos: {**sos, "receipted": True})
    expect(glass.locator("#sos-state")).to_contain_text("中心已收到求助")
    kit.spool.state.change("sos", lambda sos: {**sos, "acked": True, "acked_by": "样例值班员"})
    kit.spool.inbox.put(1, "sos_ack", encode(SosAck(alarm_id=alarm.alarm_id, by="样例值班员", at_ms=1)), 1)
    ring(kit.spool.dir, "panel")
    expect(glass.locator("#sos-state")).to_contain_text("样例值班员已受理")
    expect(glass.locator("#said")).to_contain_text("值班员已受理求助")


def test_an_sos_is_withdrawn(glass, kit):
    hold(glass, "#sos", 1500)
    glass.click("#withdraw")
    expect(glass.locator("#sos-state")).to_contain_text("求助已撤回")
    assert len(alarms(kit, "sos_withdrawn")) == 1


def test_a_drop_of_rain_ends_neither_recording_nor_duty(glass, kit):
    glass.click("#record")
    expect(glass.locator("#record")).to_contain_text("再按一次")
    assert kit.spool.state.get("recording_wanted")["on"] is True
    glass.click("#record")
    expect(glass.locator("#record")).to_contain_text("开始录像")
    glass.click("#duty")
    assert kit.spool.state.get("duty") is True
    glass.click("#duty")
    expect(glass.locator("#duty")).to_contain_text("已下勤")
    assert kit.spool.state.get("duty") is False


def test_mark_wheel_quiet_and_metered(glass, kit):
    glass.click("#category")
    glass.click("#category-seizure")
    expect(glass.locator("#recording")).to_contain_text("查封扣押")
    glass.click("#mark")
    expect(glass.locator("#said")).to_contain_text("已标记")
    assert [alarm.category for alarm in alarms(kit, "mark")] == ["seizure"]
    glass.click("#tab-more")
    glass.click("#quiet")
    expect(glass.locator("#quiet .badge")).to_have_text("开")
    expect(glass.locator("html")).to_have_attribute("data-theme", "night")
    glass.click("#metered")
    expect(glass.locator("#metered .badge")).to_have_text("开")
    assert kit.spool.state.get("metered_officer")["on"] is True


def test_a_task_is_read_refused_accepted_and_done(glass, kit):
    task = Task(title="送达样例文书", text="到样例路1号。", case_no="（2026）样2901执1号", urgency="urgent")
    kit.spool.tasks.put(7, encode(task), int(time.time() * 1000))
    expect(glass.locator("#tab-tasks .count")).to_have_text("1")
    glass.click("#tab-tasks")
    glass.click("#task-7")
    expect(glass.locator("#task")).to_contain_text("到样例路1号。")
    glass.click("#choose-refused")
    glass.click("#note-too_far")
    expect(glass.locator("#task-state")).to_contain_text("已拒绝（距离过远）")
    expect(glass.locator("#task-where")).to_contain_text("已记在本机")
    glass.click("#accept")
    expect(glass.locator("#task-state")).to_contain_text("已接受")
    glass.click("#choose-done")
    glass.click("#note-as_ordered")
    expect(glass.locator("#task-state")).to_contain_text("已完成（按要求完成）")
    entries = kit.spool.outbox.pending(50, ["receipt"])
    told = [decode(entry.body, CommandReceipt) for entry in entries]
    assert [(one.state, one.note) for one in told if one.number == 7] == [
        ("read", ""),
        ("refused", "too_far"),
        ("accepted", ""),
        ("done", "as_ordered"),
    ]
    kit.spool.outbox.release([(entry.seq, entry.seq) for entry in entries])
    expect(glass.locator("#task-where")).to_contain_text("中心已收到")


def test_a_recall_is_seen_at_once_and_an_answer_to_it_is_refused(glass, kit):
    kit.spool.tasks.put(7, encode(Task(title="送达样例文书")), 1)
    glass.click("#tab-tasks")
    glass.click("#task-7")
    expect(glass.locator("#accept")).to_be_visible()
    kit.spool.tasks.recall(7)
    expect(glass.locator("#task-state")).to_contain_text("中心已撤回")
    expect(glass.locator("#accept")).to_have_count(0)


def test_it_outlives_every_other_process_and_says_when_it_is_not_fed(glass, kit):
    kit.kill("edge.panel.main")
    hold(glass, "#sos", 1500)
    expect(glass.locator("#sos-state")).to_contain_text("求助", timeout=20_000)
    assert len(kit.spool.presses.waiting()) == 1
    kit.start("edge.panel.main")
    expect(glass.locator("#sos-state")).to_contain_text("求助已记下", timeout=20_000)
    assert len(alarms(kit, "sos")) == 1
    kit.kill("edge.screen.main")
    expect(glass.locator("#alert")).to_contain_text("画面未更新", timeout=30_000)
    # Held while the page's own process is down: it is sent until somebody takes it.
    kit.spool.state.change("sos", lambda sos: {**sos, "withdrawn": True})
    hold(glass, "#sos", 1500)
    kit.start("edge.screen.main")
    expect(glass.locator("#alert")).to_be_hidden(timeout=30_000)
    expect(glass.locator("#sos-state")).to_contain_text("求助已记下", timeout=30_000)
    assert len(alarms(kit, "sos")) == 2


def test_what_the_kit_is_warned_of(glass, kit):
    kit.spool.state.set("health_warnings", ["battery_critical", "too_hot", "storage_low"])
    kit.spool.state.set("storage_level", {"level": "low", "minutes_left": 50})
    warning = glass.locator("#warning")
    expect(warning).to_contain_text("电量即将耗尽 · +2", timeout=15_000)
    glass.click("#tab-state")
    facts = glass.locator("#facts")
    for words in ("温度", "内存占用", "存储卡损耗", "供电"):
        expect(facts).to_contain_text(words)
    glass.click("#tab-home")
    kit.spool.state.set("health_warnings", ["too_hot"])
    expect(warning).to_contain_text("温度过高 · +1", timeout=15_000)
    kit.spool.state.set("health_warnings", [])
    expect(warning).to_contain_text("存储", timeout=15_000)


def test_locked(glass, kit):
    kit.spool.state.set("lost", {"step": "locked", "since_ms": 1, "by": "样例", "reason": "遗失"})
    expect(glass.locator("#locked")).to_contain_text("装备已锁定")
    expect(glass.locator("#record")).to_be_hidden()
    hold(glass, "#sos", 1500)
    expect(glass.locator("#sos-state")).to_contain_text("求助已记下")
    kit.spool.state.set("lost", {"step": "destroyed", "since_ms": 1, "by": "样例", "reason": "遗失"})
    expect(glass.locator("#locked")).to_contain_text("密钥已销毁")
    expect(glass.locator("#sos")).to_be_hidden()
    kit.spool.state.set("lost", None)
    expect(glass.locator("#record")).to_be_visible()


def test_every_target_fits_a_glove_and_every_word_is_read(glass, kit):
    kit.spool.tasks.put(7, encode(Task(title="送达样例文书", text="内容", due_ms=1)), 1)
    for theme in ("night", "day"):
        glass.evaluate("theme => localStorage.setItem('theme', theme)", theme)
        for steps in (
            ["#tab-home"],
            ["#category"],
            ["#tab-tasks", "#task-7", "#choose-refused"],
            ["#tab-state"],
            ["#tab-more"],
        ):
            for step in steps:
                glass.click(step)
            small = glass.eval_on_selector_all("button", TOO_SMALL, GLOVE_PX)
            assert small == [], f"{steps[-1]}: too small for a glove"
            assert glass.evaluate("document.documentElement.scrollWidth") <= SMALL["width"], steps
            found = Axe().run(glass, options={"rules": {"page-has-heading-one": {"enabled": False}}})
            assert [item["id"] for item in found.response["violations"]] == [], found.generate_report()
        glass.click("#tab-home")


def test_english(glass):
    glass.click("#tab-more")
    glass.click("#language")
    glass.click("#tab-home")
    expect(glass.locator("#record")).to_contain_text("Stop")
    assert not re.search(r"[\u4e00-\u9fff]", glass.locator("body").inner_text())


def test_every_code_has_its_words():
    text = WORDS.read_text(encoding="utf-8")
    # Storage and card are told by their own states.
    warned = [f"warn_{code}" for code in WARNINGS if not re.match("storage_|card_(slow|read_only|failing)", code)]
    for code in (*CATEGORIES, *REFUSALS, *OUTCOMES, *CANNOT, *warned):
        assert re.search(rf'\b{code}: \["[^"]+", "[^"]+"\]', text), code
    names = re.findall(r'(?:^|[\s{{])"?([\w ]+)"?: \["', text.split("export const CATEGORIES")[0])
    assert len(names) == len(set(names)), "no word is written twice"
