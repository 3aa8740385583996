"""Outlets: granted inside a session by who may, on record, and gone with any of the things they stand on."""

from __future__ import annotations

import pytest
from sqlmodel import select

from central.audit import queries as audit
from central.base.errors import ForbiddenError, NotFoundError
from central.base.settings import Settings
from central.command import foreign_rules, outlets, queries, rules, service
from central.command.foreign_models import SessionOutlet

pytestmark = pytest.mark.both_databases
KIT = "dl-2901-01"


@pytest.fixture
def settings() -> Settings:
    return Settings(live_rtsp_port=8554)


@pytest.fixture
def grant(store, commander, keyring, settings):
    def take(session_id, actor=commander, settings=settings, **fields):
        values = {"source": KIT, "system": "样例会议系统", "purpose": "联席会议", "minutes": 30} | fields
        with store.write() as uow:
            return outlets.grant_outlet(uow, actor, keyring, settings, session_id, **values)

    return take


def held(store, made):
    with store.read() as session:
        return outlets.find_held(session, made.id, store.clock.now_ms())


def test_a_grant_is_on_record_and_its_password_nowhere(store, begin, grant, keyring, commander):
    session = begin()
    made = grant(session.id)
    found = held(store, made)
    assert (found.session_id, found.source, found.system) == (session.id, KIT, "样例会议系统")
    secret = keyring.open(foreign_rules.SECRET_FIELD, made.id, found.secret_cipher)
    assert secret == outlets.hash_password(made.user, made.password)
    assert made.whole_address == f"rtsp://{made.id}:{made.password}@127.0.0.1:8554/{made.id}"
    with store.read() as reading:
        entry = queries.list_entries(reading, session.id)[-1]
        rows = reading.exec(select(audit.AuditEntry)).all()
        stored = reading.exec(select(SessionOutlet)).all()
    assert (entry.kind, entry.detail["source"], entry.detail["system"]) == ("outlet_granted", KIT, "样例会议系统")
    assert rows[-1].action == "command:outlet:grant"
    for text in (repr(entry), repr(rows), repr(stored)):
        assert made.password not in text and secret not in text


@pytest.mark.parametrize("end", ["grant", "session", "kit", "minutes"])
def test_it_is_gone_with_what_it_stands_on(store, begin, grant, commander, clock, end):
    session = begin(kits=(KIT, "yb-2922-01"))
    made = grant(session.id)
    assert held(store, made)
    with store.write() as uow:
        if end == "grant":
            outlets.end_outlet(uow, commander, session.id, made.id)
        elif end == "session":
            service.end_session(uow, commander, session.id, "样例")
        elif end == "kit":
            service.remove_kit(uow, commander, session.id, KIT)
    if end == "minutes":
        clock.advance(s=30 * 60)
    assert held(store, made) is None


def test_it_never_outlives_the_session_s_time(store, begin, grant):
    session = begin(minutes=10)
    assert grant(session.id, minutes=240).until_ms == session.until_ms


def test_who_may(store, begin, grant, operator, leader, neighbour, second):
    session = begin()
    for actor in (operator, leader, second):  # no commander, not of the commanding court, no right
        with pytest.raises(ForbiddenError):
            grant(session.id, actor=actor)
    with pytest.raises((ForbiddenError, NotFoundError)):
        grant(session.id, actor=neighbour)


def test_what_is_refused(store, begin, grant, commander):
    session = begin()
    with pytest.raises(NotFoundError):
        grant(session.id, source="yb-2922-01")
    with pytest.raises(foreign_rules.OutletOffError):
        grant(session.id, settings=Settings())
    with pytest.raises(foreign_rules.CameraNameError):
        grant(session.id, system=" ")
    with pytest.raises(rules.CommandDraftError):
        grant(session.id, minutes=0)
    for _ in range(foreign_rules.MAX_OUTLETS):
        made = grant(session.id)
    with pytest.raises(foreign_rules.OutletLimitError):
        grant(session.id)
    with store.write() as uow:
        outlets.end_outlet(uow, commander, session.id, made.id)
        with pytest.raises(NotFoundError):
            outlets.end_outlet(uow, commander, session.id, made.id)
    with store.write() as uow:
        service.end_session(uow, commander, session.id, "样例")
    with pytest.raises(rules.SessionEndedError):
        grant(session.id)
