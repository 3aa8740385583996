"""A position source that gives what the test wrote down, and then the last of it again and again."""

from __future__ import annotations

from edge.uplink.gpsd_source import Reading


class ScriptedSource:
    """Implements edge.uplink.gpsd_source.PositionSource."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)
        self.closed = False

    def read(self) -> Reading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def close(self) -> None:
        self.closed = True
