"""The API of a Janus gateway as the relay uses it: its streaming plugin over plain HTTP on this machine.

Source: Janus 1.x, "Janus HTTP REST API" and "Streaming plugin". Only the relay speaks it; browsers never do.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

PLUGIN: Final = "janus.plugin.streaming"
ANSWER_S: Final = 3.0
POLL_S: Final = 45.0
"""Janus answers a waiting request within 30 s."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class JanusError(Exception):
    """Janus cannot be reached or does not do what was asked; the text says which, in one line."""


class JanusApi:
    """One gateway. `secret` is both its `api_secret` and its streaming plugin's `admin_key`."""

    def __init__(self, url: str, secret: str) -> None:
        self.host = urlsplit(url).hostname or ""
        self._url, self._secret = url.rstrip("/"), secret
        self._client = httpx.AsyncClient(timeout=ANSWER_S, trust_env=False)

    async def close(self) -> None:
        """Let connections go."""
        await self._client.aclose()

    async def open(self) -> str:
        """Begin a session with a handle of the streaming plugin; "session/handle". Raises JanusError."""
        if self.host not in _LOOPBACK:
            raise JanusError("live_janus_url must be an address of this machine: pictures go there unencrypted")
        session = (await self.send("", {"janus": "create"}))["data"]["id"]
        handle = (await self.send(f"/{session}", {"janus": "attach", "plugin": PLUGIN}))["data"]["id"]
        return f"{session}/{handle}"

    async def end(self, place: str) -> None:
        """End a session; its viewer sees no more."""
        await self.send("/" + place.partition("/")[0], {"janus": "destroy"})

    async def create(self, place: str, wanted: dict[str, Any]) -> int:
        """Create a mountpoint; the UDP port that it takes RTP at."""
        asked = {"request": "create", "type": "rtp", "admin_key": self._secret, **wanted}
        done = await self.ask(place, asked)
        ports = done.get("stream", {}).get("ports", [])
        port = next((int(one["port"]) for one in ports if one.get("port")), 0)
        if not port:
            raise JanusError(f"no mountpoint was made: {done.get('error', done)}")
        return port

    async def ask(self, place: str, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        """A request of the plugin; its answer, {} for one that comes as an event later."""
        message = {"janus": "message", "body": body} | ({"jsep": jsep} if jsep else {})
        answer = await self.send(f"/{place}", message)
        data: dict[str, Any] = answer.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise JanusError(str(data["error"])[:200])
        return data

    async def send(self, path: str, message: dict[str, Any]) -> dict[str, Any]:
        """One request of the API; its answer."""
        told = message | {"transaction": secrets.token_hex(8), "apisecret": self._secret}
        return self._read(await self._reach(self._client.post(self._url + path, json=told)))

    async def events(self, place: str) -> AsyncIterator[dict[str, Any]]:
        """What happens to a session, as it happens; raises JanusError at its end."""
        address = f"{self._url}/{place.partition('/')[0]}"
        asked = {"maxev": "1", "apisecret": self._secret}
        while True:
            yield self._read(await self._reach(self._client.get(address, params=asked, timeout=POLL_S)))

    async def _reach(self, work: Any) -> httpx.Response:
        try:
            answer: httpx.Response = await work
        except (httpx.HTTPError, httpx.InvalidURL, asyncio.IncompleteReadError) as error:
            raise JanusError(f"Janus cannot be reached ({type(error).__name__})") from error
        return answer

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError as error:
            raise JanusError(f"Janus answers with no JSON (status {answer.status_code})") from error
        if not isinstance(found, dict):
            raise JanusError("Janus answers with no object")
        if found.get("janus") == "error":
            raise JanusError(str(found.get("error", {}).get("reason", "an error"))[:200])
        return found
