"""Signs of life at the real broker and intake: beats, goodbyes, ended sessions, a session taken over."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from central.base.bus import HEARD_SUBJECT, broker_credentials, connect_nats
from central.devices.feed import Heard, decode_heard
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import MqttKit, now_ms
from tests.waiting import wait_until

KIT = "dl-2901-01"


@pytest.fixture
def kit(centre: Centre) -> Iterator[MqttKit]:
    kit = centre.connect(KIT)
    yield kit
    kit.close()


class Ear:
    """Hears what the intake tells the screens."""

    def __init__(self, centre: Centre) -> None:
        self.heard: list[Heard] = []
        self._settings = centre.settings
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)
        self._thread.start()

    async def _listen(self) -> None:
        credentials = broker_credentials(self._settings)
        client = await connect_nats(self._settings, name="ear", error_cb=_ignore, credentials=credentials)

        async def note(message: object) -> None:
            self.heard.append(decode_heard(message.data))  # type: ignore[attr-defined]

        await client.subscribe(HEARD_SUBJECT, cb=note)
        while not self._stopping.is_set():
            await asyncio.sleep(0.05)
        await client.close()

    def last_ms(self, kit_id: str) -> int:
        return max((heard.kits.get(kit_id, 0) for heard in list(self.heard)), default=0)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(10)


async def _ignore(_error: Exception) -> None:
    pass


@pytest.fixture
def ear(centre: Centre) -> Iterator[Ear]:
    ear = Ear(centre)
    yield ear
    ear.close()


def state_of(centre: Centre) -> tuple[str, int, int]:
    rows = centre.rows(
        "SELECT link, link_ms, last_heard_ms FROM kit_state JOIN kit USING (kit_no) WHERE kit_id = :kit", kit=KIT
    )
    link, link_ms, heard_ms = rows[0] if rows else ("", 0, 0)
    return link, link_ms or 0, heard_ms or 0


def test_an_empty_beat_is_heard_and_leaves_no_row(centre: Centre, kit: MqttKit, ear: Ear) -> None:
    wait_until(lambda: ear.heard, what="the intake's own sign of life")
    items = centre.scalar("SELECT count(*) FROM received_item")
    aside = centre.scalar("SELECT count(*) FROM set_aside")
    began = now_ms()
    kit.send_raw("beat", b"")
    wait_until(lambda: ear.last_ms(KIT) >= began, what="the screens to be told")
    wait_until(lambda: state_of(centre)[2] >= began, what="the database to know")
    assert centre.scalar("SELECT count(*) FROM received_item") == items
    assert centre.scalar("SELECT count(*) FROM set_aside") == aside


def test_the_intake_says_that_it_hears_even_when_nobody_speaks(centre: Centre, ear: Ear) -> None:
    wait_until(lambda: len(ear.heard) >= 4, 6)
    times = [heard.now_ms for heard in ear.heard]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 2000


def test_a_goodbye_outlives_the_end_of_its_session_and_ends_with_the_next(centre: Centre, kit: MqttKit) -> None:
    wait_until(lambda: state_of(centre)[0] == "up", what="the session to be known")
    kit.send("beat", [{"seq": 0, "at_ms": now_ms(), "body": {"bye": "switched_off"}}])
    wait_until(lambda: state_of(centre)[0] == "switched_off")
    said_ms = state_of(centre)[1]
    kit.client.disconnect()
    assert kit.lost.wait(10)
    time.sleep(0.5)  # the broker's own word comes after, on purpose
    assert state_of(centre)[:2] == ("switched_off", said_ms)
    kit.client.reconnect()
    wait_until(lambda: state_of(centre)[0] == "up", 15)


def test_an_ended_session_is_told_at_once(centre: Centre, kit: MqttKit) -> None:
    wait_until(lambda: state_of(centre)[0] == "up")
    kit.client.loop_stop()
    began = now_ms()
    socket = kit.client.socket()
    assert socket is not None
    socket.close()
    wait_until(lambda: state_of(centre)[0] == "lost", 5)
    word, at_ms, heard_ms = state_of(centre)
    assert (word, at_ms - began < 3000, at_ms >= heard_ms) == ("lost", True, True)
