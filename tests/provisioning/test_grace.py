"""A kit comes back with an expired certificate: an administrator's nod and nothing else lets it in, over real TLS."""

import sqlite3

import pytest

from provisioning import cli, grace, grace_desk
from provisioning.authority import Authority
from provisioning.certificates import make_key, serial_text
from provisioning.rules import UnknownGraceError
from tests.provisioning.kit_side import add, caller_with, make_request

KIT = "dl-2901-01"


@pytest.fixture
def kit(caller, desk, tmp_path, clock):
    """A kit enrolled 395 days ago: its key and certificate are in `caller`'s TLS."""
    key = make_key()
    clock.move(days=-395)
    (leaf,) = caller.enrol(KIT, add(desk), make_request(KIT, key)).certificates()
    clock.move(days=395)
    return caller_with(desk, caller.port, tmp_path, leaf, key), key, leaf


def test_it_waits_for_a_nod_and_gets_one_certificate(kit, desk):
    caller, key, leaf = kit
    reply = caller.renew(make_request(KIT, key))
    assert reply.status == 202
    assert int(reply.headers["Retry-After"]) == grace.RETRY_AFTER_S
    assert "grace allow" in reply.sentence()
    assert caller.renew(make_request(KIT, key)).status == 202
    (asked,) = grace_desk.list_grace(desk)
    assert (asked.kit_id, asked.serial, asked.times, asked.decision) == (KIT, serial_text(leaf), 2, "waiting")
    grace_desk.decide_grace(desk, KIT, allow=True)
    reply = caller.renew(make_request(KIT, key))
    assert reply.status == 200
    (fresh,) = reply.certificates()
    assert fresh.public_key() == key.public_key()
    assert grace_desk.list_grace(desk) == []
    assert caller.renew(make_request(KIT, key)).status == 202, "the nod served once"


def test_never_after_revocation(kit, desk):
    caller, key, _ = kit
    caller.renew(make_request(KIT, key))
    grace_desk.decide_grace(desk, KIT, allow=True)
    desk.revoke(KIT, reason="lost")
    reply = caller.renew(make_request(KIT, key))
    assert reply.status == 403
    assert "revoked" in reply.sentence()


def test_never_for_another_key(kit, desk):
    caller, key, _ = kit
    caller.renew(make_request(KIT, key))
    grace_desk.decide_grace(desk, KIT, allow=True)
    assert caller.renew(make_request(KIT)).status == 403


def test_refused_stays_refused(kit, desk):
    caller, key, _ = kit
    caller.renew(make_request(KIT, key))
    grace_desk.decide_grace(desk, KIT, allow=False)
    reply = caller.renew(make_request(KIT, key))
    assert (reply.status, "refused" in reply.sentence()) == (403, True)


def test_a_nod_grows_old(kit, desk, clock):
    caller, key, _ = kit
    caller.renew(make_request(KIT, key))
    grace_desk.decide_grace(desk, KIT, allow=True)
    clock.move(days=8)
    assert caller.renew(make_request(KIT, key)).status == 202
    assert grace_desk.list_grace(desk)[0].decision == "allowed"


def test_the_grace_itself_ends(kit, desk, clock):
    caller, key, _ = kit
    clock.move(days=371)
    reply = caller.renew(make_request(KIT, key))
    assert (reply.status, "400 days" in reply.sentence()) == (403, True)
    grace_desk.set_grace_days(desk, 800)
    assert caller.renew(make_request(KIT, key)).status == 202
    grace_desk.set_grace_days(desk, 0)
    assert caller.renew(make_request(KIT, key)).status == 403


def test_a_card_copied_before_the_kit_was_enrolled_anew_brings_nobody_back(kit, desk, caller):
    old, key, _ = kit
    text = desk.issue_token(KIT)
    from contract.enrolment import parse_token

    assert caller.enrol(KIT, parse_token(text).secret, make_request(KIT)).status == 200
    assert old.renew(make_request(KIT, key)).status == 403
    assert grace_desk.list_grace(desk) == []


def test_a_kit_with_a_token_comes_back_too(caller, desk, tmp_path, clock):
    key, in_token = make_key(), make_key()
    clock.move(days=-395)
    (leaf,) = caller.enrol(KIT, add(desk), make_request(KIT, key)).certificates()
    kit = caller_with(desk, caller.port, tmp_path, leaf, key)
    clock.move(seconds=1)
    assert kit.renew(make_request(KIT, in_token)).status == 200
    clock.move(days=395)
    assert kit.renew(make_request(KIT, key)).status == 202, "the token's newer certificate takes nobody's place"
    grace_desk.decide_grace(desk, KIT, allow=True)
    (fresh,) = kit.renew(make_request(KIT, key)).certificates()
    again = caller_with(desk, caller.port, tmp_path, fresh, key)
    assert again.renew(make_request(KIT, in_token)).status == 200


def test_who_copied_the_card_of_a_kit_with_a_token_gets_no_key_of_his_own_certified(caller, desk, tmp_path):
    key, in_token = make_key(), make_key()
    (leaf,) = caller.enrol(KIT, add(desk), make_request(KIT, key)).certificates()
    thief = caller_with(desk, caller.port, tmp_path, leaf, key)
    assert thief.renew(make_request(KIT, in_token)).status == 200  # the kit itself, at its enrolment
    reply = thief.renew(make_request(KIT))
    assert (reply.status, "new token" in reply.sentence()) == (403, True)
    assert thief.renew(make_request(KIT, key)).status == 200


def test_nobody_is_allowed_who_has_not_asked(desk):
    add(desk)
    with pytest.raises(UnknownGraceError):
        grace_desk.decide_grace(desk, KIT, allow=True)


def test_at_the_desk(kit, desk, capsys):
    caller, key, _ = kit
    caller.renew(make_request(KIT, key))
    at = ["--authority", str(desk.folder)]
    assert cli.main(["grace", "list", *at]) == 0
    assert "waiting" in capsys.readouterr().out
    assert cli.main(["grace", "allow", KIT, *at]) == 0
    assert cli.main(["grace", "allow", *at]) == 2
    assert cli.main(["grace", "days", "many", *at]) == 2
    assert cli.main(["grace", "days", "30", *at]) == 0
    acts = [row.what for row in _log(desk)]
    assert acts[-3:] == ["provisioning:grace:ask", "provisioning:grace:allow", "provisioning:grace:days"]


def _log(desk):
    from provisioning.state import open_transaction

    with open_transaction(desk.folder / "state.db") as transaction:
        return transaction.list_log()


def test_an_authority_of_before_learns_it(desk):
    connection = sqlite3.connect(desk.folder / "state.db")
    connection.execute("DROP TABLE grace")
    connection.commit()
    connection.close()
    assert grace_desk.list_grace(Authority(desk.folder)) == []


def test_a_new_card_ends_the_old_one_at_once_and_keeps_the_name(kit, desk, caller, clock):
    clock.move(days=-200)  # the certificate of the old card still holds
    old, key, leaf = kit
    text = desk.replace_card(KIT, reason="card worn")
    from contract.enrolment import parse_token
    from contract.trust import verify_registry

    reply = old.renew(make_request(KIT, key))
    assert (reply.status, "revoked" in reply.sentence()) == (403, True)
    (fresh,) = caller.enrol(KIT, parse_token(text).secret, make_request(KIT)).certificates()
    data = (desk.centre_folder / "handover" / "registry.cbor").read_bytes()
    (entry,) = verify_registry(desk.root.certificate.public_key(), data).kits
    assert not entry.revoked
    assert entry.revoked_serials == [serial_text(leaf)]
    assert serial_text(fresh) in entry.serials
