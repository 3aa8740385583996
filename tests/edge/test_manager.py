"""The real process table: starts, watches, restarts, and ends without leaving anyone behind."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edge.beats import BeatWatch
from edge.children import RESERVE_AFTER_S, Child
from edge.manager import PROCESSES, RESERVES, main
from edge.spool import SpoolError, open_spool
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_broker import find_free_port
from tests.waiting import wait_until

KIT = "dl-2901-01"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = SmallAuthority.found(tmp_path / "authority").enrol(KIT)
    path = folder / "kit.toml"
    path.write_text(
        f'[kit]\nid = "{KIT}"\nheartbeat_s = 1\n'
        f'[mqtt]\nhost = "localhost"\nport = {find_free_port()}\n'
        f'[door]\nurl = "https://localhost:{find_free_port()}"\n'
        '[position]\nsource = "none"\n[camera]\nwidth = 160\nheight = 120\nfps = 5\n'
    )
    return path


class Kit:
    def __init__(self, config: Path, *, stdin: int | None = None) -> None:
        command = [sys.executable, "-m", "edge.manager", "run", "--config", str(config)]
        self.process = subprocess.Popen(command, stdin=stdin)
        self.seen: set[psutil.Process] = set()

    def children(self) -> dict[str, psutil.Process]:
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                line = child.cmdline()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if RESERVES["recorder"] in line:
                self.seen.add(child)
            for name, module in PROCESSES.items():
                if module in line:
                    found[name] = child
                    self.seen.add(child)
        return found

    def wait_whole(self, *, without: int = 0) -> dict[str, psutil.Process]:
        def look() -> dict[str, psutil.Process] | None:
            found = self.children()
            whole = found.keys() == PROCESSES.keys() and without not in {child.pid for child in found.values()}
            return found if whole else None

        return wait_until(look, 30, "all processes run")

    def reserve(self) -> psutil.Process | None:
        """The recorder that waits for its turn, everything loaded."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if RESERVES["recorder"] in child.cmdline():
                    return child
        return None

    def left(self) -> list[psutil.Process]:
        return [child for child in self.seen if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def kit(config: Path) -> Iterator[Kit]:
    kit = Kit(config)
    yield kit
    if kit.process.poll() is None:
        kit.process.kill()
    kit.process.wait()
    wait_until(lambda: not kit.left(), 10)


def wait_beating(config: Path) -> None:
    for name in PROCESSES:
        path = config.parent / f"beat.{name}"
        wait_until(lambda path=path: path.exists() and path.read_text(), 30, f"{name} beats")


@pytest.mark.by_the_clock
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_all_within_five_seconds(kit: Kit, config: Path, number: signal.Signals) -> None:
    kit.wait_whole()
    wait_beating(config)
    began = time.monotonic()
    kit.process.send_signal(number)
    assert kit.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert kit.left() == []


@pytest.mark.by_the_clock
def test_ends_even_a_process_that_does_not_listen(kit: Kit, config: Path) -> None:
    children = kit.wait_whole()
    wait_beating(config)
    children["panel"].suspend()
    began = time.monotonic()
    kit.process.terminate()
    assert kit.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert kit.left() == []


def test_a_killed_manager_leaves_nobody(kit: Kit) -> None:
    kit.wait_whole()
    kit.process.kill()
    kit.process.wait()
    wait_until(lambda: not kit.left(), 5, "the kernel ends the children")


def test_a_dead_recorder_is_started_again_and_the_panel_never_notices(kit: Kit, config: Path) -> None:
    before = kit.wait_whole()
    wait_beating(config)
    before["recorder"].kill()
    after = kit.wait_whole(without=before["recorder"].pid)
    assert after["panel"].pid == before["panel"].pid
    with open_spool(config.parent / "spool.db") as spool:
        told = wait_until(lambda: spool.state.get("children"), 5)
    assert told["recorder"]["restarts"] == 1 and told["recorder"]["last"] == "ended with signal 9"


def test_the_recorder_in_reserve_takes_over_under_its_true_name_and_another_one_waits(kit: Kit, config: Path) -> None:
    before = kit.wait_whole()
    reserve = wait_until(kit.reserve, 30, "one in reserve")
    kit.children()
    before["recorder"].kill()
    after = kit.wait_whole(without=before["recorder"].pid)
    assert after["recorder"].pid == reserve.pid
    wait_until(lambda: (config.parent / "beat.recorder").read_text().startswith(f"{reserve.pid} "), 30)
    assert wait_until(kit.reserve, 30, "the next one").pid != reserve.pid
    kit.children()
    kit.process.kill()
    kit.process.wait()
    wait_until(lambda: not kit.left(), 5, "the kernel ends those in reserve, too")


def test_the_next_one_in_reserve_loads_at_once_after_a_take_over_and_after_a_start_from_nothing_later(
    config: Path,
) -> None:
    child = Child("recorder", PROCESSES["recorder"], BeatWatch(1.0), RESERVES["recorder"])
    try:
        child.start(config, keyboard=False)
        child.keep_reserve(config, child.started_s + 0.9 * RESERVE_AFTER_S)
        assert child.reserve is None, "five processes load at the kit's start"
        child.keep_reserve(config, child.started_s + RESERVE_AFTER_S)
        waiting = child.reserve
        assert waiting is not None
        child.kill()
        child.start(config, keyboard=False)
        assert child.process is waiting
        child.keep_reserve(config, child.started_s)
        assert child.reserve is not None and child.reserve is not waiting, "a second kill may be near"
    finally:
        child.dismiss_reserve()
        child.kill()


def test_a_damaged_spool_is_found_beside_the_running_kit(config: Path) -> None:
    with open_spool(config.parent / "spool.db") as spool:
        with spool.transaction():
            for _ in range(400):
                spool.outbox.append("position", b'{"pad":"%s"}' % (b"x" * 400))
        before = spool.id
    damage(config.parent / "spool.db")
    kit = Kit(config)
    try:
        wait_until(lambda: find_spool_id(config) not in ("", before), 60, "a new spool")
        kit.wait_whole()
        with open_spool(config.parent / "spool.db", check=False) as spool:
            assert spool.state.get("spool_set_aside")["carried"]["outbox"] > 100
    finally:
        kit.process.terminate()
        assert kit.process.wait(20) == 0


def damage(path: Path) -> None:
    """Bytes flip in a page that nobody needs at a start."""
    handle = os.open(path, os.O_WRONLY)
    os.pwrite(handle, b"\xa5" * 4096, path.stat().st_size // 2 // 4096 * 4096)
    os.close(handle)


def find_spool_id(config: Path) -> str:
    try:
        with open_spool(config.parent / "spool.db", check=False) as spool:
            return spool.id
    except (SpoolError, sqlite3.DatabaseError):
        return ""


def test_a_hung_process_is_killed_and_started_again(kit: Kit, config: Path) -> None:
    before = kit.wait_whole()
    wait_beating(config)
    with open_spool(config.parent / "spool.db") as spool, spool.transaction():
        before["control"].suspend()  # while it cannot hold the spool, for that would stop the others, too
    after = kit.wait_whole(without=before["control"].pid)
    assert after["recorder"].pid == before["recorder"].pid
    with open_spool(config.parent / "spool.db") as spool:
        told = wait_until(lambda: spool.state.get("children"), 5)
    assert "heartbeat stood still" in told["control"]["last"]


def test_keys_of_the_terminal_it_was_started_from_reach_the_panel(config: Path) -> None:
    config.write_text(config.read_text() + "[panel]\nkeyboard = true\n")
    terminal, inner = pty.openpty()
    kit = Kit(config, stdin=inner)
    try:
        kit.wait_whole()
        wait_beating(config)
        os.write(terminal, b"s")
        with open_spool(config.parent / "spool.db") as spool:
            wait_until(lambda: spool.outbox.count(["alarm"]) == 1, 10, "the SOS of the key")
        kit.process.terminate()
        assert kit.process.wait(10) == 0
        assert kit.left() == []
    finally:
        kit.process.kill()
        kit.process.wait()
        os.close(inner)
        os.close(terminal)


def test_only_one_kit_on_the_same_data(kit: Kit, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kit.wait_whole()
    assert main(["run", "--config", str(config)]) == 78
    assert "already running" in capsys.readouterr().err


def test_status_tells_what_is(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_spool(config.parent / "spool.db") as spool:
        spool.state.set("link_status", {"connected": False, "reason": "centre.example does not answer"})
        spool.state.set("children", {"recorder": {"restarts": 2, "last": "ended with code 75", "at_ms": 1}})
        spool.state.set("certificate", {"until_ms": 1_800_000_000_000, "trouble": "the authority does not answer"})
        spool.state.set("lost", {"step": "locked", "since_ms": 1, "by": "zhiban", "reason": "left in a taxi"})
        spool.outbox.append("position", b"{}")
    config.write_text(config.read_text().replace("heartbeat_s", 'court = "云2901"\nheartbeat_s'))
    assert main(["status", "--config", str(config)]) == 0
    told = capsys.readouterr().out
    assert "not connected: centre.example does not answer" in told
    assert "waiting messages  1" in told
    assert "云2901" in told
    assert "recorder 2 (ended with code 75)" in told
    assert "until 2027-01-15: the authority does not answer" in told
    assert "yes, locked: left in a taxi" in told


def test_wrong_settings_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kit.toml").write_text(
        "[kit]\nid = 'dl-2901-01'\n[camera]\nfsp = 3\n[mqtt]\nhost='h'\n[door]\nurl='https://h'\n"
    )
    for command in ("run", "status"):
        assert main([command, "--config", str(tmp_path / "kit.toml")]) == 78
        assert "did you mean 'fps'" in capsys.readouterr().err
