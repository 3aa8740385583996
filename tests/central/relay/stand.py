"""A relay as the process it is, with kits, people and sessions; and small clients of both its doors."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from central.base.settings import load_settings
from central.base.unit_of_work import open_store
from central.command import queries as command_queries
from central.command import service as command
from central.courts.permissions import Actor
from central.people import queries as people_queries
from central.people import service as people
from central.people import sessions as log_ins
from central.people.models import LoginSession, User
from contract.live import (
    KEY,
    MAIN,
    PICTURE_PATH,
    VOICE_PATH,
    WANTS_ACK,
    Control,
    Frame,
    Init,
    Talk,
    Type,
    Want,
    pack,
    pack_control,
    pack_init,
    read_control,
    unpack,
)
from tests.cast import PASSWORD, cheap_hashes
from tests.central.sync.conftest import Centre, free_port, make_centre
from tests.waiting import wait_until

KIT, SECOND, STRANGER = "dl-2901-01", "dl-2901-02", "yb-2922-01"
PEOPLE = {
    "zhihui": ("样例指挥长", "commander", "云29"),
    "zhiban": ("样例值班员", "duty_operator", "云2901"),
    "jiandu": ("样例监督员", "supervisor", "云29"),
    "shuji": ("样例书记员", "clerk", "云2901"),
    "linxian": ("样例邻县指挥长", "commander", "云2922"),
    "faguan": ("样例法官", "judge", "云2901"),
}
INIT = Init(codec="avc1.42C01F", width=640, height=360, fps=25)


class Loop:
    """An event loop in a thread of its own, for clients that tests use one call at a time.

    The library's own blocking client reads and writes one TLS connection from two threads, which Python 3.11's ssl
    does not bear: one handshake in a few hundred hung.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Socket:
    """A WebSocket whose frames are sorted as they come."""

    def __init__(self, loop: Loop, connection: ClientConnection, *, acks: bool = True) -> None:
        self._loop = loop
        self.connection = connection
        self.acks = acks
        self.frames: list[Frame] = []
        self.controls: list[Control] = []

    @property
    def port(self) -> int:
        """The port at this end."""
        return int(self.connection.local_address[1])

    def send(self, message: bytes | str) -> None:
        self._loop.call(self.connection.send(message))

    def tell(self, control: Control) -> None:
        self.send(pack_control(control))

    def take(self, timeout_s: float = 0.05) -> Frame | None:
        """The next frame, acknowledged when asked for; None when none comes."""
        message = self._loop.call(self._receive(timeout_s))
        if message is None:
            return None
        frame = unpack(message)
        if frame.type is Type.CONTROL:
            self.controls.append(read_control(frame))
        else:
            self.frames.append(frame)
        if self.acks and frame.flags & WANTS_ACK:
            self.send(pack(Type.ACK, seq=frame.seq))
        return frame

    async def _receive(self, timeout_s: float) -> bytes | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self.connection.recv(decode=False)
        except TimeoutError:
            return None

    def until(self, found: Callable[[], Any], what: str, timeout_s: float = 15.0) -> Any:
        """Read until something holds."""
        deadline = time.monotonic() + timeout_s
        while not (value := found()):
            assert time.monotonic() < deadline, f"{what} did not come; had {self.controls} and {len(self.frames)}"
            self.take()
        return value

    def control(self, kind: type, what: Callable[[Any], bool] = lambda _one: True, timeout_s: float = 15.0) -> Any:
        """Read until a control message of this kind came; it is used up, with those of its kind before it."""

        def find() -> Any:
            for place, one in enumerate(self.controls):
                if isinstance(one, kind) and what(one):
                    before = [other for other in self.controls[:place] if not isinstance(other, kind)]
                    self.controls[: place + 1] = before
                    return one
            return None

        return self.until(find, f"a {kind.__name__}", timeout_s)

    def picture(self, what: Callable[[Frame], bool] = lambda _one: True, timeout_s: float = 15.0) -> Frame:
        """Read until such a picture came; it is used up, with those before it."""

        def find() -> Frame | None:
            for place, one in enumerate(self.frames):
                if one.type in (Type.VIDEO, Type.AUDIO) and what(one):
                    del self.frames[: place + 1]
                    return one
            return None

        frame: Frame = self.until(find, "a picture", timeout_s)
        return frame

    def drain(self, for_s: float) -> list[Frame]:
        """Read for a while; pictures and sounds that came."""
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            self.take(max(0.01, deadline - time.monotonic()))
        found, self.frames = [one for one in self.frames if one.type in (Type.VIDEO, Type.AUDIO)], []
        return found

    def closed(self, timeout_s: float = 15.0) -> int:
        """Read until the relay closes; its code."""
        deadline = time.monotonic() + timeout_s
        try:
            while time.monotonic() < deadline:
                self.take()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006
        raise AssertionError("the connection is still open")

    def stop_reading(self) -> None:
        """From now on leave in the kernel what comes."""

        async def pause() -> None:
            self.connection.transport.pause_reading()

        self._loop.call(pause())

    def close(self) -> None:
        self._loop.call(self.connection.close())


