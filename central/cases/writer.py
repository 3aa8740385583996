"""The one place that inserts or replaces cases in bulk: imports, registration, other systems, the demo.

Callers give one transaction's worth, some 250 drafts: the write lock is then held well below 100 ms, and an SOS that
comes in between waits no longer than that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import reduce

from sqlmodel import col, select

from central.audit import service as audit
from central.base import bulk
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases import rows
from central.cases.catalogue import Catalogue
from central.cases.clock import plan_nodes, today
from central.cases.drafts import CaseCourtError, CaseDraft, DuplicateCaseError, Outcome, draft_text
from central.cases.foresight import DIGEST_KIND, Refusal, foresee
from central.cases.handlers import Handlers
from central.cases.rewriting import rewrite_parties
from central.cases.updates import Update, update_cases
from central.courts.models import Court
from central.courts.rules import lowest_common_superior

__all__ = [
    "DIGEST_KIND",
    "CaseDraft",
    "DuplicateCaseError",
    "Outcome",
    "Refusal",
    "rewrite_parties",
    "store_cases",
    "take_cases",
]


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
    uow: UnitOfWork,
    keyring: Keyring,
    catalogue: Catalogue,
    drafts: Sequence[CaseDraft],
    *,
    source: str,
    actor: str,
    replaces_others: bool = False,
) -> list[Outcome]:
    """Store `drafts` whole and return what became of each, in order. Storing the same again changes nothing.

    A known case takes over what the source says and keeps what was done here (updates.py). `source` names the system
    the drafts come from, "" this one; `actor` is how the audit names who brings them; `replaces_others` as `foresee`.
    Raises DuplicateCaseError, CaseCourtError, CaseHeldError, OtherSourceError, CaseWorkedHereError,
    HandlerUnfitError, UnknownCodeError: then nothing of the batch may stay.
    """
    taken: list[Outcome] = []
    for outcome in take_cases(
        uow, keyring, catalogue, drafts, source=source, actor=actor, replaces_others=replaces_others
    ):
        if isinstance(outcome, Refusal):
            raise outcome.error()
        taken.append(outcome)
    return taken


def take_cases(
    uow: UnitOfWork,
    keyring: Keyring,
    catalogue: Catalogue,
    drafts: Sequence[CaseDraft],
    *,
    source: str,
    actor: str,
    people: Collection[str] = (),
    replaces_others: bool = False,
) -> list[Outcome | Refusal]:
    """Store what may be taken of `drafts`, and return what became of each, in order; as `store_cases` and `foresee`.

    A refused draft leaves its case untouched. Raises DuplicateCaseError, CaseCourtError, UnknownCodeError.
    """
    _check_batch(uow, drafts)
    keyring = keyring.held()
    uow.session.flush()
    ahead = foresee(uow.session, keyring, drafts, source=source, people=people, replaces_others=replaces_others)
    outcomes, created, updated = ahead.outcomes, list[tuple[CaseDraft, str]](), dict[int, Update]()
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if outcome == Outcome.CREATED:
            created.append((draft, draft_text(draft)))
        elif outcome == Outcome.UPDATED:
            digest = keyring.blind_index(DIGEST_KIND, draft_text(draft))
            updated[ahead.known[draft.number.text].case_id] = Update(draft, digest)
    changed = update_cases(uow, keyring, catalogue, updated, ahead.handlers, source=source, actor=actor)
    for at, draft in enumerate(drafts):
        if outcomes[at] == Outcome.UPDATED and ahead.known[draft.number.text].case_id not in changed:
            outcomes[at] = Outcome.UNCHANGED
    _create(uow, keyring, catalogue, created, ahead.handlers, source=source, actor=actor)
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
    uow: UnitOfWork, drafts: Sequence[CaseDraft], outcomes: Sequence[Outcome | Refusal], *, source: str, actor: str
) -> None:
    counts = {outcome.value: outcomes.count(outcome) for outcome in Outcome}
    if counts["created"] + counts["updated"] == 0:
        return
    numbers = [
        draft.number for draft, outcome in zip(drafts, outcomes, strict=True) if not isinstance(outcome, Refusal)
    ]
    audit.append(
        uow,
        actor=actor,
        court_code=reduce(lowest_common_superior, {number.court_code for number in numbers}),
        action="cases:batch:store",
        subject=f"source:{source or 'centre'}",
        case_no=numbers[0].text if len(numbers) == 1 else "",
        detail={**counts, "first": numbers[0].text, "last": numbers[-1].text},
    )
