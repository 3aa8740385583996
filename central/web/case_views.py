"""How days and money of a case are shown, and what a search form asks for. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final

from central.base.errors import InvalidInputError

SOON_DAYS: Final = 7
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")


class DayError(InvalidInputError):
    """A day was typed that is none."""

    code: ClassVar[str] = "day_format"


class MoneyError(InvalidInputError):
    """An amount was typed that is none."""

    code: ClassVar[str] = "money_format"


def parse_day(text: str) -> date | None:
    """Read a day as people type it (2026-11-26, 2026/11/26, 20261126, 2026年11月26日); None when empty.

    Raises DayError.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if not text:
        return None
    found = _DAY.fullmatch(text)
    try:
        if found:
            return date(*(int(part) for part in found.groups() if part))
    except ValueError:
        pass
    raise DayError(f"{text[:20]!r} is no day: write it as 2026-11-26.", given=text[:20])


def need_day(text: str) -> date:
    """Read a day that must be given; raises DayError."""
    day = parse_day(text)
    if day is None:
        raise DayError("The day is missing: write it as 2026-11-26.", given="")
    return day


def parse_money(text: str) -> int:
    """Read yuan as people type them (1,234.50) and return fen; 0 when empty. Raises MoneyError."""
    text = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "").removesuffix("元")
    if not text:
        return 0
    if not re.fullmatch(r"\d{1,13}(\.\d{1,2})?", text):
        raise MoneyError(f"{text[:20]!r} is no amount: write yuan with at most two decimals.", given=text[:20])
    yuan, _, part = text.partition(".")
    return int(yuan) * 100 + int(part.ljust(2, "0") or 0)


@dataclass(frozen=True)
class Urgency:
    """How near a day is: `code` of labels.cases.URGENCIES, `days` left (negative: over), the day itself."""

    code: str
    days: int
    due_on: date | None


def urgency_of(due_on: date | None, today: date, *, state: str = "", is_paused: bool = False) -> Urgency:
    """Tell how near `due_on` is; a closed case and a paused clock have nothing that is near."""
    if state == "closed":
        return Urgency("closed", 0, due_on)
    if is_paused or state == "suspended":
        return Urgency("paused", 0, due_on)
    if due_on is None:
        return Urgency("none", 0, None)
    days = (due_on - today).days
    if days < 0:
        return Urgency("overdue", days, due_on)
    code = "today" if days == 0 else "soon" if days <= SOON_DAYS else "later"
    return Urgency(code, days, due_on)


@dataclass(frozen=True)
class Month:
    """A month of the calendar: its weeks from Monday, with the days of its neighbours that fill them."""

    first: date

    @property
    def weeks(self) -> list[list[date]]:
        """Whole weeks that cover the month."""
        start = self.first - timedelta(days=self.first.weekday())
        weeks = []
        while start < self.next.first:
            weeks.append([start + timedelta(days=number) for number in range(7)])
            start += timedelta(days=7)
        return weeks

    @property
    def next(self) -> Month:
        """The month after."""
        return Month((self.first + timedelta(days=32)).replace(day=1))

    @property
    def previous(self) -> Month:
        """The month before."""
        return Month((self.first - timedelta(days=1)).replace(day=1))

    @property
    def name(self) -> str:
        """2026-11."""
        return self.first.strftime("%Y-%m")


def parse_month(text: str, today: date) -> Month:
    """Read 2026-11; the month of `today` for anything else or outside of 1990 to 2100."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", text)
    if found and 1990 <= int(found[1]) <= 2100 and 1 <= int(found[2]) <= 12:
        return Month(date(int(found[1]), int(found[2]), 1))
    return Month(today.replace(day=1))
