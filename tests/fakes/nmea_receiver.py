"""Stands in for a satellite receiver: a real gpsd takes its sentences over UDP."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta


def sentence(body: str) -> bytes:
    total = 0
    for char in body:
        total ^= ord(char)
    return f"${body}*{total:02X}\r\n".encode()


class Receiver:
    """Sends NMEA over UDP as a receiver would, a second of its own time at each call."""

    def __init__(self, port: int, begins: datetime) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", port)
        self.now = begins

    def tell(self, *, lat: str = "2536.0000", valid: bool = True, four_digits: bool = False) -> None:
        """One second's sentences; `four_digits`: also a ZDA with the whole year, which RMC has not."""
        self.now += timedelta(seconds=1)
        at, day = self.now.strftime("%H%M%S.00"), self.now.strftime("%d%m%y")
        state, quality = ("A", 1) if valid else ("V", 0)
        place = f"{lat},N,10015.6000,E" if valid else ",,,"
        whole = sentence(f"GPZDA,{at},{self.now:%d,%m,%Y},00,00") if four_digits else b""
        self._socket.sendto(
            whole
            + sentence(f"GPGGA,{at},{place},{quality},08,0.9,1990.5,M,0.0,M,,")
            + sentence(f"GPRMC,{at},{state},{place},1.0,90.0,{day},,,A"),
            self._to,
        )

    def close(self) -> None:
        self._socket.close()
