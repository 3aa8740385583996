"""The demo's case database: all courts, all kinds of waiting work, nobody real."""

from itertools import islice
from pathlib import Path

import pytest
from sqlmodel import col, func, select

from central.base import schema
from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.cases.catalogue import get_catalogue
from central.cases.clock import today
from central.cases.models import CaseAct, EnforcementCase, Party
from central.cases.queries import open_party
from central.cases.writer import Outcome, store_cases
from central.courts import service as courts
from central.people.models import User
from demo.cases import SOURCE, fill_cases
from demo.fiction import make_cases
from demo.people import COUNTIES, all_logins
from tests.fakes.clocks import FakeClock

COUNT = 1400


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path / "keys"))


@pytest.fixture
def store(settings):
    schema.migrate(settings)
    store = open_store(settings, clock=FakeClock())
    yield store
    store.close()


@pytest.fixture
def filled(store, settings):
    with store.write() as uow:
        courts.seed_courts(uow)
        for login in all_logins():
            uow.session.add(
                User(
                    login=login.login, name=login.name, role=login.role, court_code=login.court_code,
                    password_hash="!", created_ms=uow.now_ms, admitted_ms=uow.now_ms, admitted_by="system:test",
                )
            )  # fmt: skip
    assert fill_cases(store, settings, count=COUNT) == COUNT
    return settings


def test_every_court_has_cases_and_every_kind_of_work_waits(store, filled):
    with store.read() as session:
        by_court = dict(
            session.exec(select(EnforcementCase.court_code, func.count()).group_by(EnforcementCase.court_code)).all()
        )
        acts = set(session.exec(select(CaseAct.kind, CaseAct.state)).all())
        states = set(session.exec(select(EnforcementCase.state)).all())
    assert set(by_court) == {"云29", *COUNTIES}
    assert sum(by_court.values()) == COUNT
    assert {("extend", "submitted"), ("extend", "approved"), ("extend", "done"), ("close", "approved")} <= acts
    assert {"active", "suspended", "closed"} <= states


def test_nobody_in_it_is_real(store, filled):
    keyring = load_keyring(Path(filled.keys_dir))
    with store.read() as session:
        parties = session.exec(select(Party).order_by(col(Party.party_id)).limit(600)).all()
    for party in parties:
        shown = open_party(keyring, party)
        if party.kind == "natural":
            assert shown["id_no"].startswith("999999")
        else:
            assert "（样例）" in party.name
            assert shown["id_no"][2:8] == "999999"


def test_a_second_filling_adds_nothing(store, filled):
    with store.read() as session:
        before = session.exec(select(func.count()).select_from(EnforcementCase)).one()
    batch = list(islice(make_cases(COUNT, today(store.clock.now_ms()), seed=7), 100))
    with store.write() as uow:
        outcomes = store_cases(
            uow, load_keyring(Path(filled.keys_dir)), get_catalogue(), batch,
            source=SOURCE, actor="system:test",
        )  # fmt: skip
    assert set(outcomes) == {Outcome.UNCHANGED}
    with store.read() as session:
        assert session.exec(select(func.count()).select_from(EnforcementCase)).one() == before
