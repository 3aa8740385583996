"""Parties of cases that are already here, replaced; and with them what the cases are found by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Delete, bindparam, delete, update
from sqlalchemy import select as sql_select
from sqlmodel import col

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
    query = sql_select(*_STORED).where(col(Party.case_id).in_(wanted)).order_by(col(Party.case_id), _STORED[2])
    stored: dict[int, list[_Stored]] = {case_id: [] for case_id in wanted}
    for row in uow.connection.execute(query):
        stored[row.case_id].append(_Stored(*row))
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


class _Stored(NamedTuple):
    """A party as it lies in the database."""

    party_id: int
    case_id: int
    position: int
    role: str
    kind: str
    name: str
    id_kind: str
    id_cipher: bytes | None
    id_index: bytes | None
    private_cipher: bytes | None


_STORED: Final = tuple(col(getattr(Party, name)) for name in _Stored._fields)


class _Change:
    """What has to be written so that stored parties become the drafts."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._fresh: list[tuple[int, int, PartyDraft]] = []
        self._amended: list[dict[str, Any]] = []
        self._gone: list[int] = []
        self._terms: dict[int, tuple[Rewrite, set[rows.Row]]] = {}
        self.changed: set[int] = set()

    def plan(self, case_id: int, rewrite: Rewrite, stored: Sequence[_Stored]) -> None:
        """Match the drafts of one case with its rows."""
        left = {row.party_id for row in stored}
        known: dict[Key, list[_Stored]] = {}
        for row in stored:
            known.setdefault((row.role, row.kind, row.name, self._open_id(row)), []).append(row)
        before = len(self._fresh) + len(self._amended)
        for position, draft in enumerate(rewrite.drafts, 1):
            same = known.get((draft.role, draft.kind, draft.name, draft.id_no))
            if same:
                row = same.pop(0)
                left.discard(row.party_id)
                self._amend(row, position, draft)
            else:
                self._fresh.append((case_id, position, draft))
        self._gone += left
        if left or len(self._fresh) + len(self._amended) != before:
            self.changed.add(case_id)
        if case_id in self.changed or rewrite.old_day != rewrite.new_day:
            self._terms[case_id] = rewrite, _terms_of(case_id, rewrite.old_day, rewrite.seq, stored)

    def write(self, uow: UnitOfWork) -> None:
        """Write rows and terms."""
        if self._gone:
            uow.connection.execute(delete(Party).where(col(Party.party_id).in_(self._gone)))
        if self._amended:
            names = ("position", "id_kind", "private_cipher")
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
            rule = update(Party).where(col(Party.party_id) == bindparam("of_party")).values(**values)
            uow.connection.execute(rule, self._amended)
        if self._fresh:
            first = bulk.reserve_ids(uow.connection, "party", "party_id", len(self._fresh))
            made = [
                rows.party_row(self._keyring, first + offset, case_id, position, draft)
                for offset, (case_id, position, draft) in enumerate(self._fresh)
            ]
            bulk.insert_rows(uow.connection, "party", rows.PARTY_COLUMNS, made)
        self._write_terms(uow)
        for row in uow.session:
            if isinstance(row, Party):
                uow.session.expire(row)

    def _write_terms(self, uow: UnitOfWork) -> None:
        if not self._terms:
            return
        now: dict[int, list[_Stored]] = {case_id: [] for case_id in self._terms}
        for row in uow.connection.execute(sql_select(*_STORED).where(col(Party.case_id).in_(now))):
            now[row.case_id].append(_Stored(*row))
        added: list[rows.Row] = []
        for case_id, (rewrite, before) in self._terms.items():
            after = _terms_of(case_id, rewrite.new_day, rewrite.seq, now[case_id])
            added += after - before
            gone = [term for _, term, _, _ in before - after]
            if gone:
                uow.connection.execute(_delete_term(case_id, rewrite.old_day, gone))
        bulk.insert_rows(uow.connection, "case_term", rows.TERM_COLUMNS, sorted(added))

    def _amend(self, row: _Stored, position: int, draft: PartyDraft) -> None:
        """Note what of a party that stays is another now; nothing is sealed anew that stays as it is."""
        private, sealed = draft.private, row.private_cipher
        if private != self._open_private(row):
            sealed = rows.seal_private(self._keyring, row.party_id, private)
        elif (row.position, row.id_kind) == (position, draft.id_kind):
            return
        self._amended.append(
            {
                "of_party": row.party_id,
                "new_position": position,
                "new_id_kind": draft.id_kind,
                "new_private_cipher": sealed,
            }
        )

    def _open_id(self, row: _Stored) -> str:
        return "" if row.id_cipher is None else self._keyring.open(rows.ID_FIELD, row.party_id, row.id_cipher)

    def _open_private(self, row: _Stored) -> dict[str, str]:
        if row.private_cipher is None:
            return {}
        clear: dict[str, str] = json.loads(self._keyring.open(rows.PRIVATE_FIELD, row.party_id, row.private_cipher))
        return clear


def _terms_of(case_id: int, filed_day: int, seq: int | None, parties: Sequence[_Stored]) -> set[rows.Row]:
    indexes = [party.id_index for party in parties if party.id_index is not None]
    return set(rows.term_rows(case_id, filed_day, seq, [party.name for party in parties], indexes))
