"""What an entry of the catalogue may say (catalogue.toml). Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Nature = Literal["implementing", "review"]


class _Entry(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    zh: str
    en: str
    source: str
    """Law or rule the entry comes from."""


class CaseType(_Entry, kw_only=True, frozen=True):
    """A case type (案件类型), by the word in its number."""

    code: str
    nature: Nature
    limit: str = ""
    non_litigation_limit: str = ""
    extension: str = ""
    """What one step of an extension adds."""
    extension_max: int = 0
    resumes: bool = False
    """Whether such a case takes up an earlier one (执恢)."""


class Closing(_Entry, kw_only=True, frozen=True):
    """A way a case ends (结案方式)."""

    code: str
    natures: tuple[Nature, ...]
    types: tuple[str, ...] = ()
    """Only these types; empty: every type of the natures."""
    president_signs: bool = False
    has_gate: bool = False


class Condition(_Entry, kw_only=True, frozen=True):
    """What must stand in the record before a closing (终本 gate); every stated part must hold."""

    code: str
    closing: str
    nodes: tuple[str, ...] = ()
    documents_all: tuple[str, ...] = ()
    documents_any: tuple[str, ...] = ()
    since_filing: str = ""
    """A limit from the filing that must be over: its last day is not enough (已超过)."""
    remedy_zh: str
    remedy_en: str


class NodeKind(_Entry, kw_only=True, frozen=True):
    """A step with a deadline (流程节点)."""

    kind: str
    limit: str = ""
    """Empty: the day is stated when the node is started."""
    starts: Literal["filing", "assignment", "node", "closing", "hand"]
    after: str = ""
    types: tuple[str, ...] = ()
    """Empty: every type."""
    halts: Literal["any", "suspension", "never"]
    is_whole_case: bool = False
    """Its limit is that of the case's type, with extensions."""
    outlives_case: bool = False
    """Goes on when the case is closed."""
    repeats: int = 1
    warns: Literal["handler", "bureau_chief"]
    warn_days: int = 3


class PauseKind(_Entry, kw_only=True, frozen=True):
    """Why a clock stands still."""

    kind: str
    suspends: bool = False
    """Whether the case itself is suspended meanwhile."""
    needs_end: bool = False
    max_months: int = 0


class FlagKind(_Entry, kw_only=True, frozen=True):
    """Why a case is big or important; the `proposes_*` values let the system propose it."""

    code: str
    proposes_from_fen: int = 0
    proposes_from_applicants: int = 0
    proposes_from_years: int = 0


class DocumentKind(_Entry, kw_only=True, frozen=True):
    """A kind of paper."""

    kind: str


class PartyCode(_Entry, kw_only=True, frozen=True):
    """A party's role in the case, or what sort of person it is."""

    code: str
