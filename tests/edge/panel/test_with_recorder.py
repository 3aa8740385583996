"""Panel and recorder as the two processes they are: an SOS is recorded under the id that the alarm names."""

import signal
import subprocess
import sys
import uuid

import psutil

from contract.messages import Alarm, decode
from edge.spool import open_spool, ring
from edge.spool.vault import ALARM
from tests.fakes.kit import make_kit
from tests.waiting import wait_until


def test_sos_and_its_recording(tmp_path):
    kit = make_kit(tmp_path, segments={"seconds": 1, "pre_event_s": 2})
    start = [sys.executable, "-m"]
    processes = [
        subprocess.Popen([*start, module, "--config", str(kit.config)])
        for module in ("edge.panel.main", "edge.recorder.main")
    ]
    with open_spool(kit.folder / "spool.db") as spool:
        try:
            spool.state.set("duty", True)
            wait_until(lambda: (spool.state.get("recorder_status") or {}).get("state") == "idle", 20)
            # A recorder that is being started anew does not swallow the press.
            processes[1].kill()
            processes[1].wait(5)
            told = press(spool, "sos")
            processes[1] = subprocess.Popen([*start, "edge.recorder.main", "--config", str(kit.config)])
            recording_id = told["recording_id"]
            wait_until(lambda: spool.vault.has_segment(recording_id, 2), 20)
            (alarm,) = [decode(entry.body, Alarm) for entry in spool.outbox.pending(9, ["alarm"])]
            assert (alarm.kind, alarm.recording_id) == ("sos", recording_id)
            opening = kit.read_chain(spool, recording_id)[0]
            assert opening.extra["alarm"] == alarm.alarm_id
            assert {row.priority for row in spool.vault.pending_segments(9)} == {ALARM}
            assert psutil.Process(processes[0].pid).memory_info().rss < 60 * 2**20
            # What an SOS started goes on until a person has it; then the officer may end it.
            spool.state.change("sos", lambda sos: {**sos, "acked": True})
            assert press(spool, "record", "off")["recording_wanted"] is False
            wait_until(lambda: kit.read_chain(spool, recording_id)[-1].cause == "officer", 10)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            codes = [process.wait(10) for process in processes]
    assert codes == [0, 0]


def press(spool, act, value=""):
    """As the officer's page does it."""
    key = uuid.uuid4().hex
    spool.presses.put(key, act, value)
    ring(spool.dir, "panel")
    return wait_until(lambda: spool.presses.find_answer(key), 20)
