"""One batch, one transaction: what goes wrong in it is found and set aside, the rest is kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from central.base.unit_of_work import Store
from central.devices import service as devices
from central.devices.rules import KitRef
from central.sync import intake as intake_module
from central.sync.intake import Batch, Intake
from contract.packing import is_packed, pack
from tests.central.sync.kit_client import fix_item, now_ms

KIT = "dl-2901-01"
SPOOL = "a" * 32


@pytest.fixture
def intake(store: Store, kits: dict[str, KitRef]) -> Intake:
    directory = devices.KitDirectory()
    with store.read() as session:
        directory.reload(session)
    return Intake(store, directory)


def message(kind: str, items: list[dict[str, Any]], kit_id: str = KIT) -> tuple[str, bytes]:
    body = {"v": 1, "spool": SPOOL, "boot": "b" * 32, "items": items}
    return f"kits.{kit_id}.up.{kind}", msgspec.json.encode(body)


def alarm(seq: int, letter: str) -> dict[str, Any]:
    return {"seq": seq, "at_ms": now_ms(), "body": {"alarm_id": letter * 32, "kind": "sos", "pressed_ms": now_ms()}}


def reasons(store: Store) -> list[str]:
    with store.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT reason FROM set_aside ORDER BY id")]


class TestBadItems:
    def test_the_one_that_fails_is_set_aside_alone(
        self, intake: Intake, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = intake_module.receive_alarm

        def fail_on_c(uow: Any, kit: Any, body: Any, **given: Any) -> Any:
            outcome = real(uow, kit, body, **given)
            if body.alarm_id.startswith("c"):
                raise LookupError("a fault of ours, after it has written")
            return outcome

        monkeypatch.setattr(intake_module, "receive_alarm", fail_on_c)
        outcome = intake.commit(
            Batch(
                messages=[
                    message("alarm", [alarm(1, "b"), alarm(2, "c"), alarm(3, "d")]),
                    message("position", [fix_item(4)]),
                ]
            )
        )
        assert outcome.receipts == {(KIT, SPOOL): [4, 1, 3]}
        assert reasons(store) == ["failed"]
        with store.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT alarm_id FROM incident ORDER BY alarm_id").all()
        assert [row[0][0] for row in found] == ["b", "d"]

    def test_a_message_that_breaks_the_whole_batch_is_found(
        self, intake: Intake, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = intake_module.position_row

        def fail_on_seven(kit_no: int, spool_no: int, seq: int, *rest: Any, **given: Any) -> Any:
            if seq == 7:
                raise ArithmeticError("a fault of ours")
            return real(kit_no, spool_no, seq, *rest, **given)

        monkeypatch.setattr(intake_module, "position_row", fail_on_seven)
        outcome = intake.commit(Batch(messages=[message("position", [fix_item(seq)]) for seq in (6, 7, 8)]))
        assert outcome.receipts == {(KIT, SPOOL): [6, 8]}
        assert reasons(store) == ["failed"]

    def test_a_database_that_cannot_commit_keeps_nothing_and_says_so(
        self, intake: Intake, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> Any:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))

        with monkeypatch.context() as patch:
            patch.setattr(devices, "store_positions", full)
            with pytest.raises(OperationalError):
                intake.commit(Batch(messages=[message("position", [fix_item(1)]), message("alarm", [alarm(2, "b")])]))
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM received_item").scalar() == 0
        outcome = intake.commit(Batch(messages=[message("position", [fix_item(1)])]))
        assert outcome.receipts == {(KIT, SPOOL): [1]}

    def test_what_a_failed_commit_could_not_keep_aside_the_next_one_does(
        self, intake: Intake, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> Any:
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

        record = {"record": "AAAA", "sig": "AAAA"}
        batch = Batch(messages=[message("health", [{"seq": 1, "at_ms": 1, "body": {}}]), message("nonsense", [])])
        batch.messages.append(message("chain", [{"seq": 2, "at_ms": 1, "body": record}]))
        with monkeypatch.context() as patch:
            patch.setattr(intake, "_settle_times", full)
            with pytest.raises(OperationalError):
                intake.commit(batch)
        assert reasons(store) == []
        intake.commit(batch)
        assert sorted(reasons(store)) == ["bad_name", "malformed", "out_of_range"]
        intake.commit(batch)
        assert len(reasons(store)) == 3, "a repeat is counted only"

    @pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\u0000"', b'"\\udfff\\ud800"'])
    def test_odd_text_stops_nothing(self, intake: Intake, text: bytes) -> None:
        subject, good = message("position", [fix_item(2)])
        _, odd = message("position", [fix_item(1, source="?")])
        outcome = intake.commit(Batch(messages=[(subject, odd.replace(b'"?"', text)), (subject, good)]))
        assert 2 in outcome.receipts[(KIT, SPOOL)]

    def test_alarms_are_urgent_and_positions_are_not(self, intake: Intake) -> None:
        assert intake.commit(Batch(messages=[message("alarm", [alarm(1, "b")])])).urgent == {(KIT, SPOOL)}
        assert intake.commit(Batch(messages=[message("position", [fix_item(2)])])).urgent == set()

    def test_live_markers_follow_the_commit(self, intake: Intake) -> None:
        outcome = intake.commit(Batch(messages=[message("position", [fix_item(1, lat=25.1), fix_item(2, lat=25.2)])]))
        assert [(marker.kit_id, marker.court_code, marker.lat) for marker in outcome.moved] == [(KIT, "云2901", 25.2)]


class TestPacked:
    def test_packed_messages_are_taken_like_others_and_a_bad_one_is_set_aside(
        self, intake: Intake, store: Store
    ) -> None:
        subject, fixes = message("position", [fix_item(seq) for seq in range(1, 101)])
        told, calls = message("alarm", [alarm(101, "e")])
        cut = pack(fixes)[:-5]
        outcome = intake.commit(Batch(messages=[(subject, pack(fixes)), (told, pack(calls)), (subject, cut)]))
        assert is_packed(pack(fixes)) and is_packed(pack(calls))
        assert sorted(outcome.receipts[(KIT, SPOOL)]) == list(range(1, 102))
        assert reasons(store) == ["unparsable"]

    def test_one_bad_fix_in_a_packed_message_does_not_cost_the_others(self, intake: Intake, store: Store) -> None:
        subject, fixes = message("position", [fix_item(1), fix_item(2, lat=91.0), fix_item(3)])
        outcome = intake.commit(Batch(messages=[(subject, pack(fixes))]))
        assert outcome.receipts == {(KIT, SPOOL): [1, 3]}
        assert reasons(store) == ["out_of_range"]
