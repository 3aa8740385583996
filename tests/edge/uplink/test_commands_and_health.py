"""Orders of the centre, the trust list among them, and the health report's real sources."""

from __future__ import annotations

import base64
import shutil
import time
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import messages, orders
from contract.health import Health
from edge.reach.identity import Identity, IdentityError
from edge.reach.trusted_time import TrustedTime
from edge.sensors import read_battery, read_temperature
from edge.spool import Spool
from edge.uplink.commands import Commands
from edge.uplink.health import build_health
from edge.uplink.trust_keeper import TrustKeeper
from tests.fakes.small_authority import SmallAuthority


class Desk:
    def __init__(self, spool: Spool, identity: Identity, trusted_time: TrustedTime) -> None:
        self.spool = spool
        self.rung: list[str] = []
        self.keeper = TrustKeeper(spool, identity, trusted_time, self.rung.append)
        self.commands = Commands(spool, self.keeper, trusted_time, self.rung.append)

    def order(self, number: int, kind: str, body: msgspec.Struct) -> None:
        now_ms = time.time_ns() // 1_000_000
        raw = msgspec.Raw(messages.encode(body))
        self.commands.receive(
            messages.encode(messages.Directive(number=number, kind=kind, issued_ms=now_ms, body=raw))
        )

    def send_trust(self, number: int, data: bytes) -> None:
        text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        self.order(number, "trust", orders.TrustUpdate(list=text))

    def answers(self) -> list[tuple[int, str]]:
        bodies = [entry.body for entry in self.spool.outbox.pending(100, ("receipt",))]
        told = [messages.decode(body, messages.CommandReceipt) for body in bodies]
        return [(item.number, item.state) for item in told]


@pytest.fixture
def desk(spool: Spool, identity: Identity, trusted_time: TrustedTime) -> Desk:
    return Desk(spool, identity, trusted_time)


def test_a_newer_trust_list_comes_into_force(desk: Desk, world: SmallAuthority, kit_dir: Path) -> None:
    fresh_key = Ed25519PrivateKey.generate()
    fresh = world.make_trust(epoch=4, receipt_key=fresh_key)
    desk.send_trust(1, fresh)
    assert desk.answers() == [(1, "received"), (1, "done")]
    assert (kit_dir / "trust.cbor").read_bytes() == fresh
    assert [key.public_bytes_raw() for key in desk.keeper.receipt_keys()] == [
        fresh_key.public_key().public_bytes_raw()
    ]
    assert "recorder" in desk.rung and desk.keeper.epoch == 4


@pytest.mark.parametrize("case", ["older", "stranger", "flipped", "nonsense"])
def test_no_other_trust_list_does(desk: Desk, world: SmallAuthority, kit_dir: Path, case: str) -> None:
    good = world.make_trust(epoch=5)
    desk.send_trust(1, good)
    bad = {
        "older": world.make_trust(epoch=4),
        "stranger": SmallAuthority.found(world.folder / "stranger").make_trust(epoch=6),
        "flipped": world.make_trust(epoch=6)[:-1] + b"\x00",
        "nonsense": b"nonsense",
    }[case]
    desk.send_trust(2, bad)
    assert desk.answers()[2:] == [(2, "received"), (2, "failed")]
    assert (kit_dir / "trust.cbor").read_bytes() == good and desk.keeper.epoch == 5
    assert desk.spool.inbox.unhandled() == []


def test_a_new_spool_does_not_open_the_way_for_an_old_list(desk: Desk, world: SmallAuthority, kit_dir: Path) -> None:
    good = world.make_trust(epoch=5)
    (kit_dir / "trust.cbor").write_bytes(good)
    desk.send_trust(1, world.make_trust(epoch=4))
    assert desk.answers() == [(1, "received"), (1, "failed")]
    assert (kit_dir / "trust.cbor").read_bytes() == good and desk.keeper.epoch == 5


def test_a_repeated_order_is_confirmed_again_but_done_once(desk: Desk) -> None:
    order = orders.RecordOrder(cause="围堵", by="样例指挥长甲")
    desk.order(1, "record_start", order)
    desk.spool.state.set("recording_wanted", {"on": False, "cause": "officer", "by": ""})
    desk.order(1, "record_start", order)
    assert desk.answers() == [(1, "received"), (1, "done")], "its answer still waits here: nothing is added"
    desk.spool.outbox.release([(1, 1000)])
    desk.order(1, "record_start", order)
    assert desk.answers() == [(1, "received")], "the centre asks although it had the answer: it is given again"
    assert desk.spool.state.get("recording_wanted")["on"] is False


