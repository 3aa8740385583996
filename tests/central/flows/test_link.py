"""Originals asked for and the link's metering: who may, what reaches the mailbox and the audit, what is refused."""

import json
from dataclasses import replace

import pytest

from central.audit import queries as audit
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.base.settings import Settings
from central.devices import queries as devices
from central.devices import service
from central.evidence.rules import NothingMissingError
from central.flows import link
from contract.messages import decode
from contract.orders import LinkOrder, OriginalsOrder
from tests.browser.footage import Footage, film
from tests.browser.world import World

KIT = "dl-2901-01"
pytestmark = pytest.mark.both_databases


@pytest.fixture
def footage(store, bus, kits, tmp_path) -> Footage:
    """Three segments, of which the second and third are still on the kit."""
    folders = {f"{name}_dir": str(tmp_path / name) for name in ("data", "keys", "handover")}
    world = World(store, Settings(**folders), bus, kits=kits)
    footage = Footage(world, KIT, world.now_ms() - 60_000)
    for number, segment in enumerate(film(KIT, 6)[:3]):
        footage.add(segment, store=number == 0)
    return footage


def act(store, work, *given, **more):
    with store.write() as uow:
        return work(uow, *given, **more)


def waiting(store, kit):
    with store.read() as session:
        return [(row.kind, json.dumps(row.body).encode()) for row in service.list_undelivered(session, kit, have=0)]


def test_originals_are_ordered_for_the_range_and_audited(store, kit, operator, footage):
    act(store, link.order_originals, operator, footage.id, reason="核实冲突经过", first=2, last=3)
    ((kind, body),) = waiting(store, kit)
    order = decode(body, OriginalsOrder)
    assert (kind, order.recording_id, order.from_seq, order.to_seq) == ("originals", footage.id, 2, 3)
    with store.read() as session:
        (row,) = audit.list_entries(session, court_prefix="云", action_prefix="evidence:originals:ask")
        (asked,) = link.list_asked(session, operator, KIT, footage.id, now_ms=store.clock.now_ms())
        assert link.list_asked(session, operator, KIT, "0" * 32, now_ms=store.clock.now_ms()) == []
    assert (row.subject, row.purpose, row.detail["missing"]) == (footage.id, "核实冲突经过", 2)
    assert asked.state == "waiting"


def test_what_is_here_is_not_asked_for_and_nothing_without_a_reason(store, kit, operator, footage):
    with pytest.raises(NothingMissingError):
        act(store, link.order_originals, operator, footage.id, reason="样例", first=0, last=1)
    with pytest.raises(InvalidInputError):
        act(store, link.order_originals, operator, footage.id, reason="  ")
    assert waiting(store, kit) == []


def test_nobody_else_may(store, kit, operator, footage):
    for wrong, error in (({"role": "supervisor"}, ForbiddenError), ({"court_code": "云2923"}, NotFoundError)):
        actor = replace(operator, **wrong)
        with pytest.raises(error):
            act(store, link.order_originals, actor, footage.id, reason="样例")
        with pytest.raises(error):
            act(store, link.order_metered, actor, KIT, metered=True, reason="样例")
    assert waiting(store, kit) == []


@pytest.mark.parametrize("metered", [True, False, None])
def test_the_link_is_said_to_be_metered_or_left_to_the_kit(store, kit, operator, metered):
    act(store, link.order_metered, operator, KIT, metered=metered, reason="流量将尽")
    ((kind, body),) = waiting(store, kit)
    assert (kind, decode(body, LinkOrder).metered) == ("link", metered)
    with store.read() as session:
        (row,) = audit.list_entries(session, court_prefix="云", action_prefix="devices:link:order")
        (entry,) = devices.list_directives(session, operator, KIT, now_ms=store.clock.now_ms(), kind="link")
    assert (row.purpose, row.detail) == ("流量将尽", {"metered": metered})
    assert entry.body.get("metered") is metered
