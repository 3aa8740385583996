import pytest

from central.base.errors import ForbiddenError, InvalidInputError
from central.courts import rules
from central.courts.permissions import Actor


def actor(role, court="云2901"):
    return Actor("u", "login", "样例", role, court)


@pytest.mark.parametrize(
    ("own", "other", "sees"),
    [
        ("云2901", "云2901", True),
        ("云2901", "云2922", False),
        ("云2901", "云29", False),
        ("云29", "云2931", True),
        ("云", "云29", True),
        ("云", "云7101", True),
        ("云29", "云7101", False),
        ("", "云2901", False),
    ],
)
def test_a_court_sees_itself_and_below(own, other, sees):
    assert rules.sees_court(own, other) is sees


EVIDENCE = {"see_recordings", "play_recording", "export_recording", "see_trail", "see_incidents"}


def test_administrators_see_devices_and_audit_but_never_evidence():
    administrator = actor("system_admin")
    assert {action for action in rules.PERMISSIONS if rules.may(administrator, action)} == {
        "see_kits",
        "see_health",
        "manage_devices",
        "manage_users",
        "see_set_aside",
        "read_audit",
    }
    assert not any(rules.may(administrator, action) for action in EVIDENCE)


@pytest.mark.parametrize(
    ("role", "action", "allowed"),
    [
        ("duty_operator", "acknowledge_alarm", True),
        ("duty_operator", "play_recording", True),
        ("duty_operator", "export_recording", False),
        ("duty_operator", "close_incident", False),
        ("duty_operator", "read_audit", False),
        ("commander", "close_incident", True),
        ("commander", "export_recording", True),
        ("commander", "manage_devices", False),
        ("commander", "fly_helicopter", False),
    ],
)
def test_the_table_decides(role, action, allowed):
    assert rules.may(actor(role), action) is allowed
    if not allowed:
        with pytest.raises(ForbiddenError):
            rules.check_permission(actor(role), action)


def test_a_right_ends_at_the_own_court():
    assert rules.may(actor("commander"), "play_recording", "云2901")
    assert not rules.may(actor("commander"), "play_recording", "云2922")
    assert rules.may(actor("commander", "云29"), "play_recording", "云2922")


def test_every_role_of_the_table_exists():
    assert {role for roles in rules.PERMISSIONS.values() for role in roles} == set(rules.ROLES)


def test_ten_failures_lock_for_fifteen_minutes_and_then_start_anew():
    failures, until_ms = 0, 0
    for number in range(1, 11):
        failures, until_ms = rules.count_failure(failures, until_ms, 1000)
        assert rules.is_locked(failures, until_ms, 1000) is (number == 10)
    assert until_ms == 1000 + 15 * 60 * 1000
    assert not rules.is_locked(failures, until_ms, until_ms)
    assert rules.count_failure(failures, until_ms, until_ms) == (1, 0)


def test_the_lock_is_told_in_one_sentence():
    error = rules.locked_out(1000 + 14 * 60_000 + 1, 1000)
    assert str(error) == "Locked after 10 wrong passwords: try again in 15 min or ask your administrator."


@pytest.mark.parametrize(
    ("changes", "live"),
    [
        ({}, True),
        ({"revoked_ms": 5}, False),
        ({"now_ms": 10_000}, False),
        ({"now_ms": 7_000}, False),
        ({"now_ms": 6_999}, True),
    ],
)
def test_session_life(changes, live):
    values = {"now_ms": 3000, "last_seen_ms": 2000, "expires_ms": 10_000, "revoked_ms": None, "idle_ms": 5000}
    assert rules.is_session_live(**{**values, **changes}) is live


@pytest.mark.parametrize("login", ["", "ab", "a b c", "值班员", "-abc", "a" * 40])
def test_bad_logins_are_refused(login):
    with pytest.raises(InvalidInputError):
        rules.check_login(login)


def test_logins_are_one_whatever_their_spelling():
    assert rules.check_login("  ＺhiBan ") == "zhiban"


@pytest.mark.parametrize("password", ["short", "密" * 400])
def test_bad_passwords_are_refused(password):
    with pytest.raises(InvalidInputError):
        rules.check_password(password)


def test_an_unknown_role_is_refused():
    with pytest.raises(InvalidInputError, match="duty_operator, commander, administrator"):
        rules.check_role("root")
