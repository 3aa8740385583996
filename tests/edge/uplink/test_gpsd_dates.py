"""A real gpsd fed by receivers whose calendar is wrong: what the kit believes and what it states.

gpsd itself adds whole turns of 1024 weeks to what lies before its own making (3.22: a receiver of 1999 is heard as
2019, one of 2080 as 1999). What it cannot put right must not become satellite time at a kit.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from contract import messages
from contract.messages import TIME_SUSPECTS, Fix
from edge.options import ClockSettings, StorageSettings
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool
from edge.spool.gps_time import find_gps_ms
from edge.spool.store import read_boot_ms
from edge.uplink.clock_watch import ClockWatch
from edge.uplink.gpsd_source import GpsdSource
from edge.uplink.position import PositionReporter
from tests.fakes.nmea_receiver import Receiver
from tests.fakes.small_broker import find_free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.system
GPSD = "/usr/sbin/gpsd"
TURN = timedelta(weeks=1024)
RIGHT_MS = 3_000


class Field:
    """A kit's position thread on a real gpsd; the receiver's calendar is off by `shift`, its seconds are right."""

    def __init__(self, spool: Spool, port: int, nmea_port: int, shift: timedelta) -> None:
        self.spool, self.shift = spool, shift
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        self.time = TrustedTime(now_ms - 86_400_000)
        self.time.learn_now(now_ms)
        self.watch = ClockWatch(
            spool, self.time, ClockSettings(), read_os_clock=lambda: None, read_battery_clock=lambda: None
        )
        self.receiver = Receiver(nmea_port, self._calendar())
        self.source = GpsdSource("127.0.0.1", port, timeout_s=1.0)
        self.reporter = PositionReporter(spool, self.source, self.time, StorageSettings(), self.watch)

    def _calendar(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) + self.shift

    def step(self) -> list[Fix]:
        """A sentence whenever the second turns; all fixes reported so far."""
        if self._calendar() > self.receiver.now:
            self.receiver.now = self._calendar() - timedelta(seconds=1)
            self.receiver.tell(four_digits=True)
        self.reporter.turn()
        return [messages.decode(entry.body, Fix) for entry in self.spool.outbox.pending(99, ("position",))]

    def close(self) -> None:
        self.receiver.close()
        self.source.close()


@pytest.fixture
def gpsd_ports() -> Iterator[tuple[int, int]]:
    port, nmea_port = find_free_port(), find_free_port()
    process = subprocess.Popen([GPSD, "-N", "-n", "-S", str(port), f"udp://127.0.0.1:{nmea_port}"])
    yield port, nmea_port
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "shift",
    [timedelta(), -TURN, datetime(1999, 8, 22, tzinfo=UTC) - datetime.now(UTC), timedelta(days=53 * 365)],
    ids=["right", "one turn behind", "of 1999", "of 2080"],
)
def test_a_wrong_calendar_never_becomes_satellite_time(
    spool: Spool, gpsd_ports: tuple[int, int], shift: timedelta
) -> None:
    spool.state.set("duty", True)
    field = Field(spool, *gpsd_ports, shift)
    try:
        fix = wait_until(field.step, 30, "a fix from gpsd")[-1]
        belief = field.watch.turn()
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        told_ms = find_gps_ms(spool, read_boot_ms())
    finally:
        field.close()
    assert belief is not None and belief.source == "centre"
    is_right = fix.fix_ms is not None and abs(fix.fix_ms - now_ms) <= RIGHT_MS
    assert is_right or abs(shift) > TURN, "gpsd puts one turn right by itself, and the right time stays right"
    assert fix.suspect == "" if is_right else fix.suspect in TIME_SUSPECTS
    assert [dispute.source for dispute in belief.disputes] == ([] if is_right else ["gps"])
    assert told_ms is None or abs(told_ms - now_ms) <= RIGHT_MS
    assert (told_ms is not None) == is_right
