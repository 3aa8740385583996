"""A kit of which recorder and live process really run, in a session that the test wrote into its spool."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contract.live import Type
from edge.settings import Settings, load_settings
from edge.spool import Spool, open_spool, ring
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_relay import Came

KIT = "dl-2901-01"
Start = Callable[[list[str]], "subprocess.Popen[bytes]"]


class LiveKit:
    """``start`` runs a command (in a namespace, where the test wants that)."""

    def __init__(
        self, authority: SmallAuthority, *, start: Start = subprocess.Popen, **tables: dict[str, Any]
    ) -> None:
        self.folder = authority.enrol(KIT)
        defaults: dict[str, dict[str, Any]] = {
            "kit": {"id": KIT},
            "mqtt": {"host": "127.0.0.1"},
            "door": {"url": "https://127.0.0.1:1"},
            "camera": {"width": 640, "height": 360, "fps": 25, "bitrate_bps": 600_000, "preset": "ultrafast"},
            "segments": {"post_event_s": 1.0},
            "storage": {"reserve_bytes": 1_000_000},
            "position": {"source": "none"},
        }
        merged = {name: {**defaults.get(name, {}), **tables.get(name, {})} for name in {**defaults, **tables}}
        lines = []
        for name, options in merged.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in options.items())]
        self.config.write_text("\n".join(lines) + "\n")
        self.spool: Spool = open_spool(self.settings.spool_path)
        self._start = start
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def config(self) -> Path:
        return self.folder / "kit.toml"

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def run(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"edge.{name}.main", "--config", str(self.config)]
        self.processes[name] = self._start(command)
        return self.processes[name]

    def begin(self, url: str, *, until_ms: int | None = None, **facts: Any) -> str:
        """Put the kit into one session alone, as the control process writes it down."""
        return self.begin_all(url, facts, until_ms=until_ms)[0]

    def begin_all(self, url: str, *sessions: dict[str, Any], until_ms: int | None = None) -> list[str]:
        """Put the kit into these sessions, and into no other."""
        entries = [self._describe(url, until_ms, facts) for facts in sessions]
        self.spool.state.set("live_sessions", entries)
        self.tell()
        return [entry["session"] for entry in entries]

    def _describe(self, url: str, until_ms: int | None, facts: dict[str, Any]) -> dict[str, Any]:
        session = secrets.token_hex(16)
        entry = {
            "session": session,
            "number": 1,
            "on_ms": time.time_ns() // 1_000_000,
            "until_ms": until_ms,
            "url": url,
        }
        return entry | {"by": "样本指挥", "court": "云29", "purpose": "远程指挥", "voice": "off", **facts}

    def end(self) -> None:
        self.spool.state.set("live_sessions", [])
        self.spool.state.set("recording_wanted", {"on": False, "cause": "live", "by": ""})
        self.tell()

    def tell(self) -> None:
        for who in ("live", "recorder"):
            ring(self.folder, who)

    def state(self, key: str) -> dict[str, Any]:
        value = self.spool.state.get(key)
        return value if isinstance(value, dict) else {}

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self.spool.close()


@contextmanager
def run_kit(authority: SmallAuthority, **options: Any) -> Iterator[LiveKit]:
    kit = LiveKit(authority, **options)
    try:
        yield kit
    finally:
        kit.close()


class Screen:
    """Decodes what came as a viewer would, with libav; gives the size of each picture."""

    def __init__(self) -> None:
        import av

        self._codec: Any = av.CodecContext.create("h264", "r")
        self._codec.thread_count = 1
        self._av = av

    def show(self, came: list[Came]) -> list[Any]:
        pictures = []
        for item in came:
            if item.frame.type is Type.VIDEO:
                pictures += self._codec.decode(self._av.Packet(bytes(item.frame.payload)))
        return [*pictures, *self._codec.decode(None)]


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
