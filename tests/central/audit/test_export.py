"""Exports: what a spreadsheet may not run, and what proves itself without the database."""

from __future__ import annotations

import io
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.audit import export, queries
from central.audit import service as audit
from central.audit.rules import AuditExportError, AuditFilter
from central.base.csv_cells import safe_cell
from tests.central.audit.tampering import append

pytestmark = pytest.mark.both_databases
KEY = Ed25519PrivateKey.generate()
PUBLIC = (KEY.public_key(),)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_is_defused(text):
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=1", "样例甲", "1-2", "'=1"])
def test_other_cells_stay_as_they_are(text):
    assert safe_cell(text) == text


@pytest.fixture
def filled(store):
    for count in (3, 3):
        append(store, count)
        with store.write() as uow:
            audit.write_head(uow, KEY)
    append(store, 2, court_code="云2922", subject="=x")
    return store


def lines_of(store, *, is_whole=True, first=1, **wanted):
    with store.read() as session:
        selection = queries.Selection(
            court_prefix="云", wanted=AuditFilter(**wanted), with_courtless=True, up_to_seq=99
        )
        assert queries.measure(session, selection)[1] == first
        rows = queries.stream_entries(session, selection)
        signed = queries.list_heads(session, after_seq=first - 1)
        return list(export.write_json_lines(rows, signed, first=first, is_whole=is_whole, notes={"by": "样例"}))


def check(lines, keys=PUBLIC):
    report = export.verify_export(io.BytesIO(b"".join(lines)), list(keys))
    return [(found.kind, found.first, found.last) for found in report.findings], report


def test_a_whole_export_verifies(filled):
    lines = lines_of(filled)
    found, report = check(lines)
    assert (found, report.rows, report.heads, report.signed_seq) == ([], 8, 2, 6)
    assert check(lines, ())[1].is_signed is False
    assert json.loads(lines[0])["by"] == "样例"


def test_an_export_of_some_rows_verifies_as_far_as_it_goes(filled):
    lines = lines_of(filled, subject="recording 1", is_whole=False, first=2)
    assert check(lines)[0] == []
    lines = lines_of(filled, court_code="云2922", first=7)
    assert check(lines)[0] == []


def edited(line, **changes):
    value = json.loads(line)
    value["row"].update(changes)
    return json.dumps(value).encode() + b"\n"


def test_whatever_is_changed_afterwards_is_found(filled):
    lines = lines_of(filled)  # opening, rows 1-3, head, rows 4-6, head, rows 7-8, end
    assert check([*lines[:2], edited(lines[2], actor="user:mallory"), *lines[3:]])[0] == [("edited", 2, 2)]
    shorter = [*lines[:2], *lines[3:-1], b'{"end": 7}\n']
    assert check(shorter)[0] == [("missing", 2, 2)]
    swapped = [*lines[:2], edited(lines[3], seq=2), edited(lines[2], seq=3), *lines[4:]]
    assert check(swapped)[0] == [("rewritten", 1, 3), ("moved", 2, 3)]
    assert check(lines, [Ed25519PrivateKey.generate().public_key()])[0] == [
        ("head_forged", 3, 3),
        ("head_forged", 6, 6),
    ]
    assert check([*lines[:6], b'{"end": 4}\n'])[0] == []
    assert check([*lines[:6], lines[8], b'{"end": 4}\n'])[0] == [("cut", 5, 6)]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b"[]\n", b"\xff\n", b'{"kind": "other", "v": 1}\n', b'{"kind": "zhixing-audit", "v": 1}\n',
     b'{"kind": "zhixing-audit", "v": 1}\n{"row": {"seq": 1}}\n{"end": 1}\n',
     b'{"kind": "zhixing-audit", "v": 1}\n{"head": {}}\n{"end": 0}\n'],
)  # fmt: skip
def test_what_is_no_whole_export_is_refused(content):
    with pytest.raises(AuditExportError):
        export.verify_export(io.BytesIO(content), [KEY.public_key()])


def test_a_csv_is_readable_and_harmless(filled):
    with filled.read() as session:
        selection = queries.Selection(court_prefix="云2922", wanted=AuditFilter(), with_courtless=False, up_to_seq=99)
        content = b"".join(export.write_csv(queries.stream_entries(session, selection)))
    text = content.decode("utf-8-sig")
    assert content.startswith(b"\xef\xbb\xbf") and text.count("\r\n") == 3
    assert ",'=x," in text and "2026-11-24T" in text and "+08:00" in text
