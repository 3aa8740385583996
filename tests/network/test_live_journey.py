"""Four kits live in a real browser, and a tone both ways, over a clean link and over a far and lossy one.

Authority, broker, centre, relay and four whole kits run as they are in service, kits and centre in two network
namespaces. The cameras are synthetic, the officer's microphone is their tick of 880 Hz, his loudspeaker ALSA's file
device; the operator's microphone is Chromium's own fake one, which plays a tone of 440 Hz from a file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from bench.live_look import Painted, read_painted, watch_tile
from demo.command import end_session, open_session
from demo.places import PARTS
from demo.tracks import write_gpx
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.talking import FAKE_DEVICES, LISTEN, TONE_HZ, hold, let_go, write_tone
from tests.edge.live.sound import measure_tone
from tests.network.bad_link import LinkShape
from tests.network.namespaces import why_not
from tests.network.world import World, open_world
from tests.waiting import wait_until

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.skipif(bool(why_not()), reason=why_not())]
KITS = [f"dl-live-0{number}" for number in range(1, 5)]
CLEAN = LinkShape(delay_ms=2, kbit_s=40_000, queue_kb=512)
FAR = LinkShape(delay_ms=60, loss=0.02, kbit_s=8_000, queue_kb=256)
LONG_S = 90
ALSA = 'pcm.nothing {{ type null }}\npcm.ear {{ type file slave.pcm "nothing" file "{file}" format "raw" }}\n'
# One sample is 2 bytes; three seconds hold whole beeps.
THREE_SECONDS = 3 * 48_000 * 2


@pytest.fixture(scope="module")
def ear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what the first officer's loudspeaker plays is written down."""
    return tmp_path_factory.mktemp("ear") / "ear.raw"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ear: Path) -> Iterator[World]:
    conf = ear.with_name("alsa.conf")
    conf.write_text(ALSA.format(file=ear))
    with pytest.MonkeyPatch.context() as patch, open_world(tmp_path_factory.mktemp("live"), CLEAN) as world:
        patch.setenv("ALSA_CONFIG_PATH", str(conf))
        for number, kit_id in enumerate(KITS):
            part = replace(PARTS[number], kit_id=kit_id, width=320, height=180, fps=10, bitrate_bps=200_000)
            write_gpx(world.stand.stage.track_file(part), part.loop, part.label)
            world.enrol(part)
            speaker = "alsa:ear" if number == 0 else "none"
            world.start_kit(part, live={"speaker": speaker}, segments={"record_at_start": False})
        world.stand.wait_until(lambda: world.stand.count_seen_kits() >= len(KITS), "four kits to be seen")
        yield world


@pytest.fixture(scope="module")
def page(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The commander's browser beside the centre; an error of a page fails the test."""
    tone = write_tone(tmp_path_factory.mktemp("tone") / "tone.wav")
    flags = [*FLAGS, *FAKE_DEVICES, f"--use-file-for-fake-audio-capture={tone}"]
    with world.centre.inside(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        page = browser.new_page(
            base_url=f"http://127.0.0.1:{world.stand.ports.web}",
            viewport={"width": 1920, "height": 1080},
            locale="zh-CN",
        )
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto("/login")
        page.fill("input[name=login]", "commander")
        page.fill("input[name=password]", world.stand.stage.read_passwords()["commander"])
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        yield page
        browser.close()
    assert wrong == []


@pytest.mark.parametrize("shape", [CLEAN, FAR], ids=["clean", "far and lossy"])
def test_four_kits_move_and_a_tone_is_heard_both_ways(world: World, page: Page, ear: Path, shape: LinkShape) -> None:
    world.link.shape(shape, replace(shape, loss=0))
    session_id = open_session(world.stand, KITS)
    page.goto(f"/command/{session_id}")
    seen = wait_for_four(page)
    for kit_id, rows in seen.items():
        middle = sorted(row.age_ms for row in rows)[len(rows) // 2]
        print(f"\n{kit_id}: {len(rows)} pictures, middle age {middle:.0f} ms")
        assert middle < (700 if shape is CLEAN else 2500), kit_id

    page.wait_for_selector("#voice-panel[data-ready]")
    page.get_by_role("button", name="接入语音").click()
    page.wait_for_selector("#voice-panel[data-state=open]")
    page.evaluate(LISTEN)
    # The officer's side is open all the time: the operator hears the camera's tick.
    wait_until(lambda: abs(page.evaluate("window.ear.loudest_hz") - 880) < 40, LONG_S, "the officer's tone")
    hold(page)
    wait_until(lambda: plays(ear), LONG_S, "the operator's tone at the officer's loudspeaker")
    let_go(page)

    end_session(world.stand, session_id)
    expect(page.locator("body")).to_contain_text("已结束", timeout=20_000)
    time.sleep(2)
    before = {kit_id: read_painted(page, chosen(kit_id)) for kit_id in KITS if page.locator(chosen(kit_id)).count()}
    time.sleep(1)
    assert all(read_painted(page, chosen(kit_id)) == [] for kit_id in before), "a picture after the end"


def chosen(kit_id: str) -> str:
    return f'[data-shows="{kit_id}"]'


def wait_for_four(page: Page) -> dict[str, list[Painted]]:
    """Until ten pictures of each kit were painted, each of another moment."""
    seen: dict[str, list[Painted]] = {kit_id: [] for kit_id in KITS}
    for kit_id in KITS:
        page.wait_for_selector(chosen(kit_id))
        watch_tile(page, chosen(kit_id))

    def look() -> bool:
        for kit_id in KITS:
            seen[kit_id] += read_painted(page, chosen(kit_id))
        return all(len(rows) >= 10 for rows in seen.values())

    wait_until(look, LONG_S, "ten pictures of each kit")
    return seen


def plays(ear: Path) -> bool:
    """Whether the operator's tone is in what was played last."""
    if not ear.exists() or ear.stat().st_size < THREE_SECONDS:
        return False
    with ear.open("rb") as file:
        file.seek(-THREE_SECONDS, 2)
        return measure_tone(file.read(THREE_SECONDS), TONE_HZ) > 500
