"""The process table with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from central.base.supervisor import Child, Supervisor
from tests.fakes.ports import find_free_port
from tests.waiting import wait_until, wait_until_async

STEADY = "import time\nprint('up', flush=True)\nwhile True: time.sleep(1)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
WITH_GRANDCHILD = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print('grandchild', child.pid, flush=True)\ntime.sleep(600)"
)


def child(name, code, **options):
    return Child(name, [sys.executable, "-c", code], **options)


def supervise(scenario, *children):
    """Run `scenario(supervisor, lines, ready)` beside a supervisor, then stop it; returns (lines, stop duration)."""

    async def run():
        lines: list[str] = []
        ready: list[float] = []
        supervisor = Supervisor(children, on_ready=lambda: ready.append(time.monotonic()), write=lines.append)
        task = asyncio.create_task(supervisor.run())
        try:
            await asyncio.wait_for(scenario(supervisor, lines, ready), 30)
        finally:
            began = time.monotonic()
            supervisor.stop()
            assert await task == 0
        return lines, time.monotonic() - began

    before = {process.pid for process in psutil.Process().children(recursive=True)}
    result = asyncio.run(run())
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    return result


def test_lines_bear_the_childs_name_and_the_dead_are_started_again():
    async def scenario(supervisor, lines, _ready):
        await wait_until_async(lambda: supervisor.restarts()["b"] >= 2)
        await wait_until_async(lambda: lines.count("[a] up") == 1)

    lines, _ = supervise(scenario, child("a", STEADY), child("b", "print('boom'); raise SystemExit(3)"))
    assert "[b] boom" in lines
    assert "[b] ended with status 3; starting it again in 0.5 s" in lines
    assert "[b] ended with status 3; starting it again in 1 s" in lines


def test_ready_only_when_every_port_listens():
    port = find_free_port()
    listener = textwrap.dedent(f"""
        import socket, sys, time
        print('starting', flush=True)
        sys.stdin.read()
        time.sleep(0.3)
        with socket.create_server(('127.0.0.1', {port})):
            print('listening', flush=True)
            time.sleep(600)
    """)

    async def scenario(_supervisor, lines, ready):
        await wait_until_async(lambda: "[b] starting" in lines)
        assert not ready
        await wait_until_async(lambda: ready)
        assert "[b] listening" in lines

    supervise(scenario, child("a", STEADY), child("b", listener, port=("127.0.0.1", port)))


@pytest.mark.by_the_clock
def test_a_deaf_child_is_killed_within_five_seconds():
    async def scenario(_supervisor, lines, _ready):
        await wait_until_async(lambda: "[deaf] up" in lines and "[broker] up" in lines)

    _, took_s = supervise(scenario, child("deaf", DEAF), child("broker", DEAF, last_to_stop=True))
    assert took_s < 5


@pytest.mark.by_the_clock
def test_what_a_child_started_goes_with_it():
    pids = []

    async def scenario(_supervisor, lines, _ready):
        await wait_until_async(lambda: lines)
        pids.append(int(lines[0].split()[-1]))

    _, took_s = supervise(scenario, child("a", WITH_GRANDCHILD))
    assert took_s < 2
    wait_until(lambda: not psutil.pid_exists(pids[0]) or psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE)


def test_a_child_is_started_again_though_its_own_child_lives():
    code = WITH_GRANDCHILD.removesuffix("time.sleep(600)") + "raise SystemExit(1)"

    async def scenario(supervisor, _lines, _ready):
        await wait_until_async(lambda: supervisor.restarts()["a"] >= 1)

    supervise(scenario, child("a", code))


def test_an_endless_line_is_dropped_and_the_next_is_read():
    async def scenario(_supervisor, lines, _ready):
        await wait_until_async(lambda: "[a] after" in lines)

    code = "import time\nprint('x' * 3_000_000)\nprint('after', flush=True)\ntime.sleep(600)"
    lines, _ = supervise(scenario, child("a", code))
    assert any("was dropped" in line for line in lines)


PARENT = """
import asyncio, os, sys
from central.base.supervisor import Child, Supervisor
code = (
    "import os, time\\n"
    "from central.base import lifeline\\n"
    "lifeline.die_with_parent()\\n"
    "print('child', os.getpid(), flush=True)\\n"
    "time.sleep(600)"
)
child = Child("a", [sys.executable, "-c", code])
asyncio.run(Supervisor([child], on_ready=lambda: None).run())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_child_outlives_its_supervisor(number):
    process = subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.PIPE, text=True)
    try:
        pid = int(process.stderr.readline().split()[-1])
        assert psutil.pid_exists(pid)
        os.kill(process.pid, number)
        assert process.wait(10) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    finally:
        process.kill()
        process.stderr.close()
