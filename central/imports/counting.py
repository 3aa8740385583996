"""What became of a batch of rows: refusals of the cases room taken up, progress and problems worked out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from central.cases.drafts import Outcome
from central.cases.foresight import Refusal
from central.imports import rules
from central.imports.judging import Judged
from central.imports.problem import Problem
from central.imports.service import Progress


def refuse_rows(judged: Sequence[Judged], outcomes: Iterable[Outcome | Refusal]) -> list[Judged]:
    """Return the rows with those refused that the cases room does not take; `outcomes` are those of the drafts."""
    left = iter(outcomes)
    return [one if one.draft is None else _refused(one, next(left)) for one in judged]


def _refused(one: Judged, outcome: Outcome | Refusal) -> Judged:
    if not isinstance(outcome, Refusal):
        return one
    column = "handler_login" if outcome.code == "handler_unfit" else "case_no"
    params = {"fields": ",".join(outcome.fields)} if outcome.fields else {}
    return refuse(one, Problem(outcome.code, column, params))


def refuse(one: Judged, problem: Problem) -> Judged:
    """Return a row as refused by `problem`, with what was noted before."""
    return replace(one, draft=None, problems=(*one.problems, problem))


def advance(
    before: Progress, judged: Sequence[Judged], outcomes: Sequence[Outcome | Refusal], listed: Mapping[bool, int]
) -> tuple[Progress, list[tuple[int, str, Problem]]]:
    """Return the progress after these rows, and the problems to be listed as (row, case number, problem).

    `listed` is how many refusals (True) and notes (False) the job lists already.
    """
    progress = Progress(
        read_bytes=before.read_bytes,
        rows_read=before.rows_read + len(judged),
        created_count=before.created_count + outcomes.count(Outcome.CREATED),
        updated_count=before.updated_count + outcomes.count(Outcome.UPDATED),
        unchanged_count=before.unchanged_count + outcomes.count(Outcome.UNCHANGED),
        rejected_count=before.rejected_count + sum(one.draft is None for one in judged),
        warned_count=before.warned_count + sum(bool(one.problems) for one in judged if one.draft is not None),
    )
    room = {True: rules.MAX_LISTED_REFUSALS - listed[True], False: rules.MAX_LISTED_WARNINGS - listed[False]}
    found = []
    for one in judged:
        for problem in one.problems:
            if room[problem.is_refusal] > 0:
                room[problem.is_refusal] -= 1
                found.append((one.row_no, one.case_no, problem))
    return progress, found
