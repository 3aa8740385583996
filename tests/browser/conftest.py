"""Debian's Chromium against a served centre; a page error or a foreign request fails the test.

Most tests drive its headless shell: the same engine without a browser's own windows, which took three quarters of the
processor. Where tabs, microphones or permissions matter, it is the whole browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.world import PASSWORD, World, fill, make_world
from tests.central.web.serving import Server

CHROMIUM = Path("/usr/bin/chromium")
SHELL = Path("/usr/bin/chromium-headless-shell")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}


# Not for the session: while Playwright runs, its event loop holds the thread and no asyncio.run can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not SHELL.exists():
        pytest.fail("Chromium's headless shell is missing: apt install chromium-headless-shell.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(SHELL), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("centre"))
    fill(world)
    yield world
    world.store.close()


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    server = Server(world.settings, world.store, world.bus)
    yield server.start()
    server.stop()


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open a page as somebody (or nobody); what it must not do is looked at when the test ends."""
    bad: list[str] = []
    contexts = []

    def open_as(login: str | None, path: str = "/", *, size: dict[str, int] = DESK, address: str = address) -> Page:
        context = browser.new_context(viewport=size, locale="zh-CN", base_url=address)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: bad.append(f"page error {error}"))
        page.on("console", lambda message: message.type == "error" and bad.append(f"console {message.text}"))
        page.on("request", lambda request: is_foreign(request.url, address) and bad.append(f"foreign {request.url}"))
        if login is not None:
            page.goto("/login")
            page.get_by_label("用户名").fill(login)
            page.get_by_label("密码").fill(PASSWORD)
            page.get_by_role("button", name="登录").click()
            page.wait_for_url(lambda url: "/login" not in url)
        page.goto(path)
        return page

    open_as.bad = bad  # type: ignore[attr-defined]
    yield open_as
    for context in contexts:
        context.close()
    assert bad == []


def is_foreign(url: str, address: str) -> bool:
    """Tell whether a request leaves the centre."""
    return urlsplit(url).scheme not in ("data", "blob") and not url.startswith(address + "/")
