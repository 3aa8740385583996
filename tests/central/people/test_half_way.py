"""Log-ins that stand half-way: what they owe is looked at again, and a change of keys ends them."""

import msgspec
import pyotp
import pytest
from sqlmodel import select

from central.people import passkeys, passwords, queries, rules, second, service, sessions
from central.people.models import Ceremony
from central.people.sessions import Visit
from tests.central.people.conftest import PASSWORD
from tests.fakes.authenticator import Authenticator

pytestmark = pytest.mark.both_databases
VISIT = Visit("203.0.113.7", "x")
OWNERS, THIEFS = "三棵树与一条 小河流", "五朵云和七座 大山峰"


@pytest.fixture
def required(settings):
    return msgspec.structs.replace(settings, second_factor="required")


def log_in(store, settings, password=PASSWORD):
    return service.log_in(store, settings, login="faguan", password=password, visit=VISIT)


def find(store, token):
    with store.read() as session:
        return queries.find_login(session, token, now_ms=store.clock.now_ms(), idle_s=7200)


def set_up(store, settings, keyring, token):
    with store.write() as uow:
        _row, user = sessions.get_open(uow, token)
        made = second.begin_totp(uow, keyring, user.id, user.login)
    return lambda: confirm(store, settings, keyring, token, made)


def confirm(store, settings, keyring, token, made):
    code = pyotp.TOTP(made.secret).at(store.clock.now_ms() // 1000)
    with store.write() as uow:
        return second.confirm_totp(uow, settings, keyring, token, ceremony_id=made.ceremony_id, code=code)


def make_passkey(store, settings, token, user_id):
    with store.write() as uow:
        asked = passkeys.begin_register(uow, settings, user_id)
    answer = Authenticator("https://centre.example").register(asked.options)

    def finish():
        with store.write() as uow:
            passkeys.finish_register(uow, settings, token, ceremony_id=asked.ceremony_id, answer=answer, label="样例")

    return finish


def owe_password(store):
    with store.write() as uow:
        queries.get_user(uow.session, "faguan").must_change_password = True


def test_of_two_with_one_first_password_the_first_to_choose_wins(store, settings, people):
    owe_password(store)
    owner, thief = log_in(store, settings).token, log_in(store, settings).token
    assert passwords.choose_password(store, settings, token=owner, password=OWNERS) == "full"
    with pytest.raises(rules.CeremonyExpiredError):
        passwords.choose_password(store, settings, token=thief, password=THIEFS)
    assert find(store, thief) is None
    assert log_in(store, settings, OWNERS).stage == "full"


def test_what_is_owed_is_looked_at_under_the_lock(store, settings, people):
    """Even a half-way log-in that lives on finishes nothing that is no longer owed."""
    owe_password(store)
    token = log_in(store, settings).token
    with store.write() as uow:
        queries.get_user(uow.session, "faguan").must_change_password = False
    with pytest.raises(rules.CeremonyExpiredError):
        passwords.choose_password(store, settings, token=token, password=THIEFS)


@pytest.mark.parametrize("way", ["totp", "passkey"])
def test_of_two_that_owe_setting_one_up_the_first_wins(store, required, keyring, people, way):
    owner, thief = log_in(store, required).token, log_in(store, required).token
    finish = (
        set_up(store, required, keyring, thief)
        if way == "totp"
        else make_passkey(store, required, thief, people["faguan"].user_id)
    )
    set_up(store, required, keyring, owner)()
    assert find(store, owner).is_full
    with pytest.raises(rules.CeremonyExpiredError):
        finish()
    assert find(store, thief) is None


@pytest.mark.parametrize("way", ["totp", "passkey"])
def test_none_is_set_up_half_way_where_there_is_one(store, required, keyring, people, way):
    token = log_in(store, required).token
    finish = (
        set_up(store, required, keyring, token)
        if way == "totp"
        else make_passkey(store, required, token, people["faguan"].user_id)
    )
    with store.write() as uow:
        queries.get_user(uow.session, "faguan").totp_cipher = b"x"
    with pytest.raises(rules.CeremonyExpiredError):
        finish()


def test_every_change_of_keys_ends_the_other_sessions_and_exchanges(store, settings, keyring, people):
    own = log_in(store, settings).token
    user_id = people["faguan"].user_id

    def change_password():
        passwords.change_password(store, login="faguan", token=own, old=PASSWORD, new=OWNERS, client="")

    def write(function, *values):
        with store.write() as uow:
            return function(uow, *values)

    def name_of_key():
        with store.read() as session:
            return passkeys.name_of(queries.list_passkeys(session, user_id)[0])

    off = msgspec.structs.replace(settings, second_factor="off")
    changes = [
        lambda: set_up(store, settings, keyring, own)(),  # noqa: PLW0108 - begun when its turn comes
        lambda: make_passkey(store, settings, own, user_id)(),  # noqa: PLW0108 - likewise
        lambda: write(second.renew_own, own),
        lambda: write(second.remove_totp, settings, own),
        lambda: write(passkeys.remove, settings, own, name_of_key()),
        change_password,
    ]
    for change in changes:
        other = log_in(store, off).token
        with store.write() as uow:
            second.begin_totp(uow, keyring, user_id, "faguan")
        change()
        assert find(store, other) is None
        assert find(store, own).is_full
        with store.read() as session:
            assert session.exec(select(Ceremony).where(Ceremony.user_id == user_id)).all() == []


def test_a_password_changed_while_the_former_one_was_compared_lets_nobody_in(store, settings, people, monkeypatch):
    compare = service._compare

    def change_meanwhile(*values):
        found = compare(*values)
        with store.write() as uow:
            queries.get_user(uow.session, "faguan").password_hash = passwords.hash_password(OWNERS)
        return found

    monkeypatch.setattr(service, "_compare", change_meanwhile)
    with pytest.raises(rules.WrongPasswordError):
        log_in(store, settings)
