"""The wall's list follows for days by itself what begins, ends and changes; a narrow tile cuts no word."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlmodel import col, select

from central.devices import service as devices
from central.devices.models import Kit
from contract.messages import Health
from tests.browser.conftest import DESK
from tests.browser.live_hall import KITS, open_hall
from tests.browser.test_access import violations
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
LONG_S = 40
LAPTOP = {"width": 1366, "height": 768}
# Words of the tiles that are seen in part: those wholly below what a tile has room for are not seen at all.
READ_CUT = """() => [...document.querySelectorAll('.cell:not(.is-big) *')].filter((part) => {
  if (part.childElementCount || !part.textContent.trim() || !part.checkVisibility()) return false;
  const words = document.createRange();
  words.selectNodeContents(part);
  const box = words.getBoundingClientRect();
  for (let around = part; !around.matches('#tiles'); around = around.parentElement) {
    if (getComputedStyle(around).overflow === 'visible') continue;
    const room = around.getBoundingClientRect();
    if (box.top >= room.bottom) return false;
    if (box.left < room.left - 1 || box.right > room.right + 1) return true;
    if (box.top < room.top - 1 || box.bottom > room.bottom + 1) return true;
  }
  return false;
}).map((part) => part.textContent)"""

# Over the list, however slow the machine is that plays this.
RESTLESS_HAND = """() => {
  const list = document.getElementById('source-list');
  window.hand = setInterval(() => list.dispatchEvent(new Event('pointermove', { bubbles: true })), 100);
}"""


@pytest.fixture(scope="module")
def running_hall(tmp_path_factory):
    with open_hall(tmp_path_factory.mktemp("hall")) as hall:
        yield hall


@pytest.fixture
def hall(running_hall):
    yield running_hall
    running_hall.clear()


@pytest.fixture
def open_wall(hall, browser):
    bad, contexts = [], []

    def open_with(path="/wall", **extra):
        page = hall.open(browser, path, **extra)
        contexts.append(page.context)
        page.on("pageerror", lambda error: bad.append(str(error)))
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_with
    for context in contexts:
        context.close()
    assert bad == []


def row(page, kit_id):
    return page.locator(f'#source-list [data-source="{kit_id}"]')


def order(page):
    return page.locator("#source-list li").evaluate_all("rows => rows.map((row) => row.dataset.source)")


def shown(page):
    return page.locator(".cell").evaluate_all("cells => cells.map((cell) => cell.dataset.shows)")


def expect_live(page, kit_id, session_id):
    expect(row(page, kit_id).locator("a")).to_have_attribute("href", f"/command/{session_id}", timeout=LONG_S * 1000)
    expect(row(page, kit_id)).to_have_attribute("data-live", "yes")


def is_focused(page, selector):
    return page.evaluate("selector => document.activeElement.matches(selector)", selector)


def tell_health(hall, *kit_ids):
    """The kits say, as the intake takes it, that they are there and record."""
    store = hall.stand.store
    with store.read() as session:
        kits = [session.exec(select(Kit).where(Kit.kit_id == kit_id)).one() for kit_id in kit_ids]
    health = Health(
        recording=True, duty=True, queue_outbox=0, queue_segments=0, free_bytes=1, vault_bytes=0, uptime_s=9,
        version="0.5.0", gps="3D fix", clock="ok",
    )  # fmt: skip
    with store.write() as uow:
        for kit in kits:
            at_ms = store.clock.now_ms()
            devices.record_health(uow, kit, health, at_ms=at_ms, received_ms=at_ms)


def test_a_row_follows_its_source_and_keeps_whoever_stands_in_it(hall, open_wall):
    page, last = open_wall(), KITS[3]
    assert order(page)[-1] == last and page.locator("#source-list a").count() == 0
    expect(row(page, last)).to_contain_text("离线")
    button = row(page, last).get_by_role("button")
    button.focus()
    page.evaluate("window.stood = document.activeElement")
    session_id = hall.stand.begin(last)
    expect_live(page, last, session_id)
    wait_until(lambda: order(page)[0] == last, LONG_S, "what is in a session to stand first")
    assert page.evaluate("document.activeElement === window.stood"), "the row with the focus is changed in place"
    assert violations(page) == []
    # The session ends below the finger: its link goes, the row stays.
    page.keyboard.press("Tab")
    assert is_focused(page, f"#source-list a[href='/command/{session_id}']")
    hall.stand.end(session_id)
    expect(row(page, last).locator("a")).to_have_count(0, timeout=LONG_S * 1000)
    expect(row(page, last)).to_contain_text("离线")
    assert page.evaluate("document.activeElement === window.stood")
    # Another session is another link.
    again = hall.stand.begin(last)
    expect_live(page, last, again)
    assert again != session_id
    # What was heard of a kit in none is told by its word.
    tell_health(hall, KITS[2])
    expect(row(page, KITS[2])).to_contain_text("在线", timeout=LONG_S * 1000)


def test_all_in_session_are_those_of_now(hall, open_wall):
    page = open_wall()
    # What is asked as the page begins was answered: nothing but the press asks before the next event.
    asked = "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/wall/sources'))"
    wait_until(lambda: page.evaluate(asked), LONG_S, "the first answer")
    assert shown(page) == [""] * 4
    hall.stand.begin(KITS[0], KITS[3])
    page.get_by_role("button", name="全部进行中").click()
    expect(page.locator(f'[data-shows="{KITS[3]}"]')).to_be_visible(timeout=LONG_S * 1000)
    assert shown(page) == [KITS[0], KITS[3], "", ""]


def look_again(hall, page, kit_id, *, is_valid):
    """The register is in force, and whoever had another page before this one comes back to it."""
    hall.stand.centre.write_registry()
    in_force = select(Kit).where(Kit.kit_id == kit_id, col(Kit.revoked_ms).is_(None))

    def is_applied():
        with hall.stand.store.read() as session:
            return (session.exec(in_force).first() is not None) == is_valid

    wait_until(is_applied, LONG_S, "the register to be in force")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_kit_that_may_be_watched_from_now_on_comes_and_one_that_may_not_goes(hall, open_wall):
    page, centre, new = open_wall(), hall.stand.centre, "dl-2901-09"
    centre.kits[new], centre.entries[new] = centre.pki.kit(new), "云2901"
    look_again(hall, page, new, is_valid=True)
    button = row(page, new).get_by_role("button")
    button.wait_for(timeout=LONG_S * 1000)
    button.focus()
    centre.revoked.add(new)
    look_again(hall, page, new, is_valid=False)
    expect(row(page, new)).to_have_count(0, timeout=LONG_S * 1000)
    assert is_focused(page, "#source-list button")


def test_the_list_waits_for_whoever_is_about_to_press_or_drags(hall, open_wall):
    page, last = open_wall(f"/wall?size=4&tiles={KITS[3]}"), KITS[3]
    before = order(page)
    page.evaluate(RESTLESS_HAND)
    row(page, KITS[1]).hover()
    page.mouse.down()
    goal = page.locator(".cell").nth(2)
    goal.hover()
    goal.hover()
    session_id = hall.stand.begin(last)
    expect(page.locator(f'[data-shows="{last}"] .live-tile')).to_have_count(1, timeout=LONG_S * 1000)
    assert order(page) == before and row(page, last).locator("a").count() == 0
    expect(page.locator(".is-target")).to_have_count(1)
    page.mouse.up()
    expect(page.locator(".is-target")).to_have_count(0)
    assert shown(page) == [last, "", KITS[1], ""]
    # The row says it now; to its new place it comes when the list was left alone for a while.
    expect_live(page, last, session_id)
    assert order(page) == before
    page.evaluate("clearInterval(window.hand)")
    wait_until(lambda: order(page)[0] == last, LONG_S, "the list to be in order again")


@pytest.mark.parametrize("size", [DESK, LAPTOP], ids=["desk", "laptop"])
def test_a_narrow_tile_tells_who_and_how_and_cuts_no_word(hall, open_wall, size):
    hall.stand.begin(*KITS[:3])
    tell_health(hall, *KITS)
    page = open_wall(f"/wall?size=16&big=0&tiles={','.join(KITS)}", size=size)
    for kit_id in KITS[1:]:
        lines = page.locator(f'[data-shows="{kit_id}"] .cell-lines')
        for part, words in ((".tile-who", "样例警官甲"), (".state", "在线"), (".state", "录像中")):
            expect(lines.locator(part).filter(has_text=words)).to_be_visible()
        expect(lines.locator(".where")).to_be_hidden()
    expect(page.locator(".tile-veil").first).to_contain_text("已下令")
    assert page.evaluate(READ_CUT) == []
    # What it does not tell is told by the pointer, and by the big one.
    told = page.locator(f"[data-shows='{KITS[1]}'] .cell-lines").get_attribute("title")
    assert told.startswith(f"样例警官甲 · {KITS[1]}") and "位置未知" in told
    # English words are longer.
    page.locator(".menu summary").click()
    page.locator("button[name=language]").click()
    page.wait_for_selector("html[lang=en][data-ready]")
    expect(page.locator(f'[data-shows="{KITS[3]}"] .pill')).to_be_visible()
    assert page.evaluate(READ_CUT) == []
