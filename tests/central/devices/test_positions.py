import pytest
from sqlalchemy import event
from sqlmodel import func, select

from central.base.errors import ForbiddenError, NotFoundError
from central.devices import queries, rules
from central.devices import service as devices
from central.devices.models import KitSpool, KitState, Position, ReceivedItem
from central.devices.rules import ItemKey, ItemRow
from contract.messages import Fix

pytestmark = pytest.mark.both_databases

NOW = 1_795_500_000_000


def row(kit, seq, *, spool_no=1, lat=25.6, fix_ms=None, received_ms=NOW):
    fix = Fix(lat=lat, lon=100.2, fix_ms=NOW + seq * 1000 if fix_ms is None else fix_ms)
    return rules.position_row(
        kit.kit_no, spool_no, seq, NOW, fix, digest=rules.digest_fix(NOW, fix), received_ms=received_ms
    )


def item(kit, seq, digest=b"12345678", kind="health", spool_no=1):
    return ItemRow(kit.kit_no, spool_no, seq, digest, kind, NOW)


def store_rows(store, rows):
    with store.write() as uow:
        for kit_no, spool_no in {(row.kit_no, row.spool_no) for row in rows}:
            uow.session.merge(KitSpool(spool_no=spool_no, kit_no=kit_no, spool=f"{spool_no:032x}", first_ms=NOW))
        uow.session.flush()
        return devices.store_positions(uow, rows)


def count(store, table):
    with store.read() as session:
        return session.exec(select(func.count()).select_from(table)).one()


class TestStorePositions:
    def test_repeats_are_harmless(self, store, kit):
        rows = [row(kit, seq) for seq in range(1, 6)]
        assert store_rows(store, rows) == []
        assert store_rows(store, [*rows[3:], row(kit, 6), row(kit, 6)]) == []
        assert count(store, Position) == 6
        assert store_rows(store, []) == []

    def test_the_same_number_with_another_fix_is_named_and_not_stored(self, store, kit):
        store_rows(store, [row(kit, 1), row(kit, 2)])
        assert store_rows(store, [row(kit, 1), row(kit, 2, lat=26.0), row(kit, 3), row(kit, 3, lat=1.0)]) == [1, 3]
        with store.read() as session:
            assert [fix.lat for fix in session.exec(select(Position).order_by(Position.seq))] == [25.6, 25.6, 25.6]

    def test_numbers_count_per_kit_and_spool(self, store, kits):
        first, second = kits.values()
        assert store_rows(store, [row(first, 1), row(second, 1, lat=26.0), row(first, 1, spool_no=2, lat=24.0)]) == []
        assert count(store, Position) == 3

    def test_a_conflict_is_found_in_a_large_batch(self, store, kit):
        store_rows(store, [row(kit, 777)])
        rows = [row(kit, seq, lat=26.0) for seq in range(1, 1001)]
        assert store_rows(store, rows) == [776]
        assert count(store, Position) == 1000


class TestStoreItems:
    def test_new_repeated_and_in_conflict(self, store, kit):
        with store.write() as uow:
            assert devices.store_items(uow, [item(kit, 1), item(kit, 2)]) == (
                {ItemKey(kit.kit_no, 1, 1), ItemKey(kit.kit_no, 1, 2)},
                [],
            )
        rows = [item(kit, 1), item(kit, 2, b"another!"), item(kit, 3), item(kit, 3), item(kit, 3, b"another!")]
        with store.write() as uow:
            assert devices.store_items(uow, rows) == ({ItemKey(kit.kit_no, 1, 3)}, [1, 4])
        assert count(store, ReceivedItem) == 3

    def test_a_number_already_used_for_a_fix_is_a_conflict(self, store, kit):
        store_rows(store, [row(kit, 1)])
        with store.write() as uow:
            assert devices.store_items(uow, [item(kit, 1)]) == (set(), [0])


