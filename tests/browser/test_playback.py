"""A real H.264 recording, decrypted segment by segment, played by the browser."""

import pytest
from playwright.sync_api import expect

from central.audit import queries as audit
from tests.browser.footage import make_recording
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def footage(world):
    return make_recording(world, "dl-2901-01", seconds=8)


def test_plays_over_the_gap_for_a_stated_purpose(open_page, world, footage):
    page = open_page("zhihui", f"/recordings/{footage.id}")
    video = page.locator("video")
    assert not video.evaluate("video => video.src")  # nothing before a purpose is stated
    page.get_by_label("调阅用途").fill("核实执行现场情况")
    page.get_by_role("button", name="解密并播放").click()
    wait_until(lambda: video.evaluate("v => v.currentTime > 0.5 && v.videoWidth === 640 && !v.error"), 15, "playing")
    decoded = video.evaluate("v => v.getVideoPlaybackQuality().totalVideoFrames")
    assert decoded > 3
    gap = page.locator("tr.is-gap")
    expect(gap).to_contain_text("摄像头中断")
    wait_until(lambda: "此处间断：摄像头中断" in page.locator("#told").inner_text(), 20, "the gap to be told")
    wait_until(lambda: video.evaluate("v => v.currentTime > 11.2"), 10, "playing behind the gap")
    with world.store.read() as session:
        rows = audit.list_entries(session, court_prefix="云", action_prefix="evidence:segment:open")
    assert {row.purpose for row in rows} == {"核实执行现场情况"}
    assert len(rows) == int(page.locator("#player").get_attribute("data-appended"))


def test_seeks_by_index_and_mark(open_page, footage):
    page = open_page("zhihui", f"/recordings/{footage.id}")
    page.get_by_label("调阅用途").fill("核对时间")
    page.get_by_role("button", name="解密并播放").click()
    video = page.locator("video")
    wait_until(lambda: video.evaluate("v => v.currentTime > 0.2"), 15, "playing")
    page.locator("#index button.seek").last.click()
    wait_until(lambda: video.evaluate("v => v.currentTime > 13 && !v.seeking && v.readyState >= 2"), 10, "seeking")
    expect(page.locator("tr.is-playing")).to_have_count(1)
    page.locator("#index button.seek").first.click()
    wait_until(
        lambda: video.evaluate("v => v.currentTime < 2 && !v.seeking && v.readyState >= 2"), 10, "seeking back"
    )


def test_no_purpose_is_refused_in_words(open_page, footage):
    page = open_page("zhihui", f"/recordings/{footage.id}")
    page.get_by_label("调阅用途").fill("   ")
    page.get_by_role("button", name="解密并播放").click()
    expect(page.locator("#refused")).to_contain_text("请填写用途")
    open_page.bad[:] = [line for line in open_page.bad if "422" not in line]
