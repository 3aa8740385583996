"""sos_p50_ms, sos_p99_ms: from the press at a real kit to the event in a real browser, under load."""

from __future__ import annotations

import time
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright
from sqlmodel import select

from bench.intake import end_load, go, start_load
from bench.report import percentile, report
from bench.stand import make_kits, open_stand
from central.flows.acknowledge import acknowledge_incident, close_incident
from central.incidents.models import Incident
from central.people.queries import actor_of, get_user
from demo.people import LOGINS
from demo.places import PARTS
from demo.stand import Stand

_PRESSES: Final = 100
_RATE: Final = 1000.0
_LOAD_KITS: Final = 200
_CHROMIUM: Final = "/usr/bin/chromium"
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LISTEN: Final = """() => {
  window.seen = {};
  const source = new EventSource('/events');
  source.addEventListener('incident_opened', (event) => {
    window.seen[JSON.parse(event.data).alarm_id] ??= Date.now();
  });
  return new Promise((open) => source.addEventListener('open', () => open(true)));
}"""

_WAIT: Final = """(alarm) => new Promise((found, lost) => {
  const end = Date.now() + 10000;
  const look = () => window.seen[alarm] ? found(window.seen[alarm])
    : Date.now() > end ? lost(new Error('the alarm was not seen within 10 s')) : setTimeout(look, 5);
  look();
})"""


def measure() -> None:
    """Print both figures."""
    with open_stand() as stand, sync_playwright() as playwright:
        folder = stand.stage.folder / "load"
        kits = make_kits(stand, _LOAD_KITS, folder)
        stand.start_services()
        stand.enrol_kit(PARTS[0])
        stand.start_kit(PARTS[0])
        stand.wait_until(lambda: stand.count_seen_kits() >= 1, "the kit to be seen")
        stand.screen_address(PARTS[0].kit_id)
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_FLAGS))
        page = browser.new_page()
        _sign_in(stand, page)
        page.evaluate(_LISTEN)
        load = go(start_load(stand, folder, kits, _RATE, seconds=_PRESSES * 1.2 + 10))
        time.sleep(1)
        delays = _press_often(stand, page)
        load_result = end_load(load)
        browser.close()
    detail: dict[str, Any] = {
        "presses": len(delays),
        "max_ms": round(max(delays), 1),
        "load": f"{load_result.reached_rate:.0f} fixes/s, {load_result.receipted} of {load_result.sent} receipted",
        "how": "HTTP stand-in of the panel, its request included, to Chromium's EventSource, while it records",
    }
    report("sos_p50_ms", percentile(delays, 0.5), "ms", **detail)
    report("sos_p99_ms", percentile(delays, 0.99), "ms", **detail)


def _sign_in(stand: Stand, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{stand.ports.web}/login")
    page.fill("input[name=login]", LOGINS[0].login)
    page.fill("input[name=password]", stand.stage.read_passwords()[LOGINS[0].login])
    page.click("button[type=submit]")
    page.wait_for_url(f"http://127.0.0.1:{stand.ports.web}/")


def _close_incident(stand: Stand, alarm_id: str) -> None:
    # As a commander would: a queue of a hundred open alarms is not what is measured.
    with stand.store.write() as uow:
        incident = uow.session.exec(select(Incident).where(Incident.alarm_id == alarm_id)).one()
        user = get_user(uow.session, "commander")
        acknowledge_incident(uow, actor_of(user), incident.id)
        close_incident(uow, actor_of(user), incident.id, note="bench")


def _press_often(stand: Stand, page: Page) -> list[float]:
    kit_id, delays = PARTS[0].kit_id, []
    for _ in range(_PRESSES):
        began_ms = time.time() * 1000
        alarm_id = stand.press(kit_id, "sos")["alarm_id"]
        seen_ms = page.evaluate(_WAIT, alarm_id)
        delays.append(seen_ms - began_ms)
        stand.press(kit_id, "withdraw")
        _close_incident(stand, alarm_id)
        time.sleep(0.8)  # people do not press three times a second, and the map is still flying to the last one
    return delays
