"""The one place that inserts or replaces cases in bulk: imports, registration, other systems, the demo.

Callers give one transaction's worth, some 250 drafts: the write lock is then held well below 100 ms, and an SOS that
comes in between waits no longer than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce

from sqlalchemy import select as sql_select
from sqlmodel import col, select

from central.audit import service as audit
from central.base import bulk
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases import rows
from central.cases.catalogue import Catalogue
from central.cases.clock import plan_nodes, today
from central.cases.drafts import CaseCourtError, CaseDraft, DuplicateCaseError, Outcome, draft_text
from central.cases.handlers import Handlers, find_handlers
from central.cases.models import EnforcementCase
from central.cases.rewriting import rewrite_parties
from central.cases.updates import Update, update_cases
from central.courts.models import Court
from central.courts.rules import lowest_common_superior

__all__ = ["CaseDraft", "DuplicateCaseError", "Outcome", "rewrite_parties", "store_cases"]

DIGEST_KIND = "case.digest"


@dataclass(slots=True)
class _Batch:
    """Rows that wait to be written together."""

    cases: list[rows.Row] = field(default_factory=list)
    parties: list[rows.Row] = field(default_factory=list)
    nodes: list[rows.Row] = field(default_factory=list)
    terms: list[rows.Row] = field(default_factory=list)
    entries: list[rows.Row] = field(default_factory=list)
    changes: list[rows.Row] = field(default_factory=list)


def store_cases(
    uow: UnitOfWork, keyring: Keyring, catalogue: Catalogue, drafts: Sequence[CaseDraft], *, source: str, actor: str
) -> list[Outcome]:
    """Store `drafts` and return what became of each, in order. Storing the same again changes nothing.

    A known case takes over what the source says and keeps what was done here (updates.py). `source` names the system
    the drafts come from, "" this one; `actor` is how the audit names who brings them.
    Raises DuplicateCaseError, CaseCourtError, CaseHeldError, UnknownCodeError: then nothing of the batch may stay.
    """
    _check_batch(uow, drafts)
    keyring = keyring.held()
    known = _find_known(uow, [draft.number.text for draft in drafts])
    handlers = find_handlers(uow.session, drafts)
    outcomes: list[Outcome] = []
    created: list[tuple[CaseDraft, str]] = []
    updated: dict[int, Update] = {}
    for draft in drafts:
        text = draft_text(draft)
        case = known.get(draft.number.text)
        if case is None:
            created.append((draft, text))
            outcomes.append(Outcome.CREATED)
        elif case[1] is not None and case[1] in keyring.blind_indexes(DIGEST_KIND, text):
            outcomes.append(Outcome.UNCHANGED)
        else:
            updated[case[0]] = Update(draft, keyring.blind_index(DIGEST_KIND, text))
            outcomes.append(Outcome.UPDATED)
    changed = update_cases(uow, keyring, catalogue, updated, handlers, source=source, actor=actor)
    for at, draft in enumerate(drafts):
        if outcomes[at] == Outcome.UPDATED and known[draft.number.text][0] not in changed:
            outcomes[at] = Outcome.UNCHANGED
    _create(uow, keyring, catalogue, created, handlers, source=source, actor=actor)
    _audit(uow, drafts, outcomes, source=source, actor=actor)
    return outcomes


def _check_batch(uow: UnitOfWork, drafts: Sequence[CaseDraft]) -> None:
    seen: set[str] = set()
    for draft in drafts:
        if draft.number.text in seen:
            raise DuplicateCaseError(
                f"Case {draft.number.text} stands twice in this batch: keep one.", case_no=draft.number.text
            )
        seen.add(draft.number.text)
    wanted = {draft.number.court_code for draft in drafts}
    there = set(uow.session.exec(select(Court.code).where(col(Court.code).in_(wanted))).all())
    for draft in drafts:
        if draft.number.court_code not in there:
            raise CaseCourtError(
                f"Case {draft.number.text} is of court {draft.number.court_code!r}, which is not on the tree: "
                "correct the number, or add the court.",
                case_no=draft.number.text,
                court_code=draft.number.court_code,
            )


def _find_known(uow: UnitOfWork, numbers: Iterable[str]) -> dict[str, tuple[int, bytes | None]]:
    columns = (col(EnforcementCase.case_no), col(EnforcementCase.case_id), col(EnforcementCase.source_digest))
    query = sql_select(*columns).where(columns[0].in_(list(numbers)))
    return {case_no: (case_id or 0, digest) for case_no, case_id, digest in uow.connection.execute(query)}


def _create(
    uow: UnitOfWork,
    keyring: Keyring,
    catalogue: Catalogue,
    drafts: Sequence[tuple[CaseDraft, str]],
    handlers: Handlers,
    *,
    source: str,
    actor: str,
) -> None:
    if not drafts:
        return
    batch, on, now_ms = _Batch(), today(uow.now_ms), uow.now_ms
    case_id = bulk.reserve_ids(uow.connection, "enforcement_case", "case_id", len(drafts))
    party_count = sum(len(draft.parties) for draft, _ in drafts)
    party_id = bulk.reserve_ids(uow.connection, "party", "party_id", party_count) if party_count else 0
    kind = "imported" if source else "registered"
    detail: dict[str, object] = {"version": 1, **({"source": source} if source else {})}
    for draft, text in drafts:
        number = draft.number
        nodes = plan_nodes(
            catalogue, type_code=number.type_code, filed_on=draft.filed_on, state=draft.state, closing=draft.closing,
            closed_on=draft.closed_on, nodes_done=draft.nodes_done, on=on,
        )  # fmt: skip
        due = rows.due_of(catalogue, nodes)
        digest = keyring.blind_index(DIGEST_KIND, text)
        batch.cases.append(
            rows.case_row(
                case_id, draft, due=due, handler=handlers.of(draft), source=source, digest=digest, now_ms=now_ms
            )
        )
        parties = [
            rows.party_row(keyring, party_id + offset, case_id, offset + 1, party)
            for offset, party in enumerate(draft.parties)
        ]
        party_id += len(parties)
        batch.parties += parties
        batch.nodes += rows.node_rows(case_id, number.court_code, nodes, actor)
        indexes = [row[8] for row in parties if row[8] is not None]
        names = [party.name for party in draft.parties]
        batch.terms += rows.term_rows(case_id, draft.filed_on.toordinal(), number.seq, names, indexes)
        batch.entries.append(rows.entry_row(case_id, now_ms, kind, actor, detail))
        batch.changes.append((case_id, number.text, number.court_code, "created", 1, now_ms))
        case_id += 1
    _write(uow, batch)


def _write(uow: UnitOfWork, batch: _Batch) -> None:
    connection = uow.connection
    # In the order of its key neighbours share a page that is then written once.
    batch.terms.sort()
    bulk.insert_rows(connection, "enforcement_case", rows.CASE_COLUMNS, batch.cases)
    bulk.insert_rows(connection, "party", rows.PARTY_COLUMNS, batch.parties)
    bulk.insert_rows(connection, "case_node", rows.NODE_COLUMNS, batch.nodes)
    bulk.insert_rows(connection, "case_term", rows.TERM_COLUMNS, batch.terms)
    bulk.insert_rows(connection, "case_entry", rows.ENTRY_COLUMNS, batch.entries)
    bulk.insert_rows(connection, "case_change", rows.CHANGE_COLUMNS, batch.changes)


def _audit(
    uow: UnitOfWork, drafts: Sequence[CaseDraft], outcomes: Sequence[Outcome], *, source: str, actor: str
) -> None:
    counts = {outcome.value: outcomes.count(outcome) for outcome in Outcome}
    if counts["created"] + counts["updated"] == 0:
        return
    audit.append(
        uow,
        actor=actor,
        court_code=reduce(lowest_common_superior, {draft.number.court_code for draft in drafts}),
        action="cases:batch:store",
        subject=f"source:{source or 'centre'}",
        case_no=drafts[0].number.text if len(drafts) == 1 else "",
        detail={**counts, "first": drafts[0].number.text, "last": drafts[-1].number.text},
    )
