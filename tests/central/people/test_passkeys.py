"""Passkeys: made, used as second way and alone, refused when anything about them is wrong."""

import msgspec
import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ConflictError, NotFoundError
from central.people import ceremonies, passkeys, queries, rules, second, service
from central.people.models import Passkey
from central.people.sessions import Visit
from tests.central.people.conftest import PASSWORD
from tests.fakes.authenticator import FLAG, Authenticator

pytestmark = pytest.mark.both_databases
ORIGIN = "https://centre.example"
VISIT = Visit("203.0.113.7", "x")


def log_in(store, settings, login="faguan"):
    return service.log_in(store, settings, login=login, password=PASSWORD, visit=VISIT)


def register(store, settings, token, user_id, device, label="办公电脑"):
    with store.write() as uow:
        asked = passkeys.begin_register(uow, settings, user_id)
    answer = device.register(asked.options)
    with store.write() as uow:
        return passkeys.finish_register(
            uow, settings, token, ceremony_id=asked.ceremony_id, answer=answer, label=label
        )


def ask(store, settings, user_id=None):
    with store.write() as uow:
        return passkeys.begin_assert(uow, settings, user_id)


def enter(store, settings, asked, answer):
    with store.write() as uow:
        return passkeys.log_in(uow, settings, ceremony_id=asked.ceremony_id, answer=answer, visit=VISIT)


@pytest.fixture
def device():
    return Authenticator(ORIGIN)


@pytest.fixture
def owned(store, settings, people, device):
    """A passkey of the judge."""
    token = log_in(store, settings).token
    assert len(register(store, settings, token, people["faguan"].user_id, device)) == 10
    return device


class TestRegister:
    def test_it_is_asked_for_as_discoverable_and_verified(self, store, settings, people):
        with store.write() as uow:
            options = passkeys.begin_register(uow, settings, people["faguan"].user_id).options
        chosen = options["authenticatorSelection"]
        assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
        assert options["rp"] == {"id": "centre.example", "name": "Zhixing"}
        assert options["user"]["name"] == "faguan"

    def test_it_finishes_a_log_in_that_owes_setting_one_up(self, store, settings, people, device):
        required = msgspec.structs.replace(settings, second_factor="required")
        issued = log_in(store, required)
        assert issued.stage == "enrol"
        register(store, required, issued.token, people["faguan"].user_id, device)
        with store.read() as session:
            login = queries.find_login(session, issued.token, now_ms=store.clock.now_ms(), idle_s=60)
        assert (login.stage, login.method) == ("full", "password+passkey")

    @pytest.mark.parametrize(
        "spoil",
        [
            {"origin": "https://evil.example"},
            {"origin": "https://centre.example:8443"},
            {"flags": FLAG.UP},
            {"flags": FLAG.UV},
        ],
        ids=["foreign", "other-port", "unverified", "absent"],
    )
    def test_refused_when_anything_is_wrong(self, store, settings, people, device, spoil):
        for name, value in spoil.items():
            setattr(device, name, value)
        with pytest.raises(rules.PasskeyRefusedError):
            register(store, settings, log_in(store, settings).token, people["faguan"].user_id, device)
        with store.read() as session:
            assert session.exec(select(Passkey)).all() == []

    @pytest.mark.parametrize("answer", ["", "null", "{}", "[1]", '{"id": 7}', "x" * 20_000, "[" * 16_000])
    def test_nonsense_is_refused(self, store, settings, people, answer):
        token = log_in(store, settings).token
        with store.write() as uow:
            asked = passkeys.begin_register(uow, settings, people["faguan"].user_id)
        with pytest.raises(rules.PasskeyRefusedError), store.write() as uow:
            passkeys.finish_register(uow, settings, token, ceremony_id=asked.ceremony_id, answer=answer, label="")

    def test_nobody_elses_and_not_twice(self, store, settings, people, owned):
        token = log_in(store, settings, "guanli").token
        with pytest.raises(rules.CeremonyExpiredError):
            register(store, settings, token, people["faguan"].user_id, Authenticator(ORIGIN))
        with pytest.raises(ConflictError):
            register(store, settings, token, people["guanli"].user_id, owned)

    def test_an_address_without_a_name_has_none(self, settings):
        for url, can in (
            ("http://127.0.0.1:8080", False),
            ("https://192.0.2.7", False),
            ("http://centre.example", False),
            ("http://localhost:8080", True),
            ("https://centre.example", True),
        ):
            assert passkeys.are_available(msgspec.structs.replace(settings, web_public_url=url)) is can, url

    def test_one_has_at_most_ten(self, store, settings, people, owned, monkeypatch):
        monkeypatch.setattr(passkeys, "MAX_PASSKEYS", 1)
        with pytest.raises(ConflictError), store.write() as uow:
            passkeys.begin_register(uow, settings, people["faguan"].user_id)


