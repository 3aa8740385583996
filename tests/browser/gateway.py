"""A real Janus gateway as a process of the test's own: its configuration, ports and secret; on loopback alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.central.sync.conftest import free_port

SECRET: Final = "specimen-gateway-secret"
CORE: Final = """general: {{
  configs_folder = "{folder}"
  api_secret = "{secret}"
  debug_level = 4
}}
nat: {{ ice_enforce_list = "lo,127.0.0.1" }}
media: {{ ipv6 = false }}
plugins: {{ disable = "{others}" }}
transports: {{ disable = "{transports}" }}
"""
OTHERS: Final = [
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "textroom",
    "videocall",
    "videoroom",
    "voicemail",
]
TRANSPORTS: Final = ["mqtt", "nanomsg", "pfunix", "rabbitmq", "websockets"]


class Gateway:
    """`start` it, `kill` it; its API at `url`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}/janus"
        self.secret_file = folder / "secret"
        self.secret_file.write_text(SECRET)
        named = [",".join(f"libjanus_{name}.so" for name in names) for names in (OTHERS, TRANSPORTS)]
        core = CORE.format(folder=folder, secret=SECRET, others=named[0], transports=named[1])
        (folder / "janus.jcfg").write_text(core)
        (folder / "janus.plugin.streaming.jcfg").write_text(f'general: {{ admin_key = "{SECRET}" }}\n')
        http = f'general: {{ http = true\n port = {self.port}\n ip = "127.0.0.1"\n https = false }}\n'
        (folder / "janus.transport.http.jcfg").write_text(http + "admin: { admin_http = false }\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["janus", "-F", str(self._folder), "-C", str(self._folder / "janus.jcfg")]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None
