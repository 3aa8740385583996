"""Journeys: real authority, real broker, real centre, real kits in their own processes, a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from demo.places import PARTS, Part
from demo.stage import Stage
from demo.stand import Stand

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


_STAND = pytest.StashKey[Stand]()


@pytest.fixture(scope="session")
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One running centre for all journeys; each brings its own kits."""
    folder = tmp_path_factory.mktemp("journeys")
    stage = Stage(folder / "stage", folder / "escrow.age")
    stage.set_up(has_cases=False)
    stand = Stand(stage)
    try:
        stand.start_services()
        request.session.stash[_STAND] = stand
        yield stand
    finally:
        stand.stop()


@pytest.fixture(scope="module", autouse=True)
def _kits_end_with_their_file(request: pytest.FixtureRequest) -> Iterator[None]:
    """Kits of a journey that is over would go on recording beside all the tests that follow."""
    yield
    stand = request.session.stash.get(_STAND, None)
    for child in list(stand.children) if stand is not None else ():
        if child.name not in ("authority", "centre"):
            stand.end_child(child.name)


# Not for the session: while Playwright runs, its event loop holds the thread and no asyncio.run can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(stand: Stand, browser: Browser) -> Iterator[Page]:
    """The commander's browser, signed in; a page error or a request to another host fails the test."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="zh-CN", accept_downloads=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
    page.on("request", lambda request: _note_foreign(request.url, wrong))
    page.goto(f"{site(stand)}/login")
    page.fill("input[name=login]", "commander")
    page.fill("input[name=password]", stand.stage.read_passwords()["commander"])
    page.click("button[type=submit]")
    page.wait_for_url(f"{site(stand)}/")
    yield page
    context.close()
    assert wrong == []


def site(stand: Stand) -> str:
    return f"http://127.0.0.1:{stand.ports.web}"


def make_part(stand: Stand, kit_id: str, **changes: object) -> Part:
    """A part of its own for one journey, its track written."""
    from demo.tracks import write_gpx

    part = replace(PARTS[1], kit_id=kit_id, label=f"测试 {kit_id}", **changes)  # type: ignore[arg-type]
    write_gpx(stand.stage.track_file(part), part.loop, part.label)
    return part


def _note_foreign(url: str, wrong: list[str]) -> None:
    if not re.match(r"(https?://127\.0\.0\.1[:/]|data:|blob:)", url):
        wrong.append(f"foreign request: {url}")


def keys_folder(stand: Stand) -> Path:
    return stand.stage.centre_dir / "keys"
