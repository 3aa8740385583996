"""The centre's figures as Prometheus reads them: parsed by its own parser, compared with what is so."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from central.base.settings import Settings, SettingsError, load_settings
from central.base.supervisor import Child, Supervisor
from central.devices import service as devices
from central.devices.rules import ItemKey
from central.evidence.models import ChainLink, Recording, SignerCertificate
from central.flows.sos import receive_alarm
from central.metrics.collector import CentreCollector
from central.metrics.processes import measure_processes
from central.metrics.server import MetricsServer
from central.metrics.serving import serve_metrics
from contract.chain import Kind
from contract.health import Health
from contract.messages import Alarm, Fix
from tests.fakes.ports import find_free_port
from tests.waiting import wait_until, wait_until_async

TOKEN = "specimen-token-of-metrics"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir()
    folders = {f"{name}_dir": str(tmp_path / name) for name in ("data", "keys", "handover")}
    return Settings(metrics_port=find_free_port(), **folders)


@pytest.fixture
def figures(settings, store):
    """Read the figures once: {(name, values of labels by their names): value}."""
    collector = CentreCollector(
        settings,
        store,
        list_pids=lambda: {"here": os.getpid()},
        list_restarts=lambda: {"intake": 2},
        version="0.3.0",
    )
    server = MetricsServer(settings, collector)
    server.start()
    yield lambda: parse(read(settings.metrics_port))
    server.stop()


def read(port, path="/metrics", token=""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def parse(text):
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in samples}
    assert len(found) == len(samples), "no figure is told twice"
    return found


def fill(store, kits, clock):
    now_ms = clock.now_ms()
    kit, other = kits["dl-2901-01"], kits["yb-2922-01"]
    report = Health(
        recording=True,
        duty=True,
        queue_outbox=3,
        queue_segments=14,
        free_bytes=5_000_000,
        vault_bytes=1,
        uptime_s=1,
        version="0.3.0",
        battery_pct=25,
        temp_c=51.5,
        note="样例警官甲在某地",
        warnings=["hot"],
    )
    with store.write() as uow:
        devices.record_health(uow, kit, report, at_ms=now_ms, received_ms=now_ms)
        devices.record_link(uow, kit, "up", at_ms=now_ms)
        devices.note_certificate_end(uow, "a1", now_ms + 1000)
        devices.put_directive(uow, other, kind="record_start", body={"cause": "样例事由"})
        devices.keep_aside(uow, kit_id=kit.kit_id, source="x", reason="unparsable", detail="", payload=b"?")
        for name, count in (
            ("total.fixes", 40),
            ("total.receipts", 41),
            ("total.answers.201", 7),
            ("door.revoked", 2),
        ):
            devices.add_to_counter(uow, name, count)
        alarm = Alarm(alarm_id="a" * 32, kind="sos", pressed_ms=now_ms, boot_ms=1, fix=Fix(lat=25.6, lon=100.2))
        key = ItemKey(kit.kit_no, 1, 1)
        receive_alarm(uow, kit, alarm, key=key, digest=bytes(8), at_ms=now_ms, received_ms=now_ms)
        add_recording(uow, kit, now_ms)


def add_recording(uow, kit, now_ms):
    uow.session.add(SignerCertificate(serial="a1", kit_no=kit.kit_no, chain_pem=b"x", first_ms=now_ms))
    uow.session.flush()
    rid = "b" * 32
    recording = Recording(
        id=rid, kit_no=kit.kit_no, kit_id=kit.kit_id, court_code=kit.court_code, serial="a1", chain_pem=b"x",
        received_ms=now_ms, last_ms=now_ms, started_ms=now_ms, head=bytes(32), segment_count=3, stored_count=1,
        stored_bytes=100,
    )  # fmt: skip
    uow.session.add(recording)
    uow.session.flush()
    for seq, kind, length in (
        (0, Kind.OPEN, 0),
        (1, Kind.SEGMENT, 100),
        (2, Kind.SEGMENT, 200),
        (3, Kind.SEGMENT, 300),
    ):
        link = ChainLink(
            recording_id=rid, seq=seq, kind=int(kind), body=b"", sig=b"", cipher_hash=b"", length=length,
            started_ms=1, duration_ms=1, monotonic_ms=1, cause="", received_ms=now_ms,
        )  # fmt: skip
        uow.session.add(link)


@pytest.mark.both_databases
def test_figures_are_what_is_so(store, kits, clock, figures, settings):
    fill(store, kits, clock)
    clock.advance(ms=5000)
    told = figures()
    wanted = {
        ("zhixing_build_info", "0.3.0"): 1,
        ("zhixing_database_up",): 1,
        ("zhixing_kits", "live"): 1,
        ("zhixing_kits", "dark"): 1,
        ("zhixing_kit_sessions",): 1,
        ("zhixing_kit_heard_age_seconds", "dl-2901-01"): 5,
        ("zhixing_kit_battery_ratio", "dl-2901-01"): 0.25,
        ("zhixing_kit_temperature_celsius", "dl-2901-01"): 51.5,
        ("zhixing_kit_waiting_segments", "dl-2901-01"): 14,
        ("zhixing_kit_free_bytes", "dl-2901-01"): 5_000_000,
        ("zhixing_kit_warning", "hot", "dl-2901-01"): 1,
        ("zhixing_kit_certificate_end_timestamp_seconds", "dl-2901-01"): (clock.now_ms() - 4000) / 1000,
        ("zhixing_sos_open", "unacknowledged"): 1,
        ("zhixing_sos_unacknowledged_age_seconds",): 5,
        ("zhixing_backlog_segments",): 2,
        ("zhixing_backlog_bytes",): 500,
        ("zhixing_backlog_age_seconds",): 5,
        ("zhixing_directives", "waiting"): 1,
        ("zhixing_intake_fixes_total",): 40,
        ("zhixing_intake_receipts_total",): 41,
        ("zhixing_door_answers_total", "201"): 7,
        ("zhixing_door_refusals_total", "revoked"): 2,
        ("zhixing_set_aside_total", "unparsable"): 1,
        ("zhixing_process_restarts_total", "intake"): 2,
    }
    assert {name: told.get(name) for name in wanted} == pytest.approx(wanted)
    assert ("zhixing_kit_battery_ratio", "yb-2922-01") not in told, "what nobody said is not told"
    assert told[("zhixing_database_bytes",)] > 100_000
    assert 0 <= told[("zhixing_database_write_wait_seconds",)] < 5
    assert told[("zhixing_process_resident_bytes", "here")] > 20_000_000
    assert told[("zhixing_process_cpu_seconds_total", "here")] > 0
    assert told[("zhixing_disk_free_bytes", "data")] > 0


def test_nobody_s_name_place_or_word_is_told(store, kits, clock, figures, settings):
    fill(store, kits, clock)
    text = read(settings.metrics_port) if figures else ""
    for word in ("样例", "云2901", "25.6", "100.2", "a" * 32, "b" * 32):
        assert word not in text


def test_a_database_that_does_not_answer_is_told_with_the_rest(store, kits, figures, monkeypatch):
    def fail():
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(store, "write", fail)
    told = figures()
    assert told[("zhixing_database_up",)] == 0 and told[("zhixing_disk_free_bytes", "data")] > 0
    assert ("zhixing_kits", "live") not in told


def test_the_wait_for_the_write_lock_is_measured(store, kits, figures):
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with store.write():
            held.set()
            let_go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    timer = threading.Timer(0.4, let_go.set)
    timer.start()
    told = figures()
    thread.join()
    assert told[("zhixing_database_write_wait_seconds",)] >= 0.2


def test_only_with_the_token(store, settings, tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    guarded = msgspec.structs.replace(settings, metrics_token_file=str(tmp_path / "token"))
    server = MetricsServer(guarded, CentreCollector(guarded, store))
    server.start()
    try:
        for token in ("", "specimen-token-of-metricS", TOKEN[:-1]):
            with pytest.raises(urllib.error.HTTPError) as refused:
                read(guarded.metrics_port, token=token)
            assert refused.value.code == 401
            refused.value.close()
        assert "zhixing_database_up 1.0" in read(guarded.metrics_port, token=TOKEN)
        with pytest.raises(urllib.error.HTTPError) as lost:
            read(guarded.metrics_port, "/", token=TOKEN)
        assert lost.value.code == 404
        lost.value.close()
    finally:
        server.stop()


def test_a_port_in_use_and_a_bad_token_are_said_at_the_start(store, settings, tmp_path):

    with (
        socket.create_server(("127.0.0.1", settings.metrics_port)),
        pytest.raises(SettingsError, match="metrics_port"),
    ):
        MetricsServer(settings, CentreCollector(settings, store))
    for content in (None, "short"):
        path = tmp_path / "bad"
        if content is not None:
            path.write_text(content)
        with pytest.raises(SettingsError, match="metrics_token_file"):
            MetricsServer(
                msgspec.structs.replace(settings, metrics_token_file=str(path)), CentreCollector(settings, store)
            )


def test_others_are_let_in_with_a_token_only(tmp_path):
    toml = tmp_path / "centre.toml"
    toml.write_text('metrics_port = 9464\nmetrics_host = "0.0.0.0"\n')
    with pytest.raises(SettingsError, match="metrics_token_file is missing"):
        load_settings(toml, {})
    toml.write_text('metrics_port = 9464\nmetrics_host = "0.0.0.0"\nmetrics_token_file = "token"\n')
    assert load_settings(toml, {}).metrics_token_file == str(tmp_path / "token")
    toml.write_text('metrics_port = 9464\nmetrics_host = "::1"\n')
    assert load_settings(toml, {}).metrics_port == 9464


@pytest.fixture
def group() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group and has a child, as the broker's has."""
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    yield process
    os.killpg(process.pid, 9)
    process.wait()


