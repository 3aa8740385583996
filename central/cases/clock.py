"""Days, deadlines and standing clocks of a case. Pure: dates only, in Asia/Shanghai.

A limit counts from the day after its start (民诉法 art. 85); months end on the day of the same number, or on the last
day of a shorter month. Hours are counted as whole days, rounded up. Working days follow the State Council's calendar
as `chinesecalendar` knows it; years it does not know yet fall back to Monday to Friday and are provisional.
A pause runs from `from_on` to the day before `until_on`, the first day that counts again.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

import chinese_calendar

from central.cases.catalogue import Catalogue, Limit
from central.cases.catalogue_entries import NodeKind

# China has one zone and no summer time since 1991.
SHANGHAI: Final = timezone(timedelta(hours=8))
_DAY: Final = timedelta(days=1)
LAST_DAY: Final = date.max
"""No day is later; a pause without end runs until then."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An interval in which a clock stands still; `until_on` is None while it runs."""

    from_on: date
    until_on: date | None = None
    suspends: bool = False


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node as the catalogue plans it; `due_on` is None where no limit is stated."""

    kind: str
    started_on: date
    due_on: date | None
    done_on: date | None = None


def today(now_ms: int) -> date:
    """Return the day in Asia/Shanghai."""
    return datetime.fromtimestamp(now_ms / 1000, SHANGHAI).date()


def day_start_ms(day: date) -> int:
    """Return the first moment of a day in Asia/Shanghai."""
    return round(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp() * 1000)


def add_months(day: date, months: int) -> date:
    """Return the day of the same number `months` later, or the last day of that month (31 August + 6: 28 Feb.)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > LAST_DAY.year:
        return LAST_DAY
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def add_days(day: date, days: int) -> date:
    """Return the day `days` later, LAST_DAY at the most: no sum of limits and pauses overflows the calendar."""
    return day + timedelta(days=days) if days <= (LAST_DAY - day).days else LAST_DAY


def is_provisional(day: date) -> bool:
    """Tell whether the holidays of this year are not known, so that working days are only Monday to Friday."""
    return not _FIRST_YEAR <= day.year <= _LAST_YEAR


@lru_cache(maxsize=4096)
def is_working_day(day: date) -> bool:
    """Tell whether offices work on this day."""
    if is_provisional(day):
        return day.weekday() < 5
    return bool(chinese_calendar.is_workday(day))


@lru_cache(maxsize=4096)
def add_working_days(day: date, count: int) -> date:
    """Return the `count`-th working day after `day`."""
    while count and day < LAST_DAY:
        day += _DAY
        count -= is_working_day(day)
    return day


