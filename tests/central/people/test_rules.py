import pytest

from central.base.errors import InvalidInputError
from central.people import password_rules, rules


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
        password_rules.check_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaa", "1234567890", "abcdefghijkl", "Password2026!", "P@ssw0rd2026", "qwertyuiop",
        "执行执行执行执行执行", "Admin123456", "9876543210",
    ],
)  # fmt: skip
def test_easily_guessed_passwords_are_refused(password):
    with pytest.raises(rules.WeakPasswordError):
        password_rules.check_password(password)


@pytest.mark.parametrize(
    "password", ["correct horse battery", "山高水长 清风明月 2", "k7v-qq2-mzp-x4", "password-of-a-brown-goat"]
)
def test_long_and_unlike_the_login_is_enough(password):
    assert password_rules.check_password(password, "faguan") == password


def test_the_login_is_no_part_of_the_password():
    with pytest.raises(rules.WeakPasswordError):
        password_rules.check_password("xX-FaGuan-2026", "faguan")


@pytest.mark.parametrize(
    ("values", "stage"),
    [
        ({}, "full"),
        ({"has_second": True}, "second"),
        ({"has_second": True, "is_second_proven": True}, "full"),
        ({"has_second": True, "second_factor": "off"}, "full"),
        ({"second_factor": "required"}, "enrol"),
        ({"second_factor": "required", "is_second_proven": True}, "full"),
        ({"second_factor": "required", "must_change_password": True}, "password"),
        ({"has_second": True, "must_change_password": True}, "second"),
        ({"second_factor": "off", "must_change_password": True}, "password"),
    ],
)
def test_what_a_log_in_owes(values, stage):
    defaults = {
        "second_factor": "optional", "has_second": False, "is_second_proven": False, "must_change_password": False
    }  # fmt: skip
    assert rules.next_stage(**{**defaults, **values}) == stage


@pytest.mark.parametrize(
    ("ways", "context_class", "is_two"),
    [
        (["pwd"], "", False),
        (["pwd", "pin"], "", False),
        (["otp"], "", False),
        (["pwd", "otp"], "", True),
        (["hwk", "fpt"], "", True),
        (["mfa"], "", True),
        ([], "phr", True),
        ([], "https://refeds.org/profile/mfa", True),
        ([], "0", False),
        (["made-up", "otp"], "", False),
    ],
)
def test_when_a_directory_has_asked_for_two_ways(ways, context_class, is_two):
    assert rules.has_two_ways(ways, context_class) is is_two


@pytest.mark.parametrize(
    "offices",
    [
        {"drafter": "a", "approver": "a"},
        {"drafter": "a", "approver": "b", "signer": "a"},
        {"approver": "b", "sealer": "b"},
        {"drafter": "a", "approver": "b", "signer": "c", "sealer": "c"},
    ],
)
def test_one_person_fills_one_office(offices):
    with pytest.raises(rules.SamePersonError):
        rules.check_separation(**offices)


def test_offices_not_filled_yet_do_not_count():
    rules.check_separation(drafter="a", approver="b", signer="c", sealer="d")
    rules.check_separation(drafter="a", approver="", signer=None, sealer="")


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("203.0.113.7", "IP 203.0.113.7"),
        ("2001:db8:1:2:3::9", "IP 2001:db8:1:2::/64"),
        ("fe80::1%eth0", "IP fe80::/64"),
        ("testclient", "IP testclient"),
    ],
)
def test_addresses_are_counted_by_network_and_never_as_a_login(client, key):
    assert rules.address_key(client) == key
    assert rules.normalise_login(key) != key


@pytest.mark.parametrize(
    ("terminal", "own", "serves"),
    [("云2901", "云2901", True), ("云29", "云2901", True), ("云2922", "云2901", False), ("云2901", "云29", False)],
)
def test_whom_a_terminal_serves(terminal, own, serves):
    assert rules.terminal_serves(terminal, own) is serves
