"""The fleet's health in a browser: worst first, told by words and not by colour alone, old reports as old; logs."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from playwright.sync_api import expect

from central.courts.permissions import Actor
from central.devices import logs
from central.devices.health import HOUR_MS
from central.devices.models import KitHealthHour
from contract import envelope
from tests.browser.conftest import DESK, PHONE

pytestmark = pytest.mark.browser

ILL, OLD, WELL = "dl-2901-01", "dl-2922-01", "dl-2923-01"


@pytest.fixture(scope="module", autouse=True)
def told(world):
    world.tell_health(
        ILL,
        battery_pct=8,
        power="battery",
        memory_pct=71.5,
        card="slow",
        card_wear_pct=90,
        storage="ok",
        throttle=["under_voltage"],
        clock_source="gps",
        clock_error_ms=40,
        certificate_until_ms=world.now_ms() + 20 * 24 * HOUR_MS,
        warnings=["battery_critical", "under_voltage", "card_slow"],
        queue=412,
    )
    world.tell_health(OLD, battery_pct=55, age_ms=3 * HOUR_MS, memory_pct=95)
    world.tell_health(WELL, battery_pct=93, memory_pct=40, storage="ok", card="ok", clock_source="ntp")
    with world.store.write() as uow:
        hour_ms = world.now_ms() - world.now_ms() % HOUR_MS
        for back in (22, 21, 20, 9, 8, 7, 6, 5):
            row = KitHealthHour(
                kit_no=world.kits[ILL].kit_no,
                hour_ms=hour_ms - back * HOUR_MS,
                battery_min_pct=20 + back * 3,
                temp_max_c=40 + back % 7,
                segments_max=back * 10,
            )
            uow.session.merge(row)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_worst_stands_first_and_every_state_is_a_word(open_page, size):
    page = open_page("zhihui", "/health", size=size)
    rows = page.locator("#fleet tbody tr")
    expect(rows.first).to_contain_text(ILL)
    for words in ("电量即将耗尽", "供电电压不足", "存储卡写入过慢", "412 段"):
        expect(rows.first).to_contain_text(words)
    old = page.locator("#fleet tbody tr", has_text=OLD)
    expect(old).to_contain_text("3 小时前")
    expect(old).to_contain_text("旧报告")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    found = Axe().run(page)
    assert [item["id"] for item in found.response["violations"]] == [], found.generate_report()
    page.locator(".page-head a", has_text="需要处理").click()
    expect(page.locator("#fleet")).not_to_contain_text(WELL)
    expect(page.locator("#fleet")).to_contain_text(ILL)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_each_value_of_a_kit_with_its_state_and_a_curve(open_page, size):
    page = open_page("guanli", f"/kits/{ILL}", size=size)
    card = page.locator("#kit-health")
    for words in (
        "8% · 电池供电",
        "电压不足",
        "72%",
        "90%",
        "存储卡损耗较大",
        "证书即将到期",
        "卫星时间",
        "内存占用",
    ):
        expect(card).to_contain_text(words)
    expect(card.locator("svg.curve")).to_have_count(3)
    # The hours without a report are a hole in the line.
    expect(card.locator("svg.curve").first.locator("path")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    found = Axe().run(page)
    assert [item["id"] for item in found.response["violations"]] == [], found.generate_report()
    page.goto(f"/kits/{OLD}")
    expect(page.locator("#kit-health")).to_contain_text("以下是 3 小时前的情况，不代表现状")


def test_logs_are_asked_for_and_downloaded(open_page, world, tmp_path):
    identity = X25519PrivateKey.generate()
    keys = Path(world.settings.keys_dir)
    keys.mkdir(exist_ok=True)
    before = (keys / "centre.age").read_text() if (keys / "centre.age").exists() else None
    (keys / "centre.age").write_text(envelope.identity_to_text(identity) + "\n")
    try:
        page = open_page("guanli", f"/kits/{WELL}")
        page.locator("#log-reason").fill("样例：录像程序反复重启")
        page.get_by_role("button", name="调取日志").click()
        expect(page.locator("#logs")).to_contain_text("等待装备送达")
        kit = world.kits[WELL]
        with world.store.read() as session:
            number = logs.list_logs(session, ADMIN, WELL)[0].number
        bring(world, kit, number, identity, tmp_path / "part")
        page.reload()
        with page.expect_download() as given:
            page.locator("#logs").get_by_role("link", name="下载").click()
        archive = zipfile.ZipFile(given.value.path())
        assert given.value.suggested_filename == f"{WELL}-{number}.zip"
        assert archive.read("recorder.log") == b"a line\n"
    finally:
        if before is not None:
            (keys / "centre.age").write_text(before)
    page = open_page("zhihui", f"/kits/{WELL}")
    expect(page.locator("#kit-health")).to_be_visible()
    expect(page.locator("#logs")).to_have_count(0)


ADMIN = Actor("1", "guanli", "样例管理员", "system_admin", "云29")


def bring(world, kit, number, identity, part):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("recorder.log", "a line\n")
    part.write_bytes(envelope.seal(packed.getvalue(), [identity.public_key()]))
    digest = hashlib.sha256(part.read_bytes()).digest()
    shelf = logs.LogShelf(Path(world.settings.data_dir))
    assert logs.keep_log(world.store, shelf, kit, number, source=part, digest=digest)
