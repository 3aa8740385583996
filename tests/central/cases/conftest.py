"""A small cast at two courts, specimen people all, and a case they work on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases import service as cases
from central.cases.drafts import CaseDraft
from central.cases.numbers import parse_case_no
from central.cases.parties import PartyDraft
from central.courts.permissions import Actor
from central.people.models import User

COURT = "云2901"
CASE_NO = "（2026）云2901执1号"
FILED_ON = date(2026, 9, 1)
TODAY = date(2026, 11, 24)  # of tests.fakes.clocks.START_MS
# Region 999999 does not exist; birth date and check digit are formally right.
SPECIMEN_ID = "999999199001010016"

PEOPLE = {
    "judge": ("judge", COURT),
    "judge2": ("judge", COURT),
    "clerk": ("clerk", COURT),
    "clerk2": ("clerk", COURT),
    "chief": ("bureau_chief", COURT),
    "president": ("president", COURT),
    "commander": ("commander", COURT),
    "duty": ("duty_operator", COURT),
    "supervisor": ("supervisor", "云29"),
    "upper_chief": ("bureau_chief", "云29"),
    "upper_president": ("president", "云29"),
    "police": ("police", COURT),
    "admin": ("system_admin", COURT),
    "neighbour": ("bureau_chief", "云2922"),
    "neighbour_clerk": ("clerk", "云2922"),
}


@dataclass(frozen=True)
class Cast:
    """The specimen people, each as an actor with an account."""

    actors: dict[str, Actor]

    def __getattr__(self, name: str) -> Actor:
        return self.actors[name]


@pytest.fixture
def cast(store: Store) -> Cast:
    actors = {}
    with store.write() as uow:
        for number, (login, (role, court)) in enumerate(PEOPLE.items(), 1):
            user = User(
                login=login,
                name=f"样例{number:02d}",
                role=role,
                court_code=court,
                password_hash="-",
                created_ms=1,
                admitted_ms=1,
            )
            uow.session.add(user)
            actors[login] = Actor(user.id, login, user.name, role, court)
    return Cast(actors)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return load_keyring(tmp_path / "keys")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), document_max_bytes=100_000)


def make_draft(case_no: str = CASE_NO, **changes: object) -> CaseDraft:
    """A case of one creditor and one debtor."""
    values: dict[str, object] = {
        "number": parse_case_no(case_no),
        "filed_on": FILED_ON,
        "parties": (
            PartyDraft("applicant", "natural", "样例申请人甲"),
            PartyDraft("executee", "natural", "样例被执行人乙", "resident_id", SPECIMEN_ID, "000-0000", "样例路1号"),
        ),
        "basis_doc_no": "(2026)云2901民初1号",
        "cause": "买卖合同纠纷",
        "claim_fen": 1_000_000,
    }
    return CaseDraft(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def case_no(store: Store, cast: Cast, keyring: Keyring) -> str:
    """A case registered by the clerk and assigned to the judge."""
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft())
    with store.write() as uow:
        cases.assign_case(uow, cast.chief, CASE_NO, "judge", clerk_login="clerk")
    return CASE_NO
