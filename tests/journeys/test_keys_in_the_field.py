"""Certificates and cards in the field: renewed in service, expired in darkness, replaced with a new card."""

import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from sqlmodel import select

from bench.stand import find_process
from central.courts.permissions import Actor
from central.devices import lost
from central.devices.models import Kit, KitSpool, KitState, MailboxEntry
from central.evidence.models import ChainLink, Recording
from contract import chain
from demo.children import run_to_end, script
from edge.spool import open_spool
from provisioning.authority import Authority
from tests.journeys.conftest import make_part
from tests.journeys.test_token import verify_package
from tests.provisioning.kit_side import serving

pytestmark = pytest.mark.journey
OPERATOR = Actor("card-1", "card-operator", "样例值班员", "duty_operator", "云29")


def enrol_long_ago(stand, part, *, days):
    """Enrol at the stand's own authority, its clock set back; the kit renews at the one that runs."""
    desk = Authority(stand.stage.authority_dir, clock=lambda: datetime.now(UTC) - timedelta(days=days))
    with serving(desk) as server:
        url = f"https://127.0.0.1:{server.port}"
        token = desk.add_kit(
            part.kit_id, court_code=part.court_code, label=part.label, officer=part.officer, est_url=url
        )
        run_to_end([script("zhixing-kit"), "enrol", token, "--data", str(stand.stage.kit_dir(part))])
    return {"authority": {"url": f"https://127.0.0.1:{stand.ports.est}"}}


def read_state(stand, part, key):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.state.get(key) or {}


def serial_of(stand, part):
    leaf = x509.load_pem_x509_certificate((stand.stage.kit_dir(part) / "device.crt").read_bytes())
    return f"{leaf.serial_number:x}"


def recordings_of(stand, part):
    with stand.store.read() as session:
        return session.exec(select(Recording).where(Recording.kit_id == part.kit_id)).all()


def is_connected(stand, part):
    return bool(read_state(stand, part, "link_status").get("connected"))