def test_orders_kept_before_a_restart_are_carried_out_after_it(desk: Desk) -> None:
    body = messages.encode(orders.RecordOrder(cause="x"))
    desk.spool.inbox.put(1, "record_start", body, 1)
    desk.commands.work_off()
    assert desk.spool.state.get("recording_wanted")["on"] is True
    assert desk.answers() == [(1, "done")]


def test_a_session_of_remote_command_is_written_down_and_told_and_a_stale_order_does_nothing(desk: Desk) -> None:
    session = "c" * 32
    desk.order(1, "live", orders.LiveOrder(session=session, on=True, url="https://centre.example:8445"))
    assert [entry["session"] for entry in desk.spool.state.get("live_sessions")] == [session]
    assert {"live", "recorder", "panel", "screen"} <= set(desk.rung)
    desk.order(2, "live", orders.LiveOrder(session=session, on=False))
    late = messages.encode(orders.LiveOrder(session="d" * 32, on=True))
    now_ms = time.time_ns() // 1_000_000
    told = messages.Directive(
        number=3, kind="live", issued_ms=now_ms - 90_000, body=msgspec.Raw(late), expires_ms=now_ms - 30_000
    )
    desk.commands.receive(messages.encode(told))
    assert desk.spool.state.get("live_sessions") == []
    assert desk.answers()[-2:] == [(3, "received"), (3, "failed")]


def test_unreadable_orders_fail_with_their_reason(desk: Desk) -> None:
    desk.order(1, "record_start", orders.SosAck(alarm_id="a" * 32, by="x", at_ms=1))
    desk.order(2, "sos_ack", orders.RecordOrder(cause="x"))
    assert desk.answers() == [(1, "received"), (1, "failed"), (2, "received"), (2, "failed")]
    with pytest.raises(messages.MessageError):
        desk.commands.receive(b"[]")


def test_acknowledgement_of_another_sos_changes_nothing_here(desk: Desk) -> None:
    desk.spool.state.set("sos", {"alarm_id": "a" * 32, "acked": False})
    desk.order(1, "sos_ack", orders.SosAck(alarm_id="b" * 32, by="x", at_ms=1))
    assert desk.spool.state.get("sos")["acked"] is False
    desk.order(2, "sos_ack", orders.SosAck(alarm_id="a" * 32, by="样例值班员甲", at_ms=1))
    assert desk.spool.state.get("sos") == {"alarm_id": "a" * 32, "acked": True, "acked_by": "样例值班员甲"}


def test_trust_list_on_the_card_is_checked_like_one_from_outside(
    desk: Desk, kit_dir: Path, world: SmallAuthority
) -> None:
    (kit_dir / "trust.cbor").write_bytes(SmallAuthority.found(world.folder / "stranger").make_trust(epoch=9))
    assert desk.keeper.receipt_keys() == []
    assert "until then nothing is deleted" in desk.keeper.trouble
    (kit_dir / "trust.cbor").unlink()
    assert desk.keeper.receipt_keys() == []


def test_health_tells_what_is_so(spool: Spool, trusted_time: TrustedTime) -> None:
    spool.outbox.append("position", b"{}")
    spool.state.set("duty", True)
    spool.state.set("recorder_status", {"recording": True, "recording_id": "c" * 32, "source": "synthetic 720p25"})
    spool.state.set("children", {"recorder": {"restarts": 2, "last": "", "at_ms": 0}, "panel": {"restarts": 0}})
    spool.state.set("upload_status", {"trouble": "507 the store is full"})
    report = build_health(spool, trusted_time, source="synthetic", certificate={"until_ms": 1, "trouble": "renew me"})
    assert messages.decode(messages.encode(report), Health) == report
    assert (report.recording, report.recording_id, report.duty) == (True, "c" * 32, True)
    assert report.queue_outbox == 1 and report.queue_segments == 0 and report.source == "synthetic 720p25"
    assert abs(report.free_bytes - shutil.disk_usage(spool.dir).free) < 500_000_000
    assert report.note == "renew me; upload: 507 the store is full; recorder restarted 2 times"
    assert report.uptime_s > 0 and report.clock == "ok, not compared"


def test_sensors_are_read_where_there_are_some(tmp_path: Path) -> None:
    assert read_temperature(tmp_path) is None and read_battery(tmp_path) is None
    for name, value in (
        ("thermal_zone0/temp", "41000\n"),
        ("thermal_zone1/temp", "52500\n"),
        ("bat/capacity", "87\n"),
    ):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(value)
    (tmp_path / "thermal_zone2").mkdir()
    (tmp_path / "thermal_zone2/temp").write_text("broken")
    assert read_temperature(tmp_path) == 52.5 and read_battery(tmp_path) == 87


