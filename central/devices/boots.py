"""The boots of each kit as the intake sees them: what `times` makes of them, kept in memory and in `kit_boot`.

Only the intake writes here. What a crash costs is the last second's narrowing, which the next items bring again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from central.base.unit_of_work import UnitOfWork
from central.devices.models import Kit, KitBoot
from central.devices.times import Anchor, Claim, PlacedBoot, claim_of_fix, find_spare, place_boots
from contract.messages import PositionItem

NO_NUMBER: Final = 2**53
"""For `BootBook.see`: an item that has no number in its spool."""
# Positions come every second from every kit: of a boot's, one in so long is looked at.
LOOK_EVERY_MS: Final = 10_000
# A boot beyond these is read again when it speaks again.
_REMEMBERED = 20_000
# Of one kit; older boots have been settled long ago.
_PLACED = 500
_COLUMNS = (
    "kit_no",
    "boot",
    "spool_no",
    "first_seq",
    "last_mono_ms",
    "upper_ms",
    "upper_mono_ms",
    "low_ms",
    "high_ms",
    "claim_mono_ms",
    "claimed_by",
)


class BootBook:
    """Anchors by kit and boot. Used by one thread; `flush` belongs into the transaction that saw the items."""

    def __init__(self) -> None:
        self._anchors: dict[tuple[int, str], Anchor] = {}
        self._dirty: set[tuple[int, str]] = set()
        self._recast: set[tuple[int, str]] = set()
        self._unsettled: set[int] = set()
        self._settled: set[int] = set()
        self.has_pressing = False

    def see(  # noqa: PLR0917 -- on the busiest path, in the order of the table
        self, uow: UnitOfWork, kit_no: int, boot: str, spool_no: int, seq: int, mono_ms: int
    ) -> Anchor:
        """Note an item received now; returns its boot's anchor."""
        key = (kit_no, boot)
        anchor = self._anchors.get(key)
        if anchor is None:
            anchor = self._load(uow, key, spool_no, seq, mono_ms)
        if anchor.see(seq, mono_ms, uow.now_ms):
            self._note_news(key)
        return anchor

    def see_fixes(
        self, uow: UnitOfWork, kit_no: int, boot: str, spool_no: int, items: Sequence[PositionItem]
    ) -> Anchor | None:
        """Note the fixes of one message by the newest of them; None for a kit that says no time since boot."""
        item = items[-1]
        mono_ms = item.mono_ms
        if mono_ms is None:
            return None
        known = self._anchors.get((kit_no, boot))
        if known is not None and 0 <= mono_ms - known.looked_mono_ms < LOOK_EVERY_MS:
            return known
        anchor = self.see(uow, kit_no, boot, spool_no, items[0].seq, mono_ms)
        anchor.looked_mono_ms = mono_ms
        fix = item.body
        if fix.fix_ms is not None and not fix.suspect and fix.source == "gpsd":
            self.hear(kit_no, anchor, claim_of_fix(fix.fix_ms, mono_ms))
        return anchor

    def find_written_ms(self, kit_no: int, boot: str, mono_ms: int | None) -> int | None:
        """When an item of a boot seen just now was written; None for a kit that says no time since boot."""
        anchor = self._anchors.get((kit_no, boot))
        return None if anchor is None else anchor.guess(mono_ms)

    def hear(self, kit_no: int, anchor: Anchor, claim: Claim) -> None:
        """Note what an item claims of its boot."""
        if anchor.hear(claim):
            self._note_news((kit_no, anchor.boot))

    def ask_settling(self, kit_no: int) -> None:
        """Something of this kit came that wants its time told with the very batch that brings it."""
        self._settled.discard(kit_no)
        self._unsettled.add(kit_no)
        self.has_pressing = True

    def take_unsettled(self, uow: UnitOfWork) -> list[int]:
        """The kits whose moments may be told more exactly than before; forgotten once this is committed."""
        uow.after_commit(self._forget_unsettled)
        return sorted(self._unsettled)

    def note_settled(self, uow: UnitOfWork, kit_no: int) -> None:
        """All moments of this kit are told to a second: until it brings new ones nothing is to be done for it."""
        uow.after_commit(lambda: self._settled.add(kit_no))

    def _forget_unsettled(self) -> None:
        for kit_no, boot in self._recast:
            self._anchors[kit_no, boot].is_recast = False
        self._recast.clear()
        self._unsettled.clear()
        self.has_pressing = False

    def place(self, session: Session, kit_no: int) -> dict[str, PlacedBoot]:
        """The kit's boots among each other, by id; newest knowledge before what is stored."""
        anchors = {anchor.boot: anchor for anchor in _read_anchors(session, kit_no)}
        anchors |= {boot: anchor for (owner, boot), anchor in self._anchors.items() if owner == kit_no}
        return place_boots(list(anchors.values()))

    def flush(self, uow: UnitOfWork) -> None:
        """Write what has changed since the last commit."""
        uow.after_commit(self._dirty.clear)
        _save(uow, ((kit_no, self._anchors[kit_no, boot]) for kit_no, boot in sorted(self._dirty)))

    def _note_news(self, key: tuple[int, str]) -> None:
        if key in self._anchors and self._anchors[key].is_recast:
            self._recast.add(key)
        self._dirty.add(key)
        if key[0] not in self._settled or key in self._recast:
            self._unsettled.add(key[0])

    def _load(self, uow: UnitOfWork, key: tuple[int, str], spool_no: int, seq: int, mono_ms: int) -> Anchor:
        if len(self._anchors) >= _REMEMBERED:
            self._anchors = {known: self._anchors[known] for known in self._dirty | self._recast}
        row = uow.session.get(KitBoot, key)
        if row is None:
            upper_ms = uow.now_ms - mono_ms
            anchor = Anchor(key[1], spool_no, seq, mono_ms, upper_ms, mono_ms)
            self._settled.discard(key[0])
            self._note_news(key)
        else:
            anchor = _anchor(row)
        self._anchors[key] = anchor
        return anchor


