"""Network namespaces of the tests' own: a field, a zone, a court's closed network on one machine, as root.

Nothing touches the machine's own interfaces: every device is made inside a namespace and goes with it. A
namespace is named ``zx-<pid>-<label>``; what a killed run left behind is swept away by the next one.

    with Namespace("field") as field, Namespace("centre") as centre:
        wire = Wire(field, centre)                # a good cable; see bad_link.BadLink for a bad one
        field.popen(["ping", "-c1", wire.far])    # a process inside
        with centre.inside():                     # this thread, and what it starts, inside
            ...
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

FOLDER: Final = Path("/run/netns")
_PREFIX: Final = "zx"
_CLONE_NEWNET: Final = 0x40000000
_subnets = itertools.count()


def why_not() -> str:
    """Why this machine cannot make namespaces, with the remedy; "" when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root: run the tests as root to have the link tested"
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        return "the programs ip and nsenter are missing: apt-get install iproute2 util-linux"
    if not Path("/dev/net/tun").exists():
        return "the device /dev/net/tun is missing: modprobe tun"
    return ""


class Namespace:
    """A network namespace with its loopback up; leaving the `with` block ends all that runs inside."""

    def __init__(self, label: str) -> None:
        self.name = f"{_PREFIX}-{os.getpid()}-{label}"
        self.path = FOLDER / self.name

    def __enter__(self) -> Namespace:
        sweep()
        _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self.name)

    def ip(self, *words: str) -> str:
        """Run ``ip -n NAME words…``; what it printed."""
        return _ip("-n", self.name, *words)

    def popen(self, arguments: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start a process inside; its pid is the program's own."""
        command = ["nsenter", f"--net={self.path}", "--", *map(str, arguments)]
        return subprocess.Popen(command, **options)

    def run(self, arguments: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run a process inside to its end, as `subprocess.run` does."""
        return subprocess.run(["nsenter", f"--net={self.path}", "--", *map(str, arguments)], check=False, **options)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Put the calling thread inside: sockets it makes and processes it starts belong here.

        Other threads stay where they are; a thread started meanwhile starts inside and stays there.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                enter(there)
            finally:
                os.close(there)
            yield
        finally:
            enter(home)
            os.close(home)


class Wire:
    """A good cable (veth) between two namespaces: `near` and `far` are the addresses at its two ends."""

    def __init__(self, near: Namespace, far: Namespace) -> None:
        self.near, self.far, length = choose_addresses()
        self.near_device, self.far_device = free_device(near, "veth"), free_device(far, "veth")
        peer = ("peer", "name", self.far_device, "netns", far.name)
        near.ip("link", "add", "name", self.near_device, "type", "veth", *peer)
        for space, device, address in ((near, self.near_device, self.near), (far, self.far_device, self.far)):
            space.ip("address", "add", f"{address}/{length}", "dev", device)
            space.ip("link", "set", device, "up")


def enter(namespace_fd: int) -> None:
    """Put the calling thread into the network namespace of an open descriptor; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace_fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns failed")


def choose_addresses() -> tuple[str, str, int]:
    """Two addresses of a small subnet not used by this run yet, and its prefix length."""
    number = next(_subnets)
    base = f"10.77.{number // 64}"
    return f"{base}.{number % 64 * 4 + 1}", f"{base}.{number % 64 * 4 + 2}", 30


def free_device(space: Namespace, stem: str) -> str:
    """A device name not taken in `space`."""
    taken = space.ip("-o", "link", "show")
    return next(name for number in itertools.count() if f" {(name := f'{stem}{number}')}" not in taken)


def sweep() -> None:
    """Remove the namespaces of runs that no longer live."""
    for path in FOLDER.glob(f"{_PREFIX}-*-*") if FOLDER.exists() else ():
        owner = path.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _remove(path.name)


def _remove(name: str) -> None:
    """End what runs inside and delete the namespace; its devices go with it."""
    with contextlib.suppress(subprocess.CalledProcessError):
        for pid in _ip("netns", "pids", name).split():
            if int(pid) != os.getpid():  # a thread of ours that is still inside does not make us one of them
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        _ip("netns", "delete", name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, ["ip", *words], done.stdout, done.stderr)
    return done.stdout
