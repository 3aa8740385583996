"""The big screen in a real browser."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.world import SEATS
from tests.central.web.serving import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
KIT = "dl-2901-01"


def ready(page):
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#link.ok")
    return page


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_wrong_password_is_shown(open_page):
    page = open_page(None, "/login")
    page.get_by_label("用户名").fill("zhiban")
    page.get_by_label("密码").fill("falsch")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    # Chromium itself reports every 4xx of a document as an error.
    open_page.bad[:] = [line for line in open_page.bad if "401" not in line]


def test_markers_move(open_page, world):
    page = ready(open_page("zhiban"))
    canvas = page.locator(".leaflet-kits-pane canvas")
    lat, lon = SEATS["2901"]
    world.move(KIT, lat, lon)
    before = canvas.screenshot()
    world.move(KIT, lat + 0.12, lon - 0.25)
    wait_until(lambda: canvas.screenshot() != before, 5, "the marker to move")


def test_presence_fades_without_news(open_page, world):
    page = ready(open_page("zhiban"))
    world.move(KIT, *SEATS["2901"])
    live = wait_until(lambda: int(page.locator("#figure-live").inner_text()), 5, "the kit to be live")
    assert live <= len(world.kits)
    wait_until(lambda: int(page.locator("#figure-live").inner_text()) < live, 40, "kits to become late")


def test_alarm_arrives_is_taken_and_felt(open_page, world):
    page = ready(open_page("zhiban"))
    expect(page.locator("#siren")).to_be_hidden()
    incident = world.raise_alarm(KIT, place=(25.61, 100.22), note="被执行人持械抗拒")
    siren = page.locator("#siren")
    expect(siren).to_be_visible(timeout=3000)
    expect(siren).to_contain_text("紧急求助")
    assert page.title().startswith("(1) 紧急求助")
    card = page.locator(f"#alarm-{incident}")
    expect(card).to_contain_text("被执行人持械抗拒")
    expect(card.locator("time[data-since]")).to_have_text(re.compile(r"0:0[1-9]"))
    card.get_by_role("button", name="受理").click()
    expect(siren).to_be_hidden()
    expect(card).to_contain_text("样例值班员")
    expect(card.locator("[data-felt]")).to_have_attribute("data-felt", "no")
    assert "紧急求助" not in page.title()
    world.answer(KIT, "received")
    expect(card).to_contain_text("送达")
    world.answer(KIT, "felt")
    expect(card.locator("[data-felt]")).to_have_attribute("data-felt", "yes", timeout=3000)
    expect(card).to_contain_text("已被警官感知")
    expect(page.locator("#timeline")).to_contain_text("已被警官感知")


def test_alarm_sounds_after_a_gesture(open_page, world):
    page = ready(open_page("zhiban"))
    expect(page.locator("#sound")).to_contain_text("开启告警声")
    page.locator("#sound").click()
    expect(page.locator("#sound")).to_contain_text("告警声已开")
    rings = lambda: int(page.evaluate("document.documentElement.dataset.rings ?? 0"))  # noqa: E731
    tested = rings()
    world.raise_alarm("dl-2923-01", place=(25.48, 100.56))
    wait_until(lambda: rings() >= tested + 2, 8, "the siren to repeat")
    page.locator("#siren .take").click()
    expect(page.locator("#siren")).to_be_hidden()
    after = rings()
    page.wait_for_timeout(2600)  # longer than one repeat
    assert rings() == after


def test_stream_comes_back_after_a_restart(open_page, world):
    server = Server(world.settings, world.store, world.bus)
    address = server.start()
    page = ready(open_page("zhiban", address=address))
    server.stop()
    expect(page.locator("#offline")).to_be_visible(timeout=15_000)
    expect(page.locator("#link")).to_contain_text("连接中断")
    world.raise_alarm("dl-2922-01", "fault", note="温度过高")
    server = Server(world.settings, world.store, world.bus, port=urlsplit(address).port)
    assert server.start() == address
    expect(page.locator("#offline")).to_be_hidden(timeout=15_000)
    expect(page.locator("#queue")).to_contain_text("温度过高")
    page.goto("about:blank")
    server.stop()
    open_page.bad[:] = [line for line in open_page.bad if "ERR_CONNECTION_REFUSED" not in line]


def test_logging_out_elsewhere_ends_the_screen(open_page):
    page = ready(open_page("zhiban"))
    other = page.context.new_page()
    other.goto("/profile")
    other.locator("details.profile summary").click()
    other.get_by_role("button", name="退出登录").click()
    other.wait_for_url("**/login")
    page.wait_for_url("**/login", timeout=10_000)


def test_county_sees_its_own(open_page, world):
    page = ready(open_page("xiangyun"))
    assert page.locator("#courts li").count() == 1
    expect(page.locator("#courts")).to_contain_text("祥云")
    world.raise_alarm("dl-2931-01", place=(26.5, 99.9))
    page.goto("/kits")
    assert page.locator("#kits tbody tr").count() == 3


def test_whole_map_is_one_press_away(open_page):
    page = ready(open_page("zhiban"))
    far = page.locator(".county-name", has_text="剑川")
    area = page.locator("#map").bounding_box()

    def is_in_view():
        place = far.bounding_box()
        return place and area["y"] < place["y"] < area["y"] + area["height"]

    assert is_in_view()
    page.locator("#courts button", has_text="南涧").click()
    wait_until(lambda: page.wait_for_timeout(50) or not is_in_view(), 5)
    page.locator("#home").click()
    wait_until(lambda: page.wait_for_timeout(50) or is_in_view(), 5)


def test_incident_page_tells_by_itself_that_it_was_felt(open_page, world):
    incident = world.raise_alarm("dl-2932-01", place=(26.5, 100.2))
    page = open_page("zhiban", f"/incidents/{incident}")
    page.locator(".page-head").get_by_role("button", name="受理").click()
    page.locator("#note").fill("正在联系")
    world.answer("dl-2932-01", "felt")
    expect(page.locator("#incident-steps")).to_contain_text("已被警官感知", timeout=10_000)
    expect(page.locator("#incident-receipt")).to_contain_text("已被警官感知")
    expect(page.locator("#note")).to_have_value("正在联系")


def test_english(open_page):
    page = ready(open_page("zhiban"))
    page.locator(".menu summary").click()
    page.get_by_role("button", name="English").click()
    page.wait_for_selector("html[lang=en][data-ready]")
    expect(page.locator("h1")).to_have_text("Enforcement Command Centre")
    expect(page.locator("#link")).to_contain_text("Live")
    body = page.locator("body").inner_text()
    for words in ("告警", "在线", "受理", "录像"):
        assert words not in body


def test_phone_shows_the_queue_first(open_page, world):
    from tests.browser.conftest import PHONE

    page = ready(open_page("zhiban", size=PHONE))
    assert overflow(page) <= 0
    # A part that is just then drawn anew has no place.
    queue, area = (wait_until(page.locator(part).bounding_box, 20, part) for part in ("#queue", "#map"))
    assert queue["y"] < area["y"]
    assert queue["y"] < PHONE["height"] / 2
    for path in ("/incidents", "/kits", f"/kits/{KIT}", "/recordings", "/profile"):
        page.goto(path)
        assert overflow(page) <= 0, path
    incident = world.raise_alarm("dl-2931-02", place=(26.5, 99.9))
    page.context.add_cookies([{"name": "zhixing_language", "value": "en", "url": page.url}])
    for path in (f"/incidents/{incident}", f"/kits/{KIT}"):
        page.goto(path)
        assert overflow(page) <= 0, path
        page.locator("details.profile summary").click()
        assert page.locator("details.profile > div").bounding_box()["x"] >= 0, path


def test_alarm_is_told_on_office_pages_too(open_page, world):
    page = open_page("zhiban", "/kits")
    world.raise_alarm("dl-2929-01", place=(25.9, 99.4))
    siren = page.locator("#office-siren")
    expect(siren).to_be_visible(timeout=8000)
    siren.get_by_role("link", name="打开事件").click()
    page.wait_for_url("**/incidents/*")
    expect(page.locator("h1")).to_contain_text("紧急求助")