class TestKitMarkers:
    def note(self, store, markers, rows):
        store_rows(store, rows)
        moved = markers.note_fixes(rows)
        with store.write() as uow:
            markers.flush(uow)
        return [fix.seq for fix in moved]

    def state(self, store, kit):
        with store.read() as session:
            return queries.find_state(session, kit.kit_no)

    def test_late_fixes_fill_the_trail_and_move_nothing_back(self, store, kit, operator):
        markers = devices.KitMarkers()
        assert self.note(store, markers, [row(kit, 8), row(kit, 10), row(kit, 9)]) == [10]
        assert self.note(store, markers, [row(kit, 3), row(kit, 4)]) == []
        assert self.state(store, kit).fix_seq == 10
        with store.read() as session:
            trail = queries.list_trail(session, operator, kit.kit_id, from_ms=0, to_ms=NOW * 2, now_ms=NOW)
        assert [fix.seq for fix in trail] == [3, 4, 8, 9, 10]

    def test_a_clock_wrong_by_years_does_not_pin_the_marker(self, store, kit):
        markers = devices.KitMarkers()
        self.note(store, markers, [row(kit, 1, fix_ms=NOW + 10**11)])
        assert self.note(store, markers, [row(kit, 2, lat=25.7)]) == [2]
        assert self.state(store, kit).lat == 25.7

    def test_a_new_spool_is_newer_whatever_its_numbers(self, store, kit):
        markers = devices.KitMarkers()
        self.note(store, markers, [row(kit, 500)])
        assert self.note(store, markers, [row(kit, 1, spool_no=2)]) == [1]
        assert self.note(store, markers, [row(kit, 501)]) == []
        assert (self.state(store, kit).fix_spool_no, self.state(store, kit).fix_seq) == (2, 1)

    def test_the_database_too_refuses_to_go_back(self, store, kit):
        with store.write() as uow:
            devices.save_markers(uow, [row(kit, 5, lat=25.5)])
        with store.write() as uow:
            devices.save_markers(uow, [row(kit, 4, lat=24.4)])
        assert (self.state(store, kit).fix_seq, self.state(store, kit).lat) == (5, 25.5)

    def test_signs_of_life_without_a_fix(self, store, kit):
        markers = devices.KitMarkers()
        markers.note_heard(kit.kit_no, NOW)
        with store.write() as uow:
            markers.flush(uow)
        markers.note_heard(kit.kit_no, NOW - 500)
        with store.write() as uow:
            markers.flush(uow)
            markers.flush(uow)
        assert (self.state(store, kit).last_heard_ms, self.state(store, kit).lat) == (NOW, None)

    def test_repair_closes_what_a_crash_left(self, store, kits):
        first, second = kits.values()
        store_rows(store, [row(first, 1), row(first, 2, lat=25.9)])
        with store.write() as uow:
            devices.save_markers(uow, [row(first, 1)])
        markers = devices.KitMarkers()
        with store.write() as uow:
            assert markers.repair(uow) == 1
        assert self.state(store, first).lat == 25.9
        assert self.state(store, second) is None
        assert markers.note_fixes([row(first, 2), row(first, 1)]) == []
        with store.write() as uow:
            assert devices.KitMarkers().repair(uow) == 0


CUTS = [(0, 10), (0, 600), (1, 65), (63, 65), (100, 130), (380, 420), (390, 520), (450, 480), (550, 900)]


