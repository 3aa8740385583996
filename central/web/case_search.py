"""The search form of /cases: what its fields mean, and the address that stands for them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from central.cases.search import CaseFilter
from central.web.case_views import parse_day

# Days ahead that a choice of the deadline field covers.
DUE_CHOICES: Final[dict[str, int]] = {"today": 0, "7": 7, "30": 30}


@dataclass(frozen=True)
class SearchForm:
    """The fields as they were sent; `q` is the sealed text (web.sealed_search)."""

    q: str = ""
    court: str = ""
    state: str = ""
    type: str = ""
    due: str = ""
    """overdue, one of DUE_CHOICES, or range (then `since` and `until` count)."""
    since: str = ""
    until: str = ""
    handler: str = ""
    flagged: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the text narrows the list."""
        return bool(self.address_without("q"))

    def address(self, **changes: str) -> str:
        """Return the query string of this form with `changes`; empty fields are left out."""
        fields = {name: value for name, value in (self.__dict__ | changes).items() if value}
        return urlencode(fields)

    def address_without(self, *names: str) -> str:
        """Return the query string without these fields."""
        return self.address(**dict.fromkeys(names, ""))

    def with_text(self, token: str) -> SearchForm:
        """Return the form with another sealed text."""
        return replace(self, q=token)

    def make_filter(self, text: str, today: date) -> CaseFilter:
        """Return what the room searches by; raises DayError for a day that is none."""
        due_from, due_until = self._due_range(today)
        return CaseFilter(
            text=text,
            court_code=self.court[:20],
            state=self.state[:16],
            type_code=self.type[:8],
            handler_id=self.handler[:32],
            due_from=due_from,
            due_until=due_until,
            flagged=bool(self.flagged),
        )

    def _due_range(self, today: date) -> tuple[date | None, date | None]:
        if self.due == "overdue":
            return None, today - timedelta(days=1)
        if self.due in DUE_CHOICES:
            return today, today + timedelta(days=DUE_CHOICES[self.due])
        if self.due == "range":
            return parse_day(self.since), parse_day(self.until)
        return None, None
