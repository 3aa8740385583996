import pytest

from central.base.errors import InvalidInputError
from central.people import rules


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
