"""Accounts of other systems: two people for each token, their terms and rights."""

import itertools

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import DomainError, ForbiddenError, InvalidInputError, NotFoundError
from central.people import rules, service_accounts
from central.people.rules import AccountChangedError, SamePersonError

pytestmark = pytest.mark.both_databases


def propose(store, actor, **changes):
    values = {"name": "case-system", "note": "办案系统", "court_code": "云29", "scopes": ["cases:read"], "days": 30}
    with store.write() as uow:
        service_accounts.propose_service(uow, actor, **{**values, **changes})


def find(store, clock, token):
    with store.read() as session:
        return service_accounts.find_service(session, token, clock.now_ms())


def only(store, actor):
    with store.read() as session:
        (row,) = service_accounts.list_services(session, actor)
    return row


def act(store, function, actor, row, **values):
    """Act on the account as `row` was seen."""
    with store.write() as uow:
        return function(uow, actor, row.id, version=row.version, **values)


@pytest.fixture
def do(store, people):
    """Act on the only account as it stands now."""

    def do(function, login, **values):
        return act(store, function, people[login], only(store, people["anquan"]), **values)

    return do


@pytest.fixture
def issued(store, people, do):
    """A token of an account that two people agreed on."""
    propose(store, people["guanli"])
    do(service_accounts.admit_service, "anquan")
    return do(service_accounts.issue_token, "guanli").token


class TestTwoPeople:
    @pytest.mark.parametrize("alone", ["guanli", "anquan", "shenji", "juzhang"])
    def test_no_single_person_makes_a_token(self, store, people, clock, do, alone):
        """Whatever one person tries, in whatever order, no token is made."""
        steps = {
            "propose": lambda: propose(store, people[alone], scopes=["cases:read", "personal:read"]),
            "admit": lambda: do(service_accounts.admit_service, alone),
            "issue": lambda: do(service_accounts.issue_token, alone),
            "change": lambda: do(service_accounts.propose_change, alone, scopes=["cases:read"], days=1, fresh=True),
        }
        for order in itertools.permutations(steps):
            for step in order:
                try:
                    steps[step]()
                except (DomainError, ValueError):  # ValueError: there is none to act on
                    continue
        with store.read() as session:
            rows = service_accounts.list_services(session, people["anquan"])
        assert [(row.token_hash, row.token_due, row.admitted_ms, row.scopes) for row in rows] in (
            [], [(None, False, None, [])],
        )  # fmt: skip

    def test_nothing_authenticates_before_all_three_steps(self, store, people, do):
        propose(store, people["guanli"])
        with pytest.raises(AccountChangedError):
            do(service_accounts.issue_token, "guanli")
        row = only(store, people["guanli"])
        assert (row.token_hash, row.scopes, row.expires_ms) == (None, [], 0)
        do(service_accounts.admit_service, "anquan")
        assert only(store, people["guanli"]).token_hash is None
        assert do(service_accounts.issue_token, "guanli2").token.startswith("zxs_")
        with pytest.raises(AccountChangedError):
            do(service_accounts.issue_token, "guanli2")

    def test_nobody_admits_what_he_proposed_nor_issues_what_he_admitted(self, store, people, do):
        propose(store, people["guanli"])
        with store.write() as uow:  # as after a change of offices
            service_accounts.list_services(uow.session, people["anquan"])[0].pending_by = "user:anquan"
        with pytest.raises(SamePersonError):
            do(service_accounts.admit_service, "anquan")
        with store.write() as uow:
            service_accounts.list_services(uow.session, people["anquan"])[0].pending_by = "user:guanli"
        do(service_accounts.admit_service, "anquan")
        with store.write() as uow:
            service_accounts.list_services(uow.session, people["anquan"])[0].admitted_by = "user:guanli"
        with pytest.raises(SamePersonError):
            do(service_accounts.issue_token, "guanli")

    def test_what_is_admitted_is_what_was_seen(self, store, people, do, issued):
        do(service_accounts.propose_change, "guanli", scopes=["cases:read", "courts:read"])
        seen = only(store, people["anquan"])
        do(service_accounts.propose_change, "guanli", scopes=["cases:read", "personal:read"])
        with pytest.raises(AccountChangedError):
            act(store, service_accounts.admit_service, people["anquan"], seen)

    def test_every_step_stands_in_the_audit(self, store, people, do, issued):
        do(service_accounts.propose_change, "guanli2", scopes=["cases:read"], fresh=True)
        do(service_accounts.refuse_service, "anquan", reason="未经申请")
        with store.read() as session:
            rows = session.exec(select(AuditEntry).where(AuditEntry.subject == "case-system")).all()
        assert [(row.action.removeprefix("people:service:"), row.actor) for row in rows] == [
            ("propose", "user:guanli"), ("admit", "user:anquan"), ("issue", "user:guanli"),
            ("change", "user:guanli2"), ("refuse", "user:anquan"),
        ]  # fmt: skip
        assert rows[1].detail == {
            "scopes": ["cases:read"], "days": 30, "fresh_token": True, "proposed_by": "user:guanli",
        }  # fmt: skip

    def test_refused_is_ended_for_good(self, store, people, do):
        propose(store, people["guanli"])
        with pytest.raises(rules.TextFormError):
            do(service_accounts.refuse_service, "anquan", reason=" ")
        do(service_accounts.refuse_service, "anquan", reason="查无此系统")
        assert service_accounts.state_of(only(store, people["anquan"]), 0) == "revoked"
        with pytest.raises(NotFoundError):
            do(service_accounts.admit_service, "anquan")


