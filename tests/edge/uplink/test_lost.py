"""A lost kit obeys: locked, unlocked, keys destroyed after the statement; killed at any step, it goes on there."""

import base64
import errno
import json
import subprocess
import sys
import textwrap
import time

import pytest

from contract import chain, lost, messages, orders
from contract.chain_writer import ChainWriter
from edge.reach.identity import Identity, IdentityError
from edge.settings import build_settings
from edge.uplink import lost as edge_lost
from edge.uplink.commands import Commands
from edge.uplink.lost import LostKit, check_not_destroyed, destroy_file
from edge.uplink.trust_keeper import TrustKeeper
from provisioning.certificates import make_key
from tests.fakes.clocks import FakeClock


class Kit:
    """The parts of the control process that obey."""

    def __init__(self, spool, identity, trusted_time, root_key):
        self.permit = make_permit(root_key, identity)
        self.spool, self.identity, self.rung = spool, identity, []
        self.clock = FakeClock()
        self.lost = LostKit(spool, identity, self.rung.append, monotonic_s=self.clock.monotonic_s)
        keeper = TrustKeeper(spool, identity, trusted_time, self.rung.append)
        self.commands = Commands(spool, keeper, trusted_time, self.rung.append, lost=self.lost)

    def order(self, number, step, *, expires_ms=None, permit=None):
        permit = permit or (self.permit if step == "destroy" else "")
        body = messages.encode(orders.LostOrder(step=step, reason="样例遗失", by="样例指挥长", permit=permit))
        directive = {
            "number": number,
            "kind": "lost",
            "issued_ms": time.time_ns() // 1_000_000,
            "body": json.loads(body),
        }
        if expires_ms is not None:
            directive["expires_ms"] = expires_ms
        self.commands.receive(json.dumps(directive).encode())

    def receipts(self):
        entries = self.spool.outbox.pending(100, ("receipt",))
        return [messages.decode(entry.body, messages.CommandReceipt) for entry in entries]

    def step(self):
        return (self.spool.state.get("lost") or {}).get("step")

    def receipt_everything(self):
        self.spool.outbox.release([(1, 2**40)])


@pytest.fixture
def kit(spool, identity, trusted_time, world):
    return Kit(spool, identity, trusted_time, world.root.key)


def make_permit(root_key, identity, **changed):
    facts = {"kit_id": identity.kit_id, "keys": [lost.key_digest(identity.key.public_key())], "issued_ms": 1}
    signed = lost.sign_permit(root_key, lost.DestructionPermit(**{**facts, **changed}))
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def add_record(kit, recording_id):
    """One signed opening record, as the recorder leaves it in the vault."""
    from edge.spool.vault import RecordRow

    writer = ChainWriter(chain.begin(recording_id), lambda body: chain.sign(kit.identity.key, body))
    signed = [
        writer.open(kit_id=kit.identity.kit_id, boot=kit.spool.boot, started_ms=1, monotonic_ms=1),
        writer.final(cause="lost", started_ms=2, monotonic_ms=2),
    ]
    for seq, (item, kind) in enumerate(zip(signed, (chain.Kind.OPEN, chain.Kind.FINAL), strict=True)):
        kit.spool.vault.add_record(RecordRow(recording_id.hex(), seq, int(kind), item.body, item.sig))
    return signed


def test_lock_and_unlock(kit):
    kit.order(1, "lock")
    assert kit.step() == "locked"
    assert set(kit.rung) >= {"recorder", "panel", "screen"}
    assert kit.lost.turn() is False
    kit.order(2, "unlock")
    assert kit.spool.state.get("lost") is None
    assert [(item.number, item.state) for item in kit.receipts()][-1] == (2, "done")


@pytest.mark.parametrize("kind", ["none", "garbage", "centre's own", "another kit's", "of earlier keys"])
def test_without_the_authority_s_permit_no_key_is_destroyed(kit, kit_dir, world, identity, kind):
    permit = {
        "none": " ",
        "garbage": "AAAA",
        "centre's own": make_permit(make_key(), identity),
        "another kit's": make_permit(world.root.key, identity, kit_id="yb-2922-01"),
        "of earlier keys": make_permit(world.root.key, identity, keys=[bytes(32)]),
    }[kind]
    kit.order(1, "lock")
    kit.order(2, "destroy", permit=permit)
    assert (kit.step(), kit.lost.turn()) == ("locked", False)
    assert [(item.number, item.state) for item in kit.receipts()][-1] == (2, "failed")
    assert (kit_dir / "device.key").exists()


def test_the_statement_comes_first_and_the_keys_go_on_its_receipt(kit, kit_dir):
    signed = add_record(kit, bytes(range(16)))
    kit.order(1, "lock")
    kit.order(2, "destroy")
    assert kit.step() == "destroying"
    assert [(item.number, item.state) for item in kit.receipts()][-1] == (2, "received")
    assert kit.lost.turn() is False
    told = kit.receipts()[0]
    assert (told.number, told.state) == (2, "done"), "urgent: it overtakes what waits"
    statement = lost.verify_statement(
        kit.identity.key.public_key(), base64.urlsafe_b64decode(told.proof + "=" * (-len(told.proof) % 4))
    )
    assert (statement.kit_id, statement.order) == (kit.identity.kit_id, 2)
    assert statement.heads == [lost.ChainHead(recording_id=bytes(range(16)), seq=1, head=chain.link_hash(signed[1]))]
    kit.clock.advance(s=30)
    assert kit.lost.turn() is False
    assert (kit_dir / "device.key").exists(), "without a receipt it waits"
    kit.receipt_everything()
    assert kit.lost.turn() is True
    assert not (kit_dir / "device.key").exists()
    assert kit.step() == "destroyed"
    assert kit.spool.state.get("lost")["told"] is True
    with pytest.raises(IdentityError):
        Identity(kit_dir)


