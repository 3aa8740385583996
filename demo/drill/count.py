"""Counts item by item what the centre holds against the witness's book: lost, doubled, changed, invented."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlmodel import Session, col, func, select

from central.base.settings import Settings
from central.devices.models import Kit, KitSpool, MailboxEntry, MailboxStep, Position, ReceivedItem, SetAside
from central.devices.rules import digest_fix, digest_item
from central.evidence.models import ChainLink, Recording, StoredSegment
from central.evidence.vault import Vault
from central.incidents.models import AlarmRecord, Incident
from contract import chain
from contract.messages import Alarm, ChainItem, Fix
from demo.drill.load import Pressed
from demo.drill.witness import Book, Seen

_SHOWN = 10


@dataclass
class Tally:
    """One line of the table. ``held``: not at the centre, but still on the kit's card, which is no loss."""

    what: str
    taken: int = 0
    arrived: int = 0
    held: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    wrong: list[str] = field(default_factory=list)

    def blame(self, kind: str, items: list[Any], kit_id: str) -> None:
        """Add ``items`` to lost, doubled or changed, and name the first of them."""
        setattr(self, kind, getattr(self, kind) + len(items))
        self.wrong += [f"{kit_id}: {kind} {item}" for item in items[:_SHOWN]]


class Count:
    """The tallies of all kits together."""

    def __init__(self) -> None:
        self.numbers = Tally("messages by number")
        self.fixes = Tally("fixes")
        self.sos = Tally("SOS pressed")
        self.marks = Tally("marks pressed")
        self.records = Tally("chain records")
        self.segments = Tally("segments")
        self.orders = Tally("orders of the centre")
        self.tasks = Tally("tasks given and done")
        self.set_aside: dict[str, int] = {}

    @property
    def tallies(self) -> list[Tally]:
        """All lines, in the order of the table."""
        return [
            self.sos, self.marks, self.fixes, self.numbers, self.records, self.segments, self.tasks, self.orders,
        ]  # fmt: skip

    def add_kit(self, session: Session, settings: Settings, book: Book, pressed: Pressed) -> None:
        """Count one kit."""
        kit_no = session.exec(select(Kit.kit_no).where(Kit.kit_id == book.kit_id)).one() or 0
        self._count_numbers(session, kit_no, book)
        self._count_presses(session, kit_no, book, pressed)
        self._count_records(session, book)
        self._count_segments(session, settings, book)

    def add_centre(self, session: Session, given: list[tuple[str, int]]) -> None:
        """Count what the centre ordered, and what it could not accept."""
        self._count_orders(session, given)
        reasons = session.exec(select(SetAside.reason, func.count()).group_by(SetAside.reason)).all()
        self.set_aside = {str(reason): int(number) for reason, number in reasons}

    def _count_numbers(self, session: Session, kit_no: int, book: Book) -> None:
        spool_no = session.exec(
            select(KitSpool.spool_no).where(KitSpool.kit_no == kit_no, KitSpool.spool == book.spool_id)
        ).one()
        fixes = dict(
            session.exec(
                select(Position.seq, Position.digest).where(Position.kit_no == kit_no, Position.spool_no == spool_no)
            ).all()
        )
        others = {
            seq: (kind, digest)
            for seq, kind, digest in session.exec(
                select(ReceivedItem.seq, ReceivedItem.kind, ReceivedItem.digest).where(
                    ReceivedItem.kit_no == kit_no, ReceivedItem.spool_no == spool_no, col(ReceivedItem.seq) > 0
                )
            ).all()
        }
        there = fixes.keys() | others.keys()
        expected = set(range(1, book.top + 1))
        missing, held = expected - there - book.held, book.held - there
        # The fix within an alarm joins the trail under the alarm's own number; any other number stands once.
        twice = [seq for seq in fixes.keys() & others.keys() if others[seq][0] != "alarm"]
        numbers = self.numbers
        numbers.taken += book.top
        numbers.arrived += len(expected & there)
        numbers.held += len(held)
        numbers.blame("lost", sorted(f"{seq} {_kind(book, seq)}" for seq in missing), book.kit_id)
        numbers.blame("doubled", sorted(twice), book.kit_id)
        numbers.blame("changed", sorted(there - expected), book.kit_id)
        stored = {seq: digest for seq, digest in fixes.items() if seq not in others}
        self._count_fixes(book, stored, missing, held)
        changed = [
            seq
            for seq, seen in book.entries.items()
            if seen.kind != "position" and seq in others and others[seq][1] != _digest(seen)
        ]
        numbers.blame("changed", changed, book.kit_id)

    def _count_fixes(self, book: Book, stored: dict[int, bytes], missing: set[int], held: set[int]) -> None:
        seen = {seq for seq, entry in book.entries.items() if entry.kind == "position"}
        fixes = self.fixes
        # A fix that came and went between two looks is known by its number alone.
        fixes.taken += len(seen | stored.keys())
        fixes.arrived += len(stored)
        fixes.held += len(seen & held)
        fixes.blame("lost", sorted(seen & missing), book.kit_id)
        changed = [seq for seq in seen & stored.keys() if stored[seq] != _digest(book.entries[seq])]
        fixes.blame("changed", changed, book.kit_id)

    def _count_presses(self, session: Session, kit_no: int, book: Book, pressed: Pressed) -> None:
        for kind, tally in (("sos", self.sos), ("mark", self.marks)):
            told = pressed.alarms[kind]
            rows = session.exec(
                select(AlarmRecord.alarm_id).where(AlarmRecord.kit_no == kit_no, AlarmRecord.kind == kind)
            ).all()
            arrived = Counter(rows)
            if kind == "sos":
                opened = Counter(
                    session.exec(
                        select(Incident.alarm_id).where(Incident.kit_no == kit_no, Incident.kind == "sos")
                    ).all()
                )
                arrived = Counter({alarm: max(number, opened[alarm]) for alarm, number in arrived.items()})
                tally.blame("lost", [alarm for alarm in told if alarm in arrived and not opened[alarm]], book.kit_id)
            held = (_held_alarms(book) & told.keys()) - arrived.keys()
            tally.taken += len(told)
            tally.arrived += len(arrived.keys() & told.keys())
            tally.held += len(held)
            tally.blame("lost", [alarm for alarm in told if alarm not in arrived and alarm not in held], book.kit_id)
            tally.blame("doubled", [alarm for alarm, number in arrived.items() if number > 1], book.kit_id)
            # Nobody pressed it, or one press was carried out twice.
            strangers = [alarm for alarm in arrived if alarm not in told]
            tally.blame("doubled", strangers[pressed.unanswered :], book.kit_id)

    def _count_records(self, session: Session, book: Book) -> None:
        links = session.exec(
            select(ChainLink.recording_id, ChainLink.seq, ChainLink.body, ChainLink.sig)
            .join(Recording, col(Recording.id) == col(ChainLink.recording_id))
            .where(Recording.kit_id == book.kit_id)
        ).all()
        there = {(recording_id, seq): (body, sig) for recording_id, seq, body, sig in links}
        tally = self.records
        tally.taken += len(book.records)
        tally.arrived += len(there.keys() & book.records.keys())
        held = _held_records(book) - there.keys()
        tally.held += len(held)
        tally.blame("lost", sorted(book.records.keys() - there.keys() - held), book.kit_id)
        tally.blame("doubled", sorted(there.keys() - book.records.keys()), book.kit_id)
        changed = [
            place for place, seen in book.records.items() if place in there and there[place] != (seen.body, seen.sig)
        ]
        tally.blame("changed", changed + book.changed_records, book.kit_id)

    def _count_segments(self, session: Session, settings: Settings, book: Book) -> None:
        """Every signed segment against the file in the centre's vault, read and hashed here once more."""
        vault = Vault(Path(settings.data_dir))
        rows = session.exec(
            select(StoredSegment.recording_id, StoredSegment.seq)
            .join(Recording, col(Recording.id) == col(StoredSegment.recording_id))
            .where(Recording.kit_id == book.kit_id)
        ).all()
        there = {(recording_id, seq) for recording_id, seq in rows}
        signed = {
            place: record.cipher_hash
            for place, seen in book.records.items()
            if (record := chain.decode(seen.body)).kind is chain.Kind.SEGMENT
        }
        held = (signed.keys() & book.waiting_segments) - there
        tally = self.segments
        tally.taken += len(signed)
        tally.arrived += len(there & signed.keys())
        tally.held += len(held)
        tally.blame("lost", sorted(signed.keys() - there - held), book.kit_id)
        tally.blame("doubled", sorted(there - signed.keys()), book.kit_id)
        changed = [
            place
            for place in there & signed.keys()
            if _hash(vault, place) != signed[place]
            or (place in book.files and signed[place] not in book.files[place])
        ]
        tally.blame("changed", sorted(changed), book.kit_id)

    def _count_orders(self, session: Session, given: list[tuple[str, int]]) -> None:
        kits = dict(session.exec(select(Kit.kit_id, Kit.kit_no)).all())
        entries = {
            (row.kit_no, row.number): row for row in session.exec(select(MailboxEntry)).all() if row.kind != "trust"
        }
        orders, tasks = self.orders, self.tasks
        orders.taken += len(entries)
        waiting = [place for place, row in entries.items() if row.state in ("waiting", "failed", "expired")]
        orders.arrived += len(entries) - len(waiting)
        orders.blame("lost", waiting, "centre")
        told = {(kits[kit_id], number) for kit_id, number in given}
        orders.blame("lost", sorted(told - entries.keys()), "centre")
        steps = Counter((row.kit_no, row.number, row.state) for row in session.exec(select(MailboxStep)).all())
        wanted = {place for place, row in entries.items() if row.kind == "task"}
        tasks.taken += len(wanted)
        done = {place for place in wanted if entries[place].state == "done" and steps[*place, "accepted"]}
        tasks.arrived += len(done)
        undone = [f"{place} {entries[place].state} {_steps_of(place, steps)}" for place in sorted(wanted - done)]
        tasks.blame("lost", undone, "centre")
        twice = [step for step, number in steps.items() if number > 1 and step[2] in ("accepted", "done")]
        tasks.blame("doubled", twice, "centre")


