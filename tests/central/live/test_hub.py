"""The hub on a real database; once through a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import subprocess

import nats
import pytest

from central.base.bus import POSITIONS_SUBJECT, NatsBus
from central.base.errors import ForbiddenError
from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.devices import rules as devices_rules
from central.devices import service as devices
from central.devices.feed import encode_positions, live_position
from central.devices.rules import ItemKey
from central.flows import sos
from central.live.hub import Hub
from central.sync import broker
from contract.health import Health
from contract.messages import Alarm, Fix
from tests.fakes.ports import find_free_port
from tests.waiting import wait_until_async

FAST = {"tick_s": 0.02, "poll_s": 0.05, "refresh_s": 0.1, "recheck_s": 0.05}
SOON_S = 20.0  # on a busy machine; nobody waits that long on a calm one


def in_loop(test):
    """Run an async test to its end."""

    @functools.wraps(test)
    def run(*arguments, **fixtures):
        asyncio.run(asyncio.wait_for(test(*arguments, **fixtures), 120))

    return run


@contextlib.asynccontextmanager
async def running(store, **options):
    hub = Hub(store, **{**FAST, **options})
    task = asyncio.create_task(hub.run())
    await asyncio.wait_for(hub.ready.wait(), SOON_S)
    try:
        yield hub
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def take(subscription, name, when=lambda data: True):
    """Return the data of the next event called `name` that fits, passing over others."""
    async with asyncio.timeout(SOON_S):
        while True:
            event = await subscription.next(SOON_S)
            if event is not None and event.name == name and when(json.loads(event.data)):
                return json.loads(event.data)


def open_screen(hub, actor, recheck=None):
    return hub.subscribe(actor, recheck or (lambda: actor))


def press_sos(store, kit, alarm_id="a" * 32):
    with store.write() as uow:
        alarm = Alarm(alarm_id=alarm_id, kind="sos", pressed_ms=uow.now_ms)
        key = ItemKey(kit.kit_no, 1, int(alarm_id[:2], 16))
        sos.receive_alarm(uow, kit, alarm, key=key, digest=b"d" * 8, at_ms=uow.now_ms, received_ms=uow.now_ms)


def moved(kit, seq, received_ms, lat=25.6):
    fix = Fix(lat=lat, lon=100.2, fix_ms=received_ms)
    row = devices_rules.position_row(kit.kit_no, 1, seq, received_ms, fix, digest=b"x", received_ms=received_ms)
    return live_position(kit.kit_id, kit.court_code, row)


class TestSnapshot:
    @in_loop
    async def test_a_stream_begins_with_what_is(self, store, kits, operator, commander):
        press_sos(store, kits["dl-2901-01"])
        press_sos(store, kits["yb-2922-01"])
        async with running(store) as hub:
            with open_screen(hub, operator) as own, open_screen(hub, commander) as all_counties:
                snapshot = await take(own, "snapshot")
                assert [kit["kit_id"] for kit in snapshot["kits"]] == ["dl-2901-01"]
                assert [incident["kit_id"] for incident in snapshot["incidents"]] == ["dl-2901-01"]
                assert snapshot["kits"][0]["presence"] == "dark"
                snapshot = await take(all_counties, "snapshot")
                assert (len(snapshot["kits"]), len(snapshot["incidents"])) == (2, 2)

    @in_loop
    async def test_administrators_have_no_screen(self, store, administrator):
        async with running(store) as hub:
            with pytest.raises(ForbiddenError):
                open_screen(hub, administrator)

    @in_loop
    async def test_a_stream_left_is_forgotten(self, store, operator):
        async with running(store) as hub:
            with open_screen(hub, operator):
                assert hub.subscriber_count == 1
            assert hub.subscriber_count == 0


class TestOutbox:
    @in_loop
    async def test_an_sos_arrives_at_once_on_a_nudge(self, store, bus, kit, operator):
        async with running(store, poll_s=3600) as hub:
            bus.listeners.append(hub.listen)
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                await asyncio.to_thread(press_sos, store, kit)
                event = await take(screen, "incident_opened")
                assert (event["kit_id"], event["state"]) == ("dl-2901-01", "open")

    @in_loop
    async def test_without_a_nudge_polling_finds_it(self, store, kit, operator):
        async with running(store) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                press_sos(store, kit)
                assert (await take(screen, "incident_opened"))["alarm_id"] == "a" * 32

    @in_loop
    async def test_events_keep_their_order_and_none_is_doubled(self, store, kit, operator):
        async with running(store) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                ids = [f"{number:02x}" + "0" * 30 for number in range(1, 31)]
                for alarm_id in ids:
                    await asyncio.to_thread(press_sos, store, kit, alarm_id)
                assert [(await take(screen, "incident_opened"))["alarm_id"] for _ in ids] == ids
                assert await screen.next(0.2) is None

    @in_loop
    async def test_another_county_hears_nothing(self, store, kits, neighbour, commander):
        async with running(store) as hub:
            with open_screen(hub, neighbour) as other, open_screen(hub, commander) as superior:
                await take(other, "snapshot")
                press_sos(store, kits["dl-2901-01"])
                press_sos(store, kits["yb-2922-01"], "b" * 32)
                assert (await take(superior, "incident_opened"))["kit_id"] == "dl-2901-01"
                assert (await take(other, "incident_opened"))["kit_id"] == "yb-2922-01"

    @in_loop
    async def test_a_kits_news_come_with_its_card(self, store, kit, operator):
        async with running(store) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                body = Health(
                    recording=True,
                    duty=True,
                    queue_outbox=0,
                    queue_segments=0,
                    free_bytes=0,
                    vault_bytes=0,
                    uptime_s=1,
                    version="1",
                )
                with store.write() as uow:
                    devices.record_health(uow, kit, body, at_ms=uow.now_ms, received_ms=uow.now_ms)
                event = await take(screen, "kit_changed", lambda data: data["change"] == "health")
                assert (event["kit"]["health"]["recording"], event["kit"]["presence"]) == (True, "live")


class TestPositions:
    @in_loop
    async def test_gathered_to_the_newest_per_kit(self, store, clock, kits, operator):
        async with running(store, tick_s=0.1) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                for seq in range(1, 51):
                    hub.take_positions([moved(kit, seq, clock.now_ms(), 25 + seq / 100) for kit in kits.values()])
                event = await take(screen, "positions")
                assert [(row[0], row[2]) for row in event["positions"]] == [("dl-2901-01", 25.5)]
                names = [event.name for event in [await screen.next(0.3) for _ in range(2)] if event is not None]
                assert names == ["kit_changed"]  # it came alive; no second batch

    @in_loop
    async def test_a_moving_kit_becomes_live_and_ages_with_its_reason(self, store, clock, kit, operator):
        async with running(store) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                hub.take_positions([moved(kit, 1, clock.now_ms())])
                event = await take(screen, "kit_changed")
                assert (event["kit"]["presence"], event["kit"]["reason"]) == ("live", "heard")
                for silent_s, state, reason in (
                    (10, "late", "delayed"),
                    (60, "stale", "link_lost"),
                    (600, "dark", "silent"),
                ):
                    clock.advance(s=silent_s)
                    event = await take(screen, "kit_changed")
                    assert (event["kit"]["presence"], event["kit"]["reason"]) == (state, reason)

    @in_loop
    async def test_a_malformed_message_is_dropped(self, store, kit, clock, operator, caplog):
        async with running(store) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                hub.take_payload(b"\xff{")
                hub.take_payload(encode_positions([moved(kit, 1, clock.now_ms())]))
                assert len((await take(screen, "positions"))["positions"]) == 1
        assert "Dropped a message on central.positions" in caplog.text


class TestSlowAndEnded:
    @in_loop
    async def test_a_slow_screen_falls_back_to_a_snapshot_and_delays_nobody(self, store, kit, operator):
        async with running(store, queue_limit=5) as hub:
            with open_screen(hub, operator) as slow, open_screen(hub, operator) as quick:
                await take(slow, "snapshot")
                await take(quick, "snapshot")
                for number in range(1, 13):
                    alarm_id = f"{number:02x}" + "0" * 30
                    press_sos(store, kit, alarm_id)
                    assert (await take(quick, "incident_opened"))["alarm_id"] == alarm_id
                assert slow.dropped > 0
                assert len((await take(slow, "snapshot"))["incidents"]) >= 6
                press_sos(store, kit, "ee" + "0" * 30)
                await take(slow, "incident_opened", lambda data: data["alarm_id"].startswith("ee"))

    @in_loop
    async def test_an_ended_log_in_closes_the_stream(self, store, operator):
        holder = [operator]
        async with running(store) as hub:
            with open_screen(hub, operator, lambda: holder[0]) as screen:
                await take(screen, "snapshot")
                holder[0] = None
                assert await take(screen, "closed") == {"reason": "session_ended"}
                with pytest.raises(StopAsyncIteration):
                    await screen.next(1)

    @in_loop
    async def test_changed_rights_close_the_stream(self, store, operator):
        moved_on = Actor(operator.user_id, operator.login, operator.name, operator.role, "云2922")
        async with running(store) as hub:
            with open_screen(hub, operator, lambda: moved_on) as screen:
                assert await take(screen, "closed") == {"reason": "rights_changed"}

    @in_loop
    async def test_a_failing_database_is_told_once_and_its_recovery_once(self, store, kit, operator, caplog):
        caplog.set_level("INFO")
        async with running(store) as hub:
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                with store.write() as uow:
                    uow.connection.exec_driver_sql("ALTER TABLE outbox RENAME TO outbox_away")
                await wait_until_async(lambda: "cannot read the database" in caplog.text)
                with store.write() as uow:
                    uow.connection.exec_driver_sql("ALTER TABLE outbox_away RENAME TO outbox")
                await wait_until_async(lambda: "reads the database again" in caplog.text)
                press_sos(store, kit)
                await take(screen, "incident_opened")


@in_loop
async def test_through_a_real_broker(store, clock, kit, operator):
    port = find_free_port()
    program = [broker.find_program(), "-a", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = await wait_until_async(lambda: _try_connect(port), what="the broker listens")
        writer = Store(store.engine, clock, NatsBus(client, asyncio.get_running_loop()))
        async with running(store, poll_s=3600) as hub:
            await hub.attach(client)
            with open_screen(hub, operator) as screen:
                await take(screen, "snapshot")
                await asyncio.to_thread(press_sos, writer, kit)
                assert (await take(screen, "incident_opened"))["kit_id"] == "dl-2901-01"
                await client.publish(POSITIONS_SUBJECT, encode_positions([moved(kit, 1, clock.now_ms())]))
                assert (await take(screen, "positions"))["positions"][0][0] == "dl-2901-01"
        await client.close()
    finally:
        process.kill()
        process.wait()


async def _try_connect(port):
    async def silent(_error):
        return None

    try:
        return await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False, error_cb=silent)
    except (OSError, nats.errors.Error):
        return None