def test_a_cut_link_delays_it_by_two_minutes_of_running_and_restarts_do_not_begin_anew(kit, kit_dir):
    kit.order(1, "destroy")
    kit.lost.turn()
    gone = []
    while not any(gone):
        kit.clock.advance(s=1)  # power is cut a second after each start
        gone.append(kit.lost.turn())
        # As after a kill: nothing but the spool is remembered.
        kit.lost = LostKit(kit.spool, kit.identity, kit.rung.append, monotonic_s=kit.clock.monotonic_s)
    assert 15 <= len(gone) <= 25, "each start counts some seconds, so that cutting the power gains nothing"
    assert not (kit_dir / "device.key").exists()
    assert kit.spool.state.get("lost")["told"] is False


def test_an_open_chain_is_waited_for(kit):
    from edge.spool.vault import RecordRow

    writer = ChainWriter(chain.begin(bytes(16)), lambda body: chain.sign(kit.identity.key, body))
    item = writer.open(kit_id=kit.identity.kit_id, boot=kit.spool.boot, started_ms=1, monotonic_ms=1)
    kit.spool.vault.add_record(RecordRow(bytes(16).hex(), 0, 0, item.body, item.sig))
    kit.order(1, "destroy")
    kit.lost.turn()
    assert not any(item.proof for item in kit.receipts())
    kit.clock.advance(s=edge_lost.CLOSING_S)
    kit.lost.turn()
    assert any(item.proof for item in kit.receipts()), "but not for ever"


def test_an_order_done_with_on_an_earlier_card_is_counted_and_not_obeyed(kit):
    kit.order(1, "destroy", expires_ms=0)
    assert kit.step() is None
    assert kit.spool.inbox.have() == 1
    assert [(item.number, item.state) for item in kit.receipts()] == [(1, "received")]


def test_after_a_destruction_nothing_is_taken_back(kit):
    kit.order(1, "destroy")
    kit.order(2, "unlock")
    assert kit.step() == "destroying"


def test_the_kit_says_why_it_no_longer_starts_and_a_new_enrolment_mends_it(kit, kit_dir):
    settings = build_settings(
        {"kit": {"id": kit.identity.kit_id}, "mqtt": {"host": "127.0.0.1"}, "door": {"url": "https://127.0.0.1"}},
        base=kit_dir,
    )
    key = (kit_dir / "device.key").read_bytes()
    kit.order(1, "destroy")
    kit.lost.turn()
    kit.receipt_everything()
    kit.lost.turn()
    with pytest.raises(IdentityError, match="destroyed on the centre's order"):
        check_not_destroyed(settings)
    (kit_dir / "device.key").write_bytes(key)
    check_not_destroyed(settings)
    assert kit.step() is None


def test_an_overwritten_key_s_bytes_are_gone_from_the_file_s_blocks(tmp_path):
    """Read through a handle that was open before: the blocks themselves were overwritten, not only unlinked."""
    path = tmp_path / "key"
    path.write_bytes(b"SECRET-KEY" * 40)
    script = f"""
        import sys
        file = open({str(path)!r}, "rb")
        print("open", flush=True)
        input()
        sys.stdout.buffer.write(file.read())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout.readline() == b"open\n"
        destroy_file(path)
        rest, _ = reader.communicate(b"\n", timeout=20)
    assert not path.exists()
    assert b"SECRET" not in rest
    destroy_file(path)  # gone already: nothing to do


@pytest.mark.parametrize("survives", ["statement", "order"])
def test_killed_between_order_and_end_it_goes_on(kit, kit_dir, survives, trusted_time, world):
    kit.order(1, "destroy")
    if survives == "statement":
        kit.lost.turn()
    again = Kit(kit.spool, kit.identity, trusted_time, world.root.key)
    again.commands.work_off()
    again.lost.turn()
    proofs = [item for item in again.receipts() if item.proof]
    assert len(proofs) == 1, "one statement, whenever it was killed"
    again.receipt_everything()
    assert again.lost.turn() is True
    assert again.step() == "destroyed"


def test_a_key_the_card_will_not_let_go_of_is_tried_again_and_stops_nothing(kit, kit_dir, monkeypatch):
    """The stand-in is the card's refusal alone: root overcomes every mode of a real file."""
    kit.order(1, "destroy")
    kit.lost.turn()
    kit.receipt_everything()

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(edge_lost.os, "pwrite", refuse)
        assert kit.lost.turn() is False
        assert kit.lost.turn() is False
        assert kit.step() == "destroying"
    kit.clock.advance(s=edge_lost.IDLE_S)
    assert kit.lost.turn() is True
    assert not (kit_dir / "device.key").exists()


def test_a_key_behind_a_link_goes_with_its_link(tmp_path):
    target, link = tmp_path / "elsewhere" / "key", tmp_path / "device.key"
    target.parent.mkdir()
    target.write_bytes(b"secret")
    link.symlink_to(target)
    destroy_file(link)
    assert not target.exists()
    assert not link.is_symlink()
