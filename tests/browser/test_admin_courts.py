"""The court pages in a real browser: people do their work on them, mistakes too, and axe finds nothing."""

import re

import pytest
from playwright.sync_api import expect

from central.courts import units
from central.courts.permissions import Actor
from tests.browser.conftest import PHONE
from tests.browser.test_access import violations

pytestmark = pytest.mark.browser

DALI = "/admin/courts/云2901"
COUNTIES = ("云2901", "云2922", "云2923", "云2924", "云2925", "云2926")


@pytest.fixture(scope="module")
def forces(world):
    """Rapid-reaction forces at half of the counties."""
    actor = Actor("x", "zhihui", "样例指挥长", "commander", "云29")
    with world.store.write() as uow:
        for number, code in enumerate(COUNTIES, 1):
            units.add_unit(uow, actor, code, kind="rapid_force", name=f"样例快速反应{number}队", phone="0872-0000000")


@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_and_nothing_runs_over(open_page, forces, size):
    extra = {"size": size} if size else {}
    for login, paths in (
        ("guanli", ("/admin/courts", DALI, f"{DALI}/edit", "/admin/courts/new")),
        ("yuanzhang", (DALI, f"{DALI}/appointments")),
        ("zhihui", (DALI,)),
    ):
        page = open_page(login, "/admin/courts", **extra)
        for path in paths:
            page.goto(path)
            for opener in page.locator("details.more > summary").all():
                opener.click()
            page.evaluate("scrollTo(0, 0)")  # or the sticky bar covers a field and makes it small
            assert (path, violations(page)) == (path, [])
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def forgive_refusal(open_page):
    """A refused form is a page with status 422, which the browser notes in its console."""
    assert len(open_page.bad) == 1
    assert "422" in open_page.bad.pop()


def test_a_president_appoints_and_the_tree_no_longer_warns(open_page, forces):
    page = open_page("yuanzhang", "/admin/courts")
    row = page.get_by_role("row", name=re.compile("云2901"))
    expect(row).to_contain_text("无在任指挥长")
    row.get_by_role("link").click()
    page.get_by_role("link", name="任命").click()
    page.get_by_label("职务").select_option(label="指挥长")
    page.get_by_label("人选").select_option("juzhang")
    page.get_by_label("首日").fill("2020-01-01")
    page.get_by_label("任命文号").fill("样例任字1号")
    page.get_by_role("button", name="任命").click()
    expect(page.get_by_text("不能从过去的日期起生效")).to_be_visible()
    forgive_refusal(open_page)
    expect(page.get_by_label("任命文号")).to_have_value("样例任字1号")
    page.get_by_label("首日").fill("")
    page.get_by_role("button", name="任命").click()
    expect(page.locator("#appointments")).to_contain_text("在任")
    expect(page.locator("#appointments")).to_contain_text("样例任字1号")
    page.goto("/admin/courts")
    expect(row).to_contain_text("样例执行局长")
    page.goto(f"{DALI}/appointments")
    page.get_by_label("免职文号").fill("样例免字2号")
    page.get_by_role("button", name="终止任命").click()
    expect(page.locator("#appointments")).to_contain_text("已届满")


def test_an_administrator_moves_a_seat_by_keyboard(open_page):
    page = open_page("guanli", "/admin/courts/云2932/edit")
    page.get_by_label("纬度").fill("26.565")
    page.keyboard.press("Tab")
    page.keyboard.type("100.18")
    page.get_by_label("地址").fill("样例路5号")
    page.locator("#seat-basis").fill("样例搬迁")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/admin/courts/[^/]+$"))
    expect(page.locator("#history")).to_contain_text("样例路5号")
    expect(page.get_by_text("26.56500°N 100.18000°E").first).to_be_visible()


def test_a_commander_keeps_units_and_a_mistake_stays_in_its_form(open_page, forces):
    page = open_page("zhihui", "/admin/courts/云2930")
    page.get_by_text("增设单位").click()
    page.locator("#unit-name").fill("样例洱源快反队")
    page.locator("#unit-phone").fill("打电话")
    page.get_by_role("button", name="增设").click()
    expect(page.get_by_text("电话号码只能含数字")).to_be_visible()
    forgive_refusal(open_page)
    expect(page.locator("#unit-name")).to_have_value("样例洱源快反队")
    page.locator("#unit-phone").fill("0872-0000000")
    page.get_by_role("button", name="增设").click()
    expect(page.locator("#units")).to_contain_text("样例洱源快反队")
    page.locator("#units table a").last.click()  # leads into its form, which opens
    page.get_by_role("button", name="停用").last.click()
    expect(page.locator("#units")).to_contain_text("已停用单位")


def test_the_pages_read_in_english(open_page):
    page = open_page("guanli", "/admin/courts")
    page.locator("details.profile summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Courts and command centres")).to_be_visible()
    page.get_by_role("link", name="Dali People's Court").click()
    expect(page.get_by_role("heading", name="Dali People's Court")).to_be_visible()
    assert violations(page) == []
