"""What a kit said of its directives: receipt by receipt, with when it was at the kit and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session, col, select

from central.devices.boots import place_kit
from central.devices.models import MailboxEntry, MailboxStep
from central.devices.times import Moment, Told, tell_answer

LATE_MS: Final = 60_000


@dataclass(frozen=True)
class Step:
    """One receipt of a directive: what was said, when it was as the centre believes, and when it came."""

    state: str
    note: str
    told: Told
    received_ms: int

    @property
    def is_late(self) -> bool:
        """Whether it surely came more than a minute after it was said: out of the dark."""
        return self.received_ms - self.told.at_ms - (self.told.error_ms or 0) > LATE_MS


def load_steps(session: Session, entries: Sequence[MailboxEntry]) -> dict[tuple[int, int], list[Step]]:
    """Return the receipts of `entries` by kit and number, in the order in which they came.

    For whoever has the entries already.
    """
    if not entries:
        return {}
    lowest: dict[int, int] = {}
    for entry in entries:
        lowest[entry.kit_no] = min(entry.number, lowest.get(entry.kit_no, entry.number))
    issued = {(entry.kit_no, entry.number): entry.issued_ms for entry in entries}
    boots = {kit_no: place_kit(session, kit_no) for kit_no in lowest}
    found: dict[tuple[int, int], list[Step]] = {}
    query = select(MailboxStep).where(col(MailboxStep.kit_no).in_(lowest), MailboxStep.number >= min(lowest.values()))
    for row in session.exec(query.order_by(col(MailboxStep.id))):
        ordered_ms = issued.get((row.kit_no, row.number))
        if ordered_ms is None:
            continue  # between the entries that were asked for
        told = tell_answer(
            boots[row.kit_no],
            Moment(row.boot, row.mono_ms),
            wall_ms=row.kit_at_ms,
            received_ms=row.received_ms,
            ordered_ms=ordered_ms,
        )
        found.setdefault((row.kit_no, row.number), []).append(Step(row.state, row.note, told, row.received_ms))
    return found


def list_boots_of_steps(session: Session, kit_no: int) -> set[str]:
    """The boots of a kit by which receipts are told: they are told anew each time somebody looks."""
    query = select(MailboxStep.boot).where(MailboxStep.kit_no == kit_no, MailboxStep.boot != "").distinct()
    return set(session.exec(query).all())


def find_answers(session: Session, entries: Sequence[MailboxEntry]) -> dict[int, Step]:
    """Return by number the receipt that brought each directive of one kit into its present state."""
    said = load_steps(session, entries)
    found = {}
    for entry in entries:
        steps = [step for step in said.get((entry.kit_no, entry.number), ()) if step.state == entry.state]
        if steps:
            found[entry.number] = steps[-1]
    return found