def add_limit(day: date, limit: Limit) -> date:
    """Return the last day of `limit` that starts on `day`."""
    if limit.unit == "months":
        return add_months(day, limit.amount)
    if limit.unit == "working_days":
        return add_working_days(day, limit.amount)
    if limit.unit == "hours":
        return add_days(day, -(-limit.amount // 24))
    return add_days(day, limit.amount)


def merge_pauses(pauses: Iterable[Pause], until: date) -> list[tuple[date, date]]:
    """Return the paused stretches as [from, until) without overlap, oldest first; running ones end at `until`."""
    merged: list[tuple[date, date]] = []
    for start, end in sorted((pause.from_on, pause.until_on or max(until, pause.from_on)) for pause in pauses):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def raw_days(filed_on: date, on: date) -> int:
    """Return how many days have passed since filing; the day after filing is the first."""
    return max(0, (on - filed_on).days)


def net_days(filed_on: date, on: date, pauses: Iterable[Pause]) -> int:
    """Return `raw_days` without paused days; a day in two pauses is left out once."""
    first, after = add_days(filed_on, 1), add_days(max(on, filed_on), 1)
    stretches = merge_pauses(pauses, after)
    paused = sum(max(0, (min(end, after) - max(start, first)).days) for start, end in stretches)
    return raw_days(filed_on, on) - paused


def is_paused(on: date, pauses: Iterable[Pause]) -> bool:
    """Tell whether a pause stands on this day."""
    return any(pause.from_on <= on and (pause.until_on is None or on < pause.until_on) for pause in pauses)


def shift_by_pauses(started_on: date, due_on: date, pauses: Sequence[Pause]) -> date | None:
    """Return the due day moved on by the pauses between start and due day; None while one of them has no end yet.

    A pause that begins after the due day moves nothing: what was late stays late.
    """
    for start, end in merge_pauses(pauses, LAST_DAY):
        if start > due_on:
            break
        if end == LAST_DAY:
            return None
        due_on = add_days(due_on, max(0, (end - max(start, add_days(started_on, 1))).days))
    return due_on


def base_limit(
    catalogue: Catalogue, *, type_code: str, filed_on: date, extended: int = 0, is_non_litigation: bool = False
) -> date | None:
    """Return the last day of the whole case with `extended` steps, pauses left aside; None when the type has none."""
    case_type = catalogue.type(type_code)
    text = (case_type.non_litigation_limit if is_non_litigation else "") or case_type.limit
    if not text:
        return None
    limit = catalogue.limits[text]
    if not extended:
        return add_limit(filed_on, limit)
    step = catalogue.limits[case_type.extension]
    if step.unit == limit.unit:  # 6 months + 3 months are 9 months, not 6 and then 3 from a shorter month's end
        return add_limit(filed_on, Limit(limit.amount + extended * step.amount, limit.unit))
    return add_limit(add_limit(filed_on, limit), Limit(extended * step.amount, step.unit))


def case_limit(
    catalogue: Catalogue,
    *,
    type_code: str,
    filed_on: date,
    pauses: Sequence[Pause] = (),
    extended: int = 0,
    is_non_litigation: bool = False,
) -> date | None:
    """Return the last day of the whole case; None without limit, or while a pause runs whose end is not set."""
    base = base_limit(
        catalogue, type_code=type_code, filed_on=filed_on, extended=extended, is_non_litigation=is_non_litigation
    )
    return None if base is None else shift_by_pauses(filed_on, base, pauses)


def node_base_due(catalogue: Catalogue, node: NodeKind, started_on: date) -> date | None:
    """Return the due day of a node that is not the whole case, pauses left aside; None where none is stated."""
    return add_limit(started_on, catalogue.limits[node.limit]) if node.limit else None


def node_due(node: NodeKind, started_on: date, base: date | None, pauses: Sequence[Pause]) -> date | None:
    """Return the due day of an open node; None where none is stated or its clock stands still."""
    if base is None or node.halts == "never":
        return base
    counted = pauses if node.halts == "any" else [pause for pause in pauses if pause.suspends]
    return shift_by_pauses(started_on, base, counted)


def next_recheck(catalogue: Catalogue, node: NodeKind, closed_on: date, last_done: date | None) -> date | None:
    """Return the next day of a repeated node after closing; None when its last turn is done.

    The days are fixed from `closed_on` (every six months, ten times); a turn done early counts for the day it lies
    nearest to, so that doing one a week before its day does not make it due again.
    """
    limit = catalogue.limits[node.limit]
    days = [add_limit(closed_on, Limit(limit.amount * turn, limit.unit)) for turn in range(1, node.repeats + 1)]
    if last_done is None:
        return days[0]
    half = (days[0] - closed_on) / 2
    return next((day for day in days if day - last_done > half), None)


def plan_nodes(
    catalogue: Catalogue,
    *,
    type_code: str,
    filed_on: date,
    state: str,
    closing: str = "",
    closed_on: date | None = None,
    nodes_done: Mapping[str, date] | None = None,
    is_non_litigation: bool = False,
    on: date | None = None,
) -> list[PlannedNode]:
    """Return the nodes a case has when it is filed or imported: those done, and those open in its state.

    `nodes_done` maps node kinds to the day each was (last) done. `on` is today: a recheck whose five years are over
    is not opened any more. Raises UnknownCodeError for a type, closing or node the catalogue does not know.
    """
    done = nodes_done or {}
    planned = []
    for kind, day in done.items():
        node = catalogue.node(kind)
        started_on = filed_on if node.starts == "filing" else day
        planned.append(PlannedNode(kind, started_on, None, day))
    if state == "closed":
        return planned + plan_rechecks(
            catalogue, type_code=type_code, closing=closing, closed_on=closed_on or filed_on, last_done=done, on=on
        )
    for node in catalogue.planned_nodes(type_code, "filing"):
        if node.kind in done or (node.kind == "assign" and state != "filed"):
            continue
        if node.is_whole_case:
            due = base_limit(catalogue, type_code=type_code, filed_on=filed_on, is_non_litigation=is_non_litigation)
        else:
            due = node_base_due(catalogue, node, filed_on)
        # Nothing is due while the case is suspended; `refresh_dues` gives the days when the pause ends.
        due = None if state == "suspended" and node.halts != "never" else due
        planned.append(PlannedNode(node.kind, filed_on, due))
    return planned


def plan_rechecks(
    catalogue: Catalogue,
    *,
    type_code: str,
    closing: str,
    closed_on: date,
    last_done: Mapping[str, date],
    on: date | None = None,
) -> list[PlannedNode]:
    """Return the nodes that follow a closing (终本: the next recheck); `last_done` by kind, `on` is today."""
    planned = []
    for node in catalogue.planned_nodes(type_code, "closing"):
        if node.after != closing:
            continue
        due = next_recheck(catalogue, node, closed_on, last_done.get(node.kind))
        limit = catalogue.limits[node.limit]
        last = add_limit(closed_on, Limit(limit.amount * node.repeats, limit.unit))
        if due is not None and (on is None or on <= last):
            planned.append(PlannedNode(node.kind, last_done.get(node.kind, closed_on), due))
    return planned


_YEARS: Final = sorted({day.year for day in chinese_calendar.constants.holidays})
_FIRST_YEAR: Final = _YEARS[0]
_LAST_YEAR: Final = _YEARS[-1]
