"""A link that keeps what it is given; it can be told to be down."""

from __future__ import annotations

from contract import messages
from contract.packing import is_packed, unpack
from tests.fakes.small_centre import Heard


class RecordingLink:
    """Stands in for edge.uplink.link.Link where only publishing matters."""

    def __init__(self) -> None:
        self.up = True
        self.sent: list[Heard] = []
        self.beats = 0
        self.unacknowledged = 0
        self.round_trip: int | None = 40
        self.sizes: list[int] = []  # of what was taken, as it came
        self.packed = 0

    def publish(self, kind: str, payload: bytes, *, qos: int) -> bool:
        if self.up and not payload:
            self.beats += 1
        elif self.up:
            assert len(payload) <= messages.MAX_UP_BYTES
            self.sizes.append(len(payload))
            if is_packed(payload):
                self.packed += 1
                payload = unpack(payload, max_bytes=messages.MAX_UP_BYTES)
            self.sent.append(Heard(kind=kind, message=messages.decode_up(payload), qos=qos))
        return self.up

    def unacknowledged_bytes(self) -> int:
        return self.unacknowledged

    def round_trip_ms(self) -> int | None:
        return self.round_trip

    def take(self) -> list[Heard]:
        sent, self.sent = self.sent, []
        return sent
