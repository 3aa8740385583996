"""Pictures of the pages of cases: `python -m tests.browser.case_pictures [FOLDER]`; screenshots.py takes them too."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

from central.base.keyring import load_keyring
from tests.browser.conftest import CHROMIUM, DESK, FLAGS, PHONE
from tests.browser.world import PASSWORD, World, make_world
from tests.central.web.case_specimens import fill_docket, work_on_docket
from tests.central.web.serving import Server

DEFAULT_FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"


def prepare_cases(world: World) -> str:
    """Give the centre its docket; returns the path of the case that is shown."""
    keyring = load_keyring(Path(world.settings.keys_dir))
    fill_docket(world.store, keyring, count=6000)
    return f"/cases/{quote(work_on_docket(world.store, world.settings, keyring))}"


def take_cases(browser: Browser, address: str, path: str, folder: Path) -> None:
    """Take the pictures as a bureau chief, a supervisor and a president see them."""
    chief = enter(browser, address, "juzhang", DESK)
    for name, page in (("work", "/work"), ("case", path)):
        chief.goto(page)
        chief.wait_for_load_state("load")
        chief.screenshot(path=folder / f"{name}.png")
    leader = enter(browser, address, "yuanzhang", DESK)
    leader.goto("/work")
    leader.screenshot(path=folder / "work-leader.png")
    leader.goto("/calendar")
    day = leader.locator("#calendar tr:has(td.today) + tr a, #calendar tr:has(td.today) a").nth(-5)
    day.click()
    leader.wait_for_selector(f"#day h2 >> text={day.get_attribute('data-day')}")
    leader.screenshot(path=folder / "calendar.png")
    leader.goto("/cases")
    leader.locator("#text").fill("秀英")
    leader.keyboard.press("Enter")
    leader.wait_for_selector("#results mark")
    leader.screenshot(path=folder / "cases.png")
    phone = enter(browser, address, "juzhang", PHONE)
    phone.goto(path)
    phone.wait_for_load_state("load")
    phone.screenshot(path=folder / "case-phone.png")


def enter(browser: Browser, address: str, login: str, size: dict[str, int]) -> Page:
    """Log in."""
    page = browser.new_context(viewport=size, locale="zh-CN", base_url=address).new_page()
    page.goto("/login")
    page.get_by_label("用户名").fill(login)
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def main(folder: Path) -> None:
    """Serve a specimen centre and photograph its cases."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        world = make_world(Path(data))
        path = prepare_cases(world)
        server = Server(world.settings, world.store, world.bus)
        address = server.start()
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            take_cases(browser, address, path, folder)
        finally:
            browser.close()
            server.stop()
            world.store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
