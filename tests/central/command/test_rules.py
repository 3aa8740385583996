"""Who decides his own request; what is refused before anything is written."""

import pytest

from central.base.errors import ForbiddenError
from central.base.settings import Settings
from central.command import rules
from central.courts.permissions import Actor


def person(role, court, user_id="u"):
    return Actor(user_id, "login", "样例", role, court)


def test_own_request():
    assert rules.check_own_request(person("commander", "云29"), "other", "云29") == "ordinary"
    assert rules.check_own_request(person("commander", "云29"), "u", "云29") == "own_motion"
    assert rules.check_own_request(person("commander", "云29"), "", "云29") == "ordinary"
    acting = Actor("u", "login", "样例", "bureau_chief", "云29", frozenset({"commander"}))
    assert rules.check_own_request(acting, "u", "云29") == "own_motion"
    for actor in (person("president", "云29"), person("commander", "云")):
        with pytest.raises(rules.OwnRequestError):
            rules.check_own_request(actor, "u", "云29")


def test_texts_and_limits():
    assert rules.clean("  样例 \n第二行\t ", "order") == "样例\n第二行"
    for bad in ("", "  ", "x" * 501, "a\x00b", "\ud800"):
        with pytest.raises(rules.CommandDraftError):
            rules.clean(bad, "order")
    assert rules.clean("", "reason", needed=False) == ""
    assert rules.check_kits(["a", " a ", "b", ""]) == ["a", "b"]
    for bad in ([], [" "], [str(n) for n in range(65)]):
        with pytest.raises(rules.CommandDraftError):
            rules.check_kits(bad)
    for bad in (0, -1, 241):
        with pytest.raises(rules.CommandDraftError):
            rules.check_minutes(bad, 240)
    with pytest.raises(rules.CommandDraftError):
        rules.check_choice("loud", rules.VOICES, "voice")
    with pytest.raises(rules.CommandDraftError):
        rules.check_commanding("云29", "云2901")
    rules.check_commanding("云2901", "云29")


def test_the_address_kits_are_told():
    assert rules.check_live(Settings(live_kit_host="relay.test", live_kit_port=1)) == "https://relay.test:1"
    assert rules.check_live(Settings(live_kit_url="https://x.test")) == "https://x.test"
    with pytest.raises(rules.LiveOffError):
        rules.check_live(Settings(live_on=False))


def test_a_read_back_is_waited_for_a_minute():
    assert not rules.is_unanswered_for_long("read", issued_ms=0, now_ms=60_000)
    assert rules.is_unanswered_for_long("read", issued_ms=0, now_ms=60_001)
    assert not rules.is_unanswered_for_long("accepted", issued_ms=0, now_ms=10**9)


def test_an_entry_s_hash_binds_every_part():
    parts = {
        "session_id": "a", "no": 1, "at_ms": 1, "kind": "told", "actor": "x", "detail": {"a": 1, "b": 2},
        "prev_hash": bytes(32),
    }  # fmt: skip
    base = rules.hash_entry(**parts)
    assert base == rules.hash_entry(**parts | {"detail": {"b": 2, "a": 1}})
    changes = {"session_id": "b", "no": 2, "at_ms": 2, "kind": "ended", "actor": "y", "detail": {}, "prev_hash": b"x"}
    assert len({base, *(rules.hash_entry(**parts | {name: value}) for name, value in changes.items())}) == 8


def test_another_court_s_decision_is_forbidden():
    assert issubclass(rules.OtherCourtError, ForbiddenError)
