"""The kit's picture from the camera to the relay: both processes real, the relay does as told."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract import messages
from contract.live import CLOSE_REFUSED, LOW, MAIN, Told, Type, Want, Watcher, Watchers, pack, read_init
from tests.edge.live.live_kit import LiveKit, Screen, rss_mb, run_kit
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_relay import SmallRelay, run_relay
from tests.waiting import wait_until

LONG_S = 40


@pytest.fixture
def authority(tmp_path: Path) -> SmallAuthority:
    return SmallAuthority.found(tmp_path / "authority")


@pytest.fixture
def relay(authority: SmallAuthority) -> Iterator[SmallRelay]:
    with run_relay(authority.serve("relay", hosts=("127.0.0.1",))) as relay:
        yield relay


def test_an_order_brings_the_picture_and_its_recording_and_the_end_both_ends(
    authority: SmallAuthority, relay: SmallRelay
) -> None:
    with run_kit(authority) as kit:
        kit.run("recorder")
        live = kit.run("live")
        wait_until(lambda: kit.state("recorder_status").get("state") == "idle", LONG_S)
        wait_until(lambda: kit.state("live_status").get("connected") is False, LONG_S)
        idle_mb = rss_mb(live.pid)
        ordered_s = time.time()
        kit.begin(relay.url)
        first = wait_until(relay.pictures, LONG_S)[0]
        print(f"first picture after {(first.at_s - ordered_s) * 1000:.0f} ms; idle {idle_mb:.0f} MB")
        assert first.frame.is_key
        wait_until(lambda: len(relay.pictures()) > 50, LONG_S)
        pictures = relay.pictures()
        assert len(Screen().show(pictures)) == len(pictures)
        ages = sorted(item.age_ms for item in pictures[25:])
        print(f"age p50 {ages[len(ages) // 2]:.0f} ms")
        assert ages[len(ages) // 2] < 300
        assert kit.state("recorder_status")["state"] == "recording"
        init = next(item.frame for item in relay.came if item.frame.type is Type.INIT)
        assert (read_init(init).width, read_init(init).height) == (640, 360)
        assert kit.state("live_status")["connected"] is True
        relay.say(Watchers([Watcher("样本指挥", "云29")]))
        wait_until(lambda: kit.state("live_status")["watchers"] == [{"name": "样本指挥", "court": "云29"}], LONG_S)
        kit.end()
        wait_until(lambda: not relay.open, LONG_S)
        wait_until(lambda: kit.state("recorder_status").get("state") == "idle", LONG_S)
        assert kit.state("live_status")["connected"] is False


def test_nothing_flows_while_nobody_looks_and_the_low_picture_is_small(
    authority: SmallAuthority, relay: SmallRelay
) -> None:
    relay.wants = []
    with run_kit(authority, camera={"width": 1280, "height": 720, "bitrate_bps": 1_500_000}) as kit:
        kit.run("recorder")
        live = kit.run("live")
        kit.begin(relay.url)
        wait_until(lambda: any(isinstance(told, Told) for told in relay.controls), LONG_S)
        wait_until(lambda: kit.state("recorder_status").get("state") == "recording", LONG_S)
        assert relay.pictures() == []
        assert "libavcodec" not in Path(f"/proc/{live.pid}/maps").read_text()
        relay.want(LOW)
        wait_until(lambda: len(relay.pictures(LOW)) > 20, LONG_S)
        shown = Screen().show(relay.pictures(LOW))
        assert {(picture.width, picture.height) for picture in shown} == {(640, 360)}
        assert relay.pictures(MAIN) == []
        relay.want(MAIN)
        wait_until(lambda: len(relay.pictures(MAIN)) > 20, LONG_S)
        assert len(Screen().show(relay.pictures(MAIN))) > 15
        relay.want()
        since_s = time.time() + 0.5
        wait_until(lambda: time.time() > since_s + 1, LONG_S)
        assert relay.pictures(LOW, since_s=since_s) == relay.pictures(MAIN, since_s=since_s) == []


def test_a_refused_kit_does_not_hammer(authority: SmallAuthority, relay: SmallRelay) -> None:
    relay.close_with = CLOSE_REFUSED
    with run_kit(authority) as kit:
        kit.run("live")
        kit.begin(relay.url)
        wait_until(lambda: relay.connections, LONG_S)
        began_s = time.time()
        wait_until(lambda: time.time() > began_s + 3.5, LONG_S)
        assert len(relay.connections) == 1
        # A new order is reason enough to ask again at once.
        relay.close_with = 0
        kit.begin(relay.url)
        wait_until(lambda: relay.open, 3)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_live_process_that_dies_or_hangs_costs_the_recording_nothing(
    authority: SmallAuthority, relay: SmallRelay, number: signal.Signals
) -> None:
    with run_kit(authority) as kit:
        kit.run("recorder")
        live = kit.run("live")
        kit.begin(relay.url)
        wait_until(lambda: len(relay.pictures()) > 10, LONG_S)
        os.kill(live.pid, number)
        count = count_segments(kit)
        wait_until(lambda: count_segments(kit) >= count + 3, LONG_S)
        assert kit.processes["recorder"].poll() is None
        assert find_kinds(kit) == {"open", "segment"}
        if number is signal.SIGKILL:
            live.wait(10)
            seen = len(relay.pictures())
            kit.run("live")
            # The session goes on: it stands in the spool.
            wait_until(lambda: len(relay.pictures()) > seen + 10, LONG_S)


@pytest.mark.by_the_clock
def test_an_sos_has_the_link_for_itself_and_the_picture_comes_back(
    authority: SmallAuthority, relay: SmallRelay
) -> None:
    with run_kit(authority) as kit:
        kit.run("recorder")
        kit.run("live")
        kit.begin(relay.url)
        wait_until(lambda: len(relay.pictures()) > 10, LONG_S)
        alarm = messages.Alarm(alarm_id="a" * 32, kind="sos", pressed_ms=1)
        entry = kit.spool.outbox.append("alarm", messages.encode(alarm), urgent=True)
        wait_until(
            lambda: any(isinstance(told, Told) and told.note == "sos_first" for told in relay.controls), LONG_S
        )
        paused_s = time.time() + 0.5
        wait_until(lambda: time.time() > paused_s + 1, LONG_S)
        assert relay.pictures(since_s=paused_s) == []
        kit.spool.outbox.release([(entry, entry)])
        back_s = time.time()
        first = wait_until(lambda: relay.pictures(since_s=back_s), LONG_S)[0]
        assert first.frame.is_key and first.at_s - back_s < 3


@pytest.mark.by_the_clock
def test_a_silent_relay_is_left_and_a_rude_one_not_hammered(authority: SmallAuthority, relay: SmallRelay) -> None:
    with run_kit(authority) as kit:
        kit.run("recorder")
        kit.run("live")
        kit.begin(relay.url)
        wait_until(lambda: len(relay.pictures()) > 10, LONG_S)
        relay.acks = False
        silent_s = time.time()
        wait_until(lambda: len(relay.connections) > 1, LONG_S)
        assert 2.0 < relay.connections[-1] - silent_s < 8
        relay.acks = True
        wait_until(lambda: len(relay.pictures(since_s=relay.connections[-1])) > 5, LONG_S)
        for _ in range(3):
            relay.send(b"\xff" * 40)
        relay.send("words")
        relay.say(Want([0, 1], key=True))
        # Some garbage is overlooked, the connection goes on; one more and it is left for a while.
        wait_until(lambda: len(relay.pictures(LOW)) > 3, LONG_S)
        relay.send(pack(Type.VIDEO, b"no"))
        wait_until(lambda: not relay.open, LONG_S)
        left, began_s = len(relay.connections), time.time()
        wait_until(lambda: time.time() > began_s + 2.5, LONG_S)
        assert len(relay.connections) == left


def test_nobody_else_can_be_the_relay(authority: SmallAuthority, tmp_path: Path) -> None:
    stranger = SmallAuthority.found(tmp_path / "stranger")
    ended = datetime.now(UTC) - timedelta(days=3650)
    for folder, word in (
        (stranger.serve("relay", hosts=("127.0.0.1",)), "certificate verify failed"),
        (authority.serve("old", hosts=("127.0.0.1",), now=ended), "certificate ended on"),
    ):
        with run_relay(folder) as relay, run_kit(authority) as kit:
            kit.run("live")
            kit.begin(relay.url)
            wait_until(lambda kit=kit, word=word: word in kit.state("live_status").get("reason", ""), LONG_S)
            assert relay.connections == []
        shutil.rmtree(authority.folder / "dl-2901-01")


def count_segments(kit: LiveKit) -> int:
    return int(kit.spool._store.value("SELECT COUNT(*) FROM segments"))


def find_kinds(kit: LiveKit) -> set[str]:
    from contract import chain

    bodies = kit.spool._store.rows("SELECT body FROM records")
    return {chain.decode(body).kind.name.lower() for (body,) in bodies}
