"""The process as the supervisor starts it: small, quiet about what it is asked, and gone when told."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from central.base import schema
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.courts import service as courts
from tests.central.api.conftest import add_account
from tests.fakes.ports import find_free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
MAX_RSS_BYTES = 160 * 1024 * 1024


@pytest.fixture
def process(tmp_path):
    port = find_free_port()
    config = tmp_path / "centre.toml"
    config.write_text(f'data_dir = "data"\nkeys_dir = "keys"\napi_port = {port}\n')
    options = Settings(data_dir=str(tmp_path / "data"))
    schema.migrate(options)
    store = open_store(options)
    with store.write() as uow:
        courts.seed_courts(uow)
    account = add_account(store, "court-system")
    store.close()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ZHIXING_")}
    child = subprocess.Popen(
        [sys.executable, "-m", "central.process", "api", "--config", str(config)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=account.headers, timeout=40)
    wait_until(lambda: answers(client), 30, "the interface")
    yield child, client
    client.close()
    if child.poll() is None:
        child.kill()
    child.communicate()


def answers(client):
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def rss_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.by_the_clock
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_ends_when_told_and_answers_those_who_wait(process, sign):
    child, client = process
    answer = []
    waiting = threading.Thread(target=lambda: answer.append(client.get("/changes", params={"wait": 30})))
    waiting.start()
    wait_until(lambda: client.get("/changes").status_code == 200, 10, "the interface beside a long poll")
    child.send_signal(sign)
    told = time.monotonic()
    output, _ = child.communicate(timeout=15)
    waiting.join(10)
    assert time.monotonic() - told < 8
    assert child.returncode == 0, output
    assert "Traceback" not in output
    assert [page.json()["items"] for page in answer] == [[]]


def test_stays_small_and_writes_no_requests_down(process):
    child, client = process
    for _ in range(20):
        assert client.get("/courts").status_code == 200
        client.get("/cases/（2026）云2901执123号")
    assert rss_of(child.pid) < MAX_RSS_BYTES
    child.terminate()
    output, _ = child.communicate(timeout=15)
    assert "/api/v1" not in output
