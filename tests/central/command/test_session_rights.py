"""Who may watch, talk, lead, decide and order in a session."""

import pytest

from central.command import session_rights
from central.courts.permissions import ROLES, Actor

OPEN = session_rights.OpenSession(
    "s" * 32, "云29", ("云2901", "云7101"), ("dl-2901-01",), 2, "ptt", people=("guest",), kind="ordinary"
)


def person(role, court, user_id="u"):
    return Actor(user_id, "login", "样例", role, court)


@pytest.mark.parametrize(
    ("court", "takes_part"),
    [
        ("云29", True),
        ("云", True),
        ("最高法", True),
        ("云2901", True),
        ("云7101", True),
        ("云2922", False),
        ("", False),
    ],
)
def test_a_court_that_takes_part_or_lies_above_watches(court, takes_part):
    assert session_rights.may_watch(person("commander", court), OPEN) is takes_part
    assert session_rights.may_talk(person("duty_operator", court), OPEN) is takes_part
    assert session_rights.may_publish(person("president", court), OPEN) is takes_part


@pytest.mark.parametrize("role", ROLES)
def test_by_role(role):
    watching = {"president", "commander", "bureau_chief", "duty_operator", "supervisor"}
    actor = person(role, "云29")
    assert session_rights.may_watch(actor, OPEN) is (role in watching)
    assert session_rights.may_talk(actor, OPEN) is (role in watching - {"supervisor"})
    assert session_rights.may_lead(actor, "云29") is (role in {"president", "commander", "duty_operator"})
    assert session_rights.may_decide(actor, "云29") is (role in {"president", "commander"})
    assert session_rights.may_instruct(actor, "云29", "ordinary") is (role == "commander")
    assert session_rights.may_instruct(actor, "云29", "emergency") is (role in {"commander", "duty_operator"})


def test_who_is_invited_takes_part_whatever_his_court_and_nobody_else_of_his_role():
    for act in (session_rights.may_watch, session_rights.may_talk, session_rights.may_publish):
        assert act(person("judge", "云2922", "guest"), OPEN)
        assert not act(person("judge", "云29", "other"), OPEN)
        assert not act(person("clerk", "云29", "guest"), OPEN)


def test_a_superior_does_not_lead_for_the_commanding_court():
    assert not session_rights.may_lead(person("commander", "云"), "云29")
    assert not session_rights.may_decide(person("president", "云"), "云29")
    assert not session_rights.may_instruct(person("commander", "云2901"), "云29", "ordinary")
