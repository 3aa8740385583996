"""The busiest path: fixes into the trail, repeats recognised, live markers moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from sqlalchemy import Insert, bindparam, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col, select

from central.base.unit_of_work import UnitOfWork
from central.devices.models import Kit, KitState, Position, ReceivedItem
from central.devices.rules import ItemKey, ItemRow, PositionRow

_COLUMNS = PositionRow._fields
_INSERT = (
    f"INSERT INTO position ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT DO NOTHING"
)
_KEYS_PER_READ = 300
# A join, because SQLite answers `(a, b, c) IN (VALUES ...)` by reading the whole table.
_LOOKUP = (
    "WITH wanted (kit_no, spool_no, seq) AS (VALUES {marks}) SELECT kit_no, spool_no, seq, digest "
    "FROM wanted JOIN {table} USING (kit_no, spool_no, seq)"
)
_ITEM_COLUMNS = ItemRow._fields
_INSERT_ITEM = (
    f"INSERT INTO received_item ({', '.join(_ITEM_COLUMNS)}) VALUES ({', '.join('?' * len(_ITEM_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT DO NOTHING"
)
_MARKER_COLUMNS = (
    "kit_no",
    "last_heard_ms",
    "fix_spool_no",
    "fix_seq",
    "fix_received_ms",
    "fix_at_ms",
    "fix_ms",
    "lat",
    "lon",
    "mode",
    "speed_mps",
    "course_deg",
    "accuracy_m",
    "source",
    "suspect",
)
_BLANK_STATE = {"source": "", "suspect": "", "version": "", "mailbox_have": 0}
# Straight to the driver: once a second for every kit that moves.
_UPSERT_MARKER = (
    f"INSERT INTO kit_state ({', '.join(_MARKER_COLUMNS)}, version, mailbox_have) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_MARKER_COLUMNS))}, '', 0) ON CONFLICT (kit_no) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _MARKER_COLUMNS if name != "kit_no")
    + " WHERE kit_state.fix_spool_no IS NULL OR (excluded.fix_spool_no, excluded.fix_seq) "
    "> (kit_state.fix_spool_no, kit_state.fix_seq)"
)


def insert_ignoring(uow: UnitOfWork, table: type[SQLModel]) -> Insert:
    """Return INSERT ... ON CONFLICT DO NOTHING in the words of the database in use."""
    if uow.connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def store_positions(uow: UnitOfWork, rows: Sequence[PositionRow]) -> list[int]:
    """Insert fixes; returns the indexes of rows whose number is taken by another fix (set those aside).

    A repeat of the same fix is harmless. Rows go to the driver as they are: this runs 10,000 times a second.
    """
    if not rows:
        return []
    connection = uow.connection
    if connection.dialect.name == "sqlite":
        stored = connection.exec_driver_sql(_INSERT, rows).rowcount
    else:
        named = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        stored = connection.execute(insert_ignoring(uow, Position), named).rowcount
    if stored == len(rows):
        return []
    return _find_conflicts(uow, rows, Position)


def store_items(uow: UnitOfWork, rows: Sequence[ItemRow]) -> tuple[set[ItemKey], list[int]]:
    """Remember items other than positions; returns (keys that are new, indexes of rows in conflict).

    Act only on new keys; a key that is neither new nor in conflict is a repeat: give its receipt again.
    """
    known = _digests(uow, rows, ReceivedItem)
    taken = {**_digests(uow, rows, Position), **known}
    fresh: dict[ItemKey, ItemRow] = {}
    conflicts: list[int] = []
    for index, row in enumerate(rows):
        key = ItemKey(row.kit_no, row.spool_no, row.seq)
        digest = taken.setdefault(key, row.digest)
        if digest != row.digest:
            conflicts.append(index)
        elif key not in known:
            fresh.setdefault(key, row)
    if fresh:
        if uow.connection.dialect.name == "sqlite":
            uow.connection.exec_driver_sql(_INSERT_ITEM, list(fresh.values()))
        else:
            named = [dict(zip(_ITEM_COLUMNS, row, strict=True)) for row in fresh.values()]
            uow.connection.execute(insert_ignoring(uow, ReceivedItem), named)
    return set(fresh), conflicts


class KitMarkers:
    """Newest fix and newest sign of life per kit, gathered in memory and written about once a second.

    The trail itself is already committed; `repair` at start closes what a crash left between the two.
    A fix is newer when its (spool, seq) is higher: a kit's clock has no say, and a late fix moves nothing back.
    """

    def __init__(self) -> None:
        self._newest: dict[int, tuple[int, int]] = {}
        self._moved: dict[int, PositionRow] = {}
        self._heard: dict[int, int] = {}

    def note_heard(self, kit_no: int, received_ms: int) -> None:
        """Note a sign of life."""
        self._heard[kit_no] = max(received_ms, self._heard.get(kit_no, 0))

    def note_fixes(self, rows: Iterable[PositionRow]) -> list[PositionRow]:
        """Note committed fixes; returns the newest per kit among those that moved the marker."""
        newest, moved = self._newest, {}
        for row in rows:
            kit_no, spool_no, seq = row[:3]
            self._heard[kit_no] = row.received_ms
            if (spool_no, seq) > newest.get(kit_no, (0, -1)):
                newest[kit_no] = (spool_no, seq)
                moved[kit_no] = row
        self._moved.update(moved)
        return list(moved.values())

    def repair(self, uow: UnitOfWork) -> int:
        """Move markers to the newest stored fix where a crash left them behind; returns how many moved."""
        states = {state.kit_no: state for state in uow.session.exec(select(KitState))}
        behind: list[PositionRow] = []
        for kit_no in uow.session.exec(select(Kit.kit_no)).all():
            order = (col(Position.spool_no).desc(), col(Position.seq).desc())
            query = select(Position).where(Position.kit_no == kit_no).order_by(*order).limit(1)
            newest = uow.session.exec(query).first()
            if newest is None:
                continue
            self._newest[newest.kit_no] = (newest.spool_no, newest.seq)
            state = states.get(newest.kit_no)
            if state is None or (state.fix_spool_no or 0, state.fix_seq or -1) < (newest.spool_no, newest.seq):
                behind.append(PositionRow(*(getattr(newest, name) for name in _COLUMNS)))
        save_markers(uow, behind)
        return len(behind)

    def flush(self, uow: UnitOfWork) -> None:
        """Write what was gathered since the last flush."""
        moved, self._moved = self._moved, {}
        heard, self._heard = self._heard, {}
        save_markers(uow, moved.values())
        save_heard(uow, {kit_no: at_ms for kit_no, at_ms in heard.items() if kit_no not in moved})


def save_markers(uow: UnitOfWork, rows: Iterable[PositionRow]) -> None:
    """Upsert the live marker of each row's kit, never backwards; counts as a sign of life."""
    values = [
        (
            row.kit_no,
            row.received_ms,
            row.spool_no,
            row.seq,
            row.received_ms,
            row.at_ms,
            row.fix_ms,
            row.lat,
            row.lon,
            row.mode,
            row.speed_mps,
            row.course_deg,
            row.accuracy_m,
            row.source,
            row.suspect,
        )
        for row in rows
    ]
    if not values:
        return
    connection = uow.connection
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_UPSERT_MARKER, values)
    else:
        named = [dict(zip(_MARKER_COLUMNS, value, strict=True)) for value in values]
        connection.execute(_marker_upsert(), [{**_BLANK_STATE, **value} for value in named])