def test_children_count_with_their_leader(group):
    wait_until(lambda: len(members(group.pid)) == 2)
    together = measure_processes({"broker": group.pid})["broker"]
    assert together.resident_bytes > 10_000_000
    assert measure_processes({"gone": 2**22 + 1}) == {}


def members(pgid):
    return [path for path in Path("/proc").iterdir() if path.name.isdigit() and group_of(path) == pgid]


def group_of(path):
    try:
        return int((path / "stat").read_text().rpartition(") ")[2].split()[2])
    except OSError:
        return -1


def test_the_example_rules_name_figures_that_exist(store, kits, clock, figures, settings):
    fill(store, kits, clock)
    Path(settings.keys_dir).mkdir()
    told = {name[0] for name in figures()}
    rules = (Path(__file__).parents[3] / "docs" / "prometheus" / "zhixing.rules.yml").read_text()
    named = set(re.findall(r"\bzhixing_[a-z_]+", rules))
    assert len(named) > 8
    # Without a hand-over the door has no certificate yet.
    assert named - told == {"zhixing_certificate_end_timestamp_seconds"}


@pytest.mark.timeout(60)
def test_the_supervisor_s_processes_by_name(settings, tmp_path, store):
    """The real supervisor over two small processes, one of which is killed."""
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    supervisor = Supervisor([Child("one", program), Child("two", program)], on_ready=lambda: None)
    at_disk = msgspec.structs.replace(settings, database_url=str(store.engine.url))

    async def go() -> dict:
        running = asyncio.create_task(supervisor.run())
        with serve_metrics(at_disk, supervisor):
            await wait_until_async(lambda: len(supervisor.pids()) == 2)
            os.kill(supervisor.pids()["one"], 9)
            await wait_until_async(lambda: supervisor.restarts()["one"] == 1 and len(supervisor.pids()) == 2)
            told = parse(await asyncio.to_thread(read, at_disk.metrics_port))
        supervisor.stop()
        await running
        return told

    told = asyncio.run(go())
    assert told[("zhixing_process_restarts_total", "one")] == 1
    assert told[("zhixing_process_restarts_total", "two")] == 0
    for name in ("one", "two", "supervisor"):
        assert told[("zhixing_process_resident_bytes", name)] > 1_000_000
