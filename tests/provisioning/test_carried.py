"""Renewals that somebody else brought: the authority believes the kit's signature and nobody else."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from contract.renewal import MEDIA_TYPE, RenewalRequest, sign_request
from contract.trust import KitEntry, verify_registry
from provisioning.authority import Authority
from provisioning.certificates import make_key, serial_text
from provisioning.handover import STATE_FILE
from provisioning.rules import MAX_RENEWALS_A_DAY
from provisioning.state import open_transaction
from tests.provisioning.kit_side import Caller, MovingClock, Reply, add, make_request

KIT, OTHER = "dl-2901-01", "dl-2901-02"


class Enrolled:
    """A kit and what it would have carried for it."""

    def __init__(self, desk: Authority, kit_id: str = KIT) -> None:
        self.kit_id, self.key = kit_id, make_key()
        self.leaf = desk.enrol(kit_id, add(desk, kit_id), make_request(kit_id, self.key), who="test")

    def state(self, *, key: ec.EllipticCurvePrivateKey | None = None, **changes: object) -> bytes:
        """A statement for the kit's own key, or ``wanted``."""
        wanted = changes.pop("wanted", self.key)
        values = {
            "kit_id": self.kit_id,
            "serial": serial_text(self.leaf),
            "csr": make_request(self.kit_id, wanted),  # type: ignore[arg-type]
            **changes,
        }
        return sign_request(key or self.key, RenewalRequest(**values))  # type: ignore[arg-type]


@pytest.fixture
def kit(desk: Authority) -> Enrolled:
    return Enrolled(desk)


@pytest.fixture
def carry(caller: Caller) -> Callable[[bytes], Reply]:
    """As the centre does it: without a certificate, over TLS."""
    return lambda data: caller.call("POST", "/zhixing/renewal", data, Content_Type=MEDIA_TYPE)


def leaf_of(reply: Reply) -> x509.Certificate:
    assert reply.status == 200, reply.body
    (leaf,) = reply.certificates()
    return leaf


def count_issued(desk: Authority, kit_id: str = KIT) -> int:
    with open_transaction(desk.folder / STATE_FILE) as transaction:
        return len(transaction.list_certificates(kit_id))


def test_the_next_certificate_comes_and_is_in_the_register(
    desk: Authority, clock: MovingClock, kit: Enrolled, carry: Callable[[bytes], Reply]
) -> None:
    clock.move(days=250)
    leaf = leaf_of(carry(kit.state()))
    assert leaf.public_key() == kit.key.public_key()
    assert leaf.not_valid_after_utc > kit.leaf.not_valid_after_utc
    assert serial_text(leaf) in {serial for item in read_register(desk) for serial in item.serials}


def read_register(desk: Authority) -> list[KitEntry]:
    key = desk.root.certificate.public_key()
    data = (desk.centre_folder / "handover" / "registry.cbor").read_bytes()
    return verify_registry(key, data, not_before_epoch=0).kits  # type: ignore[arg-type]


def test_however_often_it_is_brought_the_same_one_comes_and_none_of_the_days_renewals_is_taken(
    desk: Authority, clock: MovingClock, kit: Enrolled, carry: Callable[[bytes], Reply]
) -> None:
    clock.move(days=250)
    kept = kit.state()
    first = leaf_of(carry(kept))
    for _ in range(MAX_RENEWALS_A_DAY + 2):
        assert leaf_of(carry(kept)) == first
    assert leaf_of(carry(kit.state())) == first, "made anew by a kit that was killed meanwhile"
    assert count_issued(desk) == 2
    clock.move(days=240)
    kit.leaf = first
    second = leaf_of(carry(kit.state()))
    assert second != first, "the next one has its own"
    assert carry(kept).status == 403, "and what the first one said has expired"
    assert count_issued(desk) == 3


def test_a_tokens_key_is_certified_once_too(
    desk: Authority, clock: MovingClock, kit: Enrolled, carry: Callable[[bytes], Reply]
) -> None:
    clock.move(days=250)
    kit.leaf = leaf_of(carry(kit.state()))
    token = make_key()
    leaf = leaf_of(carry(kit.state(wanted=token)))
    assert leaf.public_key() == token.public_key()
    assert leaf_of(carry(kit.state(wanted=token))) == leaf
    reply = carry(kit.state(wanted=make_key()))
    assert reply.status == 403 and "2 keys" in reply.sentence()


@pytest.mark.parametrize(
    ("change", "status", "why"),
    [
        (lambda kit: {"key": make_key()}, 400, "not signed with the key"),
        (lambda kit: {"kit_id": OTHER}, 403, "not issued here to this kit"),
        (lambda kit: {"serial": "abc"}, 403, "not issued here to this kit"),
        (lambda kit: {"csr": make_request(OTHER, kit.key)}, 400, "only common name"),
        (lambda kit: {"csr": b"x"}, 400, "cannot be read"),
    ],
)
def test_what_the_kit_did_not_sign_so_brings_nothing(
    desk: Authority,
    kit: Enrolled,
    carry: Callable[[bytes], Reply],
    change: Callable[[Enrolled], dict[str, object]],
    status: int,
    why: str,
) -> None:
    Enrolled(desk, OTHER)
    reply = carry(kit.state(**change(kit)))  # type: ignore[arg-type]
    assert (reply.status, why in reply.sentence()) == (status, True), reply.body
    assert count_issued(desk) == 1


def test_rubbish_is_answered_in_one_sentence(carry: Callable[[bytes], Reply], caller: Caller) -> None:
    reply = carry(b"rubbish")
    assert reply.status == 400 and "ask anew" in reply.sentence()
    assert caller.call("POST", "/zhixing/renewal", b"x", Content_Type="application/pkcs10").status == 415
    assert caller.call("GET", "/zhixing/renewal").status == 405


def test_neither_the_revoked_nor_the_expired_nor_the_replaced_come_back_this_way(
    desk: Authority, clock: MovingClock, kit: Enrolled, carry: Callable[[bytes], Reply]
) -> None:
    clock.move(days=250)
    kept = kit.state()
    leaf_of(carry(kept))  # what was given before is not given to the revoked either
    desk.revoke(KIT, reason="lost")
    reply = carry(kept)
    assert reply.status == 403 and "revoked" in reply.sentence()
    replaced, late = Enrolled(desk, OTHER), Enrolled(desk, "dl-2901-03")
    desk.replace_card(OTHER, reason="worn")
    assert carry(replaced.state()).status == 403
    clock.move(days=370)
    reply = carry(late.state())
    assert reply.status == 403 and "expired" in reply.sentence()
    assert count_issued(desk, "dl-2901-03") == 1


def test_the_log_names_what_was_carried(
    desk: Authority, clock: MovingClock, kit: Enrolled, carry: Callable[[bytes], Reply]
) -> None:
    clock.move(days=250)
    leaf = leaf_of(carry(kit.state()))
    with open_transaction(desk.folder / STATE_FILE) as transaction:
        rows = [row for row in transaction.list_log() if row.what == "provisioning:kit:renew"]
    assert [(row.who, row.subject) for row in rows] == [("127.0.0.1, carried", KIT)]
    assert rows[0].detail == f"{serial_text(kit.leaf)} -> {serial_text(leaf)}"
