"""`zhixing-provision grace`, and how the desk's commands print tables and times."""

from __future__ import annotations

import argparse
import unicodedata
from datetime import datetime, timedelta, timezone
from typing import Final

from contract.names import check_kit_id
from provisioning import grace_desk
from provisioning.authority import Authority

CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


class InputError(ValueError):
    """A command line that cannot be carried out."""


def describe_grace(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("act", choices=("list", "allow", "refuse", "days"))
    parser.add_argument("what", nargs="?", help="the kit, or the number of days")
    parser.set_defaults(run=_run_grace)


def print_table(rows: list[dict[str, str | None]]) -> None:
    """Columns as wide as their widest cell, Chinese counted double."""
    widths = {name: max(_width(row[name] or "") for row in rows) for name in rows[0]}
    for row in rows:
        cells = ((row[name] or "") + " " * (widths[name] - _width(row[name] or "")) for name in rows[0])
        print("  ".join(cells).rstrip())


def show_time(moment: datetime | None) -> str:
    """Minute and day in China."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if moment else "-"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _run_grace(options: argparse.Namespace) -> None:
    opened = Authority(options.authority)
    if options.act == "list":
        _print_requests(opened)
        return
    if not options.what:
        raise InputError(f"Name the {'days' if options.act == 'days' else 'kit'}: `grace {options.act} ...`.")
    if options.act == "days":
        if not options.what.isdecimal():
            raise InputError(f"{options.what!r} is no number of days; give one like 400.")
        grace_desk.set_grace_days(opened, int(options.what))
        print(f"A certificate brings its kit before you for {options.what} days after its end.")
        return
    grace_desk.decide_grace(opened, check_kit_id(options.what), allow=options.act == "allow")
    told = "gets its certificate when it asks again" if options.act == "allow" else "is refused"
    print(f"{options.what} {told}.")


def _print_requests(opened: Authority) -> None:
    names = ("kit", "state", "expired", "asked", "last asked", "from")
    rows: list[dict[str, str | None]] = [{name: name.upper() for name in names}]
    for item in grace_desk.list_grace(opened):
        moments = (_show_ms(at_ms) for at_ms in (item.expired_ms, item.asked_ms, item.last_asked_ms))
        rows.append(dict(zip(names, (item.kit_id, item.decision, *moments, item.who), strict=True)))
    print_table(rows)


def _show_ms(at_ms: int) -> str:
    return show_time(datetime.fromtimestamp(at_ms / 1000, CHINA)) if at_ms else "-"