class TestTrail:
    def test_narrowed_by_scope_right_and_time(self, store, kit, commander, neighbour, administrator):
        store_rows(store, [row(kit, seq) for seq in range(1, 11)])
        with store.read() as session:

            def trail(actor, **limits):
                times = {"from_ms": NOW + 3000, "to_ms": NOW + 8000, "now_ms": NOW}
                return [fix.seq for fix in queries.list_trail(session, actor, kit.kit_id, **{**times, **limits})]

            assert trail(commander) == [3, 4, 5, 6, 7, 8]
            assert trail(commander, limit=2) == [7, 8]
            with pytest.raises(NotFoundError):
                trail(neighbour)
            with pytest.raises(ForbiddenError):
                trail(administrator)

    def test_a_long_trail_over_two_spools_is_found_whole_wherever_it_is_cut(self, store, kit, commander):
        # Every tenth number is another kind's, a milestone among them now and then.
        rows = [row(kit, seq, received_ms=NOW + seq * 1000) for seq in range(1, 400) if seq % 10]
        later = [
            row(kit, seq, spool_no=2, fix_ms=NOW + at_ms, received_ms=NOW + at_ms)
            for seq, at_ms in ((seq, 500_000 + seq * 1000) for seq in range(1, 100))
        ]
        store_rows(store, rows + later)
        taken = sorted(fix.trail_ms for fix in rows + later)
        with store.read() as session:
            for start, end in [
                (0, 10),
                (0, 600),
                (1, 65),
                (63, 65),
                (100, 130),
                (380, 420),
                (390, 520),
                (450, 480),
                (550, 900),
            ]:
                window = {"from_ms": NOW + start * 1000, "to_ms": NOW + end * 1000}
                trail = queries.list_trail(session, commander, kit.kit_id, **window, now_ms=NOW)
                wanted = [at_ms for at_ms in taken if window["from_ms"] <= at_ms <= window["to_ms"]]
                assert [fix.trail_ms for fix in trail] == wanted, (start, end)

    @pytest.mark.sqlite_only
    def test_milestones_are_read_from_their_index(self, store, kit, commander):
        store_rows(store, [row(kit, seq) for seq in range(1, 200)])
        plans = []

        @event.listens_for(store.engine, "before_cursor_execute")
        def explain(_connection, cursor, statement, parameters, _context, _many):
            if "% 64" in statement:
                plans.extend(
                    found[3] for found in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                )

        with store.read() as session:
            queries.list_trail(session, commander, kit.kit_id, from_ms=NOW, to_ms=NOW + 9000, now_ms=NOW)
        event.remove(store.engine, "before_cursor_execute", explain)
        assert len(plans) == 4
        assert all("ix_position_milestone" in plan for plan in plans), plans

    def test_old_fixes_are_pruned(self, store, kit):
        store_rows(store, [row(kit, seq) for seq in range(1, 11)])
        with store.write() as uow:
            assert devices.prune_positions(uow, before_ms=NOW + 5000) == 4
        assert count(store, Position) == 6


def test_spools_get_short_numbers_that_a_rollback_takes_back(store, kit):
    directory = devices.KitDirectory()
    with pytest.raises(RuntimeError), store.write() as uow:
        directory.spool_no(uow, kit.kit_no, "a" * 32)
        raise RuntimeError
    assert count(store, KitSpool) == 0
    with store.write() as uow:
        first = directory.spool_no(uow, kit.kit_no, "b" * 32)
        assert directory.spool_no(uow, kit.kit_no, "b" * 32) == first
    other = devices.KitDirectory()
    with store.read() as session:
        other.reload(session)
    with store.write() as uow:
        assert other.spool_no(uow, kit.kit_no, "b" * 32) == first
        assert other.spool_no(uow, kit.kit_no, "a" * 32) > first
    assert count(store, KitState) == 0


@pytest.mark.parametrize("table", [Position, ReceivedItem])
@pytest.mark.sqlite_only
def test_known_numbers_are_looked_up_and_never_searched_for(store, kit, table):
    """On a trail of millions a scan here would stop the intake."""
    plans = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def explain(_connection, cursor, statement, parameters, _context, _many):
        if statement.startswith("WITH wanted"):
            plans.extend(row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    with store.write() as uow:
        devices.store_items(uow, [item(kit, 1), item(kit, 2)])
    event.remove(store.engine, "before_cursor_execute", explain)
    assert any(plan.startswith(f"SEARCH {table.__tablename__} USING") for plan in plans)
    assert not any(plan.startswith(f"SCAN {table.__tablename__}") for plan in plans)
