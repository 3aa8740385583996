"""Takes the pictures in docs/screenshots anew: `python -m tests.browser.screenshots [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from central.devices import service as devices
from central.flows.acknowledge import acknowledge_incident
from central.flows.link import order_originals
from central.people.queries import actor_of, find_user
from tests.browser.case_pictures import prepare_cases, take_cases
from tests.browser.conftest import CHROMIUM, DESK, FLAGS, PHONE
from tests.browser.footage import Footage, film, make_recording
from tests.browser.task_pictures import give_tasks, take_officers_page
from tests.browser.world import AGES, PASSWORD, World, fill, make_world
from tests.central.web.serving import Server
from tests.central.web.test_previews import send_preview
from tests.waiting import wait_until

# Too long for a picture of a phone to say anything.
DESK_ONLY = ("incidents", "recordings", "kit", "preview")
DEFAULT_FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"


def prepare(folder: Path) -> tuple[World, dict[str, str]]:
    """A centre on a busy afternoon; returns it with the paths of its pages."""
    world = make_world(folder)
    fill(world)
    footage = make_recording(world, "dl-2901-01", seconds=24)
    make_recording(world, "dl-2923-01", seconds=6, gap=False, age_s=5200)
    make_recording(world, "dl-2930-02", seconds=10, gap=False, age_s=9000)
    world.raise_alarm("dl-2901-01", "mark", age_ms=893_000, recording_id=footage.id, note="搜查开始")
    taken = world.raise_alarm("dl-2901-02", place=(25.62, 100.17), age_ms=600_000, note="车辆被堵，请求增援")
    world.raise_alarm("dl-2931-01", "fault", place=(26.53, 99.92), age_ms=204_000, note="摄像头中断 40 秒")
    world.raise_alarm("dl-2923-01", place=(25.49, 100.58), age_ms=41_000, note="被执行人亲属聚集，请求支援")
    with world.store.read() as session:
        actor = actor_of(find_user(session, "zhiban"))
    with world.store.write() as uow:
        acknowledge_incident(uow, actor, taken)
    world.answer("dl-2901-02", "received")
    world.answer("dl-2901-02", "felt")
    with world.store.write() as uow:
        for kit, kind, reason, detail, payload in (
            ("dl-2901-01", "position", "out_of_range", "lat 97.2 is above 90", b'{"v":1,"items":[{"lat":97.2}]}'),
            ("dl-2922-01", "alarm", "unparsable", "malformed JSON at byte 3", bytes(range(60))),
        ):
            devices.keep_aside(
                uow, kit_id=kit, source=f"kits/{kit}/up/{kind}", reason=reason, detail=detail, payload=payload
            )
    give_tasks(world)
    pages = {
        "tasks": "/tasks",
        "incidents": "/incidents", "incident": f"/incidents/{taken}", "kits": "/kits", "kit": "/kits/dl-2901-01",
        "recordings": "/recordings", "recording": f"/recordings/{footage.id}",
        "preview": f"/recordings/{record_on_thin_link(world).id}",
    }  # fmt: skip
    return world, pages


def record_on_thin_link(world: World) -> Footage:
    """A kit on a metered link: after the beginning only previews came, and originals were asked for."""
    footage = Footage(world, "dl-2922-01", world.now_ms() - 1_900_000)
    for number, segment in enumerate(film("dl-2922-01", 12, started_ms=footage.started_ms)):
        seq = footage.add(segment, store=number == 0)
        if number:
            send_preview(world, footage, seq, segment)
    footage.close()
    world.tell_health("dl-2922-01", queue=5, battery_pct=64, metered=True)
    with world.store.read() as session:
        actor = actor_of(find_user(session, "zhihui"))
    with world.store.write() as uow:
        order_originals(uow, actor, footage.id, reason="核实执行现场情况", first=3, last=4)
    return footage


def refresh(world: World) -> None:
    """Kits that are live speak once more, so that no page shows an hour-old centre."""
    for number, kit_id in enumerate(sorted(world.kits)):
        if number not in AGES:
            lat, lon = world.places[kit_id]
            speed_mps = 0 if number % 3 == 0 else 9
            world.move(
                kit_id,
                lat + speed_mps / 9e4,
                lon + speed_mps / 9e4,
                course_deg=number * 37 % 360,
                speed_mps=speed_mps,
            )


def enter(browser: Browser, address: str, login: str, size: dict[str, int]) -> Page:
    """Log in."""
    page = browser.new_context(viewport=size, locale="zh-CN", base_url=address).new_page()
    page.goto("/login")
    page.get_by_label("用户名").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_load_state("networkidle") if login in ("guanli", "shenji") else page.wait_for_selector("#link.ok")
    return page


def take(world: World, pages: dict[str, str], address: str, folder: Path) -> None:
    """Take all pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        browsers = {}
        for size, suffix in ((DESK, ""), (PHONE, "-phone")):
            stranger = browser.new_context(viewport=size, locale="zh-CN", base_url=address).new_page()
            stranger.goto("/login")
            stranger.screenshot(path=folder / f"login{suffix}.png")
            browsers[suffix] = page = enter(browser, address, "zhihui", size)
            refresh(world)
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"screen{suffix}.png")
        take_kits_under_alarm(browsers[""], folder)
        for suffix, page in browsers.items():
            for name, path in pages.items():
                if (name == "kits" and not suffix) or (suffix and name in DESK_ONLY):
                    continue
                page.goto(path)
                page.wait_for_load_state("networkidle")
                if name in ("recording", "preview"):
                    play(page)
                page.screenshot(path=folder / f"{name}{suffix}.png")
        take_cases(browser, address, prepare_cases(world), folder)
        take_rest(browser, world, address, folder)
        with tempfile.TemporaryDirectory() as kit:
            take_officers_page(browser, folder, Path(kit))
        browser.close()


def take_kits_under_alarm(page: Page, folder: Path) -> None:
    """An office page while an SOS waits; the SOS is then taken, so that the other pages are calm."""
    page.goto("/kits")
    page.wait_for_selector("#office-siren:not([hidden])")
    page.screenshot(path=folder / "kits.png")
    page.goto("/")
    page.locator("#siren .take").click()
    page.wait_for_selector("#siren", state="hidden")


def play(page: Page) -> None:
    """State a purpose and wait for the picture."""
    page.get_by_label("调阅用途").fill("核实执行现场情况")
    page.get_by_role("button", name="解密并播放").click()
    wait_until(lambda: page.locator("video").evaluate("video => video.currentTime > 3"), 20, "the picture")


def take_rest(browser: Browser, world: World, address: str, folder: Path) -> None:
    """The administrators' pages and the English screen."""
    page = enter(browser, address, "guanli", DESK)
    page.goto("/devices")
    page.screenshot(path=folder / "devices.png")
    page = enter(browser, address, "shenji", DESK)
    page.goto("/audit")
    page.get_by_role("button", name="核验审计链").click()
    page.wait_for_selector("#verified .note")
    page.screenshot(path=folder / "audit.png")
    page = enter(browser, address, "zhihui", DESK)
    page.locator(".menu summary").click()
    page.get_by_role("button", name="English").click()
    page.wait_for_selector("html[lang=en][data-ready]")
    page.wait_for_selector("#link.ok")
    refresh(world)
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / "screen-en.png")


def main(folder: Path) -> None:
    """Serve a specimen centre and photograph it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        world, pages = prepare(Path(data))
        server = Server(world.settings, world.store, world.bus)
        address = server.start()
        try:
            take(world, pages, address, folder)
        finally:
            server.stop()
            world.store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
