"""Kit in one network namespace, centre in another, a bad link between: what comes through, when, how true."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from bench.stand import find_process
from central.devices.models import Kit, Position, ReceivedItem
from central.evidence.models import Recording
from central.flows.acknowledge import acknowledge_incident, close_incident
from central.incidents.models import AlarmRecord, Incident
from central.people.queries import actor_of, get_user
from contract import messages
from demo.places import Part
from edge.spool import open_spool
from tests.journeys.conftest import make_part
from tests.network.bad_link import LinkShape
from tests.network.namespaces import why_not
from tests.network.watching import PresenceWatch
from tests.network.world import World, open_world

pytestmark = [
    pytest.mark.journey,
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason=why_not() or "root"),
    pytest.mark.timeout(240),
]

GOOD = LinkShape(delay_ms=40)
THIN = LinkShape(delay_ms=300, kbit_s=64, queue_kb=64)
LOSSY = LinkShape(delay_ms=150, loss=0.3)
HOURS = 4
WRONG_AT_MOST_S = 10.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("link"), GOOD) as world:
        yield world


def enrol(world: World, kit_id: str) -> Part:
    part = make_part(world.stand, kit_id)
    world.enrol(part)
    return part


def test_the_centre_is_never_wrong_for_longer_than_ten_seconds(world: World) -> None:
    world.link.shape(GOOD)
    part = enrol(world, "dl-seen-01")
    with PresenceWatch(world.stand, world.centre, part.kit_id) as watch:
        world.start_kit(part, segments={"record_at_start": False})
        wait(world, watch, "live", "heard")
        watch.tell(can_be_heard=True)
        linger(world, 3)

        watch.tell(can_be_heard=False)
        world.link.cut()
        wait(world, watch, "late", "delayed")
        linger(world, 6)
        watch.tell(can_be_heard=True)
        world.link.mend()
        wait(world, watch, "live", "heard")

        watch.tell(can_be_heard=False)
        kill_kit(world, part)
        wait(world, watch, "stale", "link_lost", within_s=4)  # the broker says so at once
        watch.tell(can_be_heard=True)
        world.start_kit(part, segments={"record_at_start": False})
        wait(world, watch, "live", "heard")

        find_process(world.stand, "centre", "intake").send_signal(signal.SIGKILL)
        linger(world, 7)
        wait(world, watch, "live", "heard")

        watch.tell(can_be_heard=False)
        world.stand.end_child(part.kit_id)
        wait(world, watch, "dark", "switched_off", within_s=4)
    print(f"longest wrong: {watch.longest_wrong_s():.1f} s")
    assert watch.longest_wrong_s() < WRONG_AT_MOST_S


def test_after_hours_of_darkness_the_sos_is_first_and_nothing_is_lost_or_doubled(world: World) -> None:
    world.link.cut()
    part = enrol(world, "dl-dark-01")
    fill_spool(world, part, hours=HOURS)
    with PresenceWatch(world.stand, world.centre, part.kit_id) as watch:
        world.start_kit(part)
        world.stand.wait_until(lambda: count_segments(world, part) >= 4, "segments in the dark", timeout_s=60)
        sos = str(world.press(part, "sos")["alarm_id"])
        linger(world, 1)
        assert find_alarm(world, sos) is None

        world.link.shape(THIN)
        world.link.mend()
        mended_s = time.monotonic()
        world.stand.wait_until(lambda: find_alarm(world, sos) is not None, "the SOS", timeout_s=20)
        sos_s = time.monotonic() - mended_s
        with world.stand.store.read() as session:
            kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
            before = len(session.exec(select(Position.seq).where(Position.kit_no == kit.kit_no)).all())
        assert before < 10, "the backlog waits behind the SOS and the newest fixes"

        world.stand.wait_until(lambda: watch.now.presence == "live", "the kit to be seen", timeout_s=20)
        linger(world, 3)
        began = len(watch.samples)
        linger(world, 12)
        ages = [sample.fix_age_s for sample in watch.samples[began:] if sample.fix_age_s is not None]
        second_s = time_alarm(world, part, "mark")

        world.link.shape(LOSSY)
        linger(world, 8)
        lossy_s = time_alarm(world, part, "mark")
        world.link.shape(GOOD)
        world.link.flap(10.0)
        flapping_s = time_alarm(world, part, "mark")
        world.link.mend()
        close_incident_of(world, sos)
        world.stand.wait_until(lambda: not is_calling(world, part), "the kit to know that it was heard", timeout_s=30)
        world.press(part, "record")
        world.stand.wait_until(lambda: is_drained(world, part), "everything to be handed over", timeout_s=90)
    print(
        f"SOS {sos_s:.1f} s after the mend; fix age on 64 kbit/s beside video: {max(ages):.1f} s at most; "
        f"a mark: thin {second_s:.1f} s, lossy {lossy_s:.1f} s, flapping {flapping_s:.1f} s"
    )
    assert sos_s < 12
    assert max(ages) < 6
    assert max(second_s, lossy_s) < 10
    assert flapping_s < 20, "ten seconds of darkness, then the link again"
    check_nothing_lost_or_doubled(world, part, alarms=4)
    world.stand.end_child(part.kit_id)


# What the tests do and look at ------------------------------------------------------------------------------


def wait(world: World, watch: PresenceWatch, presence: str, reason: str, *, within_s: float = 30.0) -> None:
    def is_said() -> bool:
        return (watch.now.presence, watch.now.reason) == (presence, reason)

    try:
        world.stand.wait_until(is_said, f"{presence}/{reason}", timeout_s=within_s)
    except TimeoutError as error:
        raise AssertionError(f"{presence}/{reason} not within {within_s} s, but {watch.now}: {error}") from error


def linger(world: World, seconds: float) -> None:
    """Let time pass on purpose; a child that dies meanwhile fails the test."""
    until_s = time.monotonic() + seconds
    world.stand.wait_until(lambda: time.monotonic() >= until_s, "time to pass", timeout_s=seconds + 5)


def kill_kit(world: World, part: Part) -> None:
    """As a battery torn out would: every process at once."""
    (child,) = [child for child in world.stand.children if child.name == part.kit_id]
    world.stand.children.remove(child)
    os.killpg(child.process.pid, signal.SIGKILL)
    child.process.wait()


def fill_spool(world: World, part: Part, *, hours: int) -> None:
    """Hours of positions as the kit would have written them, one a second up to now."""
    now_ms = time.time_ns() // 1_000_000
    with open_spool(world.stand.stage.kit_dir(part) / "spool.db") as spool, spool.transaction():
        for second in range(hours * 3600, 0, -1):
            fix = messages.Fix(lat=25.6, lon=100.2 + second * 1e-5, fix_ms=now_ms - second * 1000, speed_mps=1.0)
            spool.outbox.append("position", messages.encode(fix))


def spool_path(world: World, part: Part) -> Path:
    return world.stand.stage.kit_dir(part) / "spool.db"


def count_segments(world: World, part: Part) -> int:
    with open_spool(spool_path(world, part)) as spool:
        return int(spool.vault.count_pending())


def find_alarm(world: World, alarm_id: str) -> AlarmRecord | None:
    with world.stand.store.read() as session:
        return session.exec(select(AlarmRecord).where(AlarmRecord.alarm_id == alarm_id)).first()


def close_incident_of(world: World, alarm_id: str) -> None:
    with world.stand.store.write() as uow:
        incident = uow.session.exec(select(Incident).where(Incident.alarm_id == alarm_id)).one()
        actor = actor_of(get_user(uow.session, "commander"))
        acknowledge_incident(uow, actor, incident.id)
        close_incident(uow, actor, incident.id, note="test")


def is_calling(world: World, part: Part) -> bool:
    with open_spool(spool_path(world, part)) as spool:
        return bool(spool.outbox.unsettled_sos())


def time_alarm(world: World, part: Part, button: str) -> float:
    began_s = time.monotonic()
    alarm_id = str(world.press(part, button)["alarm_id"])
    world.stand.wait_until(lambda: find_alarm(world, alarm_id) is not None, f"the {button}", timeout_s=60)
    return time.monotonic() - began_s


def is_drained(world: World, part: Part) -> bool:
    with open_spool(spool_path(world, part)) as spool:
        recording = (spool.state.get("recorder_status") or {}).get("recording")
        waiting = spool.outbox.count(("position", "alarm", "chain"))
        return not recording and spool.vault.count_pending() == 0 and waiting < 5


def check_nothing_lost_or_doubled(world: World, part: Part, *, alarms: int) -> None:
    with world.stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        fixes = set(session.exec(select(Position.seq).where(Position.kit_no == kit.kit_no)).all())
        others = session.exec(select(ReceivedItem.seq).where(ReceivedItem.kit_no == kit.kit_no)).all()
        told = session.exec(select(AlarmRecord.alarm_id).where(AlarmRecord.kit_no == kit.kit_no)).all()
        recordings = session.exec(select(Recording).where(Recording.kit_id == part.kit_id)).all()
    with open_spool(spool_path(world, part)) as spool:
        held = {entry.seq for entry in spool.outbox.pending(1000)}
    seqs = fixes | set(others) | held
    missing = set(range(1, max(seqs) + 1)) - seqs
    assert not missing, f"{len(missing)} of {max(seqs)} numbers are neither here nor there"
    assert len(fixes) > HOURS * 3600
    assert len(told) == len(set(told)) and len(set(told)) >= alarms
    assert recordings and all(recording.stored_count == recording.segment_count for recording in recordings)
