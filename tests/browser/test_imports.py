"""Importing in a real browser: a dry run, its progress, its problems, the real import; for everybody (axe)."""

import threading

import pytest
from axe_playwright_python.sync_playwright import Axe

from central.imports import worker
from tests.browser.conftest import PHONE
from tests.browser.test_access import RULES
from tests.central.imports.sheets import case_no, csv_bytes, row

pytestmark = pytest.mark.browser


@pytest.fixture
def work(world):
    """The worker runs beside the pages."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.work, args=(world.store, world.settings, stop))

    def start():
        thread.start()

    yield start
    stop.set()
    if thread.is_alive():
        thread.join(20)


def violations(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in found]


def sheet(start, count=900):
    rows = [row(seq, 案号="无" if seq % 90 == 0 else case_no(seq)) for seq in range(start, start + count)]
    return {"name": "案件清单.csv", "mimeType": "text/csv", "buffer": csv_bytes(rows)}


@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_from_the_file_to_the_cases(open_page, work, size):
    page = open_page("shuji", "/imports", **({"size": size} if size else {}))
    assert violations(page) == []
    page.get_by_role("link", name="导入文件").click()
    page.locator("details.more summary").click()
    assert violations(page) == []
    page.get_by_label("来源系统", exact=True).fill("旧系统")
    page.get_by_label("文件（CSV、XLSX 或 JSON）").set_input_files(sheet(1 if size else 5001))
    page.get_by_role("button", name="上传并试运行").click()
    page.wait_for_selector("text=正在排队")
    assert violations(page) == []
    work()
    page.wait_for_selector("text=10 行不合格，未导入")
    assert violations(page) == []
    page.get_by_role("link", name="未导入", exact=True).click()
    page.wait_for_selector("text=“无”不是规范的案号")
    with page.expect_download() as download:
        page.get_by_role("link", name="下载错误报告").click()
    assert download.value.path().read_bytes().startswith("\ufeff行号,案号".encode())
    page.get_by_role("button", name="申请导入").click()
    page.wait_for_selector("text=等待另一位执行局长核准")
    assert page.get_by_role("button", name="核准导入").count() == 0
    assert violations(page) == []
    chief = open_page("juzhang", "/imports", **({"size": size} if size else {}))
    chief.wait_for_selector("text=件导入等待您核准")
    assert violations(chief) == []
    chief.goto(page.url)
    assert violations(chief) == []
    chief.get_by_role("button", name="核准导入").click()
    chief.wait_for_selector(".page-head .state:not(:has-text('待核准'))")
    page.reload()
    page.wait_for_selector(".badge.ok:has-text('正式导入')")
    page.wait_for_selector(".page-head .state.ok:has-text('已完成')")
    assert page.locator(".figure.ok b").inner_text() == "890"
    assert violations(page) == []
    page.goto("/imports")
    assert page.locator("tbody tr").count() >= 2
    assert violations(page) == []
