"""The shapes of cases: delivered, listed, read masked and in the clear."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from central.api.shapes import Amount, Asked, CourtCode, Cursor, Input, PastDay, Shape, Switch, plain


class PartyInput(Input):
    """A party as it is delivered; texts are normalised (NFKC) and identity numbers checked."""

    role: Literal["applicant", "executee", "third_party", "other"]
    kind: Literal["natural", "organisation", "other"]
    name: Annotated[str, plain(1000, 1)]
    id_kind: Literal["", "resident_id", "old_resident_id", "uscc", "org_code", "passport", "permit", "other"] = Field(
        "", description="Empty: told from the number."
    )
    id_no: Annotated[str, plain(200)] = ""
    phone: Annotated[str, plain(200)] = ""
    address: Annotated[str, plain(1000)] = ""
    account: Annotated[str, plain(300)] = Field("", description="Bank account.")
    representative: Annotated[str, plain(500)] = ""


class CaseInput(Input):
    """A case as a court's system tells it, whole: what is left out is empty."""

    court_code: Annotated[str, plain(20)] = Field(
        "", description="Only for a number of before 2016, which does not name its court by code."
    )
    filed_on: PastDay
    parties: list[PartyInput] = Field(max_length=500)
    basis_doc_no: Annotated[str, plain(100)] = Field("", description="Number of the paper that is enforced.")
    cause: Annotated[str, plain(100)] = ""
    claim_fen: Amount = 0
    received_fen: Amount = 0
    state: Literal["filed", "assigned", "active", "suspended", "closed"] = "filed"
    closing: Annotated[str, plain(24)] = Field("", description="Code of /closings; for a closed case alone.")
    closed_on: PastDay | None = None
    handler_login: Annotated[str, plain(64)] = Field("", description="Log-in of the handler here, if there is one.")
    handler_name: Annotated[str, plain(100)] = ""
    nodes_done: dict[Annotated[str, plain(24, 1)], PastDay] = Field(
        default_factory=dict, max_length=100, description="Code of /node-kinds -> the day it was (last) done."
    )


class Delivered(Shape):
    """What became of a case that was put."""

    case_no: str = Field(description="The number as it is stored.")
    outcome: Literal["created", "updated", "unchanged"]
    version: int


class Party(Shape):
    """A party of a case; identity numbers masked to the last four characters."""

    party_id: int
    role: str
    kind: str
    name: str
    id_kind: str
    masked_id: str
    has_private: bool = Field(description="Whether a telephone, address, account or representative is kept.")


class ClearParty(Party):
    """A party with what is sealed, in the clear."""

    id_no: str
    phone: str
    address: str
    account: str
    representative: str


class Node(Shape):
    """A step of a case with its deadline."""

    kind: str = Field(description="Code of /node-kinds.")
    started_on: date
    due_on: date | None
    done_on: date | None


class Pause(Shape):
    """An interval that the net clock leaves out."""

    kind: str = Field(description="Code of /pause-kinds.")
    from_on: date
    until_on: date | None = Field(description="First day that counts again; null: it runs.")
    doc_no: str


class CaseBase(Shape):
    """What lists and single cases have in common."""

    case_no: str
    court_code: str
    type_code: str
    state: str
    closing: str
    filed_on: date
    claim_fen: int
    handler_name: str
    is_flagged: bool = Field(description="Big or important.")
    due_on: date | None = Field(description="The earliest open node's day.")
    due_node: str
    limit_on: date | None = Field(description="Last day of the whole-case limit.")
    version: int


class CaseLine(CaseBase):
    """A case in a list."""

    applicants: str = Field(description="Names, shortened for display.")
    executees: str = Field(description="Names, shortened for display.")


class CasePage(Shape):
    """A stretch of a list."""

    items: list[CaseLine]
    next: str | None = Field(description="The cursor to go on with; null: this is the end.")


class CaseDetail(CaseBase):
    """One case with its parties, steps and pauses."""

    basis_doc_no: str
    cause: str
    received_fen: int
    closed_on: date | None
    extended_months: int
    flags: list[str] = Field(description="Codes of /flag-kinds.")
    raw_days: int = Field(description="Days since filing.")
    net_days: int = Field(description="The same without pauses.")
    is_paused: bool
    origin_case_no: str = Field(description="The case this one resumes or reviews; empty: none, or not visible.")
    source: str = Field(description="The system that delivered it; empty: registered here.")
    created_at: datetime
    changed_at: datetime
    parties: Sequence[Party]
    nodes: list[Node]
    pauses: list[Pause]


class ClearCase(CaseDetail):
    """One case, with `Purpose`: its parties in the clear."""

    parties: Sequence[ClearParty]


class CasesAsked(Asked):
    """Which cases."""

    case_no: Annotated[str, plain(120, 1)] | None = Field(None, description="This case, in any usual writing.")
    court_code: CourtCode | None = Field(None, description="This court and those below.")
    state: Literal["filed", "assigned", "active", "suspended", "closed"] | None = None
    type_code: Annotated[str, plain(8, 1)] | None = Field(None, description="Code of /case-types.")
    filed_from: PastDay | None = None
    filed_until: PastDay | None = Field(None, description="Last day included.")
    flagged: Switch = Field(False, description="Big or important cases alone.")
    after: Cursor | None = Field(None, description="`next` of the last answer.")
    limit: int = Field(50, ge=1, le=200)
