"""A case as it comes from outside, and what its arrival did. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import ClassVar

import msgspec

from central.base.errors import ConflictError, InvalidInputError
from central.cases.numbers import CaseNumber
from central.cases.parties import PartyDraft

_ENCODER = msgspec.json.Encoder(order="deterministic")


class DuplicateCaseError(ConflictError):
    """One batch names a case twice."""

    code: ClassVar[str] = "case_duplicate"


class CaseCourtError(InvalidInputError):
    """The court of the case number is not on the tree."""

    code: ClassVar[str] = "case_court_unknown"


class CaseHeldError(ConflictError):
    """The number belongs to a case of another court (possible with numbers of before 2016)."""

    code: ClassVar[str] = "case_other_court"


class Outcome(StrEnum):
    """What storing one draft did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class CaseDraft:
    """A case as a source tells it: checked parties (`check_party`), codes of the catalogue, money in fen."""

    number: CaseNumber
    filed_on: date
    parties: tuple[PartyDraft, ...]
    basis_doc_no: str = ""
    cause: str = ""
    claim_fen: int = 0
    received_fen: int = 0
    state: str = "filed"
    closing: str = ""
    closed_on: date | None = None
    handler_login: str = ""
    handler_name: str = ""
    nodes_done: Mapping[str, date] = field(default_factory=dict)
    """Node kind -> the day it was (last) done."""


def draft_text(draft: CaseDraft) -> str:
    """Return everything a draft says as one line of JSON, the same for the same content."""
    parties = [
        (p.role, p.kind, p.name, p.id_kind, p.id_no, p.phone, p.address, p.account, p.representative)
        for p in draft.parties
    ]
    own = (
        draft.number.text, draft.number.court_code, draft.filed_on, draft.basis_doc_no, draft.cause, draft.claim_fen,
        draft.received_fen, draft.state, draft.closing, draft.closed_on, draft.handler_login, draft.handler_name,
    )  # fmt: skip
    return _ENCODER.encode((own, parties, dict(draft.nodes_done))).decode()
