"""The shapes of `/api/v1`: what comes in is refused with an unknown field, what goes out only ever grows.

Days are ISO 8601 dates in Asia/Shanghai, moments RFC 3339 in UTC, money whole fen (0.01 CNY). Field names are those
of docs/glossary.md.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

# Whole numbers that every JSON reader keeps exactly (RFC 8259, section 6).
MAX_NUMBER: Final = 2**53 - 1
MAX_CASE_NO: Final = 60
MAX_CURSOR: Final = 400
_PLAIN: Final = r"^[^\u0000-\u001f\u007f-\u009f\ufffe\uffff]*$"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def moment(at_ms: int) -> datetime:
    """Return ms since 1970 as the aware UTC datetime that goes out."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _read_day(value: Any) -> date:
    # pydantic would also take seconds since 1970 and datetimes.
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "A day is written YYYY-MM-DD and exists")


def _check_switch(value: Any) -> Any:
    if isinstance(value, str) and value not in ("true", "false"):
        raise PydanticCustomError("bool_parsing", "Write true or false")
    return value


def plain(max_length: int, min_length: int = 0) -> StringConstraints:
    """Return the bounds of a text without control characters."""
    return StringConstraints(min_length=min_length, max_length=max_length, pattern=_PLAIN)


# No case is older than the law it is enforced under (1982), and clocks count some years beyond any day.
PastDay = Annotated[date, BeforeValidator(_read_day), Field(ge=date(1980, 1, 1), le=date(2099, 12, 31))]
Switch = Annotated[bool, BeforeValidator(_check_switch)]
Amount = Annotated[int, Field(ge=0, le=MAX_NUMBER, description="Whole fen, 0.01 CNY.")]
Cursor = Annotated[str, plain(MAX_CURSOR, 1)]
CourtCode = Annotated[str, plain(20, 1)]


class Shape(BaseModel):
    """What goes out: readers ignore members they do not know."""

    model_config = ConfigDict(frozen=True)


class Input(BaseModel):
    """What comes in: an unknown member is refused, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Asked(BaseModel):
    """The query of a request: every value is text, an unknown parameter is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RefusedField(Shape):
    """One field that was refused."""

    place: Literal["body", "query", "path", "header"] = Field(alias="in")
    field: str = Field(description="Dotted path within the place, such as parties.0.id_no; empty: the whole of it.")
    code: str
    detail: str
    detail_zh: str


class Problem(Shape):
    """A refusal (RFC 9457)."""

    type: str = Field(pattern="^urn:zhixing:problem:[a-z0-9-]+$", description="What programs act on.")
    title: str
    status: int
    detail: str = Field(description="What happened and the remedy, English.")
    detail_zh: str = Field(description="The same in Chinese.")
    errors: list[RefusedField] | None = None


class Health(Shape):
    """Whether the interface can serve."""

    status: Literal["ok"]


class Link(Shape):
    """A resource and what is needed to use it."""

    href: str
    scope: str = Field(description="The scope it needs; empty: none.")


class Index(Shape):
    """What there is."""

    version: Literal["v1"]
    release: str
    specification: str
    links: dict[str, Link]


class CourtName(Shape):
    """What a court was called in a time."""

    name_zh: str
    name_en: str
    division: str = Field(description="GB/T 2260 code of the division it serves.")
    from_at: datetime
    until_at: datetime | None = Field(description="First moment it no longer holds; null: it holds on.")


class CourtSeat(Shape):
    """Where a court sat in a time, WGS-84 degrees."""

    address: str
    lat: float
    lon: float
    from_at: datetime
    until_at: datetime | None
    reason: str


class Court(Shape):
    """A court of the tree, as it is now."""

    code: str = Field(examples=["云2901"])
    parent_code: str | None
    level: Literal["supreme", "high", "intermediate", "basic"]
    name_zh: str
    name_en: str
    short_zh: str
    short_en: str
    division: str
    lat: float
    lon: float


class CourtHistory(Court):
    """A court with its names and seats over time, newest first (a centre can move without losing history)."""

    names: list[CourtName]
    seats: list[CourtSeat]


class CourtList(Shape):
    """Courts of the account, superior first."""

    items: list[Court]


class CatalogueEntry(Shape):
    """One code."""

    code: str
    zh: str
    en: str
    source: str = Field(description="The law or rule it comes from.")
    limit: str = Field(description="Length of time that goes with it, such as `10 working_days`; empty: none.")


class CatalogueList(Shape):
    """All codes of one kind."""

    edition: str = Field(description="Edition of the catalogue in force.")
    items: list[CatalogueEntry]


class ChangesAsked(Asked):
    """From where the feed is read."""

    after: Cursor = Field("", description="`next` of the last answer; `latest`: now; left out: the beginning.")
    limit: int = Field(200, ge=1, le=1000)
    wait: int = Field(0, ge=0, le=30, description="Seconds to wait for something when there is nothing yet.")


class Change(Shape):
    """One thing that happened to a case. Read the case for how it stands now."""

    case_no: str
    court_code: str
    kind: str = Field(description="created, updated, and what else happens to cases; new kinds may come.")
    version: int = Field(description="The case's version after it.")
    at: datetime
    cursor: str = Field(description="The cursor just behind this change.")


class ChangePage(Shape):
    """A stretch of the feed."""

    items: list[Change]
    next: str = Field(description="The cursor to go on with; keep it after the items have been dealt with.")
    has_more: bool = Field(description="Whether more lies ready now.")


class ImportAsked(Asked):
    """How a file is taken in."""

    file_name: Annotated[str, plain(200)] = Field("", description="What people call the file.")
    court_code: CourtCode | None = Field(None, description="Cases of other courts are refused; left out: your own.")
    dry_run: Switch = Field(False, description="Judge every row and write none.")
    expected: Annotated[str, plain(4000)] = Field(
        "", description='Control totals as JSON, such as {"total": 400, "云2901": 250}: the job compares them.'
    )
    sheet: Annotated[str, plain(100)] = Field("", description="Sheet of a workbook; left out: the first.")


class ImportProblemsAsked(Asked):
    """Which problems."""

    after: Cursor | None = Field(None, description="`next` of the last answer.")
    limit: int = Field(200, ge=1, le=1000)


class ImportJob(Shape):
    """A file on its way in."""

    id: str
    state: str = Field(description="queued, running, cancelling, then done, failed or cancelled.")
    court_code: str
    source: str
    file_name: str
    size_bytes: int
    sha256: str = Field(description="Of the file as it arrived, hex.")
    is_dry_run: bool
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    rows_read: int
    rows_total: int | None
    created_count: int
    updated_count: int
    unchanged_count: int
    rejected_count: int
    reconciliation: dict[str, Any] | None = Field(description="Counts compared: rows, courts, control totals.")
    message: str = Field(description="Why it failed; empty: it did not.")


class ImportProblem(Shape):
    """What is wrong with a row."""

    row_no: int = Field(description="As a person counts, the heading being 1.")
    case_no: str
    column: str
    code: str
    is_refusal: bool = Field(description="Whether the row was left out; otherwise it is only noted.")
    detail: str
    detail_zh: str


class ImportProblemPage(Shape):
    """A stretch of a job's problems."""

    items: list[ImportProblem]
    next: str | None
