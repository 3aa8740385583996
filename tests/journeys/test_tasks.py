"""A task from the commander's page to the officer's, answered in a tunnel, and back: none lost, none doubled."""

import time

import pytest
from playwright.sync_api import expect
from sqlmodel import select

from bench.stand import find_process
from central.devices.models import Kit, MailboxEntry
from central.devices.steps import load_steps
from edge.spool import open_spool
from tests.fakes.tunnel import Tunnel
from tests.journeys.conftest import make_part, site

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def tunnel(stand):
    made = Tunnel(stand.ports.mqtt)
    yield made
    made.close()


@pytest.fixture
def glass(browser):
    """The touch display of a body-cam."""
    context = browser.new_context(viewport={"width": 320, "height": 480}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def give(page, part, title, **fields):
    page.goto(f"{page.url.split('/kits')[0].rstrip('/')}/kits/{part.kit_id}")
    page.locator("#tasks .task-new summary").click()
    page.fill("#task-title", title)
    for name, value in fields.items():
        page.select_option(f"#task-{name}", value)
    page.get_by_role("button", name="派发任务").click()
    expect(page.locator("#task-list")).to_contain_text(title)


def steps_of(stand, part, number):
    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        entry = session.get(MailboxEntry, (kit.kit_no, number))
        return (entry.state, load_steps(session, [entry]).get((kit.kit_no, number), [])) if entry else (None, [])


def test_given_answered_in_the_dark_and_told_afterwards(stand, page, glass, tunnel):
    part = make_part(stand, "dl-task-01")
    stand.enrol_kit(part)
    stand.start_kit(part, mqtt={"port": tunnel.port}, segments={"record_at_start": False})
    glass.goto(stand.screen_address(part.kit_id))
    expect(glass.locator("#signs")).to_contain_text("已连接", timeout=60_000)

    page.goto(site(stand))
    give(page, part, "送达样例文书", urgency="urgent", category="service")
    expect(glass.locator("#tab-tasks .count")).to_have_text("1", timeout=30_000)
    number = newest_number(stand, part)
    stand.wait_until(lambda: steps_of(stand, part, number)[0] == "felt", "the task to be felt")

    # Into the tunnel: the page says so, and goes on working.
    tunnel.enter()
    expect(glass.locator("#signs")).to_contain_text("未连接", timeout=60_000)
    glass.click("#tab-tasks")
    glass.click(f"#task-{number}")
    glass.click("#accept")
    expect(glass.locator("#task-state")).to_contain_text("已接受")
    expect(glass.locator("#task-where")).to_contain_text("已记在本机")
    answered_ms = time.time() * 1000

    # Meanwhile the centre takes it back and gives another; and every process of the kit dies.
    page.locator(f"#task-{part.kit_id}-{number} .task-recall summary").click()
    page.fill(f"#recall-{part.kit_id}-{number}", "情况有变")
    page.locator(f"#task-{part.kit_id}-{number}").get_by_role("button", name="撤回任务").click()
    give(page, part, "协助现场勘查")
    glass.click("#choose-done")
    glass.click("#note-as_ordered")
    expect(glass.locator("#task-state")).to_contain_text("已完成")
    modules = ("edge.screen.main", "edge.panel.main", "edge.uplink.main")
    for process in [find_process(stand, part.kit_id, module) for module in modules]:
        process.kill()
    expect(glass.locator("#task-state")).to_contain_text("已完成", timeout=30_000)

    # Out again: what was done stays done and the recall is told that it came too late; the new task is there.
    tunnel.leave()
    stand.wait_until(lambda: steps_of(stand, part, number)[0] == "done", "the answer at the centre")
    stand.wait_until(lambda: steps_of(stand, part, number + 1)[0] == "failed", "the recall to be refused")
    stand.wait_until(lambda: steps_of(stand, part, number + 2)[0] == "felt", "the second task to be felt")
    expect(glass.locator("#task-where")).to_contain_text("中心已收到", timeout=30_000)
    _, steps = steps_of(stand, part, number)
    assert [step.state for step in steps] == ["received", "felt", "read", "accepted", "done"]
    accepted = steps[3]
    assert abs(accepted.told.at_ms - answered_ms) < 15_000, "the officer's own time"
    assert accepted.received_ms > accepted.told.at_ms
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        assert spool.state.get("task_current") is None
    page.goto(f"{site(stand)}/tasks?show=closed")
    expect(page.locator("#task-list")).to_contain_text("答复在先，撤回不成")
    stand.end_child(part.kit_id)


def newest_number(stand, part):
    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        query = select(MailboxEntry.number).where(MailboxEntry.kit_no == kit.kit_no, MailboxEntry.kind == "task")
        return max(session.exec(query).all(), default=0)
