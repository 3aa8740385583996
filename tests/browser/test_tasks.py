"""The list of tasks in a browser: it follows the field by itself, and never takes a form away from under a hand."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.task_pictures import give_tasks
from tests.browser.world import PASSWORD

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def given(world):
    give_tasks(world)


def test_it_follows_the_field_and_waits_for_who_writes(open_page, world):
    page = open_page("zhihui", "/tasks")
    task = page.locator("#task-dl-2901-01-2")
    expect(task).to_contain_text("已被警官感知")
    world.answer("dl-2901-01", "accepted", 2)
    expect(task).to_contain_text("已接受", timeout=15_000)
    page.clock.install()
    page.goto("/tasks")
    task.locator("summary").click()
    task.locator("input[name=reason]").fill("情况有变")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(11_000)
    assert [url for url in asked if url.endswith("/tasks")] == []
    expect(task.locator("input[name=reason]")).to_have_value("情况有变")
    task.get_by_role("button", name="撤回任务").click()
    page.wait_for_url("**/kits/dl-2901-01#tasks")
    expect(page.locator("#task-dl-2901-01-2")).to_contain_text("撤回途中")


def test_given_without_scripts_on_a_phone(browser, address):
    context = browser.new_context(viewport=PHONE, locale="zh-CN", base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("用户名").fill("zhihui")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.goto("/tasks")
    page.locator(".task-new summary").click()
    page.get_by_label("警官与装备").select_option("dl-2923-01")
    page.get_by_label("任务标题").fill("无脚本的样例任务")
    page.get_by_label("紧急程度").select_option("urgent")
    page.get_by_role("button", name="派发任务").click()
    expect(page.locator("#task-list")).to_contain_text("无脚本的样例任务")
    context.close()
