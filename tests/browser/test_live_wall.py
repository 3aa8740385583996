"""Pictures of four kits on the wall of a real browser, over the real relay: they move, and never lie about age."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from contract.live import LOW, MAIN
from edge.recorder.sources.time_strip import FIELDS, PERIOD_MS, checksum
from tests.browser.conftest import PHONE
from tests.browser.live_hall import KITS, open_hall
from tests.browser.test_access import violations
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
LONG_S = 40
WITHOUT_WEBCODECS = "delete window.VideoDecoder;"

# The middle of each of the strip's fields in the picture of a tile, light or dark.
READ_STRIP = """([source, fields]) => {
  const shown = document.querySelector(`[data-shows="${source}"]`)?.querySelector('canvas, video');
  if (!shown || !(shown.width || shown.videoWidth)) return null;
  const width = shown.videoWidth || shown.width, height = shown.videoHeight || shown.height;
  const copy = new OffscreenCanvas(width, 1), context = copy.getContext('2d', { willReadFrequently: true });
  const row = Math.floor(height * 2 / 5) + Math.max(2, Math.floor(height / 48));
  context.drawImage(shown, 0, row, width, 1, 0, 0, width, 1);
  const pixels = context.getImageData(0, 0, width, 1).data;
  const isLight = (_none, n) => pixels[Math.floor((2 * n + 1) * width / (2 * fields)) * 4 + 1] > 128;
  return { at_ms: Date.now(), width, bits: Array.from({ length: fields }, isLight) };
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
    """Open a page as somebody; what it must not do is looked at in the end."""
    bad, contexts = [], []

    def open_as(path="/wall", **extra):
        page = hall.open(browser, path, **extra)
        contexts.append(page.context)
        page.on("pageerror", lambda error: bad.append(str(error)))
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert bad == []


def tile(page, kit_id):
    return page.locator(f'[data-shows="{kit_id}"] .live-tile')


def wait_condition(page, kit_id, *codes):
    condition = tile(page, kit_id)
    wait_until(lambda: condition.get_attribute("data-condition") in codes, LONG_S, f"{kit_id} to be {codes}")


def read_strip(page, kit_id):
    """The moment of capture in a tile's pixels, its age in ms and the picture's width; None: nothing readable."""
    found = page.evaluate(READ_STRIP, [kit_id, FIELDS])
    if found is None:
        return None
    bits = sum(1 << place for place, is_light in enumerate(found["bits"]) if is_light)
    value = bits >> 2 & (PERIOD_MS - 1)
    if bits & 3 != 1 or bits >> 26 != checksum(value):
        return None
    return value, (int(found["at_ms"]) - value) % PERIOD_MS, found["width"]


def wait_moving(page, kit_id):
    """The pixels show one moment of capture after the other; returns the age of the last."""
    first = wait_until(lambda: read_strip(page, kit_id), LONG_S, f"a readable picture of {kit_id}")
    later = wait_until(
        lambda: seen if (seen := read_strip(page, kit_id)) and seen[0] != first[0] else None, LONG_S, "it to move"
    )
    assert (later[0] - first[0]) % PERIOD_MS < PERIOD_MS // 2, "it goes backwards"
    return later[1]


def measure_delays(page, kit_id):
    """From capture to pixels, ms, shortest first."""
    found = []
    for _ in range(40):
        page.wait_for_timeout(50)
        read = read_strip(page, kit_id)
        found += [read[1]] if read else []
    return sorted(found)


def test_four_kits_move_and_the_chosen_one_comes_in_full(hall, open_wall):
    session_id = hall.stand.begin(*KITS)
    hall.film(*KITS)
    page = open_wall()
    expect(page.locator(".cell")).to_have_count(4)
    ages = [wait_moving(page, kit_id) for kit_id in KITS]
    assert max(ages) < 3000
    assert all(filmer.ever_wanted == {LOW} for filmer in hall.filmers.values())
    wait_condition(page, KITS[0], "live")
    expect(tile(page, KITS[0]).locator(".tile-taken")).to_contain_text(re.compile("延迟(不到)? ?[0-9.]+ 秒"))
    delays = measure_delays(page, KITS[1])
    print(f"wall of four: {delays[len(delays) // 2]} ms from capture to canvas (p50 of {len(delays)})")
    # By keyboard: the second becomes the big one and comes in full quality, the others stay small.
    page.locator(f'[data-shows="{KITS[1]}"]').focus()
    page.keyboard.press("Enter")
    wait_until(lambda: (read := read_strip(page, KITS[1])) and read[2] == 1280, LONG_S, "the full picture")
    wait_until(lambda: hall.filmers[KITS[1]].wanted == {MAIN}, LONG_S, "the small stream to end")
    assert "big=1" in page.url and hall.filmers[KITS[0]].wanted == {LOW}
    page.keyboard.press("Escape")
    wait_until(lambda: hall.filmers[KITS[1]].wanted == {LOW}, LONG_S, "the small picture again")
    # The address is enough for another hall to see the same, at the same time.
    other = open_wall(page.url.removeprefix(hall.address), by="zhiban")
    assert wait_moving(other, KITS[0]) < 3000 and wait_moving(page, KITS[0]) < 3000
    # The end of the session ends every picture, in words.
    hall.stand.end(session_id)
    expect(page.locator(".cell-free").first).to_contain_text("未在远程指挥中")
    wait_until(lambda: not any(filmer.wanted for filmer in hall.filmers.values()), LONG_S, "nothing to be filmed")


def test_streams_stop_when_nobody_looks(hall, open_wall):
    hall.stand.begin(*KITS[:2])
    hall.film(*KITS[:2])
    page = open_wall(size=PHONE)
    wait_moving(page, KITS[0])
    # Scrolled away: on a phone the tiles stand below each other.
    page.set_viewport_size({"width": 390, "height": 300})
    page.locator(".cell").last.scroll_into_view_if_needed()
    wait_until(lambda: not hall.filmers[KITS[0]].wanted, LONG_S, "the tile out of view to rest")
    page.locator(f'[data-shows="{KITS[0]}"]').scroll_into_view_if_needed()
    wait_moving(page, KITS[0])
    page.goto("/kits")
    wait_until(lambda: not any(filmer.wanted for filmer in hall.filmers.values()), LONG_S, "all to rest")


@pytest.mark.by_the_clock
def test_what_is_old_is_grey_and_says_so(hall, open_wall):
    hall.stand.begin(KITS[0], KITS[1])
    hall.film(KITS[0], KITS[1])
    page = open_wall("/wall?size=4")
    wait_condition(page, KITS[0], "live")
    hall.filmers[KITS[0]].is_frozen = True
    frozen_s = time.monotonic()
    wait_condition(page, KITS[0], "stale")
    assert time.monotonic() - frozen_s < 6
    expect(tile(page, KITS[0]).locator(".tile-veil")).to_contain_text("画面停滞")
    assert "grayscale" in tile(page, KITS[0]).locator(".tile-picture").evaluate("e => getComputedStyle(e).filter")
    wait_condition(page, KITS[1], "live")  # the other one is not touched by it
    hall.filmers[KITS[0]].is_frozen = False
    wait_condition(page, KITS[0], "live")
    # A wrong clock makes no picture old, and no delay is told that nobody knows.
    hall.filmers[KITS[0]].shift_s = -7200
    expect(tile(page, KITS[0]).locator(".tile-taken")).to_have_text("延迟不明")
    wait_condition(page, KITS[0], "live")
    wait_moving(page, KITS[0])


def test_garbage_is_said_to_be_undecodable_and_the_picture_comes_back(hall, open_wall):
    hall.stand.begin(KITS[0])
    hall.film(KITS[0])
    page = open_wall()
    wait_condition(page, KITS[0], "live")
    hall.filmers[KITS[0]].garbles = True
    wait_condition(page, KITS[0], "stale", "undecodable", "gone", "no_key_frame")
    hall.filmers[KITS[0]].garbles = False
    wait_condition(page, KITS[0], "live")


def test_the_relay_dies_and_the_pictures_come_back(hall, open_wall):
    hall.stand.begin(KITS[0])
    hall.film(KITS[0])
    page = open_wall()
    wait_condition(page, KITS[0], "live")
    hall.stand.centre.kill("relay")
    wait_condition(page, KITS[0], "broken")
    hall.stand.start()
    wait_condition(page, KITS[0], "live")
    assert wait_moving(page, KITS[0]) < 3000


def test_without_webcodecs_the_picture_plays_by_media_source(hall, open_wall):
    hall.stand.begin(KITS[0])
    hall.film(KITS[0])
    page = open_wall(script=WITHOUT_WEBCODECS)
    expect(tile(page, KITS[0]).locator("video")).to_be_visible()
    assert wait_moving(page, KITS[0]) < 3000
    wait_condition(page, KITS[0], "live")
    page.locator(f'[data-shows="{KITS[0]}"]').focus()
    page.keyboard.press("Enter")
    wait_until(lambda: (read := read_strip(page, KITS[0])) and read[2] == 1280, LONG_S, "the full picture")
    delays = measure_delays(page, KITS[0])
    print(f"media source: {delays[len(delays) // 2]} ms from capture to pixels (p50 of {len(delays)})")


def test_a_stalled_page_is_live_again_and_not_behind(hall, open_wall):
    hall.stand.begin(KITS[0])
    hall.film(KITS[0])
    page = open_wall()
    wait_condition(page, KITS[0], "live")
    page.evaluate("() => { const end = performance.now() + 4000; while (performance.now() < end); }")
    wait_condition(page, KITS[0], "live")
    wait_until(lambda: (read := read_strip(page, KITS[0])) and read[1] < 1500, LONG_S, "the newest picture")


def test_who_is_logged_out_sees_no_more(hall, open_wall):
    hall.stand.begin(KITS[0])
    hall.film(KITS[0])
    page = open_wall(by="jiandu")
    wait_condition(page, KITS[0], "live")
    hall.stand.log_out("jiandu")
    page.wait_for_url("**/login*")
    wait_until(lambda: not hall.filmers[KITS[0]].wanted, LONG_S, "the stream to end")
    hall.stand.log_in("jiandu")


def test_a_sessions_page_shows_its_kits_and_the_one_chosen_in_full(hall, browser):
    session_id = hall.stand.begin(KITS[0], KITS[3])
    hall.film(KITS[0], KITS[3])
    page = hall.open(browser, f"/command/{session_id}")
    page.wait_for_selector("#stage[data-ready]")
    assert wait_moving(page, KITS[3]) < 3000
    wait_until(lambda: (read := read_strip(page, KITS[0])) and read[2] == 1280, LONG_S, "the first in full")
    page.locator(f'[data-shows="{KITS[3]}"]').focus()
    page.keyboard.press("Enter")
    wait_until(lambda: (read := read_strip(page, KITS[3])) and read[2] == 1280, LONG_S, "the chosen one in full")
    hall.stand.end(session_id)
    # The tiles say so at once, and within seconds the page is that of an ended session, which shows no picture.
    expect(page.locator("#stage")).to_have_count(0, timeout=LONG_S * 1000)
    expect(page.locator("#session-state")).to_contain_text("已结束")
    tops = {page.locator(part).bounding_box()["y"] for part in ("#orders", "#kits")}
    assert len(tops) == 1, "the columns begin beside each other where no picture stands above"
    page.context.close()


@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_the_commander_finds_picture_voice_and_orders_in_this_order_and_axe_nothing(hall, browser, size):
    """Thumbs reach the talk key before they must scroll over the orders; keys go the same way."""
    session_id = hall.stand.begin(KITS[0], KITS[3])
    hall.film(KITS[0], KITS[3])
    page = hall.open(browser, f"/command/{session_id}", **({"size": size} if size else {}))
    page.wait_for_selector("#stage[data-ready]")
    page.wait_for_selector("#voice-panel[data-ready]")
    wait_moving(page, KITS[0])
    tops = [page.locator(part).bounding_box()["y"] for part in ("#stage", "#voice", "#orders")]
    assert tops == sorted(tops)
    assert page.locator(".kit-choice input").count() == 2
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    hall.stand.end(session_id)
    page.context.close()
