"""Two networks: kits reach a zone, the court's closed network reaches out to it, and nobody reaches in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from central.flows.acknowledge import acknowledge_incident
from central.incidents.models import AlarmRecord, Incident
from central.people.queries import actor_of, get_user
from demo.places import Part
from edge.spool import open_spool
from tests.journeys.conftest import make_part
from tests.network.namespaces import why_not
from tests.network.two_networks import TwoNetworks, open_two_networks
from tests.network.watching import PresenceWatch

pytestmark = [
    pytest.mark.journey,
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason=why_not() or "root"),
    pytest.mark.timeout(300),
]
OFFICER = "段志远"
TASK_CASE = "（2026）云2901执1234号"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNetworks]:
    with open_two_networks(tmp_path_factory.mktemp("two")) as world:
        yield world


@pytest.fixture(scope="module")
def part(world: TwoNetworks) -> Part:
    """A kit in the field, recording."""
    part = make_part(world.stand, "dl-zone-01", officer=OFFICER)
    world.enrol(part)
    world.start_kit(part)
    return part


def test_an_sos_is_seen_inside_and_its_acknowledgement_felt(world: TwoNetworks, part: Part) -> None:
    with PresenceWatch(world.stand, world.inside, part.kit_id) as watch:
        world.stand.wait_until(lambda: watch.now.presence == "live", "the kit on the screens", timeout_s=60)
        pressed_s = time.monotonic()
        sos = str(world.press(part, "sos")["alarm_id"])
        world.stand.wait_until(lambda: find_alarm(world, sos) is not None, "the SOS", timeout_s=20)
        print(f"SOS inside after {time.monotonic() - pressed_s:.2f} s")
    acknowledge(world, sos)
    world.stand.wait_until(lambda: not is_calling(world, part), "the acknowledgement to be felt", timeout_s=30)


# What the tests do and look at ------------------------------------------------------------------------------


def find_alarm(world: TwoNetworks, alarm_id: str) -> AlarmRecord | None:
    with world.stand.store.read() as session:
        return session.exec(select(AlarmRecord).where(AlarmRecord.alarm_id == alarm_id)).first()


def acknowledge(world: TwoNetworks, alarm_id: str) -> None:
    with world.stand.store.write() as uow:
        incident = uow.session.exec(select(Incident).where(Incident.alarm_id == alarm_id)).one()
        acknowledge_incident(uow, actor_of(get_user(uow.session, "commander")), incident.id)


def is_calling(world: TwoNetworks, part: Part) -> bool:
    with open_spool(spool_path(world, part)) as spool:
        return bool(spool.outbox.unsettled_sos())


def spool_path(world: TwoNetworks, part: Part) -> Path:
    return world.stand.stage.kit_dir(part) / "spool.db"
