"""A real OpenID Connect provider in a process of its own; whoever is named to it is let through."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.fakes.ports import find_free_port
from tests.waiting import wait_until


class SmallDirectory:
    """Use with `with`; `issuer` is its address. `people` are claims, each with `sub`."""

    def __init__(self, people: Sequence[Mapping[str, Any]]) -> None:
        self._port = find_free_port()
        self._people = people
        self.issuer = f"http://localhost:{self._port}"

    def __enter__(self) -> SmallDirectory:
        claims = [word for person in self._people for word in ("--user-claims", json.dumps(person))]
        command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--require-nonce", "true"]
        self._process = subprocess.Popen(
            [*command, "--host", "localhost", "--port", str(self._port), *claims],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._is_open, 30, "the directory listens")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)

    def _is_open(self) -> bool:
        assert self._process.poll() is None, "the directory has ended"
        try:
            socket.create_connection(("localhost", self._port), 0.2).close()
        except OSError:
            return False
        return True

    def let_through(self, url: str, sub: str) -> dict[str, str]:
        """Be the person at the directory's page: choose who one is; returns what the browser brings back."""
        with httpx.Client(timeout=60) as browser:
            answer = browser.post(url, data={"sub": sub})
        assert answer.status_code == 302, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
