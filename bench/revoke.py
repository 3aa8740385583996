"""revoke_ms: from `zhixing-provision revoke` having returned to the last of session, door and reconnection refusing.

The fleet is ``_FLEET`` kits large and reports positions meanwhile; every trial revokes another kit, once with the
database free and once with its write lock held by somebody else.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.intake import end_load, go, start_load
from bench.load import LoadKit, Plan
from bench.report import percentile, report
from bench.stand import make_kits, open_stand
from central.base.settings import load_settings
from contract import door_auth
from demo.children import script
from demo.stand import Stand
from edge.options import DoorSettings
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.uplink.door import Door

_FLEET: Final = 200
_TRIALS: Final = 10
_RATE: Final = 200.0
_LIMIT_S: Final = 10.0


def measure() -> None:
    """Print the figure."""
    with open_stand() as stand:
        folder = stand.stage.folder / "load"
        kits = make_kits(stand, _FLEET, folder)
        stand.start_services()
        stand.wait_until(lambda: _lets_in(stand, folder, kits[-1]), "the kits to be let in")
        victims, others = kits[:_TRIALS], kits[_TRIALS:-1]
        load = go(start_load(stand, folder, others, _RATE, seconds=_TRIALS * 4.0 + 10))
        found = []
        for number, kit_id in enumerate(victims):
            found.append(_revoke(stand, folder, kit_id, is_held=bool(number % 2)))
        result = end_load(load)
    worst = [max(times.values()) for times in found]
    detail: dict[str, Any] = {
        "trials": len(worst),
        "p50_ms": round(percentile(worst, 0.5), 1),
        "session_max_ms": round(max(times["session"] for times in found), 1),
        "door_max_ms": round(max(times["door"] for times in found), 1),
        "reconnect_max_ms": round(max(times["reconnect"] for times in found), 1),
        "fleet": _FLEET,
        "load": f"{result.reached_rate:.0f} fixes/s",
        "how": "command line returned to cut MQTT session, 403 at the door and refused reconnection; every other "
        "trial with the database's write lock held",
    }
    report("revoke_ms", max(worst), "ms", **detail)


def _revoke(stand: Stand, folder: Path, kit_id: str, *, is_held: bool) -> dict[str, float]:
    """Milliseconds from the command's end until each way in was shut; 0 when it was shut before."""
    session, door = _connect(stand, folder, kit_id), _open_door(stand, folder, kit_id)
    if door.get("/v1/trust").status != 200:
        raise RuntimeError(f"the door did not let {kit_id} in before it was revoked")
    with _held(stand) if is_held else contextlib.nullcontext():
        return _time_revocation(stand, folder, session, door)


def _time_revocation(stand: Stand, folder: Path, session: LoadKit, door: Door) -> dict[str, float]:
    kit_id, shut = session.kit_id, dict[str, float]()
    stopping = threading.Event()
    watchers = [
        threading.Thread(target=_watch_session, args=(session, shut)),
        threading.Thread(target=_watch_door, args=(door, shut, stopping)),
    ]
    for watcher in watchers:
        watcher.start()
    command = [script("zhixing-provision"), "revoke", kit_id, "--reason", "bench", "--authority"]
    subprocess.run([*command, str(stand.stage.authority_dir)], check=True, capture_output=True)
    done = time.monotonic()
    while _lets_in(stand, folder, kit_id):
        if time.monotonic() - done > _LIMIT_S:
            raise RuntimeError(f"{kit_id} was still let in {_LIMIT_S:.0f} s after it was revoked")
    shut["reconnect"] = time.monotonic()
    for watcher in watchers:
        watcher.join(_LIMIT_S)
    stopping.set()
    if shut.keys() != {"session", "door", "reconnect"}:
        raise RuntimeError(f"{kit_id} was revoked, but only {sorted(shut)} shut it out")
    return {name: max(0.0, moment - done) * 1000 for name, moment in shut.items()}


def _watch_session(session: LoadKit, shut: dict[str, float]) -> None:
    session.socket.settimeout(_LIMIT_S * 2)
    with contextlib.closing(session.socket):
        try:
            while session.socket.recv(4096):
                continue
        except TimeoutError:
            return
        except OSError:  # reset is as good an end as any
            pass
    shut["session"] = time.monotonic()


def _watch_door(door: Door, shut: dict[str, float], stopping: threading.Event) -> None:
    while not stopping.is_set():
        answer = door.get("/v1/trust")
        if answer.status == 403 and answer.problem == door_auth.REVOKED:
            shut["door"] = time.monotonic()
            break
        stopping.wait(0.01)
    door.close()


def _connect(stand: Stand, folder: Path, kit_id: str) -> LoadKit:
    plan = Plan(host="127.0.0.1", port=stand.ports.mqtt, folder=str(folder), kits=[kit_id], rate=1, seconds=1)
    return LoadKit(plan, 0)


def _lets_in(stand: Stand, folder: Path, kit_id: str) -> bool:
    try:
        _connect(stand, folder, kit_id).socket.close()
    except OSError:
        return False
    return True


def _open_door(stand: Stand, folder: Path, kit_id: str) -> Door:
    home = folder / kit_id
    home.mkdir()
    for name, source in (("device.crt", f"{kit_id}.crt"), ("device.key", f"{kit_id}.key"), ("root.crt", "root.crt")):
        (home / name).symlink_to(folder / source)
    identity = Identity(home)
    return Door(DoorSettings(url=f"https://127.0.0.1:{stand.ports.door}"), identity, TrustedTime(identity.floor_ms()))


@contextlib.contextmanager
def _held(stand: Stand) -> Iterator[None]:
    """Somebody else has the database's write lock."""
    path = Path(load_settings(stand.stage.centre_config, environ={}).data_dir) / "centre.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
