"""The one call of a NATS client that nudges need."""

from __future__ import annotations

from nats.errors import ConnectionClosedError


class PublishingClient:
    """Keeps what was published; raises as a closed connection does while `fails`."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.fails = False

    async def publish(self, subject: str, payload: bytes) -> None:
        """Keep or fail."""
        if self.fails:
            raise ConnectionClosedError
        self.published.append((subject, payload))
