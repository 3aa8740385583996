from __future__ import annotations

import secrets

from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import fix_item, now_ms
from tests.waiting import wait_until


class TestPositions:
    def test_are_committed_then_receipted(self, centre: Centre) -> None:
        kit = centre.connect("dl-2901-01")
        kit.send("position", [fix_item(seq) for seq in range(1, 51)], qos=0)
        kit.wait_receipted(*range(1, 51))
        count = centre.scalar(
            "SELECT count(*) FROM position p JOIN kit_spool s USING (spool_no) WHERE s.spool = :spool",
            spool=kit.spool,
        )
        assert count == 50


class TestAlarms:
    def test_open_an_incident_and_are_receipted_at_once(self, centre: Centre) -> None:
        kit = centre.connect("dl-2901-01")
        alarm_id = secrets.token_hex(16)
        body = {"alarm_id": alarm_id, "kind": "sos", "pressed_ms": now_ms(), "fix": {"lat": 25.6, "lon": 100.2}}
        kit.send("alarm", [{"seq": 1, "at_ms": now_ms(), "body": body}])
        kit.wait_receipted(1, timeout_s=2)
        assert centre.scalar("SELECT count(*) FROM incident WHERE alarm_id = :id", id=alarm_id) == 1
        wait_until(lambda: centre.scalar("SELECT lat FROM kit_state WHERE lat IS NOT NULL"), 5)
