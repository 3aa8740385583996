"""Lost kits at the centre: who may, in which order, what reaches the mailbox, and what a kit's statement is worth."""

import base64
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, NotFoundError
from central.devices import losses, lost
from central.devices import service as devices
from central.devices.permits import PermitMissingError
from central.evidence import service as evidence
from central.flows.felt import receive_command_receipt
from central.people.rules import SamePersonError
from contract import lost as contract_lost
from contract.messages import CommandReceipt
from tests.central.sync.pki import Pki

pytestmark = pytest.mark.both_databases


def act(store, work, *given, **more):
    with store.write() as uow:
        return work(uow, *given, **more)


def state_of(store, kit):
    with store.read() as session:
        return lost.find_loss(session, kit.kit_no)


def orders_of(store, kit):
    with store.read() as session:
        entries = devices.list_undelivered(session, kit, have=0)
        return [(entry.number, entry.body["step"], entry.state, entry.expires_ms) for entry in entries]


@pytest.fixture
def other(commander):
    from dataclasses import replace

    return replace(commander, user_id="other", login="other-commander", name="样例指挥长乙")


def test_lock_and_unlock_reach_the_kit_and_the_audit(store, kit, operator):
    act(store, lost.lock_kit, operator, kit.kit_id, reason="  遗落在出租车上 ")
    assert state_of(store, kit).reason == "遗落在出租车上"
    with pytest.raises(losses.KitLostAlreadyError):
        act(store, lost.lock_kit, operator, kit.kit_id, reason="再次")
    act(store, lost.unlock_kit, operator, kit.kit_id, reason="已找回")
    assert [order[1] for order in orders_of(store, kit)] == ["lock", "unlock"]
    with store.read() as session:
        told = [(row.action, row.purpose) for row in session.exec(select(AuditEntry)) if "loss" in row.action]
    assert told == [("devices:loss:lock", "遗落在出租车上"), ("devices:loss:unlock", "已找回")]
    act(store, lost.lock_kit, operator, kit.kit_id, reason="又丢失")
    assert state_of(store, kit).state == "locked"


def permit_for(kit_id):
    """As the device authority hands one over; whether it is genuine is the kit's to judge."""
    key = ec.generate_private_key(ec.SECP256R1())
    keys = [contract_lost.key_digest(key.public_key())]
    return contract_lost.sign_permit(key, contract_lost.DestructionPermit(kit_id=kit_id, keys=keys, issued_ms=1))


@pytest.mark.parametrize("permit", [b"", b"nonsense", permit_for("yb-2922-01")])
def test_nothing_is_ordered_without_the_authority_s_permit_for_this_kit(
    store, kit, operator, commander, other, permit
):
    act(store, lost.lock_kit, operator, kit.kit_id, reason="遗失")
    act(store, lost.ask_destruction, commander, kit.kit_id, reason="无法找回")
    with pytest.raises(PermitMissingError, match="permit-destruction"):
        act(store, lost.confirm_destruction, other, kit.kit_id, permit=permit)
    assert [order[1] for order in orders_of(store, kit)] == ["lock"]
    assert state_of(store, kit).state == "asked"


