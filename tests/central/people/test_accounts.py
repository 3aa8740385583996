"""Three administrators: who may propose, admit, change, disable; and that no one alone can."""

import threading

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from central.base.settings import Settings
from central.people import accounts, appointments, queries, resets, rules, service, sessions
from central.people.approvals import ProposalPendingError
from central.people.models import Appointment
from central.people.rules import AccountChangedError, NotAdmittedError, SamePersonError
from tests.central.people.conftest import PASSWORD, PEOPLE

pytestmark = pytest.mark.both_databases
SETTINGS = Settings(second_factor="optional")


def propose(store, actor, **changes):
    values = {"login": "xinren", "name": "样例新人", "role": "judge", "court_code": "云2901"}
    with store.write() as uow:
        return accounts.propose_user(uow, actor, **{**values, **changes})


def act(store, function, actor, login, version, **values):
    with store.write() as uow:
        function(uow, actor, login, version=version, **values)


def read(store, login):
    with store.read() as session:
        return queries.get_user(session, login)


def log_in(store, login, password=PASSWORD):
    return service.log_in(store, SETTINGS, login=login, password=password)


class TestPropose:
    def test_a_proposed_account_waits_and_cannot_log_in(self, store, people, hashed):
        assert propose(store, people["guanli"]) == "xinren"
        user = read(store, "xinren")
        assert (queries.state_of(user), user.password_hash, user.password_due) == ("proposed", "", False)
        for guess in ("", PASSWORD):
            with pytest.raises(rules.WrongPasswordError):
                log_in(store, "xinren", guess)

    @pytest.mark.parametrize("login", ["anquan", "shenji", "faguan"])
    def test_only_the_system_administrator_proposes(self, store, people, hashed, login):
        with pytest.raises(ForbiddenError):
            propose(store, people[login])

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"role": "root"}, InvalidInputError),
            ({"court_code": "云2999"}, NotFoundError),
            ({"court_code": "云"}, ForbiddenError),
            ({"login": "!"}, rules.LoginFormError),
            ({"name": "\u200b \n"}, rules.TextFormError),
            ({"login": "GUANLI"}, rules.LoginTakenError),
        ],
    )
    def test_bad_input_is_refused(self, store, people, hashed, changes, error):
        with pytest.raises(error):
            propose(store, people["guanli"], **changes)

    def test_the_name_loses_what_nobody_sees(self, store, people, hashed):
        propose(store, people["guanli"], name=" 样例\u200b新人\u202e ")
        assert read(store, "xinren").name == "样例新人"