def _marker_upsert() -> Insert:
    rule = postgresql.insert(KitState)
    newer = col(KitState.fix_spool_no).is_(None) | (
        tuple_(rule.excluded.fix_spool_no, rule.excluded.fix_seq)
        > tuple_(col(KitState.fix_spool_no), col(KitState.fix_seq))
    )
    changed = {name: rule.excluded[name] for name in _MARKER_COLUMNS if name != "kit_no"}
    return rule.on_conflict_do_update(index_elements=["kit_no"], set_=changed, where=newer)


def ensure_states(uow: UnitOfWork, kit_nos: Iterable[int]) -> None:
    """Make sure each kit has its row of state."""
    blank = [{"kit_no": kit_no, **_BLANK_STATE} for kit_no in kit_nos]
    if blank:
        uow.connection.execute(insert_ignoring(uow, KitState), blank)


def save_heard(uow: UnitOfWork, heard: dict[int, int]) -> None:
    """Note signs of life: kit number to the time received, ms."""
    if not heard:
        return
    known = set(uow.session.exec(select(KitState.kit_no)).all())
    ensure_states(uow, heard.keys() - known)
    later = col(KitState.last_heard_ms).is_(None) | (col(KitState.last_heard_ms) < bindparam("heard_ms"))
    rule = update(KitState).where(col(KitState.kit_no) == bindparam("heard_no"), later)
    uow.connection.execute(
        rule.values(last_heard_ms=bindparam("heard_ms")),
        [{"heard_no": kit_no, "heard_ms": received_ms} for kit_no, received_ms in heard.items()],
    )
    uow.session.expire_all()


def _find_conflicts(
    uow: UnitOfWork, rows: Sequence[PositionRow], table: type[Position] | type[ReceivedItem]
) -> list[int]:
    stored = _digests(uow, rows, table)
    return [
        index
        for index, row in enumerate(rows)
        if stored.get(ItemKey(row.kit_no, row.spool_no, row.seq)) != row.digest
    ]


def _digests(
    uow: UnitOfWork, rows: Sequence[PositionRow] | Sequence[ItemRow], table: type[Position] | type[ReceivedItem]
) -> dict[ItemKey, bytes]:
    found: dict[ItemKey, bytes] = {}
    for start in range(0, len(rows), _KEYS_PER_READ):
        keys = [tuple(row[:3]) for row in rows[start : start + _KEYS_PER_READ]]
        if uow.connection.dialect.name == "sqlite":
            marks = ", ".join(["(?, ?, ?)"] * len(keys))
            query = _LOOKUP.format(marks=marks, table=table.__tablename__)
            stored = uow.connection.exec_driver_sql(query, tuple(chain.from_iterable(keys)))
        else:
            columns = (table.kit_no, table.spool_no, table.seq)
            stored = uow.connection.execute(
                select(*columns, table.digest).where(tuple_(*map(col, columns)).in_(keys))
            )
        for kit_no, spool_no, seq, digest in stored:
            found[ItemKey(kit_no, spool_no, seq)] = digest
    return found
