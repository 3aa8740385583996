"""live_p50_ms, live_p99_ms, what a bad link makes of them, and the way back after an outage.

A real kit with a synthetic 720p25 picture of 1.4 Mbit/s, a session asked for and decided, the real relay, the video
wall in a real Chromium with one tile in full quality. Ages run from the drawing of the picture at the kit to the
browser having painted it (bench/live_look.py). Root is needed for all but the clean link: kit and centre then stand
in two network namespaces beyond the tests' own link (tests/network/bad_link.py).
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

from bench.live_look import Painted, read_painted, watch_tile
from bench.report import percentile, report
from bench.stand import open_stand
from demo.command import decide, end_session, open_session
from demo.people import LOGINS
from demo.places import PARTS, Part
from demo.stand import Stand
from demo.tracks import write_gpx
from tests.network.bad_link import LinkShape
from tests.network.namespaces import why_not
from tests.network.world import World, open_world

_CHROMIUM: Final = "/usr/bin/chromium"
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_TILE: Final = "#tiles"
_CAMERA: Final = {"kind": "synthetic", "width": 1280, "height": 720, "fps": 25, "bitrate_bps": 1_400_000}
# An officer's link in a town: what 4G gives when nobody else is there.
_GOOD: Final = LinkShape(delay_ms=20, kbit_s=6000, queue_kb=256)
_LOSSY: Final = LinkShape(delay_ms=60, loss=0.02, kbit_s=6000, queue_kb=256)
_DIP: Final = replace(_GOOD, kbit_s=700, queue_kb=64)
_DIP_S: Final = 12.0
_OUTAGE_S: Final = 6.0
_SETTLE_S: Final = 4.0
_LOOK_S: Final = 20.0
_FIRST_LIMIT_S: Final = 60.0
_BEGINNINGS: Final = 5


def measure() -> None:
    """Print the figures."""
    _measure_clean()
    reason = why_not()
    if reason:
        print(f"bench: the figures of bad links are left out: {reason}", file=sys.stderr)
        return
    _measure_bad_links()


def _measure_clean() -> None:
    with open_stand() as stand:
        stand.start_services()
        stand.enrol_kit(PARTS[0])
        stand.start_kit(PARTS[0], camera=_CAMERA)
        stand.wait_until(lambda: stand.count_seen_kits() >= 1, "the kit to be seen")
        time.sleep(_SETTLE_S)
        with _watching(stand, PARTS[0]) as page:
            first_ms = [_begin_and_wait(stand, page, PARTS[0]) for _ in range(_BEGINNINGS)]
            how = "click on 发起远程指挥 to the first picture that the session page has painted"
            report("live_first_ms", percentile(first_ms, 0.5), "ms", how=how, max_ms=round(max(first_ms)))
            page.goto(f"http://127.0.0.1:{stand.ports.web}/wall?size=1&tiles={PARTS[0].kit_id}")
            _open_and_wait(stand, page, PARTS[0])
            seen = _look(page, _LOOK_S)
            _report_ages("live", seen, link="loopback, mutual TLS", over_s=_LOOK_S)


def _measure_bad_links() -> None:
    part = replace(PARTS[0], kit_id="bench-live")
    with tempfile.TemporaryDirectory(prefix="zhixing-live-") as folder, open_world(Path(folder), _GOOD) as world:
        write_gpx(world.stand.stage.track_file(part), part.loop, part.label)
        world.enrol(part)
        world.start_kit(part, camera=_CAMERA)
        world.stand.wait_until(lambda: world.stand.count_seen_kits() >= 1, "the kit to be seen")
        time.sleep(_SETTLE_S)
        with world.centre.inside(), _watching(world.stand, part) as page:
            _open_and_wait(world.stand, page, part)
            _look(page, _SETTLE_S)
            _measure_loss(world, page)
            _measure_dip(world, page)
            _measure_outage(world, page)


def _measure_loss(world: World, page: Page) -> None:
    world.link.shape(_LOSSY, replace(_LOSSY, loss=0))
    _look(page, _SETTLE_S)
    seen = _look(page, _LOOK_S)
    _report_ages("live_lossy", seen, link="uplink of 60 ms one way and 2 % loss", over_s=_LOOK_S)
    world.link.shape(_GOOD)
    _look(page, 2 * _SETTLE_S)


def _measure_dip(world: World, page: Page) -> None:
    world.link.shape(_DIP)
    seen = _look(page, _DIP_S)
    world.link.shape(_GOOD)
    _report_ages("live_dip", seen, link="700 kbit/s for 12 s, from 6 Mbit/s", over_s=_DIP_S)
    _look(page, 2 * _SETTLE_S)


def _measure_outage(world: World, page: Page) -> None:
    world.link.cut()
    _look(page, _OUTAGE_S)
    mended_ms = time.time() * 1000
    world.link.mend()
    seen = _look(page, 12.0)
    back = next((row for row in seen if row.at_ms > mended_ms and row.age_ms < 1000), None)
    value = (back.at_ms - mended_ms) / 1000 if back else 99.0
    report("live_back_s", value, "s", how="after 6 s of darkness: mending to a painted picture younger than 1 s")


@contextmanager
def _watching(stand: Stand, part: Part) -> Iterator[Page]:
    """A commander's browser, signed in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_FLAGS))
        page = browser.new_page(viewport={"width": 1920, "height": 1080}, locale="zh-CN")
        site = f"http://127.0.0.1:{stand.ports.web}"
        commander = next(login.login for login in LOGINS if login.role == "commander")
        page.goto(f"{site}/login")
        page.fill("input[name=login]", commander)
        page.fill("input[name=password]", stand.stage.read_passwords()[commander])
        page.click("button[type=submit]")
        page.wait_for_url(f"{site}/")
        page.goto(f"{site}/wall?size=1&tiles={part.kit_id}")
        yield page
        browser.close()


