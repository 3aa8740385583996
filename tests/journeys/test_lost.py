"""A kit is lost: the centre locks it, two people have its keys destroyed, the kit proves it and is nobody after."""

import subprocess
import time
import urllib.error

import pytest
from sqlmodel import select

from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.devices import lost
from central.devices.models import Kit, KitLoss, Position
from central.devices.permits import find_permit
from central.evidence.models import Recording
from contract import lost as contract_lost
from demo.children import script
from edge.spool import open_spool
from tests.journeys.conftest import make_part

pytestmark = pytest.mark.journey

OPERATOR = Actor("lost-1", "lost-operator", "样例值班员", "duty_operator", "云29")
COMMANDER = Actor("lost-2", "lost-commander", "样例指挥长甲", "commander", "云29")
ANOTHER = Actor("lost-3", "lost-another", "样例指挥长乙", "commander", "云29")


def read_state(stand, part, key):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.state.get(key)


def read_one(store: Store, query):
    with store.read() as session:
        return session.exec(query).one()


def permit_of(stand, kit_id):
    """By the authority's own command, as it lies in the centre's handover folder."""
    command = [script("zhixing-provision"), "permit-destruction", kit_id, "--reason", "样例"]
    subprocess.run([*command, "--authority", str(stand.stage.authority_dir)], check=True, timeout=60)
    return find_permit(stand.stage.centre_dir / "handover", kit_id)


def count_positions(stand, kit_no):
    with stand.store.read() as session:
        return len(session.exec(select(Position.seq).where(Position.kit_no == kit_no)).all())


def test_a_lost_kit_is_locked_unlocked_and_at_last_without_keys(stand):
    part = make_part(stand, "dl-lost-01")
    stand.enrol_kit(part)
    stand.start_kit(part)
    store, kit_id = stand.store, part.kit_id

    def is_recording():
        return (read_state(stand, part, "recorder_status") or {}).get("state") == "recording"

    stand.wait_until(is_recording, "the recorder to record")
    stand.wait_until(lambda: (read_state(stand, part, "link_status") or {}).get("connected"), "the link")
    with store.write() as uow:
        lost.lock_kit(uow, OPERATOR, kit_id, reason="样例：遗落现场")
    stand.wait_until(lambda: not is_recording(), "the recording to end", timeout_s=20)

    def ended():
        with store.read() as session:
            return session.exec(select(Recording.end_cause).where(Recording.kit_id == kit_id)).first() == "lost"

    stand.wait_until(ended, "the signed end with its cause at the centre", timeout_s=20)
    with pytest.raises(urllib.error.HTTPError) as refused:
        stand.press(kit_id, "record")
    assert refused.value.code == 409
    assert not is_recording()
    kit = read_one(store, select(Kit).where(Kit.kit_id == kit_id))
    held = count_positions(stand, kit.kit_no)
    stand.wait_until(lambda: count_positions(stand, kit.kit_no) > held + 2, "positions to go on", timeout_s=20)

    with store.write() as uow:
        lost.ask_destruction(uow, COMMANDER, kit_id, reason="样例：无法找回")
    with store.write() as uow:
        lost.confirm_destruction(uow, ANOTHER, kit_id, permit=permit_of(stand, kit_id))
    began = time.monotonic()

    def proven():
        with store.read() as session:
            return session.exec(select(KitLoss.state).where(KitLoss.kit_no == kit.kit_no)).one() == "destroyed"

    stand.wait_until(proven, "the verified statement", timeout_s=30)
    folder = stand.stage.kit_dir(part)
    stand.wait_until(lambda: not (folder / "device.key").exists(), "the key to be gone", timeout_s=15)
    told_s = time.monotonic() - began
    assert told_s < 30, told_s
    stand.wait_until(
        lambda: (read_state(stand, part, "lost") or {}).get("step") == "destroyed", "the kit to say so", timeout_s=10
    )
    loss = read_one(store, select(KitLoss).where(KitLoss.kit_no == kit.kit_no))
    statement, _ = contract_lost.read_statement(loss.proof)
    assert (statement.kit_id, statement.order) == (kit_id, loss.order_no)
    assert len(statement.heads) >= 1
    stand.end_child(kit_id)
    sealed = list((folder / "vault").rglob("*.age"))
    assert len(sealed) >= 0  # what was unsent stays; it opens with the centre's and the escrow key only
    # Whoever has the card now has no identity: neither process takes up work.
    config = folder / "kit.toml"
    for module in ("edge.uplink.main", "edge.recorder.main"):
        done = subprocess.run(
            [script("python"), "-m", module, "--config", str(config)], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 78, done.stderr.decode()
