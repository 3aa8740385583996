"""Tasks in the pictures of docs/screenshots: at the centre, and on the officer's own page."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser

from central.devices.task_rules import TaskDraft
from central.flows.felt import receive_command_receipt
from central.flows.tasks import assign_task
from central.people.queries import actor_of, find_user
from contract.messages import CommandReceipt, encode
from contract.orders import Task
from edge.spool import Spool
from tests.browser.world import World
from tests.edge.screen.conftest import RunningScreen

MINUTE_MS = 60_000
SMALL = {"width": 320, "height": 640}


def give_tasks(world: World) -> None:
    """A commander's afternoon: done, taken on, refused, unanswered."""
    with world.store.read() as session:
        actor = actor_of(find_user(session, "zhihui"))
    drafts = (
        ("dl-2901-01", TaskDraft("送达执行通知书与财产报告令", category="service", place="样例路 1 号"), "done"),
        (
            "dl-2923-01",
            TaskDraft("腾退现场勘查", category="inspection", urgency="urgent", due_in_min=120),
            "accepted",
        ),
        (
            "dl-2930-02",
            TaskDraft("查封被执行人车辆", text="车牌见案卷；到场先拍全景。", category="seizure"),
            "refused",
        ),
        (
            "dl-2901-01",
            TaskDraft("协助拘传被执行人", urgency="most_urgent", category="summons", due_in_min=60),
            "felt",
        ),
    )
    for kit_id, draft, state in drafts:
        with world.store.write() as uow:
            number = assign_task(uow, actor, kit_id, draft).number
        steps = {"felt": ("received", "felt"), "refused": ("received", "felt", "read", "refused")}
        for step in steps.get(state, ("received", "felt", "read", "accepted", state)):
            note = {"refused": "too_far", "done": "as_ordered"}.get(step, "")
            told = CommandReceipt(number=number, state=step, at_ms=world.now_ms(), note=note)
            with world.store.write() as uow:
                receive_command_receipt(uow, world.kits[kit_id], told, moment=world.moment())


def take_officers_page(browser: Browser, folder: Path, data: Path) -> None:
    """The officer's page of a kit in a cellar: at work, with a task, calling for help, at night."""
    kit = RunningScreen(data)
    try:
        _tell(kit.spool)
        page = browser.new_context(viewport=SMALL, has_touch=True, locale="zh-CN").new_page()
        page.goto(kit.address)
        page.wait_for_selector("#record svg")
        page.screenshot(path=folder / "officer.png")
        page.click("#tab-tasks")
        page.click("#task-3")
        page.wait_for_selector("#task-where")
        page.screenshot(path=folder / "officer-task.png")
        page.click("#tab-more")
        page.click("#quiet")
        page.wait_for_selector("html[data-theme=night]")
        page.click("#tab-home")
        box = page.locator("#sos").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 20)
        page.mouse.down()
        page.wait_for_selector("#withdraw")
        page.mouse.up()
        page.wait_for_selector("#said", state="hidden")
        page.screenshot(path=folder / "officer-sos-night.png")
    finally:
        kit.close()


def _tell(spool: Spool) -> None:
    now_ms = int(time.time() * 1000)
    facts = {
        "duty": True,
        "recorder_status": {"state": "recording", "recording": True, "since_ms": now_ms - 754_000, "note": ""},
        "recording_wanted": {"on": True, "cause": "officer", "by": "page"},
        "category": {"code": "search", "at_ms": now_ms},
        "gps_status": "3D fix",
        "last_fix": {"lat": 25.6065, "lon": 100.2676, "accuracy_m": 6.0, "boot": spool.boot},
        "link_status": {
            "connected": False, "since_ms": now_ms - 420_000, "reason": "the connection to the broker was lost"
        },
        "storage_level": {"level": "ok", "free_bytes": 1, "minutes_left": 800, "text": ""},
        "clock_status": {"source": "gps", "error_ms": 40, "disagree": []},
    }  # fmt: skip
    for key, value in facts.items():
        spool.state.set(key, value)
    for _ in range(37):
        spool.outbox.append("position", b"{}")
    urgent = Task(
        title="协助拘传被执行人", text="到样例路 1 号，与值班法官会合。\n全程录像。",
        category="summons", place="样例路 1 号", urgency="urgent", by="样例指挥长", due_ms=now_ms + 60 * MINUTE_MS,
    )  # fmt: skip
    spool.tasks.put(3, encode(urgent), now_ms - MINUTE_MS)
    spool.tasks.put(2, encode(Task(title="腾退现场勘查", by="样例值班员")), now_ms - 40 * MINUTE_MS)
    spool.tasks.answer(2, "accepted")
