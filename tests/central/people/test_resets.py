"""Passwords and second ways take two people: proposed, admitted, and issued by an office that gains nothing."""

import itertools

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import DomainError, ForbiddenError, InvalidInputError
from central.base.settings import Settings
from central.people import accounts, password_rules, passwords, queries, resets, rules, service
from central.people.models import Passkey
from central.people.rules import AccountChangedError, SamePersonError
from tests.central.people.conftest import PASSWORD

pytestmark = pytest.mark.both_databases
SETTINGS = Settings(second_factor="optional")
NEW = "三棵树 与一条 河流"


def act(store, function, actor, login, **values):
    with store.write() as uow:
        version = queries.get_user(uow.session, login).version
        return function(uow, actor, login, version=version, **values)


def issue(store, actor, login):
    first = passwords.make_password()
    act(store, resets.issue_password, actor, login, first=first, hashed=passwords.hash_password(first))
    return first


def read(store, login):
    with store.read() as session:
        return queries.get_user(session, login)


def log_in(store, login, password=PASSWORD):
    return service.log_in(store, SETTINGS, login=login, password=password)


def is_live(store, token):
    with store.read() as session:
        return queries.find_login(session, token, now_ms=store.clock.now_ms(), idle_s=7200) is not None


def propose_account(store, actor, role):
    with store.write() as uow:
        return accounts.propose_user(uow, actor, login="xinren", name="样例新人", role=role, court_code="云2901")


@pytest.mark.parametrize("login", ["faguan", "anquan2", "guanli2"])
@pytest.mark.parametrize("alone", ["guanli", "anquan", "shenji", "juzhang"])
def test_no_single_person_gets_into_an_account(store, people, alone, login):
    """Whatever one person does, in whatever order, the account keeps its password and nobody else's works."""
    steps = {
        "password": lambda: act(store, resets.propose_reset, people[alone], login, what="password"),
        "second": lambda: act(store, resets.propose_reset, people[alone], login, what="second"),
        "admit": lambda: act(store, accounts.admit, people[alone], login),
        "issue": lambda: issue(store, people[alone], login),
    }
    done = set()
    for order in itertools.permutations(steps):
        for step in order:
            try:
                steps[step]()
                done.add(step)
            except DomainError:
                continue
    assert done <= {"password", "second"}
    assert not read(store, login).must_change_password
    assert log_in(store, login).stage == "full"


class TestPassword:
    def test_three_steps_two_people_and_who_did_what(self, store, people):
        token = log_in(store, "faguan").token
        act(store, resets.propose_reset, people["guanli"], "faguan", what="password")
        assert queries.state_of(read(store, "faguan")) == "changing"
        with pytest.raises(AccountChangedError):
            issue(store, people["guanli"], "faguan")
        act(store, accounts.admit, people["anquan"], "faguan")
        assert is_live(store, token), "a proposal locks nobody out"
        assert log_in(store, "faguan").stage == "full"
        assert queries.state_of(read(store, "faguan")) == "due"
        first = issue(store, people["guanli2"], "faguan")
        assert not is_live(store, token)
        with pytest.raises(rules.WrongPasswordError):
            log_in(store, "faguan")
        assert log_in(store, "faguan", first).stage == "password"
        with pytest.raises(AccountChangedError):
            issue(store, people["guanli2"], "faguan")
        user = read(store, "faguan")
        assert (user.due_proposed_by, user.due_admitted_by, user.issued_by) == (
            "user:guanli", "user:anquan", "user:guanli2",
        )  # fmt: skip
        with store.read() as session:
            rows = session.exec(select(AuditEntry).where(AuditEntry.subject == "faguan")).all()
        acts = [(row.action, row.actor) for row in rows if row.action.startswith("people:password")]
        assert acts == [
            ("people:password:propose", "user:guanli"),
            ("people:password:admit", "user:anquan"),
            ("people:password:issue", "user:guanli2"),
        ]

    def test_an_issued_password_must_be_changed_and_ends_the_lock(self, store, people):
        for _ in range(10):
            with pytest.raises((rules.WrongPasswordError, rules.LockedOutError)):
                log_in(store, "faguan", "wrong password")
        act(store, resets.propose_reset, people["guanli"], "faguan", what="password")
        act(store, accounts.admit, people["anquan"], "faguan")
        first = issue(store, people["guanli"], "faguan")
        issued = log_in(store, "faguan", first)
        for weak, error in ((first, rules.PasswordUnchangedError), ("faguan-is-my-name", rules.WeakPasswordError)):
            with pytest.raises(error):
                passwords.choose_password(store, SETTINGS, token=issued.token, password=weak)
        assert passwords.choose_password(store, SETTINGS, token=issued.token, password=NEW) == "full"
        assert log_in(store, "faguan", NEW).stage == "full"

    def test_a_refused_reset_changes_nothing(self, store, people):
        act(store, resets.propose_reset, people["guanli"], "faguan", what="password")
        act(store, accounts.refuse, people["anquan"], "faguan", reason="本人未申请")
        with pytest.raises(AccountChangedError):
            issue(store, people["guanli"], "faguan")
        assert queries.state_of(read(store, "faguan")) == "active"
        assert log_in(store, "faguan").stage == "full"

    @pytest.mark.parametrize("login", ["anquan", "shenji", "faguan"])
    def test_only_a_system_administrator_proposes(self, store, people, login):
        with pytest.raises(ForbiddenError):
            act(store, resets.propose_reset, people[login], "juzhang", what="password")

    def test_not_for_oneself_nor_for_what_is_not_in_use_nor_for_anything_else(self, store, people):
        with pytest.raises(SamePersonError):
            act(store, resets.propose_reset, people["guanli"], "guanli", what="password")
        with pytest.raises(InvalidInputError):
            act(store, resets.propose_reset, people["guanli"], "faguan", what="everything")
        act(store, accounts.disable, people["guanli"], "faguan", reason="调离")
        with pytest.raises(AccountChangedError):
            act(store, resets.propose_reset, people["guanli"], "faguan", what="password")

    def test_made_passwords_are_long_and_differ(self):
        made = {passwords.make_password() for _ in range(50)}
        assert len(made) == 50
        assert all(len(password) == 19 and password_rules.check_password(password, "xinren") for password in made)


