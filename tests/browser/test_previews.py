"""A segment that is still on the kit: its small picture is played as what it is, and gives way to the original."""

import pytest
from playwright.sync_api import expect

from tests.browser.footage import Footage, film
from tests.central.web.test_previews import send_preview
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
KIT = "dl-2901-01"


def record(world, *, seconds=8, at_home=1):
    """A closed recording: the first segments are here, of the others only previews."""
    footage = Footage(world, KIT, world.now_ms() - 600_000)
    for number, segment in enumerate(film(KIT, seconds, started_ms=footage.started_ms)):
        seq = footage.add(segment, store=number < at_home)
        if number >= at_home:
            send_preview(world, footage, seq, segment)
    footage.close()
    return footage


def play(page):
    page.get_by_label("调阅用途").fill("核实执行现场情况")
    page.get_by_role("button", name="解密并播放").click()
    return page.locator("video")


def test_the_preview_is_marked_and_gives_way_to_the_original_under_the_eyes(open_page, world):
    footage = record(world)
    page = open_page("zhihui", f"/recordings/{footage.id}")
    expect(page.locator("tr[data-missing]")).to_have_count(3)
    video = play(page)
    wait_until(lambda: video.evaluate("v => v.currentTime > 0.3 && v.videoWidth === 640"), 20, "the original first")
    expect(page.locator("#preview")).to_be_hidden()
    page.locator("#index button.seek").nth(2).click()
    wait_until(lambda: video.evaluate("v => v.currentTime > 4.2 && v.videoWidth === 320"), 20, "the preview")
    video.evaluate("v => v.pause()")
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#preview")).to_have_text("低清预览，非证据")
    stood_at = video.evaluate("v => v.currentTime")
    for seq in sorted(footage.on_card):
        footage.bring(seq)
    wait_until(lambda: video.evaluate("v => v.videoWidth === 640 && !v.seeking"), 20, "the original in its place")
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.locator("tr[data-missing]")).to_have_count(0)
    assert abs(video.evaluate("v => v.currentTime") - stood_at) < 0.1 and video.evaluate("v => !v.error")
    video.evaluate("v => v.play()")
    wait_until(lambda: video.evaluate("v => v.currentTime > 7.5 && v.videoWidth === 640"), 20, "and on to the end")


def test_originals_are_asked_for_from_the_page(open_page, world):
    footage = record(world, seconds=4)
    page = open_page("zhihui", f"/recordings/{footage.id}")
    box = page.locator("#originals")
    expect(box).to_contain_text("1 段尚在装备上")
    box.get_by_label("补传事由").fill("核实冲突经过")
    box.get_by_role("button", name="要求装备补传原件").click()
    expect(page.locator("#originals")).to_contain_text("样例指挥长")
    expect(page.locator("#originals")).to_contain_text("待送达")


def test_the_link_is_counted_from_the_kits_page(open_page, world):
    page = open_page("zhihui", f"/kits/{KIT}")
    box = page.locator("#link")
    box.get_by_label("链路计费").select_option("按计费链路")
    box.get_by_label("设定事由").fill("本月流量将尽")
    box.get_by_role("button", name="设定").click()
    expect(page.locator("#directives")).to_contain_text("链路计费")
    expect(page.locator("#link select")).to_have_value("yes")
    world.tell_health(KIT, metered=True)
    page.reload()
    expect(page.locator("#link h2")).to_contain_text("按计费链路")
