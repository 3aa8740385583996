from sqlmodel import select

from central.base.outbox import OutboxEntry
from central.base.settings import Settings
from central.devices import rules
from central.devices import service as devices
from central.devices.models import KitSpool, MailboxEntry, Position, ReceivedItem
from central.devices.rules import ItemRow
from central.flows import housekeeping
from contract.messages import Fix

DAY_MS = 24 * 3600 * 1000
SETTINGS = Settings(position_retention_days=30, outbox_retention_hours=48)


def seqs(store, table):
    with store.read() as session:
        return sorted(session.exec(select(table.seq)).all())


def test_what_is_past_its_time_goes_and_the_rest_stays(store, clock, kits, monkeypatch):
    monkeypatch.setattr(housekeeping, "BITE", 7)
    now_ms = clock.now_ms()
    with store.write() as uow:
        for kit in kits.values():
            spool = KitSpool(kit_no=kit.kit_no, spool="a" * 32, first_ms=now_ms)
            uow.session.add(spool)
            uow.session.flush()
            fixes, items = [], []
            for seq in range(1, 41):
                day_ms = now_ms - (40 - seq) * 2 * DAY_MS  # 78 days old to new
                fix = Fix(lat=25.0, lon=100.0, fix_ms=day_ms)
                row = rules.position_row(
                    kit.kit_no, spool.spool_no, seq, day_ms, fix, digest=b"x", received_ms=day_ms
                )
                fixes.append(row)
                items.append(ItemRow(kit.kit_no, spool.spool_no, 100 + seq, b"y", "health", day_ms))
            devices.store_positions(uow, fixes)
            devices.store_items(uow, items)
        kit = kits["dl-2901-01"]
        devices.put_directive(uow, kit, kind="record_stop", body={"cause": "x"}, expires_ms=now_ms + 1)
        uow.session.add(OutboxEntry(kind="k", court_code="云", payload={"n": 1}, created_ms=now_ms - 3 * DAY_MS))
        uow.session.add(OutboxEntry(kind="k", court_code="云", payload={"n": 2}, created_ms=now_ms - DAY_MS))
    clock.advance(ms=1)
    counts = housekeeping.keep_house(store, SETTINGS)
    assert counts == {
        "directives_expired": 1,
        "courts_settled": 0,
        "pauses_ended": 0,
        "commands_ended": 0,
        "command_requests_lapsed": 0,
        "emergencies_unratified": 0,
        "health_hours": 0,
        "outbox": 1,
        "papers_swept": 0,
        "positions": 50,
        "items": 20,
        "boots": 0,
        "logs": 0,
    }
    assert seqs(store, Position) == sorted([*range(26, 41)] * 2)
    assert seqs(store, ReceivedItem) == sorted([*range(111, 141)] * 2)
    with store.read() as session:
        assert [row.state for row in session.exec(select(MailboxEntry))] == ["expired"]
    assert housekeeping.keep_house(store, SETTINGS)["positions"] == 0
