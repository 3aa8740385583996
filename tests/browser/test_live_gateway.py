"""A picture by way of a real Janus gateway in a real browser: it moves, ends, and has a way round."""

from __future__ import annotations

import pytest
from playwright.sync_api import sync_playwright

from central.base.settings import load_settings
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.gateway import Gateway
from tests.browser.live_hall import KITS, Hall
from tests.browser.test_live_wall import tile, wait_moving
from tests.waiting import wait_until

pytestmark = pytest.mark.browser
OWN_FLAGS = ["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]
LONG_S = 20


@pytest.fixture
def gateway(tmp_path):
    gateway = Gateway(tmp_path / "gateway")
    gateway.start()
    yield gateway
    gateway.kill()


@pytest.fixture
def hall(tmp_path, gateway):
    folder = tmp_path / "hall"
    folder.mkdir()
    hall = Hall(folder)
    config = folder / "centre.toml"
    own = f'\nlive_janus_url = "{gateway.url}"\nlive_janus_secret_file = "{gateway.secret_file}"\n'
    config.write_text(config.read_text() + own)
    hall.stand.settings = hall.stand.centre.settings = load_settings(config, environ={})
    try:
        hall.start()
        hall.stand.centre.wait_port(gateway.port)
        yield hall
    finally:
        hall.stop()


def test_it_moves_falls_back_when_the_gateway_dies_and_ends_with_the_session(hall, gateway):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS + OWN_FLAGS)
        session_id = hall.stand.begin(KITS[0])
        hall.film(KITS[0])
        page = hall.open(browser, f"/wall?size=1&tiles={KITS[0]}&via=janus")
        shown = tile(page, KITS[0])
        wait_moving(page, KITS[0])
        assert shown.get_attribute("data-via") == "janus"
        begun = hall.stand.wait_entry(session_id, "watch_begun")
        assert begun["source"] == KITS[0]
        hall.stand.end(session_id)
        wait_until(lambda: not hall.filmers[KITS[0]].wanted, LONG_S, "nothing to be filmed")
        wait_until(lambda: page.locator("video").count() == 0, LONG_S, "no picture to be left")
        session_id = hall.stand.begin(KITS[0])
        page.reload()
        wait_moving(page, KITS[0])
        assert shown.get_attribute("data-via") == "janus"
        gateway.kill()
        wait_until(lambda: shown.get_attribute("data-via") == "relay", LONG_S, "the way round")
        wait_moving(page, KITS[0])
        wait_until(lambda: "改为直连" in shown.inner_text(), LONG_S, "it to be said")
        browser.close()