def test_two_who_lock_at_once_open_one_case(store, kit, operator, commander):
    begin, outcomes = threading.Barrier(2), []

    def try_it(actor):
        begin.wait()
        try:
            act(store, lost.lock_kit, actor, kit.kit_id, reason="遗失")
            outcomes.append("locked")
        except losses.KitLostAlreadyError:
            outcomes.append("already")

    threads = [threading.Thread(target=try_it, args=(actor,)) for actor in (operator, commander)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already", "locked"]
    assert len(orders_of(store, kit)) == 1


def test_destruction_takes_two_people_in_order(store, kit, operator, commander, other):
    with pytest.raises(losses.LossStateError):
        act(store, lost.ask_destruction, commander, kit.kit_id, reason="无法找回")
    act(store, lost.lock_kit, operator, kit.kit_id, reason="遗失")
    with pytest.raises(ForbiddenError):
        act(store, lost.ask_destruction, operator, kit.kit_id, reason="无法找回")
    with pytest.raises(losses.LossStateError):
        act(store, lost.confirm_destruction, other, kit.kit_id, permit=permit_for(kit.kit_id))
    act(store, lost.ask_destruction, commander, kit.kit_id, reason="无法找回")
    with pytest.raises(SamePersonError):
        act(store, lost.confirm_destruction, commander, kit.kit_id, permit=permit_for(kit.kit_id))
    act(store, lost.withdraw_destruction, other, kit.kit_id)
    assert state_of(store, kit).state == "locked"
    act(store, lost.ask_destruction, commander, kit.kit_id, reason="无法找回")
    act(store, lost.confirm_destruction, other, kit.kit_id, permit=permit_for(kit.kit_id))
    assert [order[1] for order in orders_of(store, kit)] == ["lock", "destroy"]
    assert state_of(store, kit).order_no == 2


def test_neither_another_court_nor_an_empty_reason_locks(store, kit, operator):
    from dataclasses import replace

    stranger = replace(operator, court_code="云53")
    with pytest.raises(NotFoundError):
        act(store, lost.lock_kit, stranger, kit.kit_id, reason="遗失")
    with pytest.raises(losses.LossReasonError):
        act(store, lost.lock_kit, operator, kit.kit_id, reason=" ")
    assert orders_of(store, kit) == []


def order_destruction(store, kit, operator, commander, other):
    act(store, lost.lock_kit, operator, kit.kit_id, reason="遗失")
    act(store, lost.ask_destruction, commander, kit.kit_id, reason="无法找回")
    act(store, lost.confirm_destruction, other, kit.kit_id, permit=permit_for(kit.kit_id))
    return state_of(store, kit).order_no


def test_an_order_that_waits_is_taken_back_and_one_received_is_not(store, kit, operator, commander, other):
    number = order_destruction(store, kit, operator, commander, other)
    act(store, lost.unlock_kit, operator, kit.kit_id, reason="已找回")
    assert orders_of(store, kit)[1] == (number, "destroy", "expired", 0)
    number = order_destruction(store, kit, operator, commander, other)
    act(store, receive_command_receipt, kit, CommandReceipt(number=number, state="received", at_ms=1))
    with pytest.raises(losses.DestructionUnderWayError):
        act(store, lost.unlock_kit, operator, kit.kit_id, reason="已找回")


def make_proof(key, kit, number, **changed):
    facts = {"kit_id": kit.kit_id, "spool": "a" * 32, "order": number, "at_ms": 1, "heads": [], "unsent_segments": 3}
    facts["keys"] = [contract_lost.key_digest(key.public_key())]
    signed = contract_lost.sign_statement(key, contract_lost.DestructionStatement(**{**facts, **changed}))
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def test_only_a_statement_by_the_kit_s_own_key_counts_and_the_first_one_stays(store, kit, operator, commander, other):
    number = order_destruction(store, kit, operator, commander, other)
    holder = Pki().kit(kit.kit_id)
    act(store, evidence.keep_signer, kit, holder.serial, holder.cert_pem())

    def receive(proof, state="done"):
        receipt = CommandReceipt(number=number, state=state, at_ms=1, proof=proof)
        assert act(store, receive_command_receipt, kit, receipt)
        return state_of(store, kit)

    assert receive("kein!").proof_verdict == "malformed"
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert receive(make_proof(stranger, kit, number)).proof_verdict == "foreign"
    assert receive(make_proof(holder.key, kit, number + 1)).proof_verdict == "foreign"
    assert receive(make_proof(holder.key, kit, number, keys=[bytes(32)])).proof_verdict == "foreign"
    assert state_of(store, kit).state == "ordered"
    good = make_proof(holder.key, kit, number)
    loss = receive(good)
    assert (loss.state, loss.proof_verdict) == ("destroyed", "verified")
    assert receive(make_proof(stranger, kit, number)).proof_verdict == "verified"
    statement = contract_lost.verify_statement(holder.key.public_key(), state_of(store, kit).proof)
    assert statement.unsent_segments == 3


def test_a_statement_that_comes_although_the_order_was_taken_back_is_a_fact(store, kit, operator, commander, other):
    number = order_destruction(store, kit, operator, commander, other)
    holder = Pki().kit(kit.kit_id)
    act(store, evidence.keep_signer, kit, holder.serial, holder.cert_pem())
    act(store, lost.unlock_kit, operator, kit.kit_id, reason="已找回")
    proof = make_proof(holder.key, kit, number)
    act(store, receive_command_receipt, kit, CommandReceipt(number=number, state="done", at_ms=1, proof=proof))
    assert state_of(store, kit).state == "destroyed"
