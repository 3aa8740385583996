"""Papers: sealed at rest, judged by content, withdrawn and never deleted."""

import io
import os
import zipfile
from datetime import date, timedelta

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.base.keyring import SealBrokenError, load_keyring
from central.cases import documents, media, queries, rules
from central.cases import service as cases
from central.cases.documents import DocumentMeta
from central.cases.media import MediaUnknownError, sniff_media
from central.cases.models import CaseDocument
from tests.central.cases.conftest import TODAY

PDF = b"%PDF-1.7\n" + b"specimen " * 100


def docx(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PDF, media.PDF),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), media.PNG),
        (b"\xff\xd8\xff\xe0" + bytes(20), media.JPEG),
        (docx("[Content_Types].xml", "word/document.xml"), media.DOCX),
        ("裁定书\n".encode(), media.TEXT),
        ("裁定书\r\n".encode("gb18030"), media.TEXT),
        (b"\xef\xbb\xbfabc", media.TEXT),
    ],
)
def test_a_file_is_known_by_its_content(data, media_type):
    assert sniff_media(data) == media_type


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ\x90\x00" + bytes(50),
        docx("a.txt"),
        docx("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
        b"PK\x03\x04 not really",
        b"text with a \x00 byte",
        b"\x7fELF" + bytes(30),
        b"\xff\xfe\xff\xff",
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(MediaUnknownError):
        sniff_media(data)


@pytest.fixture
def add(store, cast, case_no, settings, keyring):
    def _add(data=PDF, actor=None, **meta):
        with store.write() as uow:
            return cases.add_document(
                uow,
                actor or cast.clerk,
                case_no,
                DocumentMeta(**{"kind": "ruling", **meta}),
                data=data,
                settings=settings,
                keyring=keyring,
            )

    return _add


@pytest.fixture
def read(store, cast, case_no, settings, keyring):
    def _read(document, actor=None, ring=keyring, number=case_no):
        with store.write() as uow:
            return cases.read_document(uow, actor or cast.judge, number, document.id, settings=settings, keyring=ring)

    return _read


@pytest.fixture
def folder(settings, tmp_path):
    return tmp_path / "data" / "documents"


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.both_databases
def test_a_file_is_sealed_on_the_disk_and_opens_to_the_same_bytes(store, add, read, folder, cast, case_no):
    document = add(title="终结裁定", doc_no="(2026)云2901执1号之一", file_name="../../etc/pass\\wd.pdf")
    [path] = files_in(folder)
    assert path == folder / document.id[:2] / document.id
    assert b"specimen" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    found, data = read(document)
    assert (data, found.media_type, found.size_bytes) == (PDF, media.PDF, len(PDF))
    assert (found.file_name, found.law_version) == ("wd.pdf", "民诉法2023")
    with store.read() as session:
        [row] = session.exec(select(AuditEntry).where(AuditEntry.action == "cases:document:read")).all()
        timeline = queries.list_timeline(session, cast.judge, case_no, now_ms=store.clock.now_ms())
    assert (row.actor, row.case_no, row.purpose) == ("user:judge", case_no, "办理案件")
    assert timeline[0].kind == "document_added"


def test_a_named_paper_has_no_file(add, read, folder):
    document = add(data=None, kind="debtor_search")
    assert document.title == "查找被执行人记录"
    assert files_in(folder) == []
    with pytest.raises(documents.DocumentNameOnlyError):
        read(document)


@pytest.mark.parametrize("change", ["flip", "cut", "swap", "gone"])
def test_an_altered_file_is_not_shown(add, read, folder, change):
    document, other = add(), add(PDF + b"other")
    path = documents.path_of(folder.parent, document.id)
    raw = bytearray(path.read_bytes())
    if change == "flip":
        raw[40] ^= 1
        path.write_bytes(raw)
    elif change == "cut":
        path.write_bytes(raw[:-1])
    elif change == "swap":
        path.write_bytes(documents.path_of(folder.parent, other.id).read_bytes())
    else:
        path.unlink()
    with pytest.raises(documents.DocumentDamagedError):
        read(document)


def test_without_the_keyring_nothing_opens(add, read, tmp_path):
    document = add()
    with pytest.raises(SealBrokenError):
        read(document, ring=load_keyring(tmp_path / "other"))


def test_withdrawing_keeps_the_paper_readable(store, cast, case_no, add, read):
    document = add()
    with pytest.raises(rules.TextMissingError), store.write() as uow:
        cases.withdraw_document(uow, cast.clerk, case_no, document.id, " ")
    with store.write() as uow:
        cases.withdraw_document(uow, cast.clerk, case_no, document.id, "录错案件")
    assert read(document)[1] == PDF
    with pytest.raises(documents.DocumentWithdrawnError), store.write() as uow:
        cases.withdraw_document(uow, cast.clerk, case_no, document.id, "再次")
    with pytest.raises(NotFoundError), store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "notice", done_on=TODAY, document_id=document.id)


@pytest.mark.parametrize(
    ("data", "meta", "error"),
    [
        (b"x" * 100_001, {}, documents.DocumentTooBigError),
        (b"MZ\x00", {}, MediaUnknownError),
        (PDF, {"kind": "siesta"}, InvalidInputError),
        (PDF, {"title": "长" * 201}, rules.TextTooLongError),
        (PDF, {"made_on": TODAY + timedelta(days=1)}, rules.DayError),
    ],
)
def test_what_cannot_be_kept_leaves_nothing(store, add, folder, data, meta, error):
    with pytest.raises(error):
        add(data, **meta)
    assert files_in(folder) == []
    with store.read() as session:
        assert session.exec(select(CaseDocument)).all() == []


def test_a_full_disk_is_told_and_leaves_nothing(store, add, folder, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(documents.DocumentStoreFullError, match="is full; nothing was kept"):
        add()
    assert files_in(folder) == []


def test_a_folder_that_cannot_be_written_is_told(add, folder):
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    with pytest.raises(documents.DocumentStoreFullError, match="Ask the administrator"):
        add()


def test_who_may_add_and_read(store, cast, add, read):
    for person in ("judge2", "chief", "president", "supervisor", "upper_chief"):
        with pytest.raises(ForbiddenError):
            add(actor=getattr(cast, person))
    document = add(actor=cast.judge)
    assert read(document, cast.supervisor)[1] == PDF
    for person in ("neighbour", "police", "admin"):
        with pytest.raises((NotFoundError, ForbiddenError)):
            read(document, getattr(cast, person))


def test_files_without_a_row_are_swept_after_a_day(store, add, folder, settings):
    kept = documents.path_of(folder.parent, add().id)
    orphan, fresh = kept.with_name("0" * 32), kept.with_name(".half.written")
    orphan.write_bytes(b"x")
    fresh.write_bytes(b"x")
    turn_ms = int(kept.parent.name, 16) * 60_000  # the minute whose turn this folder is
    now_ms = 1_800_000_000_000 // (256 * 60_000) * (256 * 60_000) + turn_ms
    for path, age_s in ((kept, documents.SWEEP_AGE_S + 1), (orphan, documents.SWEEP_AGE_S + 1), (fresh, 1)):
        os.utime(path, (now_ms / 1000 - age_s,) * 2)
    with store.read() as session:
        assert cases.sweep_documents(session, settings, now_ms=now_ms + 60_000) == 0
        assert cases.sweep_documents(session, settings, now_ms=now_ms) == 1
    assert files_in(folder) == sorted([kept, fresh])


def test_a_paper_can_be_dated_in_the_past(add):
    assert add(made_on=date(2020, 1, 1)).made_on == date(2020, 1, 1)
