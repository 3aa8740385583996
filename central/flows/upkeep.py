"""What an administrator asks for at the command line: is the audit whole, keys anew, a backup, a restore."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from central.audit import export
from central.audit.verification import Report
from central.base.handover import list_receipt_keys
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.flows import audit_heads

FOUND = 1
Adder = Callable[[str, Callable[[argparse.Namespace, Settings], int], str], argparse.ArgumentParser]


def add_commands(add: Adder) -> None:
    """Add the commands of this module to the parser of `zhixing-central`."""
    verify = add("verify-audit", verify_audit, "recompute the audit chain; status 1 when anything is wrong with it")
    verify.add_argument("--witness", type=Path, help="witness file to compare with (default: the settings' one)")
    verify.add_argument("--since", type=int, default=1, metavar="SEQ", help="first row to look at (default: 1)")
    verify.add_argument("--export", type=Path, help="check this exported file instead of the database")


def verify_audit(arguments: argparse.Namespace, settings: Settings) -> int:
    """Recompute the chain and print everything that is wrong; returns 1 when there is anything."""
    if arguments.export:
        with arguments.export.open("rb") as file:
            report = export.verify_export(file, list_receipt_keys(settings))
    else:
        store = open_store(settings)
        try:
            report = audit_heads.check_audit(
                store, settings, witness=arguments.witness, since=max(1, arguments.since)
            )
        finally:
            store.close()
    for line in describe(report):
        print(line)
    return 0 if report.is_whole else FOUND


def describe(report: Report) -> Iterator[str]:
    """The lines that `verify-audit` prints."""
    yield f"audit: {report.rows} rows, head {report.head.hex()}"
    if not report.is_signed:
        yield "heads: not compared, because there is no receipt key (keys/receipt.key): forged hashes would not show"
    elif report.heads:
        yield f"heads: {report.heads} signed heads compared, good up to row {report.signed_seq}"
    else:
        yield "heads: none signed yet"
    for found in report.findings:
        yield f"BROKEN {found.sentence}"
