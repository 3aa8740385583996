"""Counts compared: file, database, control totals."""

from datetime import date

import pytest

from central.cases.drafts import CaseDraft
from central.cases.numbers import parse_case_no
from central.imports.rules import ExpectedTotalsError
from central.imports.tallies import Tally, read_expected, reconcile
from tests.central.imports.sheets import case_no

COUNTS = {"read": 4, "created": 1, "updated": 1, "unchanged": 1, "rejected": 1}


@pytest.fixture
def tally():
    tally = Tally()
    for seq, court in enumerate(("云2901", "云2901", "云2922"), 1):
        number = parse_case_no(case_no(seq, court))
        tally.add(CaseDraft(number=number, filed_on=date(2026, 1, 1), parties=(), claim_fen=100, state="active"))
    return tally


DATABASE = {
    ("云2901", "执", "active"): (2, 200),
    ("云2922", "执", "closed"): (1, 100),
    ("云2923", "执", "active"): (9, 9),
}


def test_all_agrees(tally):
    outcome = reconcile(
        tally, COUNTS, DATABASE, {"cases": {"": 3, "云2901": 2}, "claim_fen": {"": 300}}, is_dry_run=False
    )
    assert outcome["differences"] == 0
    assert outcome["rows_agree"]
    assert outcome["groups"][0] == {
        "court": "云2901", "type": "执", "state": "active", "file": 2, "file_claim_fen": 200, "database": 2,
        "database_claim_fen": 200,
    }  # fmt: skip
    assert {group["court"] for group in outcome["groups"]} == {"云2901", "云2922"}


def test_a_lost_row_a_short_court_and_a_missed_total_are_named(tally):
    database = {("云2901", "执", "active"): (1, 100)}
    outcome = reconcile(
        tally, COUNTS | {"read": 5}, database, {"cases": {"云2901": 3}, "claim_fen": {}}, is_dry_run=False
    )
    assert not outcome["rows_agree"]
    assert outcome["short"] == [
        {"court": "云2901", "type": "执", "file": 2, "database": 1},
        {"court": "云2922", "type": "执", "file": 1, "database": 0},
    ]
    assert outcome["expected"] == [{"what": "cases", "court": "云2901", "expected": 3, "file": 2}]
    assert outcome["differences"] == 4


def test_a_dry_run_expects_nothing_in_the_database(tally):
    assert reconcile(tally, COUNTS, {}, None, is_dry_run=True)["differences"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "云2901 400\n合计 5000",
        '{"total": 5000, "courts": {"云2901": 400}}',
        'total = 5000\n[courts]\n"云2901" = 400',
        "云2901：400\n总计,5000",
    ],
)
def test_control_totals_in_every_form(text):
    assert read_expected(text) == {"cases": {"": 5000, "云2901": 400}, "claim_fen": {}}


def test_amounts_among_the_totals():
    assert read_expected('{"claim": {"云2901": "1.5万元", "total": 20000}}') == {
        "cases": {}, "claim_fen": {"云2901": 1_500_000, "": 2_000_000},
    }  # fmt: skip


def test_no_totals():
    assert read_expected(" \n") is None


@pytest.mark.parametrize("text", ["云2901 many", "x", "[1]", '{"a": "b"}', "a 1 2", '{"claim": "x"}'])
def test_totals_that_cannot_be_read(text):
    with pytest.raises(ExpectedTotalsError):
        read_expected(text)