def _steps_of(place: tuple[int, int], steps: Counter[tuple[int, int, str]]) -> list[str]:
    return [state for kit_no, number, state in steps if (kit_no, number) == place]


def _kind(book: Book, seq: int) -> str:
    seen = book.entries.get(seq)
    return seen.kind if seen else "not seen"


def _held_alarms(book: Book) -> set[str]:
    """Ids of alarms that still lie on the card."""
    held = (book.entries[seq] for seq in book.held & book.entries.keys())
    return {msgspec.json.decode(seen.body, type=Alarm).alarm_id for seen in held if seen.kind == "alarm"}


def _held_records(book: Book) -> set[tuple[str, int]]:
    """Places of chain records that still lie on the card."""
    held = (book.entries[seq] for seq in book.held & book.entries.keys())
    items = [msgspec.json.decode(seen.body, type=ChainItem) for seen in held if seen.kind == "chain"]
    bodies = [base64.urlsafe_b64decode(item.record + "=" * (-len(item.record) % 4)) for item in items]
    return {(record.recording_id.hex(), record.seq) for record in map(chain.decode, bodies)}


def _digest(seen: Seen) -> bytes:
    """As `central.sync.decoding` makes it, from the kit's own bytes."""
    if seen.kind == "position":
        return digest_fix(seen.at_ms, msgspec.json.decode(seen.body, type=Fix))
    return digest_item(b"%s:%d:%s" % (seen.kind.encode(), seen.at_ms, seen.body))


def _hash(vault: Vault, place: tuple[str, int]) -> bytes:
    try:
        with vault.path_of(*place).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return b""