def test_identity_files_that_do_not_fit_are_named(kit_dir: Path, world: SmallAuthority) -> None:
    other = world.enrol("dl-2922-01")
    (kit_dir / "device.key").write_bytes((other / "device.key").read_bytes())
    with pytest.raises(IdentityError, match="does not belong to"):
        Identity(kit_dir)
    (kit_dir / "device.key").write_text("nonsense")
    with pytest.raises(IdentityError, match=r"device\.key cannot be read"):
        Identity(kit_dir)


TASK = orders.Task(title="送达样例文书", officer="样例警官")


class TestTasks:
    """Control puts a task before the officer; that he felt it, the panel says (tests/edge/panel)."""

    def test_a_task_is_put_once_and_left_for_the_panel(self, desk: Desk) -> None:
        for _ in range(3):
            desk.order(1, "task", TASK)
        assert [task.number for task in desk.spool.tasks.newest()] == [1]
        assert [order.number for order in desk.spool.inbox.unhandled()] == [1]
        assert {state for _, state in desk.answers()} == {"received"}
        assert desk.rung.count("panel") == 3

    def test_a_task_repeated_after_the_answer_changes_nothing(self, desk: Desk) -> None:
        desk.order(1, "task", TASK)
        desk.spool.inbox.mark_handled(1)
        desk.spool.tasks.answer(1, "accepted")
        desk.order(1, "task", TASK)
        task = desk.spool.tasks.find(1)
        assert task is not None and task.state == "accepted"
        assert desk.spool.inbox.unhandled() == []

    def test_a_task_that_expired_on_its_way_is_not_put(self, desk: Desk) -> None:
        now_ms = time.time_ns() // 1_000_000
        body = msgspec.Raw(messages.encode(TASK))
        late = messages.Directive(number=1, kind="task", issued_ms=now_ms, body=body, expires_ms=now_ms - 1000)
        desk.commands.receive(messages.encode(late))
        assert desk.answers()[-1] == (1, "failed")
        assert desk.spool.tasks.newest() == []

    def test_a_recall_takes_back_what_is_not_done(self, desk: Desk) -> None:
        for number in (1, 2):
            desk.order(number, "task", TASK)
        desk.spool.tasks.answer(2, "accepted")
        desk.spool.tasks.answer(2, "done")
        desk.order(3, "task_recall", orders.TaskRecall(task=1, reason="样例"))
        desk.order(4, "task_recall", orders.TaskRecall(task=2, reason="样例"))
        assert [(task.number, task.state) for task in desk.spool.tasks.newest()] == [(2, "done"), (1, "recalled")]
        assert (4, "failed") in desk.answers()
        assert 3 in [order.number for order in desk.spool.inbox.unhandled()], "the officer has yet to feel it"

    def test_a_recall_that_overtakes_its_task_waits_for_it(self, desk: Desk) -> None:
        desk.order(2, "task_recall", orders.TaskRecall(task=1, reason="样例"))
        assert [order.number for order in desk.spool.inbox.unhandled()] == [2]
        desk.order(1, "task", TASK)
        task = desk.spool.tasks.find(1)
        assert task is not None and task.state == "recalled"

    def test_a_recall_of_what_never_was_here_is_done(self, desk: Desk) -> None:
        desk.order(1, "record_stop", orders.RecordOrder(cause="样例"))
        desk.order(2, "task_recall", orders.TaskRecall(task=1, reason="样例"))
        assert desk.answers()[-1] == (2, "done")


def test_an_order_is_put_before_the_officer_and_left_for_the_panel_to_be_felt(desk: Desk) -> None:
    told = orders.Instruction(session="a" * 32, no=3, text="从北门进入。", by="样例指挥长")
    desk.order(1, "instruct", told)
    desk.order(1, "instruct", told)
    assert desk.answers() == [(1, "received")]
    (row,) = desk.spool.instructions.newest()
    assert (row.number, row.state, row.read_body()) == (1, "received", told)
    assert [order.number for order in desk.spool.inbox.unhandled()] == [1]
    assert {"panel", "screen"} <= set(desk.rung)


def test_an_order_without_words_is_refused(desk: Desk) -> None:
    desk.order(1, "instruct", orders.SosAck(alarm_id="a" * 32, by="x", at_ms=1))
    assert desk.answers() == [(1, "received"), (1, "failed")]
    assert desk.spool.instructions.newest() == [] and desk.spool.inbox.unhandled() == []
