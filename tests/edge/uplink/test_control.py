"""The control process as it runs on a kit, against a real broker over mutual TLS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from contract import messages, orders
from contract.health import Health
from edge.spool import Spool, ring
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_broker import SmallBroker, find_free_port
from tests.fakes.small_centre import SmallCentre
from tests.waiting import wait_until

KIT = "dl-2901-01"
TRACK = """<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="25.60" lon="100.26"><ele>1990</ele><time>2024-05-01T00:00:00Z</time></trkpt>
<trkpt lat="25.61" lon="100.27"><ele>1995</ele><time>2024-05-01T00:10:00Z</time></trkpt>
</trkseg></trk></gpx>"""


@pytest.fixture
def config(kit_dir: Path, broker: SmallBroker) -> Path:
    (kit_dir / "patrol.gpx").write_text(TRACK)
    path = kit_dir / "kit.toml"
    path.write_text(
        f'[kit]\nid = "{KIT}"\non_duty_at_start = true\nhealth_interval_s = 1\n'
        f'[mqtt]\nhost = "localhost"\nport = {broker.mqtt_port}\n'
        f'[door]\nurl = "https://localhost:{find_free_port()}"\n'
        '[position]\nsource = "track"\ntrack = "patrol.gpx"\ninterval_s = 0.2\n'
    )
    return path


@pytest.fixture
def centre(world: SmallAuthority, broker: SmallBroker) -> Iterator[SmallCentre]:
    centre = SmallCentre(broker.mqtt_port, world.enrol("centre"), KIT)
    yield centre
    centre.close()


@pytest.fixture
def control(config: Path, centre: SmallCentre, spool: Spool) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "edge.uplink.main", "--config", str(config)])
    yield process
    process.terminate()
    assert process.wait(10) == 0


def press_sos(spool: Spool, alarm_id: str) -> int:
    alarm = messages.Alarm(alarm_id=alarm_id, kind="sos", pressed_ms=time.time_ns() // 1_000_000)
    with spool.transaction():
        seq = spool.outbox.append("alarm", messages.encode(alarm), urgent=True)
        spool.state.set("sos", {"alarm_id": alarm_id, "pressed_ms": alarm.pressed_ms, "receipted": False})
    ring(spool.dir, "control")
    return seq


def test_says_hello_reports_position_and_health(
    control: subprocess.Popen[bytes], centre: SmallCentre, spool: Spool
) -> None:
    hello = messages.decode(centre.wait_for("hello")[0].message.items[0].body, messages.Hello)
    centre.wait_for("position", 3)
    centre.wait_for("health", 2)
    assert hello.have == 0
    fixes = centre.bodies("position", messages.Fix)
    assert all(25.6 <= fix.lat <= 25.61 and fix.source == "track" for fix in fixes)
    assert {heard.qos for heard in centre.find("position")} == {0}
    health = centre.bodies("health", Health)[-1]
    assert health.free_bytes > 0 and health.duty and health.gps == "replayed track"
    assert spool.state.get("link_status")["connected"] is True
    wait_until(lambda: spool.outbox.count() < 5, 10, "the receipts free the outbox")


def test_off_duty_keeps_its_position_to_itself(config: Path, centre: SmallCentre, spool: Spool) -> None:
    config.write_text(config.read_text().replace("on_duty_at_start = true", "on_duty_at_start = false"))
    process = subprocess.Popen([sys.executable, "-m", "edge.uplink.main", "--config", str(config)])
    try:
        centre.wait_for("health", 3)
        wait_until(lambda: spool.state.get("last_fix"), 5)
        assert centre.find("position") == []
        press_sos(spool, "a" * 32)
        centre.wait_for("position")
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_sos_repeats_until_receipt_and_acknowledgement(
    control: subprocess.Popen[bytes], centre: SmallCentre, spool: Spool
) -> None:
    centre.wait_for("hello")
    centre.receipting = False
    seq = press_sos(spool, "b" * 32)
    first = centre.wait_for("alarm")[0]
    assert first.seqs == [seq] and first.qos == 1
    centre.wait_for("alarm", 2)
    assert spool.outbox.is_pending(seq)
    centre.receipting = True
    centre.receipt(first)
    wait_until(lambda: spool.state.get("sos").get("receipted"), 5, "the officer feels the receipt")
    heard = len(centre.find("alarm"))
    centre.wait_for("alarm", heard + 1)
    ack = orders.SosAck(alarm_id="b" * 32, by="样例值班员甲", at_ms=1)
    centre.order(1, "sos_ack", ack, issued_ms=time.time_ns() // 1_000_000)
    wait_until(lambda: spool.state.get("sos").get("acked"), 5)
    assert spool.outbox.unsettled_sos() == []
    assert spool.state.get("sos")["acked_by"] == "样例值班员甲"
    assert [order.number for order in spool.inbox.unhandled("sos_ack")] == [1], "the panel makes it felt"
    centre.wait_for("receipt")
    assert centre.bodies("receipt", messages.CommandReceipt)[0].state == "received"


def test_record_order_reaches_the_recorder(
    control: subprocess.Popen[bytes], centre: SmallCentre, spool: Spool
) -> None:
    centre.wait_for("hello")
    now_ms = time.time_ns() // 1_000_000
    centre.order(1, "record_start", orders.RecordOrder(cause="围堵", by="样例指挥长甲"), issued_ms=now_ms)
    centre.order(2, "dance", orders.RecordOrder(cause="x"), issued_ms=now_ms)
    centre.order(3, "record_stop", orders.RecordOrder(cause="x"), issued_ms=now_ms, expires_ms=now_ms - 10**9)
    wait_until(lambda: spool.inbox.have() == 3 and not spool.inbox.unhandled(), 10)
    assert spool.state.get("recording_wanted") == {"on": True, "cause": "centre", "by": "样例指挥长甲"}
    told = wait_until(
        lambda: found if len(found := centre.bodies("receipt", messages.CommandReceipt)) >= 6 else None, 10
    )
    assert {(item.number, item.state) for item in told} == {
        (number, state)
        for number, last in ((1, "done"), (2, "failed"), (3, "failed"))
        for state in ("received", last)
    }


def test_everything_unreceipted_survives_a_dead_broker_and_kill_9(
    config: Path, centre: SmallCentre, spool: Spool, broker: SmallBroker, world: SmallAuthority
) -> None:
    process = subprocess.Popen([sys.executable, "-m", "edge.uplink.main", "--config", str(config)])
    centre.wait_for("position")
    broker.stop()
    centre.close()  # else it comes back, too, under the same name as the late one, and takes what that should hear
    wait_until(lambda: not spool.state.get("link_status")["connected"], 15)
    wait_until(lambda: spool.outbox.count() > 10, 15)
    process.send_signal(signal.SIGKILL)
    process.wait()
    waiting = {entry.seq for entry in spool.outbox.pending(10_000)}
    broker.start()
    late = SmallCentre(broker.mqtt_port, world.folder / "centre", KIT)
    process = subprocess.Popen([sys.executable, "-m", "edge.uplink.main", "--config", str(config)])
    try:
        wait_until(lambda: waiting <= {seq for heard in late.heard for seq in heard.seqs}, 30)
        wait_until(lambda: not waiting & {entry.seq for entry in spool.outbox.pending(10_000)}, 15)
        assert max(len(heard.seqs) for heard in late.find("position")) > 3, "what waited goes in batches"
    finally:
        process.terminate()
        assert process.wait(10) == 0
        late.close()


def test_memory_stays_within_its_budget(control: subprocess.Popen[bytes], centre: SmallCentre) -> None:
    centre.wait_for("position", 5)
    rss_mb = psutil.Process(control.pid).memory_info().rss / 1e6
    assert rss_mb <= 60, f"control holds {rss_mb:.1f} MB"


def test_ends_with_one_sentence_without_an_identity(config: Path, kit_dir: Path) -> None:
    (kit_dir / "device.crt").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "edge.uplink.main", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env={**os.environ},
    )
    assert done.returncode == 78
    assert "enrol this kit first" in done.stderr and "Traceback" not in done.stderr
