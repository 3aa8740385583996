"""Pages that keep themselves fresh do so without an error in the console: no script of theirs is refused."""

import pytest

from tests.browser.footage import make_recording

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", ["/kits", "/kits/dl-2901-01", "/tasks"])
def test_a_page_that_asks_again_says_nothing(open_page, path):
    page = open_page("zhihui", "/work")
    with page.expect_response(is_own, timeout=30_000) as heard:
        page.goto(path)
    assert heard.value.ok


def is_own(answer):
    """Whether the page asked for a part of itself; the bar of alarms, which every page has, is not meant."""
    return "hx-request" in answer.request.headers and "urgent" not in answer.url


def test_recordings_say_nothing_either(open_page, world):
    footage = make_recording(world, "dl-2901-02", seconds=4, gap=False)
    page = open_page("zhihui", "/recordings")
    page.wait_for_load_state("networkidle")
    page.goto(f"/recordings/{footage.id}")
    page.wait_for_load_state("networkidle")
    assert page.locator("#index tr").count() == 2
