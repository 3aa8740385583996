"""Faults are caused, then counted: whatever dies, nothing acknowledged is lost and nothing is doubled."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import time

import psutil
import pytest
from sqlmodel import select

from bench.stand import find_process
from central.courts.permissions import ROLES
from central.devices.models import Kit, Position, ReceivedItem
from central.evidence.models import ChainLink, Recording
from central.incidents.models import AlarmRecord
from demo.children import script
from demo.people import all_logins
from edge.spool import open_spool
from tests.journeys.conftest import make_part

pytestmark = pytest.mark.journey

VICTIMS = [
    ("centre", "intake"),
    ("dl-kill-01", "edge.uplink.main"),
    ("centre", "nats-server"),
    ("dl-kill-01", "edge.recorder.main"),
    ("centre", "door"),
    ("dl-kill-01", "edge.panel.main"),
]


def test_whoever_is_killed_nothing_is_lost_or_doubled(stand):
    part = make_part(stand, "dl-kill-01")
    stand.enrol_kit(part)
    stand.start_kit(part)
    stand.wait_until(lambda: read_state(stand, part, "last_fix"), "the first fix")
    pressed = []
    for child, word in VICTIMS:
        pressed.append(stand.press(part.kit_id, "mark")["alarm_id"])
        find_process(stand, child, word).send_signal(signal.SIGKILL)
        pressed.append(press_when_there(stand, part, "mark"))
        stand.wait_until(lambda child=child, word=word: is_up(stand, child, word), f"{word} to be back", timeout_s=40)
    stand.wait_until(lambda: is_recording(stand, part), "the recorder to record again", timeout_s=40)
    time.sleep(3)  # some picture after the last kill, bounded and on purpose
    press_when_there(stand, part, "record")
    stand.wait_until(lambda: is_drained(stand, part), "the kit to hand over everything", timeout_s=60)
    said = count_said(stand, part)
    stand.wait_until(lambda: is_handed_over(stand, part, said), "all that was said by then to arrive", timeout_s=60)

    with stand.store.read() as session:
        alarms = session.exec(select(AlarmRecord).where(AlarmRecord.kind == "mark")).all()
        recordings = session.exec(select(Recording).where(Recording.kit_id == part.kit_id)).all()
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        positions = session.exec(select(Position).where(Position.kit_no == kit.kit_no)).all()
        others = session.exec(select(ReceivedItem).where(ReceivedItem.kit_no == kit.kit_no)).all()
        links = {
            recording.id: sorted(
                session.exec(select(ChainLink.seq).where(ChainLink.recording_id == recording.id)).all()
            )
            for recording in recordings
        }
    arrived = [alarm.alarm_id for alarm in alarms if alarm.alarm_id in pressed]
    assert sorted(arrived) == sorted(pressed), "every press arrived exactly once"
    # The kit counts all it says in one sequence: a hole in it would be something lost.
    # (The fix inside an alarm joins the trail under the alarm's own number.)
    seqs = {row.seq for row in positions} | {row.seq for row in others}
    assert sorted(seq for seq in seqs if seq <= said) == list(range(1, said + 1))
    assert len(recordings) >= 2, "the killed recorder began a new recording"
    for recording in recordings:
        assert links[recording.id] == list(range(len(links[recording.id]))), "the chain has no hole"
        assert recording.closed_ms is not None
        assert recording.stored_count == recording.segment_count
    assert any(recording.end_cause == "crash" for recording in recordings), "the kill is stated, not hidden"
    stand.end_child(part.kit_id)


def test_a_revoked_kit_is_cut_off_in_its_live_session(stand):
    part = make_part(stand, "dl-gone-01")
    stand.enrol_kit(part)
    stand.start_kit(part)
    stand.wait_until(lambda: is_connected(stand, part), "the kit to be connected")
    revoke = [script("zhixing-provision"), "revoke", part.kit_id, "--reason", "test", "--authority"]
    began = time.monotonic()
    done = subprocess.run([*revoke, str(stand.stage.authority_dir)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    stand.wait_until(lambda: not is_connected(stand, part), "the session to be cut", timeout_s=10)
    assert time.monotonic() - began < 10
    cut_ms, held = time.time_ns() // 1_000_000, count_held(stand, part)
    # A fix a second: it goes on for some seconds, tries again, is not heard, and what it says stays with it.
    stand.wait_until(lambda: count_held(stand, part) >= held + 5, "the kit to go on by itself", timeout_s=30)
    assert last_heard(stand, part) <= cut_ms
    stand.end_child(part.kit_id)


def test_the_demo_says_ready_and_ctrl_c_leaves_no_process(tmp_path):
    data = tmp_path / "demo"
    demo = subprocess.Popen(
        [script("zhixing-demo"), "--data", str(data), "run"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        lines = iter(demo.stdout.readline, "")
        ready = next(line for line in lines if line.startswith("ready:"))
        assert "http://localhost:" in ready
        told = [login for login in all_logins() if login.is_told]
        assert [next(lines).split()[0] for _ in told] == [login.login for login in told]
        assert {login.role for login in told} == set(ROLES)
        began = {process.pid for process in psutil.process_iter() if mentions(process, str(data))}
        assert len(began) >= 20, "authority, centre with six children, six kits with three each"
    finally:
        os.kill(demo.pid, signal.SIGINT)
        demo.communicate(timeout=30)
    assert [pid for pid in began if psutil.pid_exists(pid)] == []


def mentions(process, text):
    try:
        return any(text in word for word in process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def read_state(stand, part, key):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.state.get(key)


def press_when_there(stand, part, button):
    """Press as an officer does: again, when the kit did not answer because its panel was just being restarted."""
    answers = []

    def press():
        try:
            answers.append(stand.press(part.kit_id, button))
        except OSError:
            return False
        return True

    stand.wait_until(press, "the panel to answer", timeout_s=40)
    return answers[0].get("alarm_id")


def is_up(stand, child, word):
    try:
        return find_process(stand, child, word).is_running()
    except (LookupError, psutil.NoSuchProcess):
        return False


def is_recording(stand, part):
    return bool((read_state(stand, part, "recorder_status") or {}).get("recording"))


def is_connected(stand, part):
    return bool((read_state(stand, part, "link_status") or {}).get("connected"))


def is_drained(stand, part):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        waiting = [entry for entry in spool.outbox.pending(50) if entry.kind in ("alarm", "chain")]
        return not waiting and spool.vault.count_pending() == 0 and not is_recording(stand, part)


def count_said(stand, part):
    """How much the kit has said so far: the number of the newest in its one sequence."""
    with contextlib.closing(sqlite3.connect(stand.stage.kit_dir(part) / "spool.db")) as spool:
        return spool.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()[0]


def is_handed_over(stand, part, until):
    """Whether the kit holds nothing any more that it had said by then; it says more every second."""
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return all(entry.seq > until for entry in spool.outbox.pending(10_000))


def count_held(stand, part):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.outbox.count()


def last_heard(stand, part):
    from central.devices.models import KitState

    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        return session.get(KitState, kit.kit_no).last_heard_ms
