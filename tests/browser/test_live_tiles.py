"""Nine and sixteen kits on the wall of a real browser; tiles change places by dragging, by pressing and by keys."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from central.base.bus import POSITIONS_SUBJECT
from central.devices.feed import encode_positions, live_position
from central.devices.rules import digest_fix, position_row
from central.web.security import SESSION_COOKIE
from contract.live import LOW, MAIN
from contract.messages import Fix
from tests.browser.conftest import DESK, PHONE
from tests.browser.live_hall import Hall
from tests.browser.reels import SIZES, Reels
from tests.browser.tabs import open_tabs
from tests.browser.test_access import violations
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
LONG_S = 40
KITS = [f"dl-2901-{number:02}" for number in range(1, 17)]
# Of each tile: how wide its picture is and where the white bar begins in it; null without a picture.
READ_BARS = """() => Object.fromEntries([...document.querySelectorAll('.cell')].map((cell) => {
  const shown = cell.querySelector('canvas');
  if (!shown?.width) return [cell.dataset.shows, null];
  const copy = new OffscreenCanvas(shown.width, 1), context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(shown, 0, shown.height / 2, shown.width, 1, 0, 0, shown.width, 1);
  const pixels = context.getImageData(0, 0, shown.width, 1).data;
  const bar = Array.from({ length: shown.width }, (_none, n) => pixels[n * 4 + 1]).findIndex((green) => green > 160);
  return [cell.dataset.shows, { width: shown.width, bar }];
}))"""


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    hall = Hall(tmp_path_factory.mktemp("hall"))
    centre = hall.stand.centre
    for kit_id in KITS:
        if kit_id not in centre.kits:
            centre.kits[kit_id] = centre.pki.kit(kit_id)
        centre.entries[kit_id] = "云2901"
    centre.write_registry()
    try:
        hall.start()
        hall.stand.begin(*KITS)
        yield hall
    finally:
        hall.stop()


@pytest.fixture(scope="module")
def running_reels(hall):
    reels = Reels(hall.stand, KITS)
    yield reels
    reels.stop()


@pytest.fixture
def reels(running_reels):
    """Nobody looks, and nothing was ever wanted."""
    wait_until(lambda: not any(running_reels.wanted.values()), LONG_S, "nothing to be filmed")
    running_reels.forget()
    return running_reels


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


def tile(page, kit_id):
    return page.locator(f'[data-shows="{kit_id}"]')


def row(page, kit_id):
    return page.locator(f'#source-list [data-source="{kit_id}"]')


def wait_moving(page, kit_ids, stream=LOW):
    """In each of these tiles the bar is seen in two places, in pictures of that stream's width."""
    seen = {kit_id: set() for kit_id in kit_ids}

    def all_moved():
        found = page.evaluate(READ_BARS)
        for kit_id, places in seen.items():
            if (read := found.get(kit_id)) and read["width"] == SIZES[stream][0] and read["bar"] >= 0:
                places.add(read["bar"])
        return all(len(places) > 1 for places in seen.values())

    wait_until(all_moved, LONG_S, f"pictures of {kit_ids} to move")


def wait_wanted(reels, **streams):
    """Until each kit films what is named for it (`small`, `full`: lists of kits), and all others nothing."""
    told = {kit_id: {LOW} for kit_id in streams.get("small", ())}
    told |= {kit_id: {MAIN} for kit_id in streams.get("full", ())}
    wait_until(lambda: all(reels.wanted[kit] == told.get(kit, set()) for kit in KITS), LONG_S, f"{streams}")


def places(page):
    """What stands where, by the page and by its address, which agree."""
    shown = page.locator(".cell").evaluate_all("cells => cells.map((cell) => cell.dataset.shows)")
    told = parse_qs(urlsplit(page.url).query)["tiles"][0].split(",")
    assert shown == told
    numbers = page.locator(".cell").evaluate_all("cells => cells.map((cell) => Number(cell.dataset.number))")
    assert numbers == list(range(len(shown)))
    return [kit_id[-2:] for kit_id in shown]


def drag(page, start, goal):
    """By a real mouse: down, over, up."""
    start.hover()
    page.mouse.down()
    goal.hover()
    goal.hover()  # the second move is what the browser takes for dragging over it
    expect(page.locator(".is-target")).to_have_count(1)
    page.mouse.up()
    expect(page.locator(".is-target")).to_have_count(0)


