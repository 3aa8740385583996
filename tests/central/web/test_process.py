"""The pages' process as the supervisor starts it: it answers without a broker, and ends when told."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from central.base import schema
from central.base.settings import Settings
from tests.central.web.conftest import HTML
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def process(tmp_path):
    web, nats = free_port(), free_port()
    config = tmp_path / "centre.toml"
    config.write_text(f'data_dir = "data"\nkeys_dir = "keys"\nweb_port = {web}\nnats_port = {nats}\n')
    schema.migrate(Settings(data_dir=str(tmp_path / "data")))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ZHIXING_")}
    child = subprocess.Popen(
        [sys.executable, "-m", "central.process", "web", "--config", str(config)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    yield child, f"http://127.0.0.1:{web}"
    if child.poll() is None:
        child.kill()
    child.communicate()


def answers(address):
    try:
        return httpx.get(f"{address}/login", headers=HTML).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.by_the_clock
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_serves_without_broker_and_ends_cleanly(process, sign):
    child, address = process
    wait_until(lambda: answers(address), 60, "the pages")
    child.send_signal(sign)
    told = time.monotonic()
    output, _ = child.communicate(timeout=10)
    assert time.monotonic() - told < 5
    assert child.returncode == 0, output
    assert "Traceback" not in output
    assert output.count("The broker cannot be reached yet") == 1