class TestLogIn:
    def test_it_is_a_way_of_its_own_and_two_in_one(self, store, settings, owned):
        required = msgspec.structs.replace(settings, second_factor="required")
        asked = ask(store, required)
        assert not asked.options.get("allowCredentials")
        issued = enter(store, required, asked, owned.prove(asked.options))
        assert (issued.actor.login, issued.stage) == ("faguan", "full")

    def test_it_is_the_second_way_after_the_password(self, store, settings, people, owned):
        issued = log_in(store, settings)
        assert issued.stage == "second"
        asked = ask(store, settings, people["faguan"].user_id)
        with store.write() as uow:
            stage = passkeys.prove(
                uow,
                settings,
                issued.token,
                ceremony_id=asked.ceremony_id,
                answer=owned.prove(asked.options),
                client="",
            )
        assert stage == "full"

    def test_an_answer_is_good_once(self, store, settings, owned):
        asked = ask(store, settings)
        answer = owned.prove(asked.options)
        enter(store, settings, asked, answer)
        with pytest.raises(rules.CeremonyExpiredError):
            enter(store, settings, asked, answer)

    def test_not_after_a_quarter_of_an_hour(self, store, settings, clock, owned):
        asked = ask(store, settings)
        clock.advance(ms=rules.PENDING_MS)
        with pytest.raises(rules.CeremonyExpiredError):
            enter(store, settings, asked, owned.prove(asked.options))

    @pytest.mark.parametrize("spoil", ["challenge", "origin", "unverified", "key", "unknown", "counter"])
    def test_refused_and_recorded_when_anything_is_wrong(self, store, settings, owned, spoil):
        asked = ask(store, settings)
        options = dict(asked.options)
        if spoil == "challenge":
            options["challenge"] = ask(store, settings).options["challenge"]
        elif spoil == "origin":
            owned.origin = "https://centre.example.evil.example"
        elif spoil == "unverified":
            owned.flags = FLAG.UP
        elif spoil == "key":
            owned.key = Authenticator(ORIGIN).key
        elif spoil == "unknown":
            owned.credential_id = bytes(32)
        elif spoil == "counter":
            owned.counter = 0  # a copy that was used less often than the original
        with pytest.raises(rules.PasskeyRefusedError):
            enter(store, settings, asked, owned.prove(options))
        with store.read() as session:
            rows = session.exec(select(AuditEntry).where(AuditEntry.action == "people:session:refuse")).all()
        assert len(rows) == 1

    @pytest.mark.parametrize("answer", ["", "[" * 16_000, '{"rawId": [], "response": 7}', '{"a":' * 3_000])
    def test_nonsense_is_refused_not_stumbled_over(self, store, settings, owned, answer):
        with pytest.raises(rules.PasskeyRefusedError):
            enter(store, settings, ask(store, settings), answer)

    def test_refused_ones_lock_the_address_and_fill_no_audit(self, store, settings, owned, monkeypatch):
        monkeypatch.setattr(rules, "MAX_ADDRESS_FAILURES", 5)
        for number in range(12):
            with pytest.raises(rules.PasskeyRefusedError if number < 4 else rules.AddressLockedError):
                enter(store, settings, ask(store, settings), "{}")
        with store.read() as session:
            rows = session.exec(select(AuditEntry).where(AuditEntry.action == "people:session:refuse")).all()
        assert len(rows) == 5

    def test_an_address_has_so_many_exchanges_open(self, store, settings, clock, owned, monkeypatch):
        monkeypatch.setattr(ceremonies, "MAX_OPEN", 3)

        def begin(client="2001:db8::7"):
            with store.write() as uow:
                return passkeys.begin_assert(uow, settings, None, client=client)

        asked = [begin() for _ in range(3)]
        with pytest.raises(rules.TooManyExchangesError):
            begin("2001:db8::8")
        assert begin("203.0.113.7")
        enter(store, settings, asked[0], owned.prove(asked[0].options))
        assert begin(), "one that was answered counts no more"
        with pytest.raises(rules.TooManyExchangesError):
            begin()
        clock.advance(ms=rules.PENDING_MS)
        assert begin()

    def test_a_disabled_account_stays_out(self, store, settings, owned):
        with store.write() as uow:
            service.disable_user(uow, login="faguan", by="system:test")
        asked = ask(store, settings)
        with pytest.raises(rules.PasskeyRefusedError):
            enter(store, settings, asked, owned.prove(asked.options))

    def test_somebody_elses_passkey_is_no_proof(self, store, settings, people, owned):
        issued = log_in(store, settings, "guanli")
        asked = ask(store, settings, people["guanli"].user_id)
        with pytest.raises(rules.PasskeyRefusedError), store.write() as uow:
            passkeys.prove(
                uow,
                settings,
                issued.token,
                ceremony_id=asked.ceremony_id,
                answer=owned.prove(asked.options),
                client="",
            )


class TestRemove:
    def test_gone_is_gone_and_recovery_codes_go_with_the_last(self, store, settings, people, owned):
        asked = ask(store, settings)
        token = enter(store, settings, asked, owned.prove(asked.options)).token
        with store.read() as session:
            (row,) = queries.list_passkeys(session, people["faguan"].user_id)
            assert (row.label, row.sign_count) == ("办公电脑", 2)
        with pytest.raises(NotFoundError), store.write() as uow:
            passkeys.remove(uow, settings, token, "none")
        required = msgspec.structs.replace(settings, second_factor="required")
        with pytest.raises(rules.LastWayError), store.write() as uow:
            passkeys.remove(uow, required, token, passkeys.name_of(row))
        with store.write() as uow:
            passkeys.remove(uow, settings, token, passkeys.name_of(row))
        asked = ask(store, settings)
        with pytest.raises(rules.PasskeyRefusedError):
            enter(store, settings, asked, owned.prove(asked.options))
        with pytest.raises(ConflictError), store.write() as uow:
            second.renew_own(uow, token)