def provision(stand, *words):
    command = [script("zhixing-provision"), *words, "--authority", str(stand.stage.authority_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_renewed_in_service_while_it_records(stand):
    part = make_part(stand, "dl-renew-01")
    changes = enrol_long_ago(stand, part, days=250)  # two thirds of a year's certificate are over
    old = serial_of(stand, part)
    stand.start_kit(part, **changes)
    stand.wait_until(lambda: serial_of(stand, part) != old, "a new certificate", timeout_s=60)
    stand.wait_until(lambda: bool(recordings_of(stand, part)), "a recording", timeout_s=60)
    stand.wait_until(lambda: is_connected(stand, part), "the link with it", timeout_s=30)
    (first,) = recordings_of(stand, part)
    held = first.segment_count
    stand.wait_until(lambda: recordings_of(stand, part)[0].segment_count >= held + 2, "it to go on", timeout_s=30)
    (recording,) = recordings_of(stand, part)
    assert (recording.closed_ms, recording.gap_count) == (None, 0), "one recording without a gap"
    restarts = read_state(stand, part, "children")
    assert "recorder" not in restarts, restarts
    assert restarts["control"]["last"] == "ended with code 75"
    certificate = read_state(stand, part, "certificate")
    stand.wait_until(
        lambda: read_state(stand, part, "certificate").get("until_ms", 0) > 1000 * _in_days(300),
        f"the state to say until when ({certificate})",
        timeout_s=30,
    )
    stand.end_child(part.kit_id)


def _in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).timestamp()


def test_dark_until_its_certificate_expired_it_comes_back_by_a_nod_and_catches_up(stand, tmp_path):
    part = make_part(stand, "dl-dark-01")
    changes = enrol_long_ago(stand, part, days=380)
    old = serial_of(stand, part)
    stand.start_kit(part, **changes)

    def recorded():
        with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
            return spool.vault.count_pending()

    stand.wait_until(lambda: recorded() >= 3, "it to record in darkness", timeout_s=60)
    stand.wait_until(lambda: part.kit_id in provision(stand, "grace", "list"), "it to ask", timeout_s=60)
    assert not is_connected(stand, part)
    assert recordings_of(stand, part) == []
    provision(stand, "grace", "allow", part.kit_id)
    # It asks again by itself in five minutes; a restart asks at once.
    find_process(stand, part.kit_id, "edge.uplink.main").send_signal(signal.SIGKILL)
    stand.wait_until(lambda: serial_of(stand, part) != old, "a new certificate", timeout_s=60)
    stand.wait_until(lambda: is_connected(stand, part), "the link", timeout_s=60)

    def caught_up():
        rows = recordings_of(stand, part)
        return bool(rows) and rows[0].stored_count >= 3

    stand.wait_until(caught_up, "what was recorded in darkness to be at the centre", timeout_s=60)
    with stand.store.read() as session:
        first = session.exec(
            select(ChainLink).where(ChainLink.recording_id == recordings_of(stand, part)[0].id, ChainLink.seq == 0)
        ).one()
    assert chain.decode(first.body).extra["kit"] == part.kit_id
    # What was recorded after the old certificate's end stands under the next one, and the verifier accepts it.
    verified = verify_package(stand, recordings_of(stand, part)[0].id, tmp_path / "package.zip")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    stand.end_child(part.kit_id)


def test_a_new_card_keeps_name_and_history_and_obeys_no_old_order(stand):
    part = make_part(stand, "dl-card-01")
    stand.enrol_kit(part)
    stand.start_kit(part)
    old = serial_of(stand, part)
    stand.wait_until(lambda: bool(recordings_of(stand, part)), "the old card's recording", timeout_s=60)
    for act in (lost.lock_kit, lost.unlock_kit):
        with stand.store.write() as uow:
            act(uow, OPERATOR, part.kit_id, reason="样例")
    stand.wait_until(lambda: mailbox_of(stand, part) == ["done", "done"], "both orders to be obeyed", timeout_s=90)

    told = provision(stand, "reimage", part.kit_id, "--reason", "card worn", "--no-terminal-qr")
    stand.wait_until(lambda: not is_connected(stand, part), "the old card to be cut off", timeout_s=10)
    stand.end_child(part.kit_id)
    folder = stand.stage.kit_dir(part)
    shutil.move(folder, folder.with_name("old-card"))
    token = told.split("\n\n")[1]
    run_to_end([script("zhixing-kit"), "enrol", token, "--data", str(folder)])
    stand.start_kit(part)
    stand.wait_until(lambda: is_connected(stand, part), "the new card to be let in", timeout_s=60)
    fresh = serial_of(stand, part)
    stand.wait_until(
        lambda: {row.serial for row in recordings_of(stand, part)} == {old, fresh},
        "recordings of both cards, each with its own signer",
        timeout_s=60,
    )
    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        spools = session.exec(select(KitSpool).where(KitSpool.kit_no == kit.kit_no)).all()
    assert len(spools) == 2
    stand.wait_until(lambda: have_of(stand, kit.kit_no) is not None, "the hello", timeout_s=10)
    with open_spool(folder / "spool.db") as spool:
        stand.wait_until(lambda: spool.inbox.have() == 2, "the old orders to be counted", timeout_s=20)
        assert spool.inbox.unhandled() == []
        assert spool.state.get("lost") is None
    assert mailbox_of(stand, part) == ["done", "done"]
    with stand.store.write() as uow:
        lost.lock_kit(uow, OPERATOR, part.kit_id, reason="样例")
    stand.wait_until(lambda: mailbox_of(stand, part) == ["done"] * 3, "the next order to be obeyed", timeout_s=30)
    assert read_state(stand, part, "lost")["step"] == "locked"
    stand.end_child(part.kit_id)


def mailbox_of(stand, part):
    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        rows = session.exec(select(MailboxEntry).where(MailboxEntry.kit_no == kit.kit_no)).all()
        return [row.state for row in sorted(rows, key=lambda row: row.number)]


def have_of(stand, kit_no):
    with stand.store.read() as session:
        state = session.get(KitState, kit_no)
        return state.mailbox_have if state else None
