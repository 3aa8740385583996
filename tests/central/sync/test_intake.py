"""What kits say, over the real wire: committed and receipted, or kept aside with its one reason."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from central.devices import service as devices
from central.devices.rules import KitRef
from contract.messages import MAX_UP_BYTES
from contract.orders import SosAck
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import MqttKit, fix_item, now_ms
from tests.central.sync.recorder import Recorder, chain_item
from tests.waiting import wait_until

KIT = "dl-2901-01"
YEARS_MS = 7 * 365 * 24 * 3600 * 1000


@pytest.fixture
def kit(centre: Centre) -> MqttKit:
    return centre.connect(KIT)


def positions_of(centre: Centre, spool: str) -> list[tuple[object, ...]]:
    return centre.rows(
        "SELECT p.seq, p.lat FROM position p JOIN kit_spool s USING (spool_no) WHERE s.spool = :spool ORDER BY seq",
        spool=spool,
    )


def alarm_item(seq: int, kind: str = "sos", **changed: Any) -> dict[str, Any]:
    body = {"alarm_id": secrets.token_hex(16), "kind": kind, "pressed_ms": now_ms(), **changed}
    return {"seq": seq, "at_ms": now_ms(), "body": body}


class TestPositions:
    def test_are_committed_then_receipted(self, centre: Centre, kit: MqttKit) -> None:
        kit.send("position", [fix_item(seq) for seq in range(1, 51)], qos=0)
        kit.wait_receipted(*range(1, 51), timeout_s=3)
        assert len(positions_of(centre, kit.spool)) == 50

    def test_a_repeat_is_receipted_again_and_stored_once(self, centre: Centre, kit: MqttKit) -> None:
        item = fix_item(1)
        kit.send("position", [item])
        kit.wait_receipted(1)
        kit.receipted.clear()
        kit.send("position", [item])
        kit.wait_receipted(1)
        assert len(positions_of(centre, kit.spool)) == 1

    def test_another_fix_under_a_taken_number_is_set_aside_unreceipted(self, centre: Centre, kit: MqttKit) -> None:
        kit.send("position", [fix_item(1, lat=25.1)])
        kit.wait_receipted(1)
        kit.receipted.clear()
        kit.send("position", [fix_item(1, lat=25.9), fix_item(2)])
        kit.wait_receipted(2)
        rows = centre.wait_set_aside("number_reused", kit_id=KIT)
        assert kit.spool in str(rows[-1][2])
        assert positions_of(centre, kit.spool)[0] == (1, 25.1)
        assert kit.receipted[kit.spool] == {2}

    @pytest.mark.parametrize(
        "bad",
        [{"lat": 91.0}, {"lon": -180.5}, {"mode": 1}, {"speed_mps": -1}, {"source": "x" * 65}, {"lat": "north"}],
    )
    def test_one_bad_fix_does_not_cost_the_others(self, centre: Centre, kit: MqttKit, bad: dict[str, Any]) -> None:
        wrong = fix_item(2)
        wrong["body"].update(bad)
        kit.send("position", [fix_item(1), wrong, fix_item(3)])
        kit.wait_receipted(1, 3)
        assert [row[0] for row in positions_of(centre, kit.spool)] == [1, 3]
        found = centre.wait_set_aside("out_of_range", kit_id=KIT)
        assert str(found[-1][2]).startswith("Item 2:")
        assert 2 not in kit.receipted[kit.spool]

    @pytest.mark.parametrize("offset_ms", [-YEARS_MS, YEARS_MS])
    def test_a_clock_off_by_years_loses_nothing(self, centre: Centre, kit: MqttKit, offset_ms: int) -> None:
        item = fix_item(1)
        item["at_ms"] += offset_ms
        item["body"]["fix_ms"] += offset_ms
        before = now_ms()
        kit.send("position", [item])
        kit.wait_receipted(1)
        query = "SELECT p.trail_ms FROM position p JOIN kit_spool s USING (spool_no) WHERE s.spool = :spool"
        assert before - 5000 <= centre.scalar(query, spool=kit.spool) <= now_ms()


class TestUnusable:
    @pytest.mark.parametrize("kind", ["position", "alarm", "chain", "health", "receipt", "hello"])
    @pytest.mark.parametrize("payload", [b"", b"not json", b"\xff\xfe", b"[" * 5000, b'{"v":1'])
    def test_what_does_not_parse_is_kept_with_its_reason(
        self, centre: Centre, kit: MqttKit, kind: str, payload: bytes
    ) -> None:
        payload = payload and payload[:4000] + secrets.token_hex(4).encode()
        kit.send_raw(kind, payload)
        query = "SELECT reason FROM set_aside WHERE kit_id = :kit AND source = :source AND payload = :payload"
        source = f"kits.{KIT}.up.{kind}"
        rows = wait_until(lambda: centre.rows(query, kit=KIT, source=source, payload=payload))
        assert rows[0][0] in {"unparsable", "out_of_range"}

    def test_an_oversize_message_is_kept_cut(self, centre: Centre, kit: MqttKit) -> None:
        kit.send_raw("health", b"x" * (MAX_UP_BYTES + 1))
        centre.wait_set_aside("oversize", kit_id=KIT)
        rows = centre.rows("SELECT size_bytes, length(payload) FROM set_aside WHERE reason = 'oversize'")
        assert rows[-1] == (MAX_UP_BYTES + 1, 4096)

    def test_an_unknown_kind_is_kept(self, centre: Centre, kit: MqttKit) -> None:
        kit.send_raw("gossip", b"{}")
        centre.wait_set_aside("bad_name", source=f"kits.{KIT}.up.gossip")

    def test_a_repeated_reject_is_counted_but_kept_once(self, centre: Centre, kit: MqttKit) -> None:
        payload = b"the same " + secrets.token_hex(8).encode()
        for _ in range(5):
            kit.send_raw("health", payload)
        kit.send("position", [fix_item(1)])
        kit.wait_receipted(1)
        query = "SELECT count(*) FROM set_aside WHERE payload = :payload"
        assert wait_until(lambda: centre.scalar(query, payload=payload)) == 1

    def test_the_intake_goes_on(self, centre: Centre, kit: MqttKit) -> None:
        kit.send_raw("position", b"rubbish")
        kit.send("position", [fix_item(1)], qos=0)
        kit.wait_receipted(1)


class TestAlarms:
    def test_open_an_incident_and_are_receipted_at_once(self, centre: Centre, kit: MqttKit) -> None:
        item = alarm_item(1, fix={"lat": 25.6, "lon": 100.2})
        kit.send("alarm", [item])
        kit.wait_receipted(1, timeout_s=2)
        query = "SELECT count(*) FROM incident WHERE alarm_id = :id"
        assert centre.scalar(query, id=item["body"]["alarm_id"]) == 1

    def test_a_resent_alarm_opens_no_second_incident(self, centre: Centre, kit: MqttKit) -> None:
        item = alarm_item(1)
        for seq in (1, 1, 2):
            kit.send("alarm", [{**item, "seq": seq}])
        kit.wait_receipted(1, 2)
        query = "SELECT count(*) FROM incident WHERE alarm_id = :id"
        assert centre.scalar(query, id=item["body"]["alarm_id"]) == 1

    def test_an_alarm_with_a_clock_years_off_is_taken_and_doubted(self, centre: Centre, kit: MqttKit) -> None:
        item = alarm_item(1, pressed_ms=now_ms() - YEARS_MS)
        kit.send("alarm", [{**item, "at_ms": now_ms() - YEARS_MS}])
        kit.wait_receipted(1)
        query = "SELECT clock_doubt FROM incident WHERE alarm_id = :id"
        assert centre.scalar(query, id=item["body"]["alarm_id"]) == 1


class TestChain:
    def test_records_are_joined_and_receipted(self, centre: Centre, kit: MqttKit) -> None:
        recorder = Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])
        recorder.open()
        recorder.segment()
        recorder.final()
        kit.send("chain", [chain_item(seq, record) for seq, record in enumerate(recorder.records, 1)])
        kit.wait_receipted(1, 2, 3, timeout_s=3)
        row = centre.rows("SELECT next_seq, closed_ms IS NOT NULL FROM recording WHERE id = :id", id=recorder.rid)
        assert row == [(3, 1)]

    def test_a_forged_record_is_set_aside_and_never_receipted(self, centre: Centre, kit: MqttKit) -> None:
        forger = Recorder(centre.pki.kit(KIT), KIT, [centre.centre_identity.public_key()])
        item = chain_item(1, forger.open())
        kit.send("chain", [item])
        rows = centre.wait_set_aside("forged", kit_id=KIT)
        kit.send("chain", [item])
        kit.send("position", [fix_item(2)])
        kit.wait_receipted(2)
        assert "not signed by a certificate that kit dl-2901-01 has shown" in str(rows[-1][2])
        assert kit.receipted[kit.spool] == {2}
        assert centre.scalar("SELECT count(*) FROM recording WHERE id = :id", id=forger.rid) == 0
        wait_until(lambda: centre.scalar("SELECT value FROM counter WHERE name = 'set_aside.chain_repeated'"))


class TestHealth:
    def test_becomes_the_kits_state(self, centre: Centre, kit: MqttKit) -> None:
        body = {
            "recording": True, "duty": True, "queue_outbox": 3, "queue_segments": 0, "free_bytes": 10**9,
            "vault_bytes": 0, "uptime_s": 60, "version": "0.1.0", "gps": "3d", "battery_pct": 71.0,
        }  # fmt: skip
        kit.send("health", [{"seq": 1, "at_ms": now_ms(), "body": body}])
        kit.wait_receipted(1)
        rows = centre.rows("SELECT health FROM kit_state s JOIN kit k USING (kit_no) WHERE k.kit_id = :kit", kit=KIT)
        assert msgspec.json.decode(str(rows[0][0]))["battery_pct"] == 71.0


class TestMailbox:
    def put(self, centre: Centre, kind: str = "record_start") -> int:
        kit_no = centre.scalar("SELECT kit_no FROM kit WHERE kit_id = :kit", kit=KIT)
        with centre.store.write() as uow:
            body = {"cause": "样例", "by": "样例值班员"}
            return devices.put_directive(uow, KitRef(kit_no, KIT, "云2901"), kind=kind, body=body).number

    def hello(self, kit: MqttKit, have: int) -> None:
        kit.send("hello", [{"seq": 0, "at_ms": now_ms(), "body": {"have": have, "version": "0.1.0"}}])

    def test_hello_brings_what_is_missing_and_a_receipt_ends_it(self, centre: Centre, kit: MqttKit) -> None:
        number = self.put(centre)
        self.hello(kit, number - 1)
        wait_until(lambda: [item for item in kit.directives if item.number == number])
        receipt = {"number": number, "state": "done", "at_ms": now_ms()}
        kit.send("receipt", [{"seq": 1, "at_ms": now_ms(), "body": receipt}])
        kit.wait_receipted(1)
        query = "SELECT count(*) FROM mailbox_entry WHERE number = :number AND state = 'done'"
        assert centre.scalar(query, number=number) == 1

    def test_a_directive_without_receipt_is_sent_again(self, centre: Centre, kit: MqttKit) -> None:
        number = self.put(centre)
        self.hello(kit, number - 1)
        wait_until(lambda: sum(item.number == number for item in kit.directives) >= 2, 15, "the sweep")

    def test_a_directive_of_which_nobody_was_told_is_found(self, centre: Centre, kit: MqttKit) -> None:
        self.hello(kit, 1_000_000)  # it has whatever there is: nothing is open for it
        number = self.put(centre)  # the test's own store has no bus, as the command line has none
        wait_until(lambda: [item for item in kit.directives if item.number == number], 15, "the sweep")

    def test_hello_is_never_receipted(self, centre: Centre, kit: MqttKit) -> None:
        self.hello(kit, 0)
        kit.send("position", [fix_item(1)])
        kit.wait_receipted(1)
        assert 0 not in kit.receipted[kit.spool]

    def test_a_receipt_for_no_directive_is_counted(self, centre: Centre, kit: MqttKit) -> None:
        receipt = {"number": 999_999, "state": "felt", "at_ms": now_ms()}
        kit.send("receipt", [{"seq": 1, "at_ms": now_ms(), "body": receipt}])
        kit.wait_receipted(1)
        assert centre.scalar("SELECT value FROM counter WHERE name = 'receipt.unknown_directive'") >= 1

    def test_an_acknowledgement_is_felt(self, centre: Centre, kit: MqttKit) -> None:
        item = alarm_item(1)
        alarm_id = item["body"]["alarm_id"]
        kit.send("alarm", [item])
        kit.wait_receipted(1)
        kit_no = centre.scalar("SELECT kit_no FROM kit WHERE kit_id = :kit", kit=KIT)
        with centre.store.write() as uow:
            body = msgspec.to_builtins(SosAck(alarm_id=alarm_id, by="样例值班员", at_ms=now_ms()))
            number = devices.put_directive(uow, KitRef(kit_no, KIT, "云2901"), kind="sos_ack", body=body).number
        self.hello(kit, number - 1)
        wait_until(lambda: [found for found in kit.directives if found.number == number])
        receipt = {"number": number, "state": "felt", "at_ms": now_ms()}
        kit.send("receipt", [{"seq": 2, "at_ms": now_ms(), "body": receipt}])
        kit.wait_receipted(2)
        assert centre.scalar("SELECT felt_ms FROM incident WHERE alarm_id = :id", id=alarm_id) > 0
