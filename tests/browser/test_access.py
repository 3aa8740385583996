"""Everybody can use the pages: axe finds nothing against WCAG 2.2 AA."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PHONE
from tests.browser.footage import make_recording
from tests.browser.task_pictures import give_tasks

pytestmark = pytest.mark.browser
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


@pytest.fixture(scope="module")
def footage(world):
    world.raise_alarm("dl-2923-01", place=(25.49, 100.58), note="请求支援")
    world.raise_alarm("dl-2931-01", "fault", note="摄像头中断")
    give_tasks(world)
    return make_recording(world, "dl-2901-01", seconds=4)


def violations(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in found]


@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(open_page, footage, size):
    extra = {"size": size} if size else {}
    assert violations(open_page(None, "/login", **extra)) == []
    page = open_page("zhihui", "/", **extra)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#link.ok")
    assert violations(page) == []
    for path in (
        "/incidents",
        "/kits",
        "/kits/dl-2901-01",
        "/tasks",
        "/command",
        "/command/new?kits=dl-2901-01",
        "/recordings",
        f"/recordings/{footage.id}",
        "/profile",
    ):
        page.goto(path)
        assert (path, violations(page)) == (path, [])


@pytest.mark.parametrize(
    ("login", "paths"),
    [
        (
            "guanli",
            ("/admin", "/devices", "/kits/dl-2901-01", "/admin/users", "/admin/users/zhiban", "/admin/new-user"),
        ),
        ("anquan", ("/admin/users/zhiban", "/admin/terminals", "/admin/service-accounts", "/admin/roles")),
        ("shenji", ("/audit", "/admin/users")),
    ],
)
def test_axe_finds_nothing_for_the_administrators(open_page, footage, login, paths):
    page = open_page(login, "/admin")
    for path in paths:
        page.goto(path)
        assert (path, violations(page)) == (path, [])
