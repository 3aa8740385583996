"""Stages of a log-in, TOTP, recovery codes, re-authentication, own sessions."""

import msgspec
import pyotp
import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ConflictError, NotFoundError
from central.people import passwords, queries, rules, second, service, sessions
from central.people.models import User
from central.people.sessions import Visit
from tests.central.people.conftest import PASSWORD

pytestmark = pytest.mark.both_databases


@pytest.fixture
def required(settings):
    return msgspec.structs.replace(settings, second_factor="required")


def log_in(store, settings, login="faguan", visit=None):
    return service.log_in(store, settings, login=login, password=PASSWORD, visit=visit or Visit("203.0.113.7", "x"))


def find(store, clock, token):
    with store.read() as session:
        return queries.find_login(session, token, now_ms=clock.now_ms(), idle_s=7200)


def code_of(secret, clock, shift_s=0):
    return pyotp.TOTP(secret).at(clock.now_ms() // 1000 + shift_s)


def enrol(store, settings, keyring, clock, token):
    with store.write() as uow:
        _row, user = sessions.get_open(uow, token)
        made = second.begin_totp(uow, keyring, user.id, user.login)
    with store.write() as uow:
        codes = second.confirm_totp(
            uow, settings, keyring, token, ceremony_id=made.ceremony_id, code=code_of(made.secret, clock)
        )
    return made.secret, codes


def prove(store, settings, keyring, token, code):
    with store.write() as uow:
        return second.prove_by_code(uow, settings, keyring, token, code, client="203.0.113.7").stage


@pytest.fixture
def enrolled(store, settings, keyring, clock, people):
    secret, codes = enrol(store, settings, keyring, clock, log_in(store, settings).token)
    clock.advance(s=60)
    return secret, codes


class TestStages:
    def test_whoever_has_none_is_led_to_set_one_up(self, store, required, keyring, clock, people):
        issued = log_in(store, required)
        assert issued.stage == "enrol"
        login = find(store, clock, issued.token)
        assert (login.stage, login.is_full) == ("enrol", False)
        with store.read() as session:
            assert queries.find_session(session, issued.token, now_ms=clock.now_ms(), idle_s=7200) is None
        enrol(store, required, keyring, clock, issued.token)
        login = find(store, clock, issued.token)
        assert (login.stage, login.method, login.proven_ms) == ("full", "password+totp", clock.now_ms())

    def test_a_second_way_is_owed_where_there_is_one(self, store, settings, keyring, clock, enrolled):
        issued = log_in(store, settings)
        assert issued.stage == "second"
        assert prove(store, settings, keyring, issued.token, code_of(enrolled[0], clock)) == "full"
        assert find(store, clock, issued.token).method == "password+totp"

    def test_off_asks_for_none(self, store, settings, enrolled):
        off = msgspec.structs.replace(settings, second_factor="off")
        assert log_in(store, off).stage == "full"

    def test_half_a_log_in_ends_by_itself(self, store, required, clock, people):
        issued = log_in(store, required)
        clock.advance(ms=rules.PENDING_MS)
        assert find(store, clock, issued.token) is None

    def test_right_passwords_do_not_reset_the_count_of_wrong_codes(self, store, settings, keyring, enrolled):
        for _ in range(9):
            token = log_in(store, settings).token
            with pytest.raises(rules.WrongCodeError):
                prove(store, settings, keyring, token, "000000")
        token = log_in(store, settings).token
        with pytest.raises(rules.LockedOutError):
            prove(store, settings, keyring, token, "000000")
        with pytest.raises(rules.LockedOutError):
            log_in(store, settings)


class TestTotp:
    @pytest.mark.parametrize("shift_s", [-30, 0, 30])
    def test_one_step_to_either_side_is_accepted(self, store, settings, keyring, clock, enrolled, shift_s):
        token = log_in(store, settings).token
        code = code_of(enrolled[0], clock, shift_s)
        assert prove(store, settings, keyring, token, f"{code[:3]} {code[3:]}") == "full"

    @pytest.mark.parametrize("shift_s", [-60, 60])
    def test_two_steps_are_not(self, store, settings, keyring, clock, enrolled, shift_s):
        token = log_in(store, settings).token
        with pytest.raises(rules.WrongCodeError):
            prove(store, settings, keyring, token, code_of(enrolled[0], clock, shift_s))

    def test_a_code_works_once_and_none_before_it(self, store, settings, keyring, clock, enrolled):
        code, before = code_of(enrolled[0], clock), code_of(enrolled[0], clock, -30)
        assert prove(store, settings, keyring, log_in(store, settings).token, code) == "full"
        token = log_in(store, settings).token
        for used in (code, before):
            with pytest.raises(rules.WrongCodeError):
                prove(store, settings, keyring, token, used)
        clock.advance(s=30)
        assert prove(store, settings, keyring, token, code_of(enrolled[0], clock)) == "full"

    def test_the_secret_is_sealed_and_bound_to_its_user(self, store, keyring, enrolled, people):
        with store.read() as session:
            user = queries.get_user(session, "faguan")
            hashes = str(user.recovery_hashes)
        assert enrolled[0].encode() not in user.totp_cipher
        assert keyring.open("user_account.totp", user.id, user.totp_cipher) == enrolled[0]
        assert not any(code in hashes or code.replace("-", "") in hashes for code in enrolled[1])

    def test_a_wrong_first_code_sets_nothing_up(self, store, settings, keyring, people):
        token = log_in(store, settings).token
        with store.write() as uow:
            made = second.begin_totp(uow, keyring, people["faguan"].user_id, "faguan")
        with pytest.raises(rules.WrongCodeError), store.write() as uow:
            second.confirm_totp(uow, settings, keyring, token, ceremony_id=made.ceremony_id, code="000000")
        with store.write() as uow:
            assert second.read_secret(uow, keyring, made.ceremony_id, people["faguan"].user_id, "faguan") == made
            assert not queries.has_second_way(uow.session, uow.session.get_one(User, people["faguan"].user_id))

    def test_nobody_confirms_anothers_secret(self, store, settings, keyring, clock, people):
        token = log_in(store, settings, "guanli").token
        with store.write() as uow:
            made = second.begin_totp(uow, keyring, people["faguan"].user_id, "faguan")
        with pytest.raises(rules.CeremonyExpiredError), store.write() as uow:
            second.confirm_totp(
                uow, settings, keyring, token, ceremony_id=made.ceremony_id, code=code_of(made.secret, clock)
            )


class TestRecovery:
    def test_each_code_works_once(self, store, settings, keyring, enrolled):
        codes = enrolled[1]
        assert len(set(codes)) == 10
        assert prove(store, settings, keyring, log_in(store, settings).token, codes[3].lower()) == "full"
        token = log_in(store, settings).token
        with pytest.raises(rules.WrongCodeError):
            prove(store, settings, keyring, token, codes[3])
        assert prove(store, settings, keyring, token, codes[4]) == "full"

    def test_new_codes_replace_the_old(self, store, settings, keyring, clock, enrolled):
        token = log_in(store, settings).token
        prove(store, settings, keyring, token, code_of(enrolled[0], clock))
        with store.write() as uow:
            fresh = second.renew_own(uow, token)
        token = log_in(store, settings).token
        with pytest.raises(rules.WrongCodeError):
            prove(store, settings, keyring, token, enrolled[1][0])
        assert prove(store, settings, keyring, token, fresh[0]) == "full"

    def test_none_without_a_second_way(self, store, settings, people):
        token = log_in(store, settings).token
        with pytest.raises(ConflictError), store.write() as uow:
            second.renew_own(uow, token)

    def test_the_last_way_stays_where_one_is_required(self, store, settings, required, keyring, clock, enrolled):
        token = log_in(store, settings).token
        prove(store, settings, keyring, token, code_of(enrolled[0], clock))
        with pytest.raises(rules.LastWayError), store.write() as uow:
            second.remove_totp(uow, required, token)
        with store.write() as uow:
            second.remove_totp(uow, settings, token)
        with store.read() as session:
            assert queries.get_user(session, "faguan").recovery_hashes == []
        assert log_in(store, settings).stage == "full"


class TestProof:
    def test_it_grows_old_and_is_renewed_by_password(self, store, settings, clock, people):
        token = log_in(store, settings).token
        clock.advance(ms=rules.REAUTH_MS)
        rules.check_fresh(find(store, clock, token).proven_ms, clock.now_ms())
        clock.advance(ms=1)
        with pytest.raises(rules.ReauthRequiredError):
            rules.check_fresh(find(store, clock, token).proven_ms, clock.now_ms())
        with pytest.raises(rules.WrongPasswordError):
            service.prove_by_password(store, login="faguan", password="wrong password", token=token, client="")
        service.prove_by_password(store, login="faguan", password=PASSWORD, token=token, client="")
        rules.check_fresh(find(store, clock, token).proven_ms, clock.now_ms())
        with store.read() as session:
            row = session.exec(select(AuditEntry).where(AuditEntry.action == "people:session:prove")).one()
        assert (row.actor, row.detail) == ("user:faguan", {"way": "password"})

    def test_changing_the_password_ends_the_other_sessions(self, store, settings, clock, people):
        own, other = log_in(store, settings).token, log_in(store, settings).token
        values = {"login": "faguan", "token": own, "client": ""}
        with pytest.raises(rules.WrongPasswordError):
            passwords.change_password(store, old="wrong password", new="三棵树与一条 小河流", **values)
        with pytest.raises(rules.WeakPasswordError):
            passwords.change_password(store, old=PASSWORD, new="1234567890", **values)
        passwords.change_password(store, old=PASSWORD, new="三棵树与一条 长河流", **values)
        assert find(store, clock, own)
        assert find(store, clock, other) is None
        assert service.log_in(store, settings, login="faguan", password="三棵树与一条 长河流")


class TestOwnSessions:
    def test_listed_with_device_and_address_and_ended_one_by_one(self, store, settings, clock, people):
        own = log_in(store, settings, visit=Visit("203.0.113.7", "Chrome 150 · Windows")).token
        clock.advance(s=5)
        other = log_in(store, settings, visit=Visit("203.0.113.9", "Firefox 140 · Linux")).token
        login = find(store, clock, own)
        with store.read() as session:
            lines = queries.list_sessions(
                session, login.actor.user_id, now_ms=clock.now_ms(), idle_s=7200, own_ref=login.ref
            )
        assert [(line.device, line.client, line.is_own) for line in lines] == [
            ("Firefox 140 · Linux", "203.0.113.9", False),
            ("Chrome 150 · Windows", "203.0.113.7", True),
        ]
        assert not any(token in str(lines) for token in (own, other))
        with store.write() as uow:
            assert sessions.revoke_own(uow, login.actor, lines[0].ref, keep=login.ref) == 1
        assert find(store, clock, other) is None
        with pytest.raises(NotFoundError), store.write() as uow:
            sessions.revoke_own(uow, login.actor, lines[0].ref, keep=login.ref)

    def test_all_others_at_once_but_never_somebody_elses(self, store, settings, clock, people):
        own, second_, foreign = (log_in(store, settings, login).token for login in ("faguan", "faguan", "guanli"))
        login = find(store, clock, own)
        with store.write() as uow:
            assert sessions.revoke_own(uow, login.actor, "", keep=login.ref) == 1
        assert find(store, clock, own)
        assert find(store, clock, second_) is None
        assert find(store, clock, foreign)
        with pytest.raises(NotFoundError), store.write() as uow:
            sessions.revoke_own(uow, login.actor, find(store, clock, foreign).ref)


class TestAddresses:
    def test_many_logins_from_one_address_are_stopped_in_the_end(self, store, settings, clock, people, monkeypatch):
        monkeypatch.setattr(rules, "MAX_ADDRESS_FAILURES", 12)
        for number in range(11):
            with pytest.raises(rules.WrongPasswordError):
                service.log_in(
                    store, settings, login=f"nobody{number}", password="x", visit=Visit("2001:db8::7", "x")
                )
        with pytest.raises(rules.AddressLockedError):
            service.log_in(store, settings, login="nobody99", password="x", visit=Visit("2001:db8::9", "x"))
        with pytest.raises(rules.AddressLockedError, match="try again in 15 min"):
            log_in(store, settings, visit=Visit("2001:db8::1", "x"))
        assert log_in(store, settings, visit=Visit("203.0.113.7", "x"))
        clock.advance(ms=rules.LOCK_MS)
        assert log_in(store, settings, visit=Visit("2001:db8::1", "x"))
