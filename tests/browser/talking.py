"""The relay's people's door in a thread, sessions in one line, and tones with which browsers speak and hear."""

from __future__ import annotations

import asyncio
import math
import struct
import threading
import wave
from collections.abc import Sequence
from pathlib import Path

import msgspec
from playwright.sync_api import Page

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import service as command
from central.people import sessions as log_ins
from central.people.queries import actor_of, find_user
from central.people.sessions import Visit
from central.relay.people import PeopleDoor
from central.relay.process import QuietServer, configure_people
from central.relay.relay import Relay, make_relay
from central.relay.sink import NoSink
from central.web.security import SESSION_COOKIE
from tests.browser.world import World
from tests.cast import PASSWORD
from tests.fakes.ports import find_free_port
from tests.waiting import wait_until

TONE_HZ = 440
BEEP_S, SILENCE_S = 0.3, 0.7
FAKE_DEVICES = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
KIT_URL = "https://relay.test:8445"
# Notes every onset at a node by the clock of the sound card, so that its own delay counts.
LISTEN = """async () => {
  const script = [...document.scripts].find((script) => script.src.includes('voice-panel'));
  const { voice } = (await import(script.src)).panel, rate = voice.context.sampleRate, size = 2048;
  const watch = (node) => {
    const analyser = voice.context.createAnalyser();
    const samples = new Float32Array(size), bins = new Float32Array(size / 2);
    const heard = { onsets: [], loudest_hz: 0, peak: 0 };
    let last_s = -9;
    analyser.fftSize = size;
    node.connect(analyser);
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      heard.peak = Math.max(heard.peak, ...samples.map(Math.abs));
      const first = samples.findIndex((sample) => Math.abs(sample) > 0.02);
      if (first < 0) return;
      const at_s = voice.context.currentTime - (size - first) / rate, stamp = voice.context.getOutputTimestamp();
      const at_ms = performance.timeOrigin + stamp.performanceTime + (at_s - stamp.contextTime) * 1000;
      if (at_s - last_s > 0.5 && first > 0) heard.onsets.push(at_ms);
      last_s = at_s;
      analyser.getFloatFrequencyData(bins);
      heard.loudest_hz = bins.indexOf(Math.max(...bins)) * rate / size;
    }, 5);
    return heard;
  };
  window.mouth = voice.microphone ? watch(voice.microphone.source) : null;
  window.ear = watch(voice.speaker.node);
}"""


def write_tone(path: Path) -> Path:
    """Ten seconds of beeps of TONE_HZ as a WAV file; Chromium's device plays it over and over."""
    rate = 48_000
    beep = [
        round(12_000 * math.sin(2 * math.pi * TONE_HZ * n / rate) * min(1, n / 96)) for n in range(int(BEEP_S * rate))
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for _ in range(10):
            file.writeframes(struct.pack(f"<{len(beep)}h", *beep) + bytes(2 * int(SILENCE_S * rate)))
    return path


def with_relay(settings: Settings, host: str = "127.0.0.1") -> Settings:
    """Settings under which the pages tell browsers the port of a relay of this test."""
    return msgspec.structs.replace(settings, live_host=host, live_port=find_free_port())


class RelayThread:
    """The relay as its process runs it, without its kits' door, bus and record."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._ready = threading.Event()

    def start(self) -> None:
        """Return once browsers can come."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)
        wait_until(lambda: self.server.started, 20, "the relay")

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.relay: Relay = make_relay(self._settings, self._store, NoSink())
        await self.relay.refresh()
        self.server = QuietServer(configure_people(PeopleDoor(self.relay), self._settings))
        works = [asyncio.create_task(work) for work in (self.relay.follow_rights(), self.relay.keep_time())]
        self._ready.set()
        try:
            await self.server.serve()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    def stop(self) -> None:
        """End in good order: everybody is told to come back."""
        self.loop.call_soon_threadsafe(self.relay.end_all)
        self.server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()
        self._ready.clear()


def begin_session(
    world: World, *, kits: Sequence[str] = ("dl-2901-01",), voice: str = "ptt", invited: Sequence[str] = ()
) -> str:
    """The county's bureau chief asks, the prefecture's commander grants and begins; returns the session's id."""
    with world.store.read() as session:
        chief, leader = (actor_of(find_user(session, login)) for login in ("juzhang", "zhihui"))
    with world.store.write() as uow:
        ask = command.Ask(list(kits), "样例：强制腾退现场", commanding_court="云29")
        request_id = command.ask_command(uow, chief, ask).id
    with world.store.write() as uow:
        command.grant_request(uow, leader, request_id, command.Terms(voice=voice))
    with world.store.write() as uow:
        session_id: str = command.begin_session(uow, leader, request_id, url=KIT_URL).id
    with world.store.write() as uow:
        for login in invited:
            command.invite(uow, leader, session_id, "person", login)
    return session_id


def end_session(world: World, session_id: str) -> None:
    """The commander ends it."""
    with world.store.read() as session:
        leader = actor_of(find_user(session, "zhihui"))
    with world.store.write() as uow:
        command.end_session(uow, leader, session_id, "样例结束")


def join_voice(page: Page, *, listens: bool = True) -> None:
    """Press the button and wait until the relay is there."""
    page.wait_for_selector("#voice-panel[data-ready]")
    page.get_by_role("button", name="接入语音").click()
    page.wait_for_selector("#voice-panel[data-state=open]")
    if listens:
        page.evaluate(LISTEN)


def hold(page: Page) -> None:
    """Hold the space bar."""
    page.keyboard.down("Space")
    page.wait_for_selector("#voice-panel[data-talking=yes]")


def let_go(page: Page) -> None:
    """Let it go."""
    page.keyboard.up("Space")
    page.wait_for_selector("#voice-panel[data-talking=no]")


def hears(page: Page) -> bool:
    """Whether anything came out of the speaker since it was forgotten."""
    return float(page.evaluate("window.ear.peak")) > 0.05


def forget(page: Page) -> None:
    """Begin to listen anew."""
    page.evaluate("window.ear.peak = 0; window.ear.onsets.length = 0")


def sounds(page: Page, tenths: int = 3) -> bool:
    """Whether anything is heard within so many tenths of a second."""
    forget(page)
    page.wait_for_timeout(100 * tenths)
    return hears(page)


def delays(talker: Page, listener: Page) -> list[float]:
    """Mouth to ear, ms, of each beep that both have heard."""
    said, heard = talker.evaluate("window.mouth.onsets"), listener.evaluate("window.ear.onsets")
    nearest = [(at_ms, [one for one in said if 0 < at_ms - one < 900]) for at_ms in heard]
    return [at_ms - max(before) for at_ms, before in nearest if before]


def log_in(page: Page, login: str) -> None:
    """Log in as one of the cast."""
    page.goto("/login")
    page.get_by_label("用户名").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_url(lambda url: "/login" not in url)


def log_in_quietly(world: World, login: str) -> str:
    """A whole log-in without a browser; returns its cookie header."""
    with world.store.write() as uow:
        user = find_user(uow.session, login)
        assert user is not None
        issued = log_ins.open_session(uow, world.settings, user, method="password", visit=Visit(client="127.0.0.1"))
    return f"{SESSION_COOKIE}={issued.token}"
