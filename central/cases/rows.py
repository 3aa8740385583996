"""Rows of a new case's tables, as tuples for `central.base.bulk`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec

from central.base.keyring import Keyring
from central.cases.catalogue import Catalogue
from central.cases.clock import PlannedNode
from central.cases.drafts import CaseDraft
from central.cases.parties import PartyDraft
from central.cases.terms import block_of, identity_term, name_terms, serial_term

Row = tuple[Any, ...]

ID_FIELD: Final = "party.id"
PRIVATE_FIELD: Final = "party.private"

CASE_COLUMNS: Final = (
    "case_id", "case_no", "court_code", "type_code", "year", "seq", "basis_doc_no", "cause", "claim_fen",
    "received_fen", "state", "closing", "filed_on", "filed_day", "closed_on", "handler_id", "handler_name", "due_on",
    "due_node", "limit_on", "extended_months", "is_flagged", "source", "source_digest", "version", "created_ms",
    "changed_ms",
)  # fmt: skip
PARTY_COLUMNS: Final = (
    "party_id", "case_id", "position", "role", "kind", "name", "id_kind", "id_cipher", "id_index", "private_cipher",
)  # fmt: skip
NODE_COLUMNS: Final = ("case_id", "court_code", "kind", "started_on", "due_on", "done_on", "done_by", "note")
TERM_COLUMNS: Final = ("block", "term", "filed_day", "case_id")
ENTRY_COLUMNS: Final = ("case_id", "at_ms", "kind", "actor", "detail")
CHANGE_COLUMNS: Final = ("case_id", "case_no", "court_code", "kind", "version", "at_ms")

_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Due:
    """What of the nodes stands in the case's own row."""

    due_on: date | None
    due_node: str
    limit_on: date | None


def due_of(catalogue: Catalogue, nodes: Iterable[PlannedNode]) -> Due:
    """Return the earliest open node with a day, and the last day of the whole case."""
    due_on, due_node, limit_on = None, "", None
    whole = catalogue.whole_case.kind
    for node in nodes:
        if node.done_on is not None or node.due_on is None:
            continue
        if node.kind == whole:
            limit_on = node.due_on
        if due_on is None or node.due_on < due_on:
            due_on, due_node = node.due_on, node.kind
    return Due(due_on, due_node, limit_on)


def case_row(
    case_id: int,
    draft: CaseDraft,
    *,
    due: Due,
    handler: tuple[str | None, str],
    source: str,
    digest: bytes,
    now_ms: int,
) -> Row:
    """Return a new case's row; `handler` is account id and name."""
    number = draft.number
    return (
        case_id, number.text, number.court_code, number.type_code, number.year, number.seq, draft.basis_doc_no,
        draft.cause, draft.claim_fen, draft.received_fen, draft.state, draft.closing, draft.filed_on.isoformat(),
        draft.filed_on.toordinal(), _iso(draft.closed_on), handler[0], handler[1], _iso(due.due_on), due.due_node,
        _iso(due.limit_on), 0, 0, source, digest, 1, now_ms, now_ms,
    )  # fmt: skip


def party_row(keyring: Keyring, party_id: int, case_id: int, position: int, party: PartyDraft) -> Row:
    """Return a party's row: identity number and private fields sealed, the number found by its blind index."""
    sealed = keyring.seal(ID_FIELD, party_id, party.id_no) if party.id_no else None
    index = keyring.blind_index(ID_FIELD, party.id_no) if party.id_no else None
    hidden = seal_private(keyring, party_id, party.private)
    return (
        party_id, case_id, position, party.role, party.kind, party.name, party.id_kind, sealed, index, hidden,
    )  # fmt: skip


def seal_private(keyring: Keyring, party_id: int, private: dict[str, str]) -> bytes | None:
    """Return a party's private fields sealed, None when there are none."""
    return keyring.seal(PRIVATE_FIELD, party_id, _ENCODE(private).decode()) if private else None


def term_rows(
    case_id: int, filed_day: int, seq: int | None, names: Iterable[str], indexes: Iterable[bytes]
) -> list[Row]:
    """Return what a case is found by, from its serial, its parties' names and their blind indexes."""
    found = name_terms(names)
    found.update(identity_term(index) for index in indexes)
    if seq is not None:
        found.add(serial_term(seq))
    block = block_of(case_id)
    return [(block, term, filed_day, case_id) for term in found]


def node_rows(case_id: int, court_code: str, nodes: Sequence[PlannedNode], done_by: str) -> list[Row]:
    """Return the rows of planned nodes; `done_by` names who told that some are done."""
    return [
        (case_id, court_code, n.kind, n.started_on.isoformat(), _iso(n.due_on), _iso(n.done_on),
         done_by if n.done_on else "", "")
        for n in nodes
    ]  # fmt: skip


def entry_row(case_id: int, at_ms: int, kind: str, actor: str, detail: dict[str, object]) -> Row:
    """Return a line of the timeline."""
    return (case_id, at_ms, kind, actor, _ENCODE(detail).decode())


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
