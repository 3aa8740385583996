"""Goes through the chain row by row and says everything that is wrong with it, and where. Pure.

A row that was edited does not match its own hash. A row that was taken out leaves a hole in the numbers, or, when
those after it were renumbered, hashes that fit a neighbouring number. A row whose hash was forged after the edit is
not the one its follower names. A chain whose hashes were all forged differs from the next signed head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central.audit import heads, rules
from central.audit.heads import HeadStatement
from contract.signing import BadSignatureError, CodecError, Signed

MAX_FINDINGS: Final = 1000
_NEIGHBOURHOOD: Final = 8
_FACTS: Final = {
    "edited": "the content does not match its hash",
    "missing": "not there",
    "moved": "the number is not the row's own, as rows were put in, taken out or swapped",
    "unlinked": "does not follow the row before, as one of the two was put in or rewritten",
    "foreign": "an impossible number, the row was put in",
    "rewritten": "differs from the signed head of the last of these rows, so hashes were forged among them",
    "cut": "not there although a signed head counts them, so the end was cut off",
    "head_forged": "a head that no key of this centre signed",
    "head_missing": "its signed head was taken out",
}
KINDS: Final = tuple(_FACTS)


class Row(Protocol):
    """What is read of an audit row: a table row, a row of a query, a row of an export."""

    # fmt: off
    @property
    def seq(self) -> int: ...  # noqa: D102
    @property
    def at_ms(self) -> int: ...  # noqa: D102
    @property
    def actor(self) -> str: ...  # noqa: D102
    @property
    def court_code(self) -> str: ...  # noqa: D102
    @property
    def action(self) -> str: ...  # noqa: D102
    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def purpose(self) -> str: ...  # noqa: D102
    @property
    def case_no(self) -> str: ...  # noqa: D102
    @property
    def detail(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def prev_hash(self) -> bytes: ...  # noqa: D102
    @property
    def hash(self) -> bytes: ...  # noqa: D102
    @property
    def form(self) -> int: ...  # noqa: D102
    # fmt: on


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainRow:
    """A row that was read, whatever stands in it."""

    seq: int
    at_ms: int
    actor: str
    court_code: str
    action: str
    subject: str
    purpose: str
    case_no: str
    detail: Mapping[str, Any]
    prev_hash: bytes
    hash: bytes
    form: int


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with the rows `first` to `last` that show it."""

    kind: str
    first: int
    last: int

    @property
    def sentence(self) -> str:
        """The finding in English."""
        rows = f"row {self.first}" if self.first == self.last else f"rows {self.first} to {self.last}"
        return f"{rows}: {_FACTS[self.kind]}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came out. `heads` were compared, `signed_seq` is the newest row that a good head vouches for."""

    rows: int
    last_seq: int
    head: bytes
    findings: tuple[Finding, ...] = ()
    heads: int = 0
    signed_seq: int = 0
    is_signed: bool = False
    """Whether there was a key to check heads with."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def with_findings(self, more: Iterable[Finding]) -> Report:
        """The report with what was found elsewhere, in the order of the rows."""
        merged = sorted({*self.findings, *more}, key=lambda found: (found.first, found.last, found.kind))
        return replace(self, findings=tuple(merged))


@dataclass
class Examiner:
    """Takes rows in the order of their numbers (`feed`), then tells (`finish`).

    `heads` are genuine and ordered by row. `since` is the first row that is looked at; `holes` allows gaps, as in an
    export that holds only some rows.
    """

    heads: Sequence[HeadStatement] = ()
    since: int = 1
    holes: bool = False
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0
    _expected: int = 0
    _previous: bytes | None = None
    _last_hash: bytes = rules.GENESIS_HASH
    _next_head: int = 0
    _good_seq: int = 0
    _is_astray: bool = False

    def __post_init__(self) -> None:
        self._expected = self.since
        self._previous = rules.GENESIS_HASH if self.since == 1 else None
        while self._next_head < len(self.heads) and self.heads[self._next_head].seq < self.since:
            self._next_head += 1

    def feed(self, row: Row) -> None:
        """Look at the next row."""
        self.rows += 1
        if row.seq < self.since:
            self._find("foreign", row.seq, row.seq)
            return
        if row.seq > self._expected:
            if not self.holes:
                self._find("missing", self._expected, row.seq - 1)
            self._previous = None
            self._skip_heads(row.seq)
        fault = _find_fault(row)
        if fault:
            self._find(fault, row.seq, row.seq)
        elif self._previous not in {None, row.prev_hash}:
            self._find("unlinked", row.seq, row.seq)
        # What follows a row that stands elsewhere cannot name it.
        self._previous = None if fault == "moved" else row.hash
        self._expected, self._last_hash = row.seq + 1, row.hash
        self._compare(row)

    def finish(self) -> None:
        """Say what is missing at the end."""
        last = self._expected - 1
        newest = max((head.seq for head in self.heads), default=0)
        if newest > last and not self.holes:
            self._find("cut", last + 1, newest)

    def report(self, *, is_signed: bool) -> Report:
        """What came out so far."""
        return Report(
            rows=self.rows,
            last_seq=self._expected - 1,
            head=self._last_hash,
            heads=self._next_head,
            signed_seq=self._good_seq,
            is_signed=is_signed,
        ).with_findings(self.findings)

    def _compare(self, row: Row) -> None:
        """Compare with the heads at this row; a rewritten stretch is told once, up to the first head it breaks."""
        while self._next_head < len(self.heads) and self.heads[self._next_head].seq == row.seq:
            head = self.heads[self._next_head]
            self._next_head += 1
            if head.hash == row.hash:
                self._good_seq, self._is_astray = row.seq, False
            elif not self._is_astray:
                self._is_astray = True
                self._find("rewritten", max(self._good_seq + 1, self.since), row.seq)

    def _skip_heads(self, seq: int) -> None:
        while self._next_head < len(self.heads) and self.heads[self._next_head].seq < seq:
            self._next_head += 1

    def _find(self, kind: str, first: int, last: int) -> None:
        newest = self.findings[-1] if self.findings else None
        if newest and newest.kind == kind and newest.last + 1 == first and kind in {"edited", "moved", "missing"}:
            self.findings[-1] = Finding(kind, newest.first, last)
        elif len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(kind, first, last))


def _find_fault(row: Row) -> str:
    """Return how a row contradicts its own hash: "edited", "moved" when the hash fits another number, or nothing."""
    try:
        if row.hash and hash_of(row) == row.hash:
            return ""
        near = (row.seq + step for step in range(-_NEIGHBOURHOOD, _NEIGHBOURHOOD + 1) if step)
        return "moved" if row.hash and any(hash_of(row, seq=seq) == row.hash for seq in near) else "edited"
    except (TypeError, ValueError):  # a value of another type than its column's, which SQLite lets pass
        return "edited"


def examine(
    rows: Iterable[Row],
    heads: Sequence[HeadStatement] = (),
    *,
    since: int = 1,
    holes: bool = False,
    is_signed: bool = False,
) -> Report:
    """Go through `rows` from `since` on, ordered by number, and compare them with genuine `heads`."""
    examiner = Examiner(sorted(heads, key=lambda head: head.seq), since, holes)
    for row in rows:
        examiner.feed(row)
    examiner.finish()
    return examiner.report(is_signed=is_signed)


def open_heads(
    keys: Sequence[Ed25519PublicKey], signed: Iterable[Signed]
) -> tuple[list[HeadStatement], list[Finding]]:
    """Return the genuine heads, and a finding for each that none of `keys` signed."""
    genuine, findings = [], []
    for one in signed:
        try:
            genuine.append(heads.open_head(keys, one))
        except (BadSignatureError, CodecError):
            seq = heads.claimed_seq(one)
            findings.append(Finding("head_forged", seq, seq))
    return genuine, findings


def find_gaps(heads: Sequence[HeadStatement]) -> list[Finding]:
    """Heads that a later one names and that are not there."""
    present = {0, *(head.seq for head in heads)}
    return [Finding("head_missing", seq, seq) for seq in sorted({head.prev_seq for head in heads} - present)]


def hash_of(row: Row, *, seq: int | None = None) -> bytes:
    """Return the hash `row` must bear (under another number: `seq`)."""
    return rules.hash_entry(
        form=row.form,
        seq=row.seq if seq is None else seq,
        at_ms=row.at_ms,
        actor=row.actor,
        court_code=row.court_code,
        action=row.action,
        subject=row.subject,
        purpose=row.purpose,
        case_no=row.case_no,
        detail=row.detail,
        prev_hash=row.prev_hash,
    )
