"""Cases in a real browser: searching by keyboard, acts in place, conflict, calendar; axe on every page."""

from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

from central.base.keyring import load_keyring
from tests.browser.conftest import PHONE
from tests.central.web.case_specimens import EXECUTEE_ID, case_no, fill_docket, work_on_docket

pytestmark = pytest.mark.browser
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
LAPTOP = {"width": 1366, "height": 768}


@pytest.fixture(scope="module")
def today(world):
    keyring = load_keyring(Path(world.settings.keys_dir))
    today = fill_docket(world.store, keyring, count=700)
    work_on_docket(world.store, world.settings, keyring)
    return today


@pytest.fixture
def rich(today):
    """The page of the case that holds the most."""
    return f"/cases/{quote(case_no(106, today))}"


def violations(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in found]


def overflow(page):
    """How many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


ROLES = {
    "shuji": ("/work", "/cases", "/calendar", "/cases/new", "edit", "", "sheet", "/admin"),
    "faguan": ("/work", "/calendar", ""),
    "juzhang": ("/work", "/cases", "", "/calendar"),
    "yuanzhang": ("/work", "/cases", ""),
    "jiandu": ("/work", "/cases", ""),
    "zhiban": ("/work", "/cases", ""),
    "guanli": ("/admin",),
}


@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("login", ROLES)
def test_axe_finds_nothing_and_nothing_overflows(open_page, rich, login, size):
    page = open_page(login, "/profile", **({"size": size} if size else {}))
    for name in ROLES[login]:
        path = name if name.startswith("/") else f"{rich}/{name}".rstrip("/")
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        assert (path, violations(page)) == (path, [])
        assert (path, overflow(page) <= 0) == (path, True)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_menu_fits_a_laptop(open_page, today, language):
    page = open_page("juzhang", "/work", size=LAPTOP)
    if language == "en":
        page.locator("details.profile summary").click()
        page.get_by_role("button", name="English").click()
        page.wait_for_selector("html[lang=en]")
    assert overflow(page) <= 0
    last = page.locator(".main-nav a").last.bounding_box()
    profile = page.locator("details.profile").bounding_box()
    assert last["x"] + last["width"] <= profile["x"]
    assert page.locator(".bar-top").bounding_box()["height"] <= 60


def test_search_by_keyboard(open_page, today):
    page = open_page("shuji", "/cases")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("秀英")
    page.keyboard.press("Enter")
    page.wait_for_selector("#results mark")
    assert "按姓名或名称检索" in page.locator("#search-told").inner_text()
    assert "秀英" not in page.url
    assert quote("秀英") not in page.url
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.activeElement.matches('[data-row] a.case-no')")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") != first
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == first
    page.keyboard.press("Enter")
    page.wait_for_selector("#case-head")
    page.go_back()
    page.wait_for_selector("#results mark")  # the search is still there


def test_an_identity_leaves_no_trace(open_page, today):
    page = open_page("shuji", "/cases")
    page.locator("#text").fill(EXECUTEE_ID)
    page.get_by_role("button", name="检索", exact=True).click()
    page.wait_for_selector("#search-told >> text=按证件号码检索")
    assert page.locator("[data-row]").count() >= 1
    assert EXECUTEE_ID not in page.url
    page.reload()
    assert EXECUTEE_ID not in page.content()
    assert page.locator("#text").input_value() == ""
    with page.expect_response(lambda answer: answer.url.endswith("/cases") is False and "state=closed" in answer.url):
        page.locator("#f-state").select_option("closed")
    page.wait_for_selector("#search-told >> text=按证件号码检索")


def test_a_node_is_recorded_in_place(open_page, today, rich):
    page = open_page("faguan", rich)
    row = page.locator("#nodes tr", has_text="核实财产线索")
    row.get_by_text("登记完成").click()
    before = page.evaluate("performance.timeOrigin")
    row.get_by_role("button", name="登记").click()
    page.wait_for_selector("#nodes tr.is-done >> text=核实财产线索")
    page.wait_for_selector("#timeline >> text=节点完成")
    assert page.evaluate("performance.timeOrigin") == before  # the page stayed, its parts were swapped


def test_a_refusal_stands_beside_its_field_and_takes_the_focus(open_page, today, rich):
    page = open_page("faguan", rich)
    page.get_by_text("登记暂停").click()
    form = page.locator("#pauses .section-form")
    form.get_by_label("依据文号").fill("样例字1号")
    form.get_by_label("开始日期").fill("2031-01-01")
    form.get_by_role("button", name="登记").click()
    page.wait_for_selector("#pause-from_on[aria-invalid]")
    assert page.evaluate("document.activeElement.id") == "pause-from_on"
    assert page.locator("#pause-doc_no").input_value() == "样例字1号"
    open_page.bad[:] = [line for line in open_page.bad if "422" not in line and "Response Status Error" not in line]


def test_clear_data_are_shown_once(open_page, today):
    page = open_page("shuji", f"/cases/{quote(case_no(101, today))}")
    party = page.locator(".party", has_text="样例杨秀英")
    party.get_by_text("查看完整信息").click()
    party.get_by_label("查看用途").fill("核对送达地址")
    party.get_by_role("button", name="显示").click()
    page.wait_for_selector(f".clear-data >> text={EXECUTEE_ID}")
    page.emulate_media(media="print")
    assert not page.locator(".clear-data").is_visible()
    page.emulate_media(media="screen")
    page.reload()
    assert EXECUTEE_ID not in page.content()


def test_signing_asks_before_it_takes_effect(open_page, today):
    page = open_page("dayuanzhang", "/work")
    page.locator("#waiting").get_by_role("link", name="签发").click()
    page.wait_for_selector("#acts")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.locator("#acts").get_by_role("button", name="签发").click()
    page.wait_for_selector("#case-head >> text=已延长 1 次")
    assert "确定签发" in asked[0]


def test_a_case_is_registered_and_a_wrong_number_is_where_it_stands(open_page, today):
    page = open_page("shuji", "/cases/new")
    page.get_by_label("案号", exact=False).first.fill(f"({today.year})云2901执 8801 号")
    page.locator("#p0-name").fill("样例申请人")
    page.locator("#p1-name").fill("样例债务人")
    page.locator("#p1-id_no").fill(EXECUTEE_ID[:-1] + ("1" if EXECUTEE_ID[-1] != "1" else "2"))
    page.get_by_role("button", name="登记立案").click()
    page.wait_for_selector("#p1-id_no[aria-invalid]")
    assert page.evaluate("document.activeElement.id") == "p1-id_no"
    assert page.locator("#p0-name").input_value() == "样例申请人"
    page.locator("#p1-id_no").fill(EXECUTEE_ID)
    page.get_by_role("button", name="登记立案").click()
    page.wait_for_selector("#case-head >> text=执8801号")
    assert EXECUTEE_ID not in page.content()
    open_page.bad[:] = [line for line in open_page.bad if "422" not in line and "Response Status Error" not in line]


def test_the_calendar_moves_by_keyboard_and_lists_a_day(open_page, today):
    page = open_page("juzhang", "/calendar")
    page.locator("#calendar td.chosen a").focus()
    page.keyboard.press("ArrowLeft")
    day = page.evaluate("document.activeElement.dataset.day")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#day h2 >> text={day}")
    page.keyboard.press("PageDown")
    page.wait_for_url(lambda url: f"month={day[:7]}" not in url)


def test_everything_works_without_scripts(browser, address, today):
    context = browser.new_context(java_script_enabled=False, locale="zh-CN", base_url=address)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("用户名").fill("juzhang")
    page.locator("input[name=password]").fill("样例密码-only-for-tests")
    page.get_by_role("button", name="登录").first.click()
    page.goto("/cases")
    page.locator("#text").fill("执104")
    page.get_by_role("button", name="检索", exact=True).click()
    page.locator("[data-row] a.case-no", has_text="执104").click()
    page.locator("#assign-handler").select_option("faguan")
    page.locator("#facts").get_by_role("button", name="确定").click()
    assert "样例执行法官" in page.locator("#case-head").inner_text()
    page.goto("/calendar")
    page.locator("#calendar a").nth(10).click()
    assert page.locator("#day h2").is_visible()
    context.close()
