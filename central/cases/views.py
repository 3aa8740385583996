"""What pages and interfaces see of cases: plain values, private data masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from central.cases.models import (
    CaseAct,
    CaseDocument,
    CaseFlag,
    CaseNode,
    CasePause,
    CaseRecusal,
    CaseShare,
    EnforcementCase,
)


@dataclass(frozen=True, slots=True)
class PartyView:
    """A party; `masked_id` shows the last four characters, `has_private` tells of a sealed telephone or address."""

    party_id: int
    role: str
    kind: str
    name: str
    id_kind: str
    masked_id: str
    has_private: bool


@dataclass(frozen=True, slots=True)
class ClockView:
    """The clocks of a case on a day: days since filing, the same without pauses, and the limit.

    `days_left` counts to `limit_on`, and is negative when late; while the clock stands still it is what was left when
    it stopped. Both are None without limit.
    """

    raw_days: int
    net_days: int
    limit_on: date | None
    days_left: int | None
    is_paused: bool
    is_provisional: bool
    """Whether a due day rests on working days of a year whose holidays are not known yet."""


@dataclass(frozen=True, slots=True)
class ActView:
    """An act with what the viewer may do with it: approve, sign, refuse, withdraw."""

    act: CaseAct
    needs_signature: bool
    is_stale: bool
    steps: frozenset[str]


@dataclass(frozen=True, slots=True)
class ConditionView:
    """A condition of a closing and whether the record shows it."""

    code: str
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str
    source: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class RecusalView:
    """A recusal with the person's name."""

    recusal: CaseRecusal
    name: str
    login: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case as its page shows it; `rights` is what the viewer may do on it now (rights.CASE_ACTIONS)."""

    case: EnforcementCase
    parties: Sequence[PartyView]
    nodes: Sequence[CaseNode]
    pauses: Sequence[CasePause]
    acts: Sequence[ActView]
    flags: Sequence[CaseFlag]
    proposed_flags: Sequence[str]
    documents: Sequence[CaseDocument]
    shares: Sequence[CaseShare]
    recusals: Sequence[RecusalView]
    clock: ClockView
    conditions: Sequence[ConditionView]
    """Of 终本, while the case is open and its type may end so."""
    origin_no: str
    """Number of the case this one takes up, when the viewer sees it."""
    resumed_nos: Sequence[str]
    """Numbers of later cases that take up this one, as far as the viewer sees them."""
    clerk_name: str
    needs_handler: bool
    """The handler is recused, or nobody is assigned."""
    rights: frozenset[str]


@dataclass(frozen=True, slots=True)
class DueRow:
    """A node that is due, with its case; or a case alone, where `kind` is empty."""

    case_id: int
    case_no: str
    court_code: str
    type_code: str
    state: str
    kind: str
    node_id: int | None
    started_on: date | None
    due_on: date | None
    handler_id: str | None
    handler_name: str
    is_flagged: bool
    parties: str = ""
    """Applicants and executees by name, shortened."""


@dataclass(frozen=True, slots=True)
class ActRow:
    """An act that waits, with its case."""

    act_id: str
    kind: str
    detail: dict[str, Any]
    state: str
    drafted_by: str
    drafted_ms: int
    case_no: str
    court_code: str
    handler_name: str
    parties: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What waits for a person; each list is cut at a limit."""

    overdue: Sequence[DueRow]
    due_soon: Sequence[DueRow]
    assigned_new: Sequence[DueRow]
    to_approve: Sequence[ActRow]
    to_sign: Sequence[ActRow]
    own_drafts: Sequence[ActRow]
    rechecks: Sequence[DueRow]
    without_handler: Sequence[DueRow]
