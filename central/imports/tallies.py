"""Counts of an import and their reconciliation: file, database and the source system's own totals. Pure."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from central.cases.drafts import CaseDraft
from central.imports.rules import ExpectedTotalsError
from central.imports.values import read_amount

Group = tuple[str, str, str]
"""Court, case type, state."""
TOTAL: Final = ""
"""Stands for all courts together."""


@dataclass
class Tally:
    """What a file holds: cases and claims by court, type and state, and problems by code."""

    cases: Counter[Group] = field(default_factory=Counter)
    claims: Counter[Group] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, draft: CaseDraft) -> None:
        """Count a case that was taken."""
        group = (draft.number.court_code, draft.number.type_code, draft.state)
        self.cases[group] += 1
        self.claims[group] += draft.claim_fen


def reconcile(
    tally: Tally,
    counts: Mapping[str, int],
    database: Mapping[Group, tuple[int, int]],
    expected: Mapping[str, Any] | None,
    *,
    is_dry_run: bool,
) -> dict[str, Any]:
    """Return the reconciliation of a job as JSON.

    `counts` holds read, created, updated, unchanged, rejected; `database` (cases, claims in fen) of this source after
    the import. What does not agree is counted in `differences`: rows that were lost, fewer cases of a court and type
    in the database than in the file (a dry run compares none), control totals that the file does not reach. The
    database may hold more than a file that is a part of the source's cases.
    """
    taken = counts["created"] + counts["updated"] + counts["unchanged"]
    rows_agree = counts["read"] == taken + counts["rejected"] and taken == tally.cases.total()
    groups = [
        {
            "court": group[0],
            "type": group[1],
            "state": group[2],
            "file": tally.cases[group],
            "file_claim_fen": tally.claims[group],
            "database": database.get(group, (0, 0))[0],
            "database_claim_fen": database.get(group, (0, 0))[1],
        }
        for group in sorted(tally.cases.keys() | {group for group in database if group[0] in _courts(tally)})
    ]
    short = [] if is_dry_run else _shortfalls(tally, database)
    checks = _check_expected(tally, expected or {})
    return {
        "rows_agree": rows_agree,
        "groups": groups,
        "short": short,
        "expected": checks,
        "codes": dict(tally.codes),
        "differences": (not rows_agree) + len(short) + sum(check["file"] != check["expected"] for check in checks),
    }


def _courts(tally: Tally) -> set[str]:
    return {group[0] for group in tally.cases}


def _shortfalls(tally: Tally, database: Mapping[Group, tuple[int, int]]) -> list[dict[str, Any]]:
    """Name courts and types of which the database holds fewer cases than the file."""
    in_file, in_database = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for (court, type_code, _), count in tally.cases.items():
        in_file[court, type_code] += count
    for (court, type_code, _), (count, _claims) in database.items():
        in_database[court, type_code] += count
    return [
        {"court": court, "type": type_code, "file": count, "database": in_database[court, type_code]}
        for (court, type_code), count in sorted(in_file.items())
        if in_database[court, type_code] < count
    ]


def _check_expected(tally: Tally, expected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare control totals with the cases of the file that were taken."""
    checks = []
    for what, counter in (("cases", tally.cases), ("claim_fen", tally.claims)):
        for court, wanted in expected.get(what, {}).items():
            found = sum(count for group, count in counter.items() if court in {TOTAL, group[0]})
            checks.append({"what": what, "court": court, "expected": wanted, "file": found})
    return checks


def read_expected(text: str) -> dict[str, dict[str, int]] | None:
    """Read control totals: JSON, TOML, or lines such as `云2901 400`; None when there are none.

    Keys: `total` or `合计`, court codes (also in a table `courts` or `cases`), and `claim` with amounts in yuan.
    Returns {"cases": {court: count}, "claim_fen": {court: fen}}, court "" for the total. Raises ExpectedTotalsError.
    """
    text = text.lstrip("\ufeff").strip()
    if not text:
        return None
    content = _parse(text)
    cases: dict[str, int] = {}
    claims: dict[str, int] = {}
    for key, value in _flat(content):
        court = TOTAL if key[-1].lower() in ("total", "合计", "总计", "rows", "claim") else key[-1]
        if key[0] == "claim":
            amount = read_amount(str(value))
            if amount is None:
                raise _unreadable(f"{key[-1]} = {value}")
            claims[court] = amount[0]
            continue
        try:
            cases[court] = int(str(value))
        except ValueError:
            raise _unreadable(f"{key[-1]} = {value}") from None
    if not 0 < len(cases) + len(claims) <= 500:
        raise _unreadable(text)
    return {"cases": cases, "claim_fen": claims}


def _parse(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text) if text.startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError):
        content = _lines(text)
    if not isinstance(content, dict):
        raise _unreadable(text)
    return content


def _lines(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in text.splitlines():
        words = line.replace("=", " ").replace(":", " ").replace("：", " ").replace(",", " ").split()
        if not words:
            continue
        if len(words) != 2 or not words[1].isdigit():
            raise _unreadable(line)
        found[words[0]] = words[1]
    return found


def _flat(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and len(path) < 3:
            yield from _flat(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _unreadable(what: str) -> ExpectedTotalsError:
    return ExpectedTotalsError(
        f'The control totals cannot be read at {what[:60]!r}: write lines such as "云2901 400" and "total 5000".',
        detail=what[:60],
    )
