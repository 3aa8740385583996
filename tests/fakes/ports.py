"""Ports nobody listens on."""

from __future__ import annotations

import socket


def find_free_port() -> int:
    """Return a port free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
