"""The page's process and the panel's, as they run on a kit, and the spool seen by another one."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys

import pytest

from edge.spool import open_spool
from tests.fakes.kit import make_kit
from tests.waiting import wait_until


class RunningScreen:
    def __init__(self, folder, *, panel=True):
        self.kit = make_kit(folder, panel={"withdraw_s": 10})
        self.processes = {}
        self.start("edge.screen.main")
        if panel:
            self.start("edge.panel.main")
        self.spool = open_spool(folder / "spool.db")
        self.address = self.find_address()
        if panel:
            wait_until((folder / "bell.panel").exists, 20, "the panel to hear its bell")

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def start(self, module):
        command = [sys.executable, "-m", module, "--config", str(self.kit.config)]
        self.processes[module] = subprocess.Popen(command)

    def find_address(self):
        path = self.kit.folder / "screen.address"
        return wait_until(lambda: path.exists() and path.read_text().strip(), 20)

    def kill(self, module):
        self.processes[module].kill()
        self.processes[module].wait(5)

    def ask(self, method, path, headers=None, body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        connection.putrequest(method, path, skip_host=True)
        told = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body)), **(headers or {})}
        for name, value in told.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def post(self, path, **facts):
        status, data = self.ask("POST", path, body=json.dumps(facts).encode())
        return status, json.loads(data)

    def state(self):
        status, data = self.ask("GET", "/state")
        assert status == 200
        return json.loads(data)

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        codes = [process.wait(10) for process in self.processes.values()]
        self.spool.close()
        return codes


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = RunningScreen(tmp_path_factory.mktemp("kit"))
    yield made
    assert made.close() == [0, 0]