class TestToken:
    def test_it_is_stored_as_a_hash_and_carries_what_was_admitted(self, store, people, clock, issued):
        row = only(store, people["anquan"])
        assert issued not in row.model_dump_json()
        service = find(store, clock, issued)
        assert (service.name, service.court_code, service.scopes) == ("case-system", "云29", {"cases:read"})
        assert service.has_right("see_case")
        assert not service.has_right("unmask_party")

    def test_it_ends_with_its_term(self, store, people, clock, issued):
        clock.advance(ms=30 * service_accounts.DAY_MS)
        assert find(store, clock, issued) is None
        assert service_accounts.state_of(only(store, people["anquan"]), clock.now_ms()) == "expired"

    def test_a_fresh_one_is_admitted_anew_and_the_former_holds_until_it_is_issued(self, store, clock, do, issued):
        do(service_accounts.propose_change, "guanli", scopes=["cases:read"], fresh=True)
        with pytest.raises(AccountChangedError):
            do(service_accounts.issue_token, "guanli")
        do(service_accounts.admit_service, "anquan")
        assert find(store, clock, issued)
        second = do(service_accounts.issue_token, "guanli").token
        assert find(store, clock, issued) is None
        assert find(store, clock, second).name == "case-system"

    @pytest.mark.parametrize("login", ["guanli2", "anquan"])
    def test_revoked_by_either_at_once_and_for_good(self, store, people, clock, do, issued, login):
        row = only(store, people["anquan"])
        with store.write() as uow:
            service_accounts.revoke_service(uow, people[login], row.id)
        assert find(store, clock, issued) is None
        with pytest.raises(NotFoundError):
            do(service_accounts.propose_change, "guanli", scopes=["cases:read"], fresh=True)


class TestChange:
    def test_more_waits_to_be_admitted(self, store, clock, do, issued):
        do(service_accounts.propose_change, "guanli", scopes=["cases:read", "personal:read"])
        assert find(store, clock, issued).scopes == {"cases:read"}
        do(service_accounts.admit_service, "anquan")
        assert find(store, clock, issued).scopes == {"cases:read", "personal:read"}

    def test_less_counts_at_once_even_beside_more(self, store, clock, do, issued):
        do(service_accounts.propose_change, "guanli", scopes=["personal:read"])
        assert find(store, clock, issued).scopes == frozenset()
        do(service_accounts.propose_change, "guanli", scopes=["cases:write"])
        do(service_accounts.refuse_service, "anquan", reason="未经申请")
        assert find(store, clock, issued).scopes == frozenset()

    def test_an_earlier_end_counts_at_once_a_later_one_when_admitted(self, store, people, clock, do, issued):
        do(service_accounts.propose_change, "guanli", scopes=["cases:read"], days=10)
        end_ms = clock.now_ms() + 10 * service_accounts.DAY_MS
        row = only(store, people["guanli"])
        assert (row.expires_ms, row.pending_by) == (end_ms, "")
        do(service_accounts.propose_change, "guanli", scopes=["cases:read"], days=60)
        assert only(store, people["guanli"]).expires_ms == end_ms
        do(service_accounts.admit_service, "anquan")
        assert only(store, people["guanli"]).expires_ms == clock.now_ms() + 60 * service_accounts.DAY_MS

    def test_not_before_it_was_admitted(self, store, people, do):
        propose(store, people["guanli"])
        with pytest.raises(AccountChangedError):
            do(service_accounts.propose_change, "guanli", scopes=["personal:read"])


@pytest.mark.parametrize("login", ["anquan", "shenji", "faguan"])
def test_only_the_system_administrator_proposes(store, people, login):
    with pytest.raises(ForbiddenError):
        propose(store, people[login])


@pytest.mark.parametrize("login", ["shenji", "faguan"])
def test_only_who_proposes_or_admits_sees_them(store, people, login):
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
        propose(store, people["guanli"], **changes)


def test_a_taken_name_is_refused(store, people):
    propose(store, people["guanli"])
    with pytest.raises(rules.LoginTakenError):
        propose(store, people["guanli"])


def test_only_the_own_courts(store, people):
    propose(store, people["guanli"])
    row = only(store, people["anquan"])
    with store.read() as session:
        assert service_accounts.list_services(session, people["anquan2"]) == []
    for function in (service_accounts.admit_service, service_accounts.issue_token):
        with pytest.raises((NotFoundError, ForbiddenError)):
            act(store, function, people["anquan2"], row)
