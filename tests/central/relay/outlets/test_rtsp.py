"""The outlet answered by a real client (FFmpeg's, through PyAV), and by people who mean it badly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import av
import numpy as np
import pytest

from central.relay.outlets import rtsp
from central.relay.outlets.digest import hash_secret
from central.relay.outlets.rtsp import Opening, RtspOutlet
from tests.fakes.pictures import HEIGHT, WIDTH, FilmedPictures

GRANT, PASSWORD = "g1", "p4ss"
PATIENCE_S = 30


class Stand:
    """An outlet over filmed pictures, with one grant."""

    def __init__(self, codec: str = "avc1.42C01E") -> None:
        self.pictures = FilmedPictures(codec=codec)
        secret = hash_secret(GRANT, PASSWORD)
        self.grants = {GRANT: Opening(GRANT, self.pictures.session_id, "dl-2901-01", 0, "会议系统", secret)}
        self.outlet = RtspOutlet(self.pictures, self._find, self._still_open)

    async def _find(self, grant_id: str) -> Opening | None:
        return self.grants.get(grant_id)

    async def _still_open(self, ids: Any) -> set[str]:
        return set(ids) & set(self.grants)

    def url(self, password: str = PASSWORD, grant: str = GRANT) -> str:
        return f"rtsp://{grant}:{password}@127.0.0.1:{self.outlet.port}/{grant}"


@contextlib.asynccontextmanager
async def standing(**options: Any) -> AsyncIterator[Stand]:
    stand = Stand(**options)
    await stand.outlet.start("127.0.0.1", 0)
    filming = asyncio.create_task(stand.pictures.run())
    try:
        yield stand
    finally:
        filming.cancel()
        await stand.outlet.close()


def run(test: Callable[[Stand], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with standing(**options) as stand, asyncio.timeout(PATIENCE_S * 2):
            await test(stand)

    asyncio.run(main())


def look(url: str, count: int, transport: str = "tcp") -> list[np.ndarray]:
    """Decode `count` pictures of an address as any FFmpeg-based system does."""
    options = {"rtsp_transport": transport, "fflags": "nobuffer"}
    with av.open(url, options=options, timeout=PATIENCE_S) as taken:
        seen = []
        for picture in taken.decode(video=0):
            seen.append(picture.to_ndarray(format="gray"))
            if len(seen) == count:
                break
        return seen


def look_until_cut(url: str, seen: list[float], now: Callable[[], float]) -> None:
    """Decode until the other side ends it, noting when each picture came."""
    with contextlib.suppress(av.error.FFmpegError), av.open(url, options={"rtsp_transport": "tcp"}) as taken:
        for _ in taken.decode(video=0):
            seen.append(now())


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.02)


def test_a_real_client_sees_the_picture_move() -> None:
    async def test(stand: Stand) -> None:
        seen = await asyncio.to_thread(look, stand.url(), 12)
        assert seen[0].shape == (HEIGHT, WIDTH)
        first, last = (int(np.argmax(picture[HEIGHT // 2] > 200)) for picture in (seen[0], seen[-1]))
        assert last - first == pytest.approx(11 * 6, abs=6)
        await eventually(lambda: not stand.pictures.takers)  # nobody looks: nobody is sent to

    run(test)


def test_the_relay_is_told_who_takes_it() -> None:
    async def test(stand: Stand) -> None:
        looking = asyncio.create_task(asyncio.to_thread(look, stand.url(), 30))
        await eventually(lambda: bool(stand.pictures.takers))
        assert list(stand.pictures.takers.values()) == ["会议系统"]
        await looking

    run(test)


@pytest.mark.parametrize(("password", "grant"), [("wrong", GRANT), (PASSWORD, "g2")])
def test_a_wrong_password_or_grant_sees_nothing(password: str, grant: str) -> None:
    async def test(stand: Stand) -> None:
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await asyncio.to_thread(look, stand.url(password, grant), 1)
        assert not stand.pictures.takers

    run(test)


def test_udp_is_refused() -> None:
    async def test(stand: Stand) -> None:
        with pytest.raises(av.error.FFmpegError):
            await asyncio.to_thread(look, stand.url(), 1, "udp")

    run(test)


def test_a_picture_that_is_no_h264_is_refused_by_its_name() -> None:
    async def test(stand: Stand) -> None:
        with pytest.raises(av.error.FFmpegError):
            await asyncio.to_thread(look, stand.url(), 1)

    run(test, codec="vp8")


@pytest.mark.by_the_clock
@pytest.mark.parametrize("end", ["grant", "session"])
def test_the_end_cuts_it_within_a_second(end: str) -> None:
    async def test(stand: Stand) -> None:
        seen: list[float] = []
        now = asyncio.get_running_loop().time
        looking = asyncio.create_task(asyncio.to_thread(look_until_cut, stand.url(), seen, now))
        await eventually(lambda: len(seen) > 5)
        ended = now()
        if end == "grant":
            stand.grants.clear()
        else:
            stand.pictures.end()
        await eventually(lambda: not stand.outlet.playing)
        assert now() - ended < 1.0
        await looking
        assert not stand.pictures.takers

    run(test)


def test_when_nobody_can_tell_what_holds_all_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def test(stand: Stand) -> None:
        seen: list[float] = []
        now = asyncio.get_running_loop().time
        looking = asyncio.create_task(asyncio.to_thread(look_until_cut, stand.url(), seen, now))
        await eventually(lambda: bool(seen))

        async def fail(_ids: Any) -> set[str]:
            raise OSError("the database is away")

        stand.outlet._still_open = fail
        await eventually(lambda: not stand.pictures.takers)
        await looking

    run(test)
    assert "all are cut" in caplog.text


def test_a_reader_that_stops_reading_loses_pictures_and_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("central.relay.outlets.stream.MAX_WAITING", 20_000)
    monkeypatch.setattr("central.relay.outlets.stream.STUCK_S", 0.5)

    async def test(stand: Stand) -> None:
        reader, writer = await talk(stand)
        await eventually(lambda: stand.outlet.playing == 1)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        # More than any socket's buffers hold, faster than real time.
        frames = stand.pictures.frames()
        async with asyncio.timeout(PATIENCE_S):
            while stand.outlet.playing:
                for take in list(stand.pictures.takers):
                    for _ in range(50):
                        take(next(frames))
                await asyncio.sleep(0)
        assert not stand.pictures.takers
        writer.close()

    run(test)


async def talk(stand: Stand) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Play by hand, so that the test holds the socket."""
    from central.relay.outlets import digest

    reader, writer = await asyncio.open_connection("127.0.0.1", stand.outlet.port)
    url = f"rtsp://127.0.0.1/{GRANT}"
    nonce, session = "", ""
    asks = ("DESCRIBE", ""), ("DESCRIBE", ""), ("SETUP", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"), ("PLAY", "")
    for number, (method, more) in enumerate(asks):
        ha2 = digest._md5(f"{method}:{url}")
        proof = digest._md5(f"{hash_secret(GRANT, PASSWORD)}:{nonce}:{ha2}")
        given = f'Digest username="{GRANT}", realm="zhixing", nonce="{nonce}", uri="{url}", response="{proof}"'
        head = (
            f"{method} {url} RTSP/1.0\r\nCSeq: {number}\r\nAuthorization: {given}\r\nSession: {session}\r\n{more}\r\n"
        )
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        if "nonce=" in answer:
            nonce = answer.split('nonce="')[1].split('"')[0]
        if "Content-Length" in answer:
            await reader.readexactly(int(answer.split("Content-Length: ")[1].split("\r\n")[0]))
        if "Session: " in answer:
            session = answer.split("Session: ")[1].split(";")[0].split("\r\n")[0]
    return reader, writer


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: " + b"1" * 20_000,
        b"\xff\xfe\x00" * 4000,
    ],
)
def test_what_is_no_rtsp_ends_the_connection_and_nothing_else(sent: bytes) -> None:
    async def test(stand: Stand) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.outlet.port)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert len(await asyncio.to_thread(look, stand.url(), 2)) == 2

    run(test)


def test_who_proves_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "PROVE_WITHIN_S", 0.2)

    async def test(stand: Stand) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.outlet.port)
        assert await reader.read() == b""
        writer.close()

    run(test)


def test_the_port_is_not_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "MAX_CONNECTIONS", 1)

    async def test(stand: Stand) -> None:
        _reader, first = await talk(stand)
        reader, second = await asyncio.open_connection("127.0.0.1", stand.outlet.port)
        assert await reader.read() == b""
        first.close(), second.close()

    run(test)
