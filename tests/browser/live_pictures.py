"""Takes the pictures of live video in docs/screenshots anew: `python -m tests.browser.live_pictures [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, DESK, FLAGS, PHONE
from tests.browser.live_hall import KITS, open_hall
from tests.browser.screenshots import DEFAULT_FOLDER

SETTLED_MS = 2500


def wait_live(page: Page, count: int) -> None:
    """Until so many tiles are live."""
    page.wait_for_function(
        "count => document.querySelectorAll('[data-condition=live]').length >= count", arg=count, timeout=60_000
    )
    page.wait_for_timeout(SETTLED_MS)


def main(folder: Path) -> None:
    """Film with four kits and photograph wall and session."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, open_hall(Path(data)) as hall, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        session_id = hall.stand.begin(*KITS)
        hall.film(*KITS)
        page = hall.open(browser, "/wall", size=DESK)
        wait_live(page, 4)
        page.screenshot(path=folder / "wall.png")
        page.locator(".cell").nth(1).click()
        wait_live(page, 4)
        page.screenshot(path=folder / "wall-big.png")
        page.context.close()
        page = hall.open(browser, "/wall", size=PHONE)
        wait_live(page, 1)
        page.screenshot(path=folder / "wall-phone.png")
        page.context.close()
        page = hall.open(browser, f"/command/{session_id}", size=DESK)
        wait_live(page, 1)
        page.screenshot(path=folder / "command.png")
        page.context.close()
        page = hall.open(browser, f"/command/{session_id}", size=PHONE)
        wait_live(page, 1)
        page.screenshot(path=folder / "command-phone.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
