"""The audit leaves the house: CSV for reading, JSON lines for proving.

A JSON-lines export begins with a line that says what it is, then holds rows and signed heads in the order of their
numbers, and ends with a line that counts them. Whoever has the centre's public receipt key can check it without the
database: every row against its own hash, neighbouring rows against each other, heads against the rows they sign.
An export of only some rows has holes; that a row between was taken out does then not show.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central.audit import heads
from central.audit.heads import HeadStatement
from central.audit.rules import AuditExportError
from central.audit.verification import Finding, PlainRow, Report, Row, examine, open_heads
from central.base.csv_cells import safe_cell
from contract.signing import CodecError, Signed

KIND: Final = "zhixing-audit"
COLUMNS: Final = (
    "seq", "at", "actor", "court_code", "action", "subject", "case_no", "purpose", "detail", "hash",
)  # fmt: skip
_MAX_LINE_BYTES: Final = 4 * 1024 * 1024
_SHANGHAI: Final = timezone(timedelta(hours=8))


def write_csv(rows: Iterable[Row], titles: Sequence[str] = COLUMNS) -> Iterator[bytes]:
    """Yield a CSV file (UTF-8 with BOM, CRLF); times in Asia/Shanghai; no cell is a formula."""
    yield b"\xef\xbb\xbf" + _csv_line(titles)
    for row in rows:
        at = datetime.fromtimestamp(row.at_ms / 1000, _SHANGHAI).isoformat(timespec="milliseconds")
        detail = json.dumps(row.detail, ensure_ascii=False, sort_keys=True) if row.detail else ""
        yield _csv_line(
            [str(row.seq), at, row.actor, row.court_code, row.action, row.subject, row.case_no, row.purpose, detail,
             row.hash.hex()]
        )  # fmt: skip


def _csv_line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue().encode()


def write_json_lines(
    rows: Iterable[Row], signed: Sequence[Signed], *, first: int, is_whole: bool, notes: Mapping[str, Any]
) -> Iterator[bytes]:
    """Yield an export as JSON lines from row `first` on; `is_whole` says that no row after it was left out."""
    yield _json_line({"kind": KIND, "v": 1, "first": first, "is_whole": is_whole, **notes})
    count, waiting = 0, [(heads.claimed_seq(one), one) for one in signed]
    for row in rows:
        count += 1
        yield _json_line({"row": _pack_row(row)})
        while waiting and waiting[0][0] <= row.seq:
            seq, one = waiting.pop(0)
            if seq == row.seq:
                yield _json_line({"head": json.loads(heads.pack_line(one))})
    yield _json_line({"end": count})


def _pack_row(row: Row) -> dict[str, Any]:
    packed = {name: getattr(row, name) for name in PlainRow.__dataclass_fields__}
    return {**packed, "prev_hash": row.prev_hash.hex(), "hash": row.hash.hex()}


def _json_line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def verify_export(file: BinaryIO, keys: Sequence[Ed25519PublicKey]) -> Report:
    """Check a JSON-lines export, which is read twice, without the database; `keys` are the centre's receipt keys.

    Raises AuditExportError when the file is none, or ends before its last line.
    """
    opening, genuine, findings = {}, [], []
    last: dict[str, Any] = {}
    for number, last in enumerate(_read_lines(file)):
        if number == 0:
            opening = last
        elif keys and "head" in last:
            head, forged = _open_head(last["head"], keys)
            genuine += head
            findings += forged
    if opening.get("kind") != KIND or opening.get("v") != 1:
        raise AuditExportError("The file is no audit export of this version: export the audit anew as JSON lines.")
    file.seek(0)
    rows = (_unpack_row(line["row"]) for line in _read_lines(file) if "row" in line)
    report = examine(
        rows, genuine, since=int(opening.get("first", 1)), holes=not opening.get("is_whole"), is_signed=bool(keys)
    )
    if last.get("end") != report.rows:
        raise AuditExportError("The export ends before its last line or lacks rows: fetch the file anew.")
    return report.with_findings(findings)


def _read_lines(file: BinaryIO) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), 1):
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("no object")
        except ValueError as error:
            raise AuditExportError(f"Line {number} of the export cannot be read: fetch the file anew.") from error
        yield value


def _unpack_row(value: Mapping[str, Any]) -> PlainRow:
    try:
        digests = {name: bytes.fromhex(value[name]) for name in ("prev_hash", "hash")}
        return PlainRow(**{**value, **digests})
    except (TypeError, ValueError, KeyError) as error:
        raise AuditExportError("A row of the export cannot be read: fetch the file anew.") from error


def _open_head(value: Any, keys: Sequence[Ed25519PublicKey]) -> tuple[list[HeadStatement], list[Finding]]:
    try:
        signed = heads.unpack_line(json.dumps(value))
    except CodecError as error:
        raise AuditExportError("A head of the export cannot be read: fetch the file anew.") from error
    return open_heads(keys, [signed])
