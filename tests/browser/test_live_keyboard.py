"""A whole session led by keyboard alone: asked, decided, begun, spoken in, ordered, read back, ended."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.keys import check_focus, tab_to
from tests.browser.talking import FAKE_DEVICES, RelayThread, with_relay, write_tone
from tests.central.web.serving import Server

pytestmark = pytest.mark.browser
KIT = "dl-2901-01"
LONG_MS = 30_000
# A session of hours has a long record.
LOW_STEPS = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('#session-steps { max-height: 160px; }');
  document.adoptedStyleSheets = [sheet];
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium with a microphone that beeps."""
    tone = write_tone(tmp_path_factory.mktemp("tone") / "tone.wav")
    flags = [*FAKE_DEVICES, f"--use-file-for-fake-audio-capture={tone}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS + flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def settings(world):
    return with_relay(world.settings)


@pytest.fixture(scope="module")
def address(world, settings):
    server = Server(settings, world.store, world.bus)
    relay = RelayThread(settings, world.store)
    relay.start()
    yield server.start()
    server.stop()
    relay.stop()


def wait_renewed(page):
    """Until the part that renews itself, and those that come with it, came anew."""
    page.evaluate("document.getElementById('order-list').dataset.old = 'yes'")
    page.wait_for_selector("#order-list:not([data-old])", state="attached", timeout=LONG_MS)


def ask(page):
    """The county's bureau chief asks for it."""
    press = page.keyboard.press
    tab_to(page, "a.button", has="申请远程指挥")
    press("Enter")
    page.wait_for_url("**/command/new")
    tab_to(page, f"input[name=kits][value={KIT}]")
    press("Space")
    tab_to(page, "#reason")
    page.keyboard.type("样例：强制腾退现场")
    tab_to(page, "#court")
    press("ArrowDown")  # the county first, then the prefecture above it
    assert page.evaluate("document.activeElement.selectedOptions[0].value") == "云29"
    tab_to(page, "button[value=ask]")
    press("Enter")
    page.wait_for_url("**/command/requests/*")


def decide_and_begin(page):
    """The prefecture's commander grants it and begins."""
    tab_to(page, "a[href^='/command/requests/']", has="样例：强制腾退现场")
    page.keyboard.press("Enter")
    page.wait_for_url("**/command/requests/*")
    tab_to(page, "button", has="同意")
    page.keyboard.press("Enter")
    expect(page.locator("form[action$='/begin']")).to_be_visible()
    tab_to(page, "button", has="发起远程指挥")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage[data-ready]")
    page.wait_for_selector("#voice-panel[data-ready]")


def speak(page):
    """Into the conversation, then by the space bar, from a tile: which does not change what is looked at."""
    panel = page.locator("#voice-panel")
    tab_to(page, "[data-part=join]")
    page.keyboard.press("Enter")
    expect(panel).to_have_attribute("data-state", "open", timeout=LONG_MS)
    check_focus(page)
    tab_to(page, "#stage-tiles .cell", back=True)
    page.keyboard.down("Space")
    expect(panel).to_have_attribute("data-talking", "yes")
    page.keyboard.up("Space")
    expect(panel).to_have_attribute("data-talking", "no")
    # Who cannot hold a key: Enter on the talk key begins and ends.
    tab_to(page, "[data-part=talk]")
    page.keyboard.press("Enter")
    expect(panel).to_have_attribute("data-talking", "yes")
    page.keyboard.press("Enter")
    expect(panel).to_have_attribute("data-talking", "no")


def test_a_whole_session_by_keys(open_page, world):
    chief = open_page("juzhang", "/command")
    ask(chief)
    page = open_page("zhihui", "/command")
    decide_and_begin(page)
    speak(page)
    tab_to(page, "#order-text")
    page.keyboard.type("样例：原地待命")
    tab_to(page, "#orders button", has="下达口令")
    page.keyboard.press("Enter")
    order = page.locator("#order-list .task")
    expect(order).to_contain_text("第 1 号")
    # The page has come anew, at the orders, and whoever was in the conversation is in it again.
    page.wait_for_load_state("load")
    expect(page.locator("#voice-panel")).to_have_attribute("data-state", "open", timeout=LONG_MS)
    # What renews itself takes nobody's place away: neither on the button that notes a read-back, nor in the record.
    tab_to(page, "#order-list button", has="记口头复诵")
    wait_renewed(page)
    check_focus(page)
    assert page.evaluate("document.activeElement.id") == f"heard-1-{KIT}"
    world.answer(KIT, "felt", 1)
    world.answer(KIT, "accepted", 2)
    expect(order).to_contain_text("已复诵", timeout=LONG_MS)
    # The officer's own read-back has come: the button went, and whoever stood on it stands by the orders.
    check_focus(page)
    tab_to(page, "#kit-list button", has="移出")
    wait_renewed(page)
    check_focus(page)
    tab_to(page, "#session-steps")
    page.keyboard.press("End")
    wait_renewed(page)
    check_focus(page)
    tab_to(page, ".end-session summary", back=True)
    page.keyboard.press("Enter")
    tab_to(page, "#end-reason")
    page.keyboard.press("Escape")
    expect(page.locator("#end-reason")).to_be_hidden()
    check_focus(page)
    page.keyboard.press("Enter")
    tab_to(page, "#end-reason")
    page.keyboard.type("样例：处置完毕")
    page.keyboard.press("Enter")
    expect(page.locator("#session-state")).to_contain_text("已结束", timeout=LONG_MS)
    expect(page.locator("body")).to_contain_text("样例：处置完毕")
    tab_to(page, "a.button", has="会话记录")