def _open_and_wait(stand: Stand, page: Page, part: Part) -> float:
    """Begin a session with the page open already; ms until its first picture was painted."""
    watch_tile(page, _TILE)
    began_ms = time.time() * 1000
    open_session(stand, [part.kit_id])
    deadline = time.monotonic() + _FIRST_LIMIT_S
    while time.monotonic() < deadline:
        for row in read_painted(page, _TILE):
            return row.at_ms - began_ms
        page.wait_for_timeout(20)
    raise TimeoutError(f"No picture of {part.kit_id} was painted within {_FIRST_LIMIT_S:.0f} s.")


def _begin_and_wait(stand: Stand, page: Page, part: Part) -> float:
    """Begin a decided session as a person does; ms from the click to the first picture. The session is ended."""
    page.goto(f"http://127.0.0.1:{stand.ports.web}/command/requests/{decide(stand, [part.kit_id])}")
    began_ms = time.time() * 1000
    page.locator("form[action$='/begin'] button").click()
    page.wait_for_selector("#stage")
    watch_tile(page, "#stage")
    deadline = time.monotonic() + _FIRST_LIMIT_S
    while not (seen := read_painted(page, "#stage")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"No picture of {part.kit_id} was painted within {_FIRST_LIMIT_S:.0f} s.")
        page.wait_for_timeout(10)
    end_session(stand, page.url.rstrip("/").rsplit("/", 1)[1])
    page.wait_for_timeout(_SETTLE_S * 1000)
    return seen[0].at_ms - began_ms


def _look(page: Page, seconds: float) -> list[Painted]:
    """What is painted from now on for so long."""
    read_painted(page, _TILE)
    page.wait_for_timeout(seconds * 1000)
    return read_painted(page, _TILE)


def _report_ages(name: str, seen: list[Painted], *, over_s: float, **detail: Any) -> None:
    if not seen:
        raise TimeoutError(f"{name}: nothing was painted.")
    ages = [row.age_ms for row in seen]
    gaps = [after.at_ms - before.at_ms for before, after in itertools.pairwise(seen)]
    detail |= {
        "pictures": len(seen),
        "per_s": round(len(seen) / over_s, 1),
        "max_ms": round(max(ages)),
        "longest_gap_ms": round(max(gaps, default=0)),
    }
    report(f"{name}_p50_ms", percentile(ages, 0.5), "ms", **detail)
    report(f"{name}_p99_ms", percentile(ages, 0.99), "ms", **detail)