def tell_place(hall, kit_id):
    """A fix of a kit, as the intake passes it on to the screens."""
    at_ms = hall.stand.store.clock.now_ms()
    fix = Fix(lat=25.6, lon=100.2, fix_ms=at_ms)
    kept = position_row(1, 1, 1, at_ms, fix, digest=digest_fix(at_ms, fix), received_ms=at_ms)
    hall.bus.nudge(POSITIONS_SUBJECT, encode_positions([live_position(kit_id, "云2901", kept)]))


def focused(page):
    return page.evaluate("document.activeElement.dataset.shows ?? document.activeElement.className")


@pytest.mark.parametrize("size", [9, 16])
def test_all_tiles_move_small_and_the_chosen_one_in_full(open_wall, reels, size):
    page, shown = open_wall(f"/wall?size={size}"), KITS[:size]
    expect(page.locator(".cell")).to_have_count(size)
    wait_moving(page, shown)
    wait_wanted(reels, small=shown)
    assert all(reels.ever_wanted[kit] == ({LOW} if kit in shown else set()) for kit in KITS)
    boxes = [cell.bounding_box() for cell in page.locator(".cell").all()]
    assert max(box["y"] + box["height"] for box in boxes) <= DESK["height"], "nothing is below the wall"
    assert len({(round(box["width"]), round(box["height"])) for box in boxes}) == 1
    chosen = KITS[size // 2]
    tile(page, chosen).focus()
    page.keyboard.press("Enter")
    wait_moving(page, [chosen], MAIN)
    others = [kit for kit in shown if kit != chosen]
    wait_wanted(reels, small=others, full=[chosen])
    wait_moving(page, others)
    page.keyboard.press("Escape")
    wait_wanted(reels, small=shown)
    wait_moving(page, [chosen])
    page.goto("/kits")
    wait_wanted(reels)


def test_nothing_is_filmed_for_a_page_that_lies_behind_another(hall, reels, tmp_path):
    with open_tabs(tmp_path / "profile") as tabs:
        wall = tabs.open(f"{hall.address}/wall?size=9", {SESSION_COOKIE: hall.stand.tokens["zhihui"]})
        wait_wanted(reels, small=KITS[:9])
        tabs.open("about:blank")
        wait_until(lambda: tabs.ask(wall, "document.visibilityState") == "hidden", LONG_S, "it to be hidden")
        wait_wanted(reels)
        tabs.show(wall)
        wait_wanted(reels, small=KITS[:9])
        is_moving = "document.querySelectorAll('[data-condition=live]').length"
        wait_until(lambda: tabs.ask(wall, is_moving) == 9, LONG_S, "all to be live again")


def test_kits_and_tiles_are_dragged(open_wall, reels):
    page = open_wall(f"/wall?size=4&tiles={KITS[0]},{KITS[1]}")
    wait_moving(page, KITS[:2])
    cells = page.locator(".cell")
    drag(page, row(page, KITS[4]), cells.nth(3))  # from the list into a free place
    assert places(page) == ["01", "02", "", "05"]
    drag(page, row(page, KITS[5]), cells.nth(1))  # onto another, whose place it takes
    assert places(page) == ["01", "06", "", "05"]
    wait_wanted(reels, small=[KITS[0], KITS[4], KITS[5]])
    reels.forget()
    drag(page, tile(page, KITS[0]), cells.nth(2))  # a tile into a free place
    assert places(page) == ["", "06", "01", "05"]
    drag(page, tile(page, KITS[5]), cells.nth(3))  # a tile onto a tile
    assert places(page) == ["", "05", "01", "06"]
    drag(page, row(page, KITS[5]), cells.nth(0))  # from the list what stands elsewhere: it does not stand there twice
    assert places(page) == ["06", "05", "01", ""]
    wait_moving(page, [KITS[0], KITS[4], KITS[5]])
    assert not any(reels.rests.values()), "a picture that only changes its place goes on"
    # What comes from elsewhere is not taken.
    page.locator("h1").evaluate("title => { title.draggable = true; }")
    page.locator("h1").drag_to(cells.nth(3))
    assert places(page) == ["06", "05", "01", ""]
    # Onto the big place: it comes in full, the one that was there small.
    cells.nth(1).focus()
    page.keyboard.press("Enter")
    wait_wanted(reels, small=[KITS[0], KITS[5]], full=[KITS[4]])
    drag(page, tile(page, KITS[0]), tile(page, KITS[4]))
    assert places(page) == ["06", "01", "05", ""]
    wait_wanted(reels, small=[KITS[4], KITS[5]], full=[KITS[0]])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_same_by_pressing_alone(open_wall, reels, size):
    page = open_wall(f"/wall?size=4&tiles={KITS[0]},{KITS[1]}", size=size)
    told, cells = page.locator("#moving"), page.locator(".cell")
    if size == PHONE:
        page.locator(".sources summary").click()
    row(page, KITS[2]).get_by_role("button").click()  # from the list into the free place
    assert places(page) == ["01", "02", "03", ""]
    if size == PHONE:
        page.locator(".sources summary").click()
    tile(page, KITS[0]).get_by_role("button", name="移动本格").click()
    expect(told).to_contain_text("正在移动第 1 格")
    assert violations(page) == []
    cells.nth(3).click()
    assert places(page) == ["", "02", "03", "01"]
    expect(told).to_have_text("")
    tile(page, KITS[1]).get_by_role("button", name="移动本格").click()
    tile(page, KITS[2]).locator(".tile-who").click(force=True)  # a link is none while something is moved
    assert places(page) == ["", "03", "02", "01"]
    tile(page, KITS[1]).get_by_role("button", name="移动本格").click()
    tile(page, KITS[1]).get_by_role("button", name="移动本格").click()  # again: it stays
    expect(told).to_have_text("")
    cells.nth(0).click()
    assert places(page) == ["", "03", "02", "01"] and page.locator(".is-big").count() == 0
    page.locator("#sizes button[value='1']").click()
    expect(page.locator(".cell")).to_have_count(1)


def test_the_same_by_keys_and_the_focus_is_never_lost(hall, open_wall, reels):
    page = open_wall(f"/wall?size=4&tiles={KITS[0]},{KITS[1]},{KITS[2]}")
    press = page.keyboard.press
    wait_moving(page, KITS[:3])
    reels.forget()
    tile(page, KITS[0]).focus()
    press("Shift+ArrowRight")
    assert places(page) == ["02", "01", "03", ""] and focused(page) == KITS[0]
    press("Shift+ArrowDown")
    assert places(page) == ["02", "", "03", "01"] and focused(page) == KITS[0]
    press("Shift+ArrowDown")  # there is no row below
    assert places(page) == ["02", "", "03", "01"] and focused(page) == KITS[0]
    # The tile's own button, then arrows and Enter.
    press("Tab")
    assert focused(page) == "tile-who"
    press("Tab")
    assert focused(page) == "cell-move"
    press("Enter")
    expect(page.locator("#moving")).to_contain_text("正在移动第 4 格")
    assert focused(page) == KITS[0]
    press("ArrowUp")
    press("Escape")
    expect(page.locator("#moving")).to_have_text("")
    assert places(page) == ["02", "", "03", "01"]
    press("ArrowDown")
    press("Tab")
    press("Tab")
    press("Space")
    press("ArrowUp")
    press("Enter")
    assert places(page) == ["02", "01", "03", ""] and focused(page) == KITS[0]
    assert not any(reels.rests.values())
    # The lines of a tile are made anew as its kit is heard; whoever stands on the link stays on it.
    press("Tab")
    page.evaluate("window.stood = document.activeElement")
    later = f"""() => document.querySelector('[data-shows="{KITS[0]}"] .where').textContent"""
    before = page.evaluate(later)
    tell_place(hall, KITS[0])
    wait_until(lambda: page.evaluate(later) != before, LONG_S, "the lines to change")
    assert page.evaluate("document.activeElement === window.stood && window.stood.isConnected")
    # Taken out: the focus stays on the place, which is free now.
    press("Tab")
    press("Tab")
    assert focused(page) == "cell-clear"
    press("Enter")
    assert places(page) == ["02", "", "03", ""]
    assert page.evaluate("document.activeElement.dataset.number") == "1"
    # Out of the grid by Tab, which leads through no other tile.
    press("Tab")
    assert not page.evaluate("document.activeElement.matches('.cell, .cell *')")
    press("Shift+Tab")
    assert page.evaluate("document.activeElement.dataset.number") == "1"
    press("Shift+Tab")
    assert page.evaluate("Boolean(document.activeElement.closest('#source-list'))")
