"""A bad link between two namespaces: delay, jitter, loss, rate, queue, darkness, flapping, changed while it runs.

The link is a process of its own (`tests/network/link_process.py`) that carries packets between two TUN devices;
this machine class has no netem. It ends with the `with` block, and when its starter is killed.

    with BadLink(field, centre, LinkShape(delay_ms=150, loss=0.3, kbit_s=64, queue_kb=16)) as link:
        ...connect from `field` to link.far...
        link.cut(); link.mend(); link.flap(10.0); link.shape(LinkShape()); link.counters()
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.network.namespaces import Namespace, choose_addresses, free_device

_PROGRAM = Path(__file__).with_name("link_process.py")


@dataclass(frozen=True)
class LinkShape:
    """One direction: delay and jitter in ms (order is kept), `loss` 0 to 1, rate in kbit/s (0: none), queue in kB.

    The rate counts IP packets, headers included; the queue holds what waits for the rate, what is delayed not.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    kbit_s: float = 0.0
    queue_kb: float = 32.0


@dataclass(frozen=True)
class Counters:
    """One direction so far: bytes and packets that came in, bytes carried over, packets lost by each cause."""

    packets: int
    bytes: int
    carried_bytes: int
    lost: int
    overflowed: int
    darkened: int


class BadLink:
    """Joins `near` and `far`; `up` is from near to far. `near` and `far` become the addresses at the ends.

    Without `down` both directions have one shape. Raises RuntimeError when the link cannot be made.
    """

    def __init__(
        self, near: Namespace, far: Namespace, up: LinkShape | None = None, down: LinkShape | None = None
    ) -> None:
        self.near, self.far, length = choose_addresses()
        self.near_device, self.far_device = free_device(near, "bad"), free_device(far, "bad")
        self._lock = threading.Lock()
        ends = [f"{near.path}:{self.near_device}", f"{far.path}:{self.far_device}"]
        self._process = subprocess.Popen(
            [sys.executable, "-S", str(_PROGRAM), *ends], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()
        for space, device, address in ((near, self.near_device, self.near), (far, self.far_device, self.far)):
            space.ip("address", "add", f"{address}/{length}", "dev", device)
            space.ip("link", "set", device, "txqueuelen", "10000", "up")  # what is lost is lost by the shape
        self.shape(up or LinkShape(), down)

    def __enter__(self) -> BadLink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def shape(self, up: LinkShape, down: LinkShape | None = None) -> None:
        """Give the link another shape; what is under way keeps its time."""
        self._ask(up=asdict(up), down=asdict(down or up))

    def cut(self) -> None:
        """Darkness: nothing passes and nobody is told; what was under way is gone."""
        self._ask(dark=True, flap_s=0.0)

    def mend(self) -> None:
        """Light again; also ends flapping."""
        self._ask(dark=False, flap_s=0.0)

    def flap(self, every_s: float) -> None:
        """Light and darkness by turns, `every_s` each, beginning with darkness, until `mend` or `cut`."""
        self._ask(flap_s=every_s)

    @contextlib.contextmanager
    def capturing(self, file: Path) -> Iterator[None]:
        """Meanwhile the heads of all packets carried go to a file as tcpdump reads it; see link_process."""
        self._ask(capture=str(file))
        try:
            yield
        finally:
            self._ask(capture="")

    def is_dark(self) -> bool:
        """Whether nothing passes just now."""
        return bool(self._ask()["dark"])

    def counters(self) -> tuple[Counters, Counters]:
        """What passed so far, up and down."""
        told = self._ask()
        return Counters(**told["up"]), Counters(**told["down"])

    def close(self) -> None:
        """End the link; its devices vanish."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ask(self, **changes: Any) -> dict[str, Any]:
        with self._lock:
            if self._process.stdin is None:
                raise RuntimeError("the link has no standard input")
            self._process.stdin.write(json.dumps(changes) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"the link's process ended with code {self._process.wait(5)}; its error stands above")
        told: dict[str, Any] = json.loads(line)
        return told
