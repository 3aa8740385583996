"""The audit in a real browser: searched, read, verified and exported at the desk and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import DESK, PHONE

AXE = Axe()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_searched_verified_and_without_a_violation(open_page, size):
    page = open_page("shenji", "/audit", size=size)
    page.get_by_role("textbox", name="行为人").fill("shenji")
    page.get_by_role("button", name="检索").click()
    page.wait_for_url("**actor=shenji**")
    page.get_by_text("登录", exact=True).last.wait_for()
    page.get_by_role("button", name="核验审计链").click()
    page.get_by_text("审计链完整").wait_for()
    page.locator("details summary").last.click()
    found = AXE.run(page, options=RULES).response["violations"]
    assert [violation["id"] for violation in found] == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"]


@pytest.mark.browser
def test_a_file_is_fetched_after_the_person_has_proven_itself(open_page):
    page = open_page("shenji", "/audit?action=people%3Asession")
    with page.expect_download() as fetched:
        page.get_by_role("button", name="导出可核验文件").click()
    assert fetched.value.suggested_filename.endswith(".jsonl")
