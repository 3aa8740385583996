"""The record of a session in a real browser: its picture moves and its voices sound, without a script of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from central.base.unit_of_work import Store
from tests.browser.world import World
from tests.central.relay.recording import Session
from tests.fakes.clocks import FakeClock
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
PIXEL = """video => {
  const canvas = new OffscreenCanvas(8, 8), pen = canvas.getContext('2d');
  pen.drawImage(video, 0, 0, 8, 8);
  return pen.getImageData(4, 4, 1, 1).data[0];
}"""


@pytest.fixture(scope="module")
def session(world: World) -> Session:
    clock = FakeClock(world.now_ms() - 60_000)
    store = Store(world.store.engine, clock, world.bus)
    return Session(store, world.settings, clock)


def play(page: Page) -> Any:
    """State a purpose and press play; returns the player."""
    page.get_by_label("调阅用途").fill("核实执行现场情况")
    page.get_by_role("button", name="解密并播放").click()
    video = page.locator("video")
    wait_until(lambda: video.evaluate("v => v.readyState >= 2"), 30, "the first picture")
    video.evaluate("v => { v.muted = true; return v.play() }")
    return video


def test_its_picture_moves_and_its_voices_are_in_it(open_page: Callable[..., Page], session: Session) -> None:
    page = open_page("zhihui", f"/command/{session.id}/record")
    expect(page.get_by_text("完整", exact=True)).to_be_visible()
    video = play(page)
    shades = set()
    wait_until(lambda: shades.add(video.evaluate(PIXEL)) or len(shades) >= 4, 30, "moving pixels")
    wait_until(lambda: video.evaluate("v => v.webkitAudioDecodedByteCount > 0"), 10, "sound")
    wait_until(lambda: video.evaluate("v => v.ended || v.currentTime > 7.5"), 30, "the end")
    assert video.evaluate("v => v.videoWidth") == 320


def test_a_moment_of_the_log_leads_to_its_place(open_page: Callable[..., Page], session: Session) -> None:
    page = open_page("zhihui", f"/command/{session.id}/record")
    play(page)
    page.get_by_role("listitem").filter(has_text="结束指挥").get_by_role("link").click()
    video = page.locator("video")
    wait_until(lambda: video.evaluate("v => v.readyState >= 2"), 30, "the first picture")
    # The session ended with its last picture: what follows from there on is its last seconds.
    video.evaluate("v => { v.muted = true; return v.play() }")
    wait_until(lambda: video.evaluate("v => v.ended"), 30, "the end")
    assert 1 < video.evaluate("v => v.duration") < 5


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Callable[..., Page], session: Session) -> None:
    page = open_page("zhihui", f"/command/{session.id}/record", size={"width": 390, "height": 844})
    play(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