def place_kit(session: Session, kit_no: int) -> dict[str, PlacedBoot]:
    """The kit's boots among each other as stored, by id: for readers outside the intake."""
    return place_boots(list(_read_anchors(session, kit_no)))


def list_kits_with_old_boots(session: Session, *, before_ms: int, turn: int, at_once: int) -> list[int]:
    """Of the ``at_once`` kits whose turn it is (each ``turn`` the next ones) those with a boot past `before_ms`."""
    numbers = session.exec(select(Kit.kit_no).order_by(col(Kit.kit_no))).all()
    first = turn * at_once % len(numbers) if len(numbers) > at_once else 0
    mine = [number for number in numbers[first : first + at_once] if number is not None]
    old = _last_word_ms() < before_ms
    query = select(KitBoot.boot).where(old).limit(1)
    return [number for number in mine if session.exec(query.where(KitBoot.kit_no == number)).first() is not None]


def list_spare_boots(session: Session, kit_no: int, *, before_ms: int, needed: Collection[str]) -> list[str]:
    """The boots of a kit whose last word was written before `before_ms` and on whose time nothing rests any more.

    `needed` are those that something kept is told by. The kit's newest stays whatever its age: it may go on.
    """
    rows = session.exec(select(KitBoot).where(KitBoot.kit_no == kit_no)).all()
    anchors = [_anchor(row) for row in rows]
    newest = max(anchors, key=lambda anchor: (anchor.spool_no, anchor.first_seq), default=None)
    kept = {row.boot for row in rows if row.upper_ms + row.last_mono_ms >= before_ms}
    return sorted(find_spare(anchors, {*kept, *needed, *([newest.boot] if newest else [])}))


def forget_boots(uow: UnitOfWork, kit_no: int, boots: Sequence[str]) -> int:
    """Forget boots of one kit; returns how many. An intake that has one of them in mind may write it again."""
    mine = (col(KitBoot.kit_no) == kit_no, col(KitBoot.boot).in_(boots))
    return uow.connection.execute(delete(KitBoot).where(*mine)).rowcount


def _last_word_ms() -> ColumnElement[int]:
    """When the last word of a boot was written, at the latest: by the centre's own clock, whatever the kit claims."""
    return col(KitBoot.upper_ms) + col(KitBoot.last_mono_ms)


def _read_anchors(session: Session, kit_no: int) -> Sequence[Anchor]:
    query = select(KitBoot).where(KitBoot.kit_no == kit_no)
    newest = query.order_by(col(KitBoot.spool_no).desc(), col(KitBoot.first_seq).desc()).limit(_PLACED)
    return [_anchor(row) for row in session.exec(newest)]


def _anchor(row: KitBoot) -> Anchor:
    claim = None
    if row.low_ms is not None and row.high_ms is not None and row.claim_mono_ms is not None:
        claim = Claim(row.low_ms, row.high_ms, row.claim_mono_ms, row.claimed_by)
    return Anchor(row.boot, row.spool_no, row.first_seq, row.last_mono_ms, row.upper_ms, row.upper_mono_ms, claim)


def _save(uow: UnitOfWork, anchors: Iterable[tuple[int, Anchor]]) -> None:
    rows = []
    for kit_no, anchor in anchors:
        claim = anchor.claim
        claimed = (claim.low_ms, claim.high_ms, claim.mono_ms, claim.by) if claim else (None, None, None, "")
        values = (
            kit_no,
            anchor.boot,
            anchor.spool_no,
            anchor.first_seq,
            anchor.last_mono_ms,
            anchor.upper_ms,
            anchor.upper_mono_ms,
            *claimed,
        )
        rows.append(dict(zip(_COLUMNS, values, strict=True)))
    if not rows:
        return
    dialect = sqlite if uow.connection.dialect.name == "sqlite" else postgresql
    rule = dialect.insert(KitBoot)
    changed = {name: rule.excluded[name] for name in _COLUMNS[2:]}
    uow.connection.execute(rule.on_conflict_do_update(index_elements=["kit_no", "boot"], set_=changed), rows)
    uow.session.expire_all()
