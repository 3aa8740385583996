"""What an administrator asks for at the command line: is the audit whole, keys anew, a backup, a restore."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from central.audit import export
from central.audit.verification import Report
from central.base.handover import list_receipt_keys
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.flows import audit_heads, backup, rekeying, restore

FOUND = 1
Adder = Callable[[str, Callable[[argparse.Namespace, Settings], int], str], argparse.ArgumentParser]


def add_commands(add: Adder) -> None:
    """Add the commands of this module to the parser of `zhixing-central`."""
    verify = add("verify-audit", verify_audit, "recompute the audit chain; status 1 when anything is wrong with it")
    verify.add_argument("--witness", type=Path, help="witness file to compare with (default: the settings' one)")
    verify.add_argument("--since", type=int, default=1, metavar="SEQ", help="first row to look at (default: 1)")
    verify.add_argument("--export", type=Path, help="check this exported file instead of the database")
    rotate = add("rotate-keys", rotate_keys, "replace the keys of sealed fields, beside a running centre")
    rotate.add_argument(
        "--settle", type=float, default=rekeying.SETTLE_S, metavar="SECONDS",
        help="wait so long for what was sealed before the newer keys came (default: %(default)s)",
    )  # fmt: skip
    backup_to = add("backup", make_backup, "write database, papers and the sealed field keyring into one file")
    backup_to.add_argument("file", type=Path, help="new file; never replaced when it is there")
    backup_to.add_argument("--with-evidence", action="store_true", help="the recordings' segments, too")
    add("restore", restore_backup, "restore a backup into an empty database and empty folders").add_argument(
        "file", type=Path, help="a file that `backup` wrote"
    )


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


def rotate_keys(arguments: argparse.Namespace, settings: Settings) -> int:
    """Replace the keys of sealed fields."""
    store = open_store(settings)
    try:
        rotation = rekeying.rotate_keys(
            store, settings, by=f"system:cli:{getpass.getuser()}", settle_s=arguments.settle, tell=_say
        )
    finally:
        store.close()
    gone = ", ".join(map(str, rotation.retired)) or "none"
    _say(f"keys: {rotation.resealed} values sealed anew, old keys removed: {gone}; older backups need their own keys")
    return 0


def make_backup(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write a backup and say what is in it."""
    store = open_store(settings)
    try:
        made = backup.make_backup(store, settings, arguments.file, with_evidence=arguments.with_evidence, tell=_say)
    finally:
        store.close()
    files = ", ".join(f"{count} files of {name}" for name, count in made.files.items())
    _say(f"backup: {sum(made.rows.values())} rows of {len(made.rows)} tables, {files}: {arguments.file}")
    if not made.has_keys:
        print(backup.KEYS_LEFT_OUT, file=sys.stderr)
    return 0


def restore_backup(arguments: argparse.Namespace, settings: Settings) -> int:
    """Restore a backup and say what came back."""
    done = restore.restore_backup(settings, arguments.file, tell=_say)
    files = ", ".join(f"{count} files of {name}" for name, count in done.files.items())
    _say(
        f"restore: {sum(done.rows.values())} rows of {len(done.rows)} tables, {files}; schema {done.revision}; "
        f"{done.audit_rows} audit rows verified"
    )
    if done.remark:
        print(done.remark, file=sys.stderr)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


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
