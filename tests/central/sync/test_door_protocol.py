"""Nobody holds a connection of the devices' door for nothing: a real server, connections that say little."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from central.sync.door_protocol import TimedProtocol
from tests.fakes.small_broker import find_free_port
from tests.waiting import wait_until


class Hasty(TimedProtocol):
    head_s = 0.6
    rest_s = 0.6


came: dict[str, int] = {}


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Refuses at once below /refuse, else takes the body, and tells how long it was; below /late not at once."""
    length = 0
    if scope["path"].startswith("/late"):
        await asyncio.sleep(0.5)
    while scope["path"] != "/refuse":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        came[scope["path"]] = length
        if not message.get("more_body"):
            break
    told = str(length).encode()
    head = {"status": 200, "headers": [(b"content-length", str(len(told)).encode())]}
    await send({"type": "http.response.start", **head})
    await send({"type": "http.response.body", "body": told})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = find_free_port()
    config = uvicorn.Config(answer, port=port, http=Hasty, log_config=None, lifespan="off", timeout_keep_alive=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, 10)
    yield port
    server.should_exit = True
    thread.join(10)


def dribble(connection: socket.socket, text: bytes, *, every_s: float = 0.1, for_s: float = 4.0) -> float:
    """Send a byte now and then; seconds until the server closed, or `for_s`."""
    began_s = time.monotonic()
    connection.settimeout(every_s)
    while (took_s := time.monotonic() - began_s) < for_s:
        try:
            connection.sendall(text[:1])
            text = text[1:] or b"x"
            while connection.recv(4096):
                pass
            return took_s
        except TimeoutError:
            continue
        except OSError:
            return took_s
    return for_s


@pytest.mark.by_the_clock
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b""),
        (b"", b"GET / HTTP/1.1\r\nX: " + b"y" * 200),
        (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 200),
        (b"POST /refuse HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", b"z" * 200),
    ],
    ids=["silence", "a slow head", "a slow second head", "a body nobody wants"],
)
def test_who_says_little_is_let_go(port: int, first: bytes, then: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(first)
        if then:
            took_s = dribble(connection, then)
        else:
            began_s = time.monotonic()
            connection.settimeout(4)
            assert connection.recv(1) == b""
            took_s = time.monotonic() - began_s
        assert took_s < 2


def test_a_slow_body_that_is_wanted_is_waited_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        connection.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            time.sleep(0.12)  # longer together than a head may take
            connection.sendall(b"z")
        assert connection.recv(4096).endswith(b"\r\n\r\n12")
        # A refusal with a body that comes to its end leaves the connection as good as before.
        connection.sendall(b"PUT /refuse HTTP/1.1\r\nContent-Length: 3\r\n\r\nz")
        assert connection.recv(4096).endswith(b"0")
        connection.sendall(b"zz")
        time.sleep(0.9)
        connection.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\nz")
        assert connection.recv(4096).endswith(b"1")


def test_requests_sent_ahead_are_answered_in_their_order(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        connection.sendall(
            b"".join(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % n + b"z" * n for n in (5, 0, 3, 70_000, 1))
        )
        told = b""
        while told.count(b"HTTP/1.1 200") < 5 or not told.endswith(b"\r\n\r\n1"):
            told += connection.recv(4096)
        assert [part.rsplit(b"\r\n\r\n", 1)[-1] for part in told.split(b"HTTP/1.1 ")[1:]] == [
            b"5", b"0", b"3", b"70000", b"1",
        ]  # fmt: skip


@pytest.mark.parametrize("is_told", [True, False], ids=["reset", "ended"])
@pytest.mark.parametrize("length", [50_000, 60_000])
def test_what_came_of_a_body_before_its_connection_broke_is_given_all_the_same(
    port: int, is_told: bool, length: int
) -> None:
    """The route was still looking who sends it; what a bad link had brought so far is not to be brought again."""
    path = f"/late/{is_told}/{length}"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        if is_told:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"PUT {path} HTTP/1.1\r\nContent-Length: 60000\r\n\r\n".encode() + b"z" * length)
        time.sleep(0.1)
    wait_until(lambda: came.get(path) == length, 5)