class TestIssuer:
    def test_a_new_account_gets_its_password_after_admission(self, store, people):
        propose_account(store, people["guanli"], "judge")
        with pytest.raises(AccountChangedError):
            issue(store, people["guanli"], "xinren")
        act(store, accounts.admit, people["anquan"], "xinren")
        for login in ("anquan", "anquan2", "shenji", "faguan"):
            with pytest.raises((ForbiddenError, DomainError)):
                issue(store, people[login], "xinren")
        assert log_in(store, "xinren", issue(store, people["guanli"], "xinren")).stage == "password"

    def test_a_security_administrators_password_is_known_to_no_system_administrator(self, store, people):
        propose_account(store, people["guanli"], "security_admin")
        act(store, accounts.admit, people["anquan"], "xinren")
        for login in ("guanli", "guanli2", "shenji"):
            with pytest.raises(ForbiddenError):
                issue(store, people[login], "xinren")
        assert log_in(store, "xinren", issue(store, people["anquan"], "xinren")).stage == "password"

    def test_nor_does_a_security_administrator_issue_the_own(self, store, people):
        act(store, resets.propose_reset, people["guanli"], "anquan2", what="password")
        with pytest.raises(SamePersonError):
            act(store, accounts.admit, people["anquan2"], "anquan2")
        act(store, accounts.admit, people["anquan"], "anquan2")
        with pytest.raises(SamePersonError):
            issue(store, people["anquan2"], "anquan2")

    @pytest.mark.parametrize(
        ("login", "role", "issuer"), [("faguan", "security_admin", "anquan"), ("anquan2", "system_admin", "guanli")]
    )
    def test_whoever_enters_the_admitting_office_gets_a_password_from_it(self, store, people, login, role, issuer):
        """A system administrator who knows a judge's password still must not become a security administrator."""
        with store.write() as uow:
            user = queries.get_user(uow.session, login)
            user.oidc_subject, user.totp_cipher = f"d-{login}", b"x"
            uow.session.add(Passkey(credential_id=b"k", user_id=user.id, public_key=b"k", created_ms=1))
        act(store, accounts.propose_change, people["guanli"], login, role=role, court_code="云2901")
        act(store, accounts.admit, people["anquan"], login)
        with pytest.raises(rules.WrongPasswordError):
            log_in(store, login)
        with store.read() as session:
            user = queries.get_user(session, login)
            assert not queries.has_second_way(session, user)
        assert (user.role, user.oidc_subject, user.password_due) == (role, None, True)
        assert log_in(store, login, issue(store, people[issuer], login)).stage == "password"

    def test_nobody_who_changed_offices_issues_what_he_admitted(self, store, people):
        act(store, resets.propose_reset, people["guanli"], "faguan", what="password")
        act(store, accounts.admit, people["anquan"], "faguan")
        with store.write() as uow:
            queries.get_user(uow.session, "faguan").due_admitted_by = people["guanli"].audit_name
        with pytest.raises(SamePersonError):
            issue(store, people["guanli"], "faguan")
        with store.read() as session:
            user = queries.get_user(session, "faguan")
        assert not resets.may_issue(people["guanli"], user)
        assert resets.may_issue(people["guanli2"], user)


def test_second_ways_go_when_the_reset_is_admitted(store, people):
    token = log_in(store, "faguan").token
    with store.write() as uow:
        user = queries.get_user(uow.session, "faguan")
        user.totp_cipher, user.recovery_hashes, user.oidc_subject = b"x", ["y"], "d-1"
        uow.session.add(Passkey(credential_id=b"k", user_id=user.id, public_key=b"k", created_ms=1))
    act(store, resets.propose_reset, people["guanli"], "faguan", what="second")
    assert is_live(store, token)
    for login in ("guanli2", "shenji"):
        with pytest.raises(ForbiddenError):
            act(store, accounts.admit, people[login], "faguan")
    act(store, accounts.admit, people["anquan"], "faguan")
    assert not is_live(store, token)
    with store.read() as session:
        user = queries.get_user(session, "faguan")
        assert not queries.has_second_way(session, user)
    assert (user.recovery_hashes, user.oidc_subject, user.password_due) == ([], None, False)
    assert log_in(store, "faguan").stage == "full"
