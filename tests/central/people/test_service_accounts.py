"""Accounts of other systems: their tokens, terms and rights."""

import pytest

from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.people import rules, service_accounts

pytestmark = pytest.mark.both_databases


def add(store, actor, **changes):
    values = {"name": "case-system", "note": "办案系统", "court_code": "云29", "scopes": ["cases:read"], "days": 30}
    with store.write() as uow:
        return service_accounts.add_service(uow, actor, **{**values, **changes})


def find(store, clock, token):
    with store.read() as session:
        return service_accounts.find_service(session, token, clock.now_ms())


def only(store, actor):
    with store.read() as session:
        (row,) = service_accounts.list_services(session, actor)
    return row


def test_the_token_is_shown_once_and_stored_as_a_hash(store, people, clock):
    issued = add(store, people["anquan"])
    assert issued.token.startswith("zxs_")
    row = only(store, people["anquan"])
    assert issued.token not in row.model_dump_json()
    service = find(store, clock, issued.token)
    assert (service.name, service.court_code, service.scopes) == ("case-system", "云29", frozenset({"cases:read"}))
    assert service.has_right("see_case")
    assert not service.has_right("unmask_party")


def test_it_ends_with_its_term(store, people, clock):
    issued = add(store, people["anquan"])
    clock.advance(ms=30 * service_accounts.DAY_MS)
    assert find(store, clock, issued.token) is None


def test_a_fresh_token_ends_the_former_one(store, people, clock):
    first = add(store, people["anquan"])
    with store.write() as uow:
        second = service_accounts.rotate_service(uow, people["anquan"], only(store, people["anquan"]).id, days=10)
    assert find(store, clock, first.token) is None
    assert find(store, clock, second.token).name == "case-system"


def test_revoked_is_revoked_for_good(store, people, clock):
    issued = add(store, people["anquan"])
    row = only(store, people["anquan"])
    with store.write() as uow:
        service_accounts.revoke_service(uow, people["anquan"], row.id)
    assert find(store, clock, issued.token) is None
    with pytest.raises(NotFoundError), store.write() as uow:
        service_accounts.rotate_service(uow, people["anquan"], row.id, days=10)


@pytest.mark.parametrize("login", ["guanli", "shenji", "faguan"])
def test_only_the_security_administrator(store, people, login):
    with pytest.raises(ForbiddenError):
        add(store, people[login])
    with store.read() as session, pytest.raises(ForbiddenError):
        service_accounts.list_services(session, people[login])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "a b"}, rules.LoginFormError),
        ({"scopes": []}, InvalidInputError),
        ({"scopes": ["everything"]}, InvalidInputError),
        ({"days": 0}, InvalidInputError),
        ({"days": 10_000}, InvalidInputError),
        ({"court_code": "云"}, ForbiddenError),
    ],
)
def test_bad_input_is_refused(store, people, changes, error):
    with pytest.raises(error):
        add(store, people["anquan"], **changes)


def test_a_taken_name_is_refused(store, people):
    add(store, people["anquan"])
    with pytest.raises(rules.LoginTakenError):
        add(store, people["anquan"])


def test_only_the_own_courts(store, people):
    add(store, people["anquan"])
    row = only(store, people["anquan"])
    with store.read() as session:
        assert service_accounts.list_services(session, people["anquan2"]) == []
    with pytest.raises(NotFoundError), store.write() as uow:
        service_accounts.revoke_service(uow, people["anquan2"], row.id)