class TestAdmit:
    def test_a_security_administrator_admits_once_and_a_password_is_due(self, store, people, hashed):
        propose(store, people["guanli"])
        act(store, accounts.admit, people["anquan"], "xinren", 1)
        assert queries.state_of(read(store, "xinren")) == "due"
        with pytest.raises(rules.WrongPasswordError):
            log_in(store, "xinren")
        with pytest.raises(AccountChangedError):
            act(store, accounts.admit, people["anquan"], "xinren", 2)

    @pytest.mark.parametrize("login", ["guanli", "guanli2", "shenji", "faguan"])
    def test_nobody_else_admits(self, store, people, hashed, login):
        propose(store, people["guanli"])
        with pytest.raises(ForbiddenError):
            act(store, accounts.admit, people[login], "xinren", 1)

    def test_not_from_a_lower_court(self, store, people, hashed):
        propose(store, people["guanli"], court_code="云29")
        with pytest.raises(NotFoundError):
            act(store, accounts.admit, people["anquan2"], "xinren", 1)

    def test_nobody_admits_what_he_proposed(self, store, people, hashed):
        """Even where the table were changed to give one role both rights, or the person changed roles between."""
        propose(store, people["guanli"])
        with store.write() as uow:
            user = queries.get_user(uow.session, "xinren")
            user.created_by = people["anquan"].audit_name
        with pytest.raises(SamePersonError):
            act(store, accounts.admit, people["anquan"], "xinren", 1)

    def test_of_two_at_once_one_is_second(self, store, people, hashed):
        propose(store, people["guanli"])
        outcomes, gate = [], threading.Barrier(2)

        def race(function, **values):
            gate.wait()
            try:
                act(store, function, people["anquan"], "xinren", 1, **values)
                outcomes.append("done")
            except AccountChangedError:
                outcomes.append("second")

        threads = [
            threading.Thread(target=race, args=(accounts.admit,)),
            threading.Thread(target=race, args=(accounts.refuse,), kwargs={"reason": "不符合条件"}),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(outcomes) == ["done", "second"]

    def test_refusing_a_new_account_disables_it_with_a_reason(self, store, people, hashed):
        propose(store, people["guanli"])
        with pytest.raises(rules.TextFormError):
            act(store, accounts.refuse, people["anquan"], "xinren", 1, reason=" ")
        act(store, accounts.refuse, people["anquan"], "xinren", 1, reason="查无此人")
        assert queries.state_of(read(store, "xinren")) == "disabled"
        with store.read() as session:
            row = session.exec(select(AuditEntry).where(AuditEntry.action == "people:user:refuse")).one()
        assert (row.actor, row.subject, row.detail["reason"]) == ("user:anquan", "xinren", "查无此人")


class TestChange:
    def test_the_present_role_holds_until_the_new_one_is_admitted(self, store, people, clock):
        token = log_in(store, "faguan").token
        act(store, accounts.propose_change, people["guanli"], "faguan", 1, role="bureau_chief", court_code="云29")
        user = read(store, "faguan")
        assert (user.role, user.pending_role, user.pending_court) == ("judge", "bureau_chief", "云29")
        with store.read() as session:
            assert queries.find_session(session, token, now_ms=clock.now_ms(), idle_s=60).role == "judge"
        act(store, accounts.admit, people["anquan"], "faguan", 2)
        user = read(store, "faguan")
        assert (user.role, user.court_code, user.pending_role, user.pending_by) == ("bureau_chief", "云29", "", "")
        with store.read() as session:
            assert queries.find_session(session, token, now_ms=clock.now_ms(), idle_s=60) is None

    def test_a_new_role_ends_the_posts_of_the_old(self, store, people, clock):
        chief = people["juzhang"]
        post = Appointment(
            court_code="云2901",
            post="commander",
            user_id=chief.user_id,
            from_ms=1,
            basis="样例令",
            made_by="x",
            made_ms=1,
        )
        with store.write() as uow:
            uow.session.add(post)
        with store.read() as session:
            assert appointments.posts_of(session, chief.user_id, clock.now_ms()) == {"commander"}
        act(store, accounts.propose_change, people["guanli"], "juzhang", 1, role="clerk", court_code="云2901")
        act(store, accounts.admit, people["anquan"], "juzhang", 2)
        with store.read() as session:
            assert appointments.posts_of(session, chief.user_id, clock.now_ms()) == frozenset()

    def test_one_thing_waits_at_a_time_as_its_proposer_must_not_admit_it(self, store, people):
        act(store, accounts.propose_change, people["guanli"], "faguan", 1, role="clerk", court_code="云2901")
        for function, values in (
            (accounts.propose_change, {"role": "judge", "court_code": "云29"}),
            (resets.propose_reset, {"what": "password"}),
        ):
            with pytest.raises(ProposalPendingError):
                act(store, function, people["guanli2"], "faguan", 2, **values)

    def test_refused_changes_leave_everything_as_it_was(self, store, people):
        act(store, accounts.propose_change, people["guanli"], "faguan", 1, role="clerk", court_code="云2901")
        act(store, accounts.refuse, people["anquan"], "faguan", 2, reason="未经任命")
        user = read(store, "faguan")
        assert (user.role, queries.state_of(user)) == ("judge", "active")

    @pytest.mark.parametrize("function", ["propose_change", "disable"])
    def test_nobody_changes_his_own_account(self, store, people, function):
        values = {
            "propose_change": {"role": "judge", "court_code": "云29"},
            "disable": {"reason": "x"},
        }[function]
        with pytest.raises(SamePersonError):
            act(store, getattr(accounts, function), people["guanli"], "guanli", 1, **values)

    def test_the_court_changed_to_must_be_the_admitters_too(self, store, people):
        act(store, accounts.propose_change, people["guanli"], "faguan", 1, role="judge", court_code="云29")
        with pytest.raises(ForbiddenError):
            act(store, accounts.admit, people["anquan2"], "faguan", 2)

    def test_two_administrators_at_one_account_conflict_clearly(self, store, people):
        act(store, accounts.propose_change, people["guanli"], "faguan", 1, role="clerk", court_code="云2901")
        with pytest.raises(ConflictError, match="Somebody else changed"):
            act(store, accounts.disable, people["guanli2"], "faguan", 1, reason="x")


class TestDisable:
    @pytest.mark.parametrize("login", ["guanli", "anquan"])
    def test_either_administrator_disables_at_once(self, store, people, login, clock):
        token = log_in(store, "faguan").token
        act(store, accounts.disable, people[login], "faguan", 1, reason="调离")
        with store.read() as session:
            assert queries.find_session(session, token, now_ms=clock.now_ms(), idle_s=60) is None
        with pytest.raises(rules.WrongPasswordError):
            log_in(store, "faguan")

    def test_enabling_again_waits_to_be_admitted(self, store, people):
        act(store, accounts.disable, people["guanli"], "faguan", 1, reason="调离")
        with pytest.raises(ForbiddenError):
            act(store, accounts.enable, people["anquan"], "faguan", 2)
        act(store, accounts.enable, people["guanli"], "faguan", 2)
        with pytest.raises(NotAdmittedError):
            log_in(store, "faguan")
        act(store, accounts.admit, people["anquan"], "faguan", 3)
        assert log_in(store, "faguan").stage == "full"

    def test_enabling_again_forgets_what_waited_before(self, store, people):
        with store.write() as uow:
            user = queries.get_user(uow.session, "faguan")
            user.disabled_ms, user.pending_role, user.pending_reset, user.password_due = 1, "clerk", "second", True
        act(store, accounts.enable, people["guanli"], "faguan", 1)
        act(store, accounts.admit, people["anquan"], "faguan", 2)
        user = read(store, "faguan")
        assert (user.role, user.pending_role, user.pending_reset, user.password_due) == ("judge", "", "", False)

    def test_what_was_refused_is_not_admitted_afterwards(self, store, people):
        propose(store, people["guanli"])
        act(store, accounts.refuse, people["anquan"], "xinren", 1, reason="查无此人")
        with pytest.raises(AccountChangedError):
            act(store, accounts.admit, people["anquan"], "xinren", 2)

    def test_the_audit_administrator_changes_nothing(self, store, people, hashed):
        for function, values in (
            (accounts.disable, {"reason": "x"}),
            (accounts.enable, {}),
            (accounts.admit, {}),
            (resets.propose_reset, {"what": "password"}),
            (resets.issue_password, {"first": "x", "hashed": hashed}),
        ):
            with pytest.raises(ForbiddenError):
                act(store, function, people["shenji"], "faguan", 1, **values)
        with store.read() as session:
            assert queries.search_users(session, people["shenji"]).total == len(PEOPLE)


class TestSearch:
    def test_by_login_name_role_court_and_state(self, store, people, hashed):
        propose(store, people["guanli"])

        def find(**wanted):
            with store.read() as session:
                return [row.login for row in queries.search_users(session, people["guanli"], **wanted).rows]

        assert find(text="ANQ") == ["anquan", "anquan2"]
        assert find(text="执行法官") == ["faguan"]
        assert find(text="100%_") == []
        assert find(role="security_admin", court_code="云2901") == ["anquan2"]
        assert find(state="proposed") == ["xinren"]
        assert len(find(state="active")) == len(PEOPLE)
        with store.read() as session:
            assert queries.count_waiting(session, people["anquan"]) == 1

    def test_pages(self, store, people, hashed):
        with store.write() as uow:
            for number in range(60):
                accounts.propose_user(
                    uow, people["guanli"], login=f"duo{number:03}", name="样例", role="clerk", court_code="云2901",
                )  # fmt: skip
        with store.read() as session:
            pages = [queries.search_users(session, people["guanli"], text="duo", page=page) for page in (1, 2, 3)]
        assert [len(page.rows) for page in pages] == [50, 10, 0]
        assert (pages[0].total, pages[0].pages) == (60, 2)

    def test_only_the_own_courts_and_only_with_the_right(self, store, people):
        with store.read() as session:
            found = queries.search_users(session, people["anquan2"])
            assert [row.login for row in found.rows] == ["anquan2", "faguan", "juzhang"]
            with pytest.raises(ForbiddenError):
                queries.search_users(session, people["faguan"])
            with pytest.raises(NotFoundError):
                queries.get_seen_user(session, people["anquan2"], "guanli")

    def test_handlers_are_admitted_judges_and_clerks_of_the_court(self, store, people, hashed):
        propose(store, people["guanli"])
        with store.read() as session:
            assert [user.login for user in queries.list_handlers(session, "云2901")] == ["faguan"]
            assert queries.list_handlers(session, "云29") == []


class TestSessions:
    def test_the_security_administrator_ends_sessions_of_the_own_courts(self, store, people, clock):
        token = log_in(store, "faguan").token
        for login in ("guanli", "shenji"):
            with pytest.raises(ForbiddenError), store.write() as uow:
                sessions.revoke_sessions_of(uow, people[login], "faguan")
        with store.write() as uow:
            assert sessions.revoke_sessions_of(uow, people["anquan2"], "faguan") == 1
        with store.read() as session:
            assert queries.find_session(session, token, now_ms=clock.now_ms(), idle_s=60) is None
        with pytest.raises(NotFoundError), store.write() as uow:
            sessions.revoke_sessions_of(uow, people["anquan2"], "guanli")
