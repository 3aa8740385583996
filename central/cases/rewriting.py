"""Parties of cases that are already here, replaced; and with them what the cases are found by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Delete, delete
from sqlalchemy import select as sql_select
from sqlmodel import col, select

from central.base import bulk
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases import rows
from central.cases.models import CaseTerm, EnforcementCase, Party
from central.cases.parties import PartyDraft
from central.cases.terms import block_of, identity_term

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a case shall have: its serial, its filing day before and after, its parties."""

    seq: int | None
    old_day: int
    new_day: int
    drafts: Sequence[PartyDraft]


def rewrite_parties(uow: UnitOfWork, keyring: Keyring, case: EnforcementCase, drafts: Sequence[PartyDraft]) -> None:
    """Replace the parties of one case by `drafts` (checked); who stays the same keeps the number."""
    rewrite_many(uow, keyring, {case.case_id or 0: Rewrite(case.seq, case.filed_day, case.filed_day, drafts)})


def rewrite_many(uow: UnitOfWork, keyring: Keyring, wanted: Mapping[int, Rewrite]) -> set[int]:
    """Replace the parties of several cases, by case_id; returns the cases whose parties changed."""
    if not wanted:
        return set()
    uow.session.flush()
    query = select(Party).where(col(Party.case_id).in_(wanted)).order_by(col(Party.case_id), col(Party.position))
    stored: dict[int, list[Party]] = {case_id: [] for case_id in wanted}
    for party in uow.session.exec(query.execution_options(populate_existing=True)):
        stored[party.case_id].append(party)
    change = _Change(keyring)
    for case_id, rewrite in wanted.items():
        change.plan(case_id, rewrite, stored[case_id])
    change.write(uow)
    return change.changed


def move_identities(connection: Connection, moves: Sequence[tuple[int, bytes | None, bytes]]) -> None:
    """Let cases be found by new blind indexes: (party_id, index before, index now), when index keys are replaced."""
    query = (
        sql_select(col(Party.party_id), col(Party.case_id), col(EnforcementCase.filed_day))
        .join(EnforcementCase, col(EnforcementCase.case_id) == Party.case_id)
        .where(col(Party.party_id).in_([party_id for party_id, _, _ in moves]))
    )
    places = {party_id: (case_id, filed_day) for party_id, case_id, filed_day in connection.execute(query)}
    fresh: set[rows.Row] = set()
    for party_id, before, now in moves:
        if party_id not in places:
            continue
        case_id, filed_day = places[party_id]
        fresh.add((block_of(case_id), identity_term(now), filed_day, case_id))
        if before is not None and before != now:
            connection.execute(_delete_term(case_id, filed_day, [identity_term(before)]))
    for _, term, filed_day, case_id in fresh:  # of a run that was killed
        connection.execute(_delete_term(case_id, filed_day, [term]))
    bulk.insert_rows(connection, "case_term", rows.TERM_COLUMNS, sorted(fresh))


def _delete_term(case_id: int, filed_day: int, terms: Sequence[int]) -> Delete:
    return delete(CaseTerm).where(
        col(CaseTerm.block) == block_of(case_id),
        col(CaseTerm.term).in_(terms),
        col(CaseTerm.filed_day) == filed_day,
        col(CaseTerm.case_id) == case_id,
    )


class _Change:
    """What has to be written so that stored parties become the drafts."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._fresh: list[tuple[int, int, PartyDraft]] = []
        self._gone: list[Party] = []
        self._terms: dict[int, tuple[Rewrite, set[rows.Row]]] = {}
        self.changed: set[int] = set()

    def plan(self, case_id: int, rewrite: Rewrite, stored: Sequence[Party]) -> None:
        """Match the drafts of one case with its rows."""
        before = {row.party_id: row for row in stored}
        known: dict[Key, list[Party]] = {}
        clear = {row.party_id: self._open(row) for row in stored}
        for row in stored:
            known.setdefault((row.role, row.kind, row.name, clear[row.party_id][0]), []).append(row)
        for position, draft in enumerate(rewrite.drafts, 1):
            same = known.get((draft.role, draft.kind, draft.name, draft.id_no))
            if not same:
                self._fresh.append((case_id, position, draft))
                self.changed.add(case_id)
                continue
            row = same.pop(0)
            del before[row.party_id]
            if (row.position, row.id_kind, clear[row.party_id][1]) != (position, draft.id_kind, draft.private):
                self._amend(row, position, draft)
                self.changed.add(case_id)
        if before:
            self._gone += before.values()
            self.changed.add(case_id)
        if case_id in self.changed or rewrite.old_day != rewrite.new_day:
            self._terms[case_id] = rewrite, _terms_of(case_id, rewrite.old_day, rewrite.seq, stored)

    def write(self, uow: UnitOfWork) -> None:
        """Write rows and terms."""
        for row in self._gone:
            uow.session.delete(row)
        uow.session.flush()
        if self._fresh:
            first = bulk.reserve_ids(uow.connection, "party", "party_id", len(self._fresh))
            made = [
                rows.party_row(self._keyring, first + offset, case_id, position, draft)
                for offset, (case_id, position, draft) in enumerate(self._fresh)
            ]
            bulk.insert_rows(uow.connection, "party", rows.PARTY_COLUMNS, made)
        self._write_terms(uow)

    def _write_terms(self, uow: UnitOfWork) -> None:
        if not self._terms:
            return
        now: dict[int, list[Party]] = {case_id: [] for case_id in self._terms}
        for party in uow.session.exec(select(Party).where(col(Party.case_id).in_(now))):
            now[party.case_id].append(party)
        added: list[rows.Row] = []
        for case_id, (rewrite, before) in self._terms.items():
            after = _terms_of(case_id, rewrite.new_day, rewrite.seq, now[case_id])
            added += after - before
            gone = [term for _, term, _, _ in before - after]
            if gone:
                uow.connection.execute(_delete_term(case_id, rewrite.old_day, gone))
        bulk.insert_rows(uow.connection, "case_term", rows.TERM_COLUMNS, sorted(added))

    def _amend(self, row: Party, position: int, draft: PartyDraft) -> None:
        row.position, row.id_kind = position, draft.id_kind
        fresh = rows.party_row(self._keyring, row.party_id or 0, row.case_id, position, draft)
        row.private_cipher = fresh[rows.PARTY_COLUMNS.index("private_cipher")]

    def _open(self, row: Party) -> tuple[str, dict[str, str]]:
        """Return identity number and private fields of a stored party."""
        number, private, party_id = "", {}, row.party_id or 0
        if row.id_cipher is not None:
            number = self._keyring.open(rows.ID_FIELD, party_id, row.id_cipher)
        if row.private_cipher is not None:
            private = json.loads(self._keyring.open(rows.PRIVATE_FIELD, party_id, row.private_cipher))
        return number, private


def _terms_of(case_id: int, filed_day: int, seq: int | None, parties: Sequence[Party]) -> set[rows.Row]:
    indexes = [party.id_index for party in parties if party.id_index is not None]
    return set(rows.term_rows(case_id, filed_day, seq, [party.name for party in parties], indexes))
