"""The account of a link: every byte in one place, every idle second in one phase."""

from __future__ import annotations

from bench.link_ledger import Packet, write_ledger

NAMES = {1: "mqtt", 2: "door"}
SYN, ACK = 0x02, 0x10


def test_bytes_are_told_apart_and_idle_seconds_are_those_in_which_nothing_was_carried() -> None:
    packets = [
        Packet(9.0, True, 1, 40, 52, 0, 0, SYN),  # before the beginning
        Packet(10.5, True, 2, 50, 60, 0, 0, SYN),
        Packet(11.5, True, 2, 50, 1500, 1448, 1000, ACK),
        Packet(13.0, True, 2, 50, 1500, 1448, 2448, ACK),
        Packet(14.5, True, 2, 50, 1500, 1448, 1000, ACK),  # the first once more
        Packet(14.6, False, 2, 50, 52, 0, 0, ACK),
        Packet(14.7, True, 1, 40, 152, 100, 4_294_967_250, ACK),  # TCP's numbers wrap
        Packet(14.8, True, 1, 40, 152, 100, 54, ACK),
    ]
    told = write_ledger(packets, NAMES, bytes_s=1000.0, began_s=10.0, ended_s=15.0)
    door, mqtt = told["bytes"]["up door"], told["bytes"]["up mqtt"]
    assert (door["bytes"], door["content"], door["headers"]) == (4560, 2896, 104)
    assert (door["repeated"], door["bare"]) == (1500, 60)
    assert (mqtt["bytes"], mqtt["content"], mqtt["repeated"]) == (304, 200, 0)
    assert told["bytes"]["down door"]["bare"] == 52
    # 10.0 to 10.44 before the call; none from 10.5 to 11.5, where 1,500 bytes take longer than that.
    assert told["idle_s"] == {"before it flows": 0.44, "while it flows": 0.05, "at the end": 0.2}
    assert told["first_s"] == {"up door call": 0.5, "up door content": 1.5, "up mqtt content": 4.7}
