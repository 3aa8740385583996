import statistics
import time

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from central.base.settings import Settings
from central.courts.permissions import Actor
from central.people import queries, rules
from central.people import service as people
from central.people.models import LoginSession, LoginThrottle, User
from central.people.sessions import Visit

PASSWORD = "样例口令-0123456789"
SETTINGS = Settings(second_factor="optional")


@pytest.fixture
def user(store):
    with store.write() as uow:
        return people.add_user(
            uow,
            login="zhiban",
            name="样例值班员",
            role="duty_operator",
            court_code="云2901",
            password=PASSWORD,
            by="system:test",
        )


def log_in(store, login="zhiban", password=PASSWORD):
    return people.log_in(store, SETTINGS, login=login, password=password, visit=Visit("203.0.113.7"))


def find(store, clock, token):
    with store.read() as session:
        return queries.find_session(session, token, now_ms=clock.now_ms(), idle_s=SETTINGS.session_idle_s)


def fail(store, count, login="zhiban"):
    for _ in range(count):
        with pytest.raises(rules.WrongPasswordError):
            log_in(store, login, "wrong password")


class TestUsers:
    def test_a_taken_login_is_refused(self, store, user):
        with pytest.raises(ConflictError, match="taken"), store.write() as uow:
            people.add_user(
                uow, login="ZHIBAN", name="x", role="commander", court_code="云29", password=PASSWORD, by="x"
            )

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"role": "root"}, InvalidInputError),
            ({"court_code": "云2999"}, NotFoundError),
            ({"password": "short"}, InvalidInputError),
            ({"login": "!"}, InvalidInputError),
        ],
    )
    def test_bad_input_is_refused(self, store, changes, error):
        values = {"login": "neu", "name": "x", "role": "commander", "court_code": "云29", "password": PASSWORD}
        with pytest.raises(error), store.write() as uow:
            people.add_user(uow, **{**values, **changes}, by="x")

    def test_the_password_is_stored_as_argon2id_only(self, store, user, database):
        assert user.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=1$"), "RFC 9106, second option, one lane"
        assert PASSWORD.encode() not in database.read_bytes()

    def test_listing_wants_the_right(self, store, user, operator, administrator):
        with store.read() as session:
            assert [row.login for row in queries.list_users(session, administrator)] == ["zhiban"]
            with pytest.raises(ForbiddenError):
                queries.list_users(session, operator)

    def test_disabling_ends_the_session_at_once(self, store, clock, user):
        token = log_in(store).token
        with store.write() as uow:
            people.disable_user(uow, login="zhiban", by="system:test")
        assert find(store, clock, token) is None
        fail(store, 1)


class TestLogIn:
    def test_gives_a_session_whose_token_is_not_stored(self, store, clock, user):
        issued = log_in(store)
        assert find(store, clock, issued.token) == Actor(user.id, "zhiban", "样例值班员", "duty_operator", "云2901")
        with store.read() as session:
            stored = session.exec(select(LoginSession)).one()
            assert issued.token not in stored.model_dump_json()
            assert len(issued.token) >= 43
            audit = session.exec(select(AuditEntry).where(AuditEntry.action == "people:session:open")).one()
        assert (audit.actor, audit.detail) == (
            "user:zhiban",
            {"client": "203.0.113.7", "method": "password", "stage": "full"},
        )

    def test_a_made_up_token_is_nobody(self, store, clock, user):
        issued = log_in(store)
        assert find(store, clock, issued.token + "A") is None
        assert find(store, clock, "") is None

    def test_log_out(self, store, clock, user):
        issued = log_in(store)
        for _ in range(2):
            with store.write() as uow:
                people.log_out(uow, issued.token)
        assert find(store, clock, issued.token) is None

    def test_idle_and_absolute_end(self, store, clock, user):
        issued = log_in(store)
        clock.advance(s=SETTINGS.session_idle_s - 1)
        assert find(store, clock, issued.token)
        with store.write() as uow:
            people.touch_session(uow, issued.token)
        clock.advance(s=SETTINGS.session_idle_s - 1)
        assert find(store, clock, issued.token)
        clock.advance(s=1)
        assert find(store, clock, issued.token) is None
        issued = log_in(store)
        while clock.now_ms() < issued.expires_ms - 3600_000:
            clock.advance(s=3600)
            with store.write() as uow:
                people.touch_session(uow, issued.token)
        assert find(store, clock, issued.token)
        clock.advance(s=3600)
        assert find(store, clock, issued.token) is None
        with store.write() as uow:
            people.prune_sessions(uow)
        with store.read() as session:
            assert session.exec(select(LoginSession)).all() == []

    def test_a_session_counts_for_nothing_once_its_user_is_disabled(self, store, clock, user):
        issued = log_in(store)
        with store.write() as uow:
            uow.session.get_one(User, user.id).disabled_ms = uow.now_ms
        assert find(store, clock, issued.token) is None

    def test_wrong_and_unknown_read_alike(self, store, user):
        texts = set()
        for login, password in (("zhiban", "wrong password"), ("nobody", PASSWORD), ("zhiban", "x" * 5000)):
            with pytest.raises(rules.WrongPasswordError) as caught:
                log_in(store, login, password)
            texts.add(str(caught.value))
        assert texts == {"Login or password is wrong; check both and try again."}

    def test_an_unknown_login_costs_the_same_work(self, store, user):
        def median_s(login):
            times = []
            for _ in range(5):
                began = time.process_time()
                fail(store, 1, login)
                times.append(time.process_time() - began)
            return statistics.median(times)

        median_s("warm-up")
        known, unknown = median_s("zhiban"), median_s("nobody")
        assert unknown > known / 3  # without the stand-in hash it is some fifty times less

    @pytest.mark.parametrize("login", ["zhiban", "nobody"])
    def test_ten_wrong_passwords_lock_whoever_it_is(self, store, clock, user, login):
        fail(store, 9, login)
        with pytest.raises(rules.LockedOutError):
            log_in(store, login, "wrong password")
        with pytest.raises(rules.LockedOutError, match=r"try again in 15 min or ask your administrator\."):
            log_in(store, login, PASSWORD)
        clock.advance(s=14 * 60)
        with pytest.raises(rules.LockedOutError, match="try again in 1 min"):
            log_in(store, login, PASSWORD)
        clock.advance(s=60)
        if login == "zhiban":
            assert log_in(store).actor.login == "zhiban"
        else:
            fail(store, 1, login)

    def test_a_right_password_forgets_the_wrong_ones(self, store, clock, user):
        fail(store, 9)
        log_in(store)
        fail(store, 9)
        assert log_in(store)

    def test_refusals_are_audited_and_old_counts_forgotten(self, store, clock, user):
        fail(store, 2)
        with store.read() as session:
            rows = session.exec(select(AuditEntry).where(AuditEntry.action == "people:session:refuse")).all()
        assert [(row.subject, row.court_code) for row in rows] == [("zhiban", "云2901")] * 2
        clock.advance(s=25 * 3600)
        with store.write() as uow:
            people.prune_sessions(uow)
        with store.read() as session:
            assert session.exec(select(LoginThrottle)).all() == []