class Camera:
    """A source of pictures: says what it sends, then frames one by one."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.seq = 0

    def describe(self, stream: int = MAIN) -> None:
        self.socket.send(pack_init(INIT, stream=stream))

    def send(self, *, key: bool = False, stream: int = MAIN, payload: bytes = b"\0\0\0\1\x65picture") -> int:
        self.seq += 1
        flags = WANTS_ACK | (KEY if key else 0)
        self.socket.send(
            pack(Type.VIDEO, payload, flags=flags, stream=stream, seq=self.seq, time_us=time.time_ns() // 1000)
        )
        return self.seq

    def wait_wanted(self, stream: int = MAIN) -> None:
        self.socket.control(Want, lambda want: stream in want.streams)

    def show(self, stream: int = MAIN) -> None:
        """Wait until looked at, then send a description and a first key frame."""
        self.wait_wanted(stream)
        self.describe(stream)
        self.send(key=True, stream=stream)


class Stand:
    """The relay and its centre's data."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.centre: Centre = make_centre(folder, database)
        ports = {"live_port": free_port(), "live_kit_port": free_port()}
        config = folder / "centre.toml"
        config.write_text(config.read_text() + "\n" + "\n".join(f"{name} = {port}" for name, port in ports.items()))
        self.centre.store.close()
        self.settings = self.centre.settings = load_settings(config, environ={})
        self.store = self.centre.store = open_store(self.settings)
        self.tokens: dict[str, str] = {}
        self.actors: dict[str, Actor] = {}
        self._open_sockets: list[Socket] = []
        self._loop = Loop()
        self._begun: list[str] = []
        self._add_people()

    def _add_people(self) -> None:
        with cheap_hashes(), self.store.write() as uow:
            for login, (name, role, court) in PEOPLE.items():
                people.add_user(
                    uow, login=login, name=name, role=role, court_code=court, password=PASSWORD, by="system:test"
                )
        for login in PEOPLE:
            self.log_in(login)

    def log_in(self, login: str) -> str:
        """A whole log-in, as after every step at the pages; its token."""
        with self.store.write() as uow:
            user = uow.session.exec(_users().where(User.login == login)).one()
            issued = log_ins.open_session(uow, self.settings, user, method="password", visit=_visit())
            row = uow.session.get(LoginSession, _hash(issued.token))
            assert row is not None
            row.stage, row.expires_ms = "full", uow.now_ms + 3_600_000
            uow.session.add(row)
        with self.store.read() as session:
            found = people_queries.find_login(session, issued.token, now_ms=self.store.clock.now_ms(), idle_s=7200)
        assert found is not None and found.is_full
        self.tokens[login], self.actors[login] = issued.token, found.actor
        return issued.token

    def log_out(self, login: str) -> None:
        with self.store.write() as uow:
            log_ins.end_sessions(uow, self.actors[login].user_id)

    # -- processes

    def start(self) -> None:
        # The relay applies the register as it starts; sessions name kits that are in it.
        self.centre.start("relay")
        self.wait_ready()

    def wait_ready(self) -> None:
        self.centre.wait_port(self.settings.live_port)
        self.centre.wait_port(self.settings.live_kit_port)

    def stop(self) -> None:
        self.hang_up()
        self._loop.close()
        self.centre.stop()

    def hang_up(self) -> None:
        for socket in self._open_sockets:
            socket.close()
        self._open_sockets.clear()

    # -- sessions

    def begin(self, *kits: str, by: str = "zhihui", court: str = "云29", voice: str = "ptt") -> str:
        """Ask, decide, begin; the session's id."""
        actor = self.actors[by]
        with self.store.write() as uow:
            request = command.ask_command(
                uow, actor, command.Ask(list(kits or (KIT,)), "样例：强制腾退现场", commanding_court=court)
            )
            request_id = request.id
        with self.store.write() as uow:
            command.grant_request(uow, actor, request_id, command.Terms(voice=voice))
        with self.store.write() as uow:
            url = f"https://127.0.0.1:{self.settings.live_kit_port}"
            self._begun.append(str(command.begin_session(uow, actor, request_id, url=url).id))
        return self._begun[-1]

    def end(self, session_id: str, by: str = "zhihui") -> None:
        with self.store.write() as uow:
            command.end_session(uow, self.actors[by], session_id, "样例：结束")
        self._begun.remove(session_id)

    def clear(self) -> None:
        """Nothing of one test goes on in the next."""
        self.hang_up()
        for session_id in list(self._begun):
            now_ms = self.store.clock.now_ms()
            with self.store.read() as session:
                is_open = any(one.id == session_id for one in command_queries.list_open(session, now_ms=now_ms))
            if is_open:
                self.end(session_id)
        self._begun.clear()

    def entries(self, session_id: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Kind, actor and detail of each line of a session's record."""
        rows = self.centre.rows(
            "SELECT kind, actor, detail FROM session_entry WHERE session_id = :id ORDER BY no", id=session_id
        )
        return [(str(kind), str(actor), msgspec.json.decode(str(detail))) for kind, actor, detail in rows]

    def wait_entry(self, session_id: str, kind: str, count: int = 1) -> dict[str, Any]:
        def find() -> list[dict[str, Any]] | None:
            found = [detail for one, _, detail in self.entries(session_id) if one == kind]
            return found if len(found) >= count else None

        return wait_until(find, 15, f"line {kind}")[count - 1]

    # -- clients

    def kit(self, kit_id: str = KIT, path: str = PICTURE_PATH, **changed: Any) -> Socket:
        """A proven kit's connection."""
        door = self.centre.door(kit_id)
        door.port = self.settings.live_kit_port
        token = door.token("GET", path, b"", **changed)
        return self._open(f"wss://127.0.0.1:{door.port}{path}", {"Authorization": f"Bearer {token}"})

    def camera(self, kit_id: str = KIT) -> Camera:
        return Camera(self.kit(kit_id))

    def voice_of_kit(self, kit_id: str = KIT) -> Socket:
        return self.kit(kit_id, VOICE_PATH)

    def view(
        self, session_id: str, source: str = KIT, *, by: str = "zhihui", stream: int = MAIN, acks: bool = True
    ) -> Socket:
        return self.person(f"/live/picture/{session_id}/{source}?stream={stream}", by=by, acks=acks)

    def voice(self, session_id: str, *, by: str = "zhihui") -> Socket:
        return self.person(f"/live/voice/{session_id}", by=by)

    def publish(self, session_id: str, *, by: str = "zhihui") -> Socket:
        return self.person(f"/live/publish/{session_id}", by=by)

    def person(self, path: str, *, by: str = "zhihui", acks: bool = True, **headers: str) -> Socket:
        told = {"Cookie": f"zhixing_session={self.tokens.get(by, by)}", "Origin": "http://127.0.0.1:1"} | headers
        return self._open(f"ws://127.0.0.1:{self.settings.live_port}{path}", told, acks=acks)

    def _open(self, address: str, headers: dict[str, str], *, acks: bool = True) -> Socket:
        origin = headers.pop("Origin", None)
        context = None
        if address.startswith("wss"):
            context = ssl.create_default_context(cadata=self.centre.pki.services_ca.cert_pem().decode())
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

        async def dial() -> ClientConnection:
            return await connect(
                address,
                ssl=context,
                additional_headers=headers,
                origin=origin,  # type: ignore[arg-type]
                compression=None,
                proxy=None,
                open_timeout=20,
                close_timeout=0.3,
                ping_interval=None,
            )

        self._open_sockets.append(Socket(self._loop, self._loop.call(dial()), acks=acks))
        return self._open_sockets[-1]


def talk(socket: Socket, *to: str, on: bool = True) -> None:
    socket.tell(Talk(on=on, to=list(to)))


def say(socket: Socket, text: bytes = b"opus", seq: int = 1) -> None:
    socket.send(pack(Type.AUDIO, text, seq=seq, time_us=time.time_ns() // 1000))


def _users() -> Any:
    from sqlmodel import select

    return select(User)


def _visit() -> Any:
    from central.people.sessions import Visit

    return Visit(client="127.0.0.1")


def _hash(token: str) -> str:
    from central.base.ids import hash_token

    return hash_token(token)


@contextmanager
def running(folder: Path, database: Path) -> Iterator[Stand]:
    """A stand with its relay running."""
    stand = Stand(folder, database)
    try:
        stand.start()
        yield stand
    finally:
        stand.stop()
