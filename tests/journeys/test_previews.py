"""On a link that costs, small pictures come first and originals when a person asks for them: recorder to screen."""

import pytest
from playwright.sync_api import expect
from sqlmodel import func, select

from central.devices.models import Kit, KitState
from central.evidence.models import Recording, StoredProxy
from edge.spool import open_spool
from tests.journeys.conftest import make_part, site

pytestmark = [pytest.mark.journey, pytest.mark.browser]
KIT = "dl-thin-01"
CAMERA = {"kind": "synthetic", "width": 640, "height": 360, "fps": 15}


@pytest.fixture(scope="module")
def metered(stand):
    """A kit whose link counts as metered has recorded a few segments and stopped."""
    part = make_part(stand, KIT)
    stand.enrol_kit(part)
    child = stand.start_kit(part, link={"metered": "yes"}, camera=CAMERA, segments={"pre_event_s": 0})
    stand.wait_until(lambda: count_proxies(stand) >= 3, "three previews at the centre", timeout_s=90)
    stand.press(KIT, "record")
    stand.wait_until(lambda: find(stand) is not None and find(stand).closed_ms is not None, "the end", timeout_s=60)
    yield part
    stand.end_child(child.name)


def find(stand):
    with stand.store.read() as session:
        return session.exec(select(Recording).where(Recording.kit_id == KIT)).first()


def count_proxies(stand):
    recording = find(stand)
    if recording is None:
        return 0
    with stand.store.read() as session:
        return session.exec(select(func.count()).where(StoredProxy.recording_id == recording.id)).one()


def says_metered(stand):
    with stand.store.read() as session:
        state = session.exec(
            select(KitState).join(Kit, Kit.kit_no == KitState.kit_no).where(Kit.kit_id == KIT)
        ).one_or_none()
    return bool(((state.health if state else None) or {}).get("metered"))


def test_previews_come_and_originals_when_they_are_asked_for(stand, metered, page):
    recording = find(stand)
    stand.wait_until(lambda: count_proxies(stand) == recording.segment_count, "a preview of every segment")
    assert find(stand).stored_count == 0
    with open_spool(stand.stage.kit_dir(metered) / "spool.db") as spool:
        assert spool.vault.count_waiting(recording.id, 0, 2**53 - 1) == recording.segment_count, "originals stay"

    page.goto(f"{site(stand)}/recordings/{recording.id}")
    page.fill("#purpose", "端到端测试")
    page.locator("#veil button").click()
    video = "document.querySelector('video')"
    stand.wait_until(lambda: page.evaluate(f"{video}.currentTime > 0.5 && {video}.videoWidth === 320"), "the preview")
    expect(page.locator("#preview")).to_be_visible()
    page.evaluate(f"{video}.pause()")
    stand.wait_until(lambda: says_metered(stand), "the kit to say that its link is metered")
    page.goto(f"{site(stand)}/kits/{KIT}")
    expect(page.locator("#link h2")).to_contain_text("按计费链路")

    page.goto(f"{site(stand)}/recordings/{recording.id}")
    box = page.locator("#originals")
    box.get_by_label("补传事由").fill("核实冲突经过")
    box.get_by_role("button", name="要求装备补传原件").click()
    stand.wait_until(lambda: find(stand).stored_count == recording.segment_count, "every original", timeout_s=60)
    stand.wait_until(lambda: count_proxies(stand) == 0, "the previews to give way")
    page.goto(f"{site(stand)}/recordings/{recording.id}")
    expect(page.locator("#originals")).to_have_count(0)
    page.fill("#purpose", "端到端测试")
    page.locator("#veil button").click()
    stand.wait_until(
        lambda: page.evaluate(f"{video}.currentTime > 0.5 && {video}.videoWidth === 640"), "the original"
    )
    expect(page.locator("#preview")).to_be_hidden()


def test_the_centre_lifts_the_metering_and_new_originals_come_by_themselves(stand, metered, page):
    page.goto(f"{site(stand)}/kits/{KIT}")
    box = page.locator("#link")
    box.get_by_label("链路计费").select_option("不计费")
    box.get_by_label("设定事由").fill("已换不限量卡")
    box.get_by_role("button", name="设定").click()
    expect(page.locator("#directives")).to_contain_text("链路按不计费处理", timeout=30_000)
    before = find(stand).id
    stand.press(KIT, "record")

    def is_stored():
        with stand.store.read() as session:
            rows = session.exec(select(Recording).where(Recording.kit_id == KIT, Recording.id != before)).all()
        return any(row.stored_count for row in rows)

    stand.wait_until(is_stored, "an original nobody asked for", timeout_s=60)
