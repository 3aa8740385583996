"""Backups are made by restoring them: every table, every file, either database, and everything that can go wrong."""

from __future__ import annotations

import gzip
import io
import json
import resource
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import insert, text

from central.audit.rules import AuditBrokenError
from central.base import archive, db, dump, schema
from central.base.errors import NotFoundError
from central.base.ids import new_id
from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases.models import EnforcementCase, Party
from central.flows import backup, restore
from central.people.models import User
from contract import envelope
from contract.trust import TrustList, sign_trust_list
from tests.central.audit.tampering import append, rows_of, tamper
from tests.central.flows.session_rows import ADDRESS, SECRET, TABLES, add_session
from tests.central.sync.pki import Pki
from tests.fakes.clocks import FakeClock

pytestmark = pytest.mark.both_databases
PKI = Pki()
PARTIES = 2500
AUDITED = 6  # five acts, and the register of kits
ID_NO = "999999199001010014"


@pytest.fixture
def escrow():
    return X25519PrivateKey.generate()


@pytest.fixture
def settings(tmp_path, database_url, escrow):
    """A centre with its keys, papers and recordings."""
    own = X25519PrivateKey.generate()
    keys, handover, data = tmp_path / "keys", tmp_path / "handover", tmp_path / "data"
    PKI.write_centre_keys(keys)
    (keys / "centre.age").write_text(envelope.identity_to_text(own) + "\n")
    handover.mkdir()
    recipients = [envelope.recipient_to_text(key.public_key()) for key in (own, escrow)]
    trust = TrustList(epoch=1, issued_ms=1, recipients=recipients, receipt_keys=[])
    (handover / "trust.cbor").write_bytes(sign_trust_list(PKI.root.key, trust))
    for name, content in FILES.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    return Settings(data_dir=str(data), keys_dir=str(keys), handover_dir=str(handover), database_url=database_url)


FILES = {
    "documents/ab/abcdef": b"\x01" + bytes(range(256)) * 5000,
    "documents/cd/empty": b"",
    "documents/.half": b"still being written",
    "evidence/rec1/000001.age": b"age-encryption.org/v1 sealed",
    "evidence/incoming/draft": b"still arriving",
    "session_records/ses1/000001.age": b"age-encryption.org/v1 of a session",
    "session_records/ses1/.000002.age.draft": b"still being written",
}
FOUND = {"documents": 2, "logs": 0, "evidence": 1, "session_records": 1}


@pytest.fixture
def filled(store, settings, kit):
    """Rows of every kind of column, more parties than one read fetches."""
    keyring = load_keyring(Path(settings.keys_dir))
    with store.write() as uow:
        uow.session.add(
            User(
                id="u1", login="a", name="样例", role="judge", court_code="云29", password_hash="x",
                created_ms=1 << 40, must_change_password=True, recovery_hashes=["汉", 'q"'], totp_cipher=b"\0\xff",
            )
        )  # fmt: skip
        uow.session.flush()
        uow.session.add(EnforcementCase(**case(), handler_id="u1"))
        uow.connection.execute(insert(Party), [party(keyring, number) for number in range(1, PARTIES + 1)])
        add_session(uow, keyring, kit.kit_no)
        for number in range(3):
            uow.emit("kit_changed", "云2901", {"n": number, "空": None, "x": 1.5})
    append(store, 5)
    with store.write() as uow:  # the newest number went; it must not come back
        uow.connection.execute(text("DELETE FROM outbox WHERE id = 5"))
    return store


def case():
    from datetime import date

    return {
        "case_no": "（2026）云2901执1号", "court_code": "云2901", "type_code": "执", "year": 2026, "seq": 1,
        "state": "filed", "filed_on": date(2026, 2, 28), "filed_day": 1, "is_flagged": True, "created_ms": 1,
        "changed_ms": 1,
    }  # fmt: skip


def party(keyring, number):
    return {
        "case_id": 1, "court_code": "云2901", "filed_day": 1, "position": number, "role": "executee",
        "kind": "natural", "name": f"样例{number}\t\\N\n", "id_cipher": keyring.seal("party.id", number, ID_NO),
        "id_index": keyring.blind_index("party.id", ID_NO),
    }  # fmt: skip


@pytest.fixture
def other_place(tmp_path, request):
    """Settings of an empty centre over a database of the kind asked for, with the keys the authority gave."""

    def make(kind):
        folder = tmp_path / f"other-{kind}-{new_id()[:6]}"
        (folder / "keys").mkdir(parents=True)
        for name in ("root.crt", "receipt.key", "centre.age"):
            if (tmp_path / "keys" / name).exists():
                (folder / "keys" / name).write_bytes((tmp_path / "keys" / name).read_bytes())
        url = request.getfixturevalue("empty_pg_url") if kind == "postgresql" else ""
        return Settings(data_dir=str(folder / "data"), keys_dir=str(folder / "keys"), database_url=url)

    return make


def everything_in(url):
    """Every row of every table, as it travels."""
    engine = db.create_engine(url)
    try:
        with engine.connect() as connection:
            return {
                table.name: (table.columns, sorted(rows_in(connection, table), key=repr))
                for table in dump.list_tables(connection)
            }
    finally:
        engine.dispose()


def rows_in(connection, table):
    for _count, part in dump.read_parts(connection, table):
        stream = io.BytesIO(gzip.decompress(part))
        while stream.tell() < len(stream.getvalue()):
            yield from cbor2.load(stream)


def back_up(store, settings, tmp_path, **more):
    target = tmp_path / "backup.tar"
    return target, backup.make_backup(store, settings, target, **more)


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_everything_comes_back_in_either_database(filled, settings, database_url, tmp_path, other_place, into):
    target, made = back_up(filled, settings, tmp_path, with_evidence=True)
    assert (made.has_keys, made.files) == (True, FOUND)
    assert (made.rows["party"], made.rows["court"] >= 14, made.rows["audit_entry"]) == (PARTIES, True, AUDITED)
    assert all(made.rows[name] for name in TABLES)
    place = other_place(into)
    done = restore.restore_backup(place, target)
    assert (done.rows, done.files, done.audit_rows, done.remark) == (made.rows, made.files, AUDITED, "")
    before, after = everything_in(database_url), everything_in(db.database_url(place))
    assert {name: sorted(columns) for name, (columns, _rows) in before.items()} == {
        name: sorted(columns) for name, (columns, _rows) in after.items()
    }
    assert before == after
    for name in (
        "documents/ab/abcdef",
        "documents/cd/empty",
        "evidence/rec1/000001.age",
        "session_records/ses1/000001.age",
    ):
        assert (Path(place.data_dir) / name).read_bytes() == FILES[name]
        assert (Path(place.data_dir) / name).stat().st_mode & 0o077 == 0
    assert not (Path(place.data_dir) / "documents/.half").exists()
    keyring = load_keyring(Path(place.keys_dir))
    store = Store(db.create_engine(db.database_url(place)), FakeClock())
    with store.read() as session:
        assert keyring.open("party.id", 7, session.get(Party, 7).id_cipher) == ID_NO
        assert session.get(User, "u1").recovery_hashes == ["汉", 'q"']
    with store.write() as uow:  # numbers go on where they were
        uow.emit("kit_changed", "云2901", {})
        uow.session.add(EnforcementCase(**{**case(), "case_no": "（2026）云2901执2号"}))
    with store.read() as session:
        assert session.connection().execute(text("SELECT max(id) FROM outbox")).scalar_one() == 6
        assert session.connection().execute(text("SELECT max(case_id) FROM enforcement_case")).scalar_one() == 2
    store.close()


def test_no_identity_number_and_no_key_stands_in_the_file(filled, settings, tmp_path):
    target, _made = back_up(filled, settings, tmp_path)
    keys = json.loads((Path(settings.keys_dir) / "fields.json").read_text())
    with tarfile.open(target) as tar:
        content = b"".join(tar.extractfile(member).read() for member in tar)
        parts = [gzip.decompress(tar.extractfile(m).read()) for m in tar if m.name.endswith(".gz")]
    for secret in (ID_NO, ADDRESS, SECRET, keys["sealing"]["1"], keys["index"]["1"]):
        assert secret.encode() not in content + b"".join(parts)
    assert target.stat().st_mode & 0o077 == 0


def test_the_keyring_opens_with_the_escrow_identity(filled, settings, tmp_path, escrow, other_place):
    target, _made = back_up(filled, settings, tmp_path)
    place = other_place("sqlite")
    (Path(place.keys_dir) / "centre.age").unlink()
    done = restore.restore_backup(place, target)
    assert "age -d -i IDENTITY" in done.remark
    sealed = (Path(place.keys_dir) / "fields.json.age").read_bytes()
    assert json.loads(envelope.open_bytes(sealed, [escrow])) == json.loads(
        (Path(settings.keys_dir) / "fields.json").read_text()
    )
    assert not (Path(place.keys_dir) / "fields.json").exists()


def test_without_a_recipient_the_keyring_is_left_out_and_that_is_said(filled, settings, tmp_path, other_place):
    (Path(settings.handover_dir) / "trust.cbor").unlink()
    target, made = back_up(filled, settings, tmp_path)
    assert not made.has_keys
    assert "NOT in this backup" in backup.KEYS_LEFT_OUT
    done = restore.restore_backup(other_place("sqlite"), target)
    assert done.remark.startswith("The backup holds no field keyring: put the saved fields.json into")


def test_a_keyring_that_is_there_stays_when_it_has_the_same_keys(filled, settings, tmp_path, other_place):
    target, _made = back_up(filled, settings, tmp_path)
    place = other_place("sqlite")
    load_keyring(Path(place.keys_dir))
    with pytest.raises(restore.RestoreTargetError, match="lacks keys of the backup"):
        restore.restore_backup(place, target)
    own = (Path(settings.keys_dir) / "fields.json").read_bytes()
    (Path(place.keys_dir) / "fields.json").write_bytes(own)
    assert restore.restore_backup(place, target).remark == ""
    assert (Path(place.keys_dir) / "fields.json").read_bytes() == own


def test_a_backup_beside_a_busy_writer_is_of_one_moment(filled, settings, database_url, tmp_path, other_place):
    stop = threading.Event()

    def write():
        store = Store(db.create_engine(database_url), FakeClock())
        while not stop.is_set():
            with store.write() as uow:
                uow.emit("kit_changed", "云2901", {})
                uow.connection.execute(text("UPDATE court SET version = version + 1"))
            append(store, 1)
        store.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        target, made = back_up(filled, settings, tmp_path)
    finally:
        stop.set()
        writer.join()
    assert len(rows_of(filled)) > made.rows["audit_entry"]
    place = other_place("sqlite")
    restore.restore_backup(place, target)
    with db.create_engine(db.database_url(place)).connect() as connection:
        assert connection.execute(text("SELECT count(DISTINCT version) FROM court")).scalar_one() == 1
        connection.engine.dispose()


class TestRefusals:
    @pytest.mark.sqlite_only
    def test_a_flipped_byte_anywhere_is_refused_before_anything_is_written(
        self, filled, settings, tmp_path, other_place
    ):
        target, _made = back_up(filled, settings, tmp_path, with_evidence=True)
        clean = target.read_bytes()
        place = other_place("sqlite")
        with tarfile.open(target) as tar:
            spots = [(m.name, spot) for m in tar for spot in (m.offset, m.offset + 140, m.offset_data) if m.size]
        for name, spot in spots:
            target.write_bytes(clean[:spot] + bytes([clean[spot] ^ 1]) + clean[spot + 1 :])
            with pytest.raises(archive.ArchiveDamagedError, match="nothing was done"):
                restore.restore_backup(place, target)
            assert not Path(place.data_dir).exists(), (name, spot)

    @pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
    @pytest.mark.sqlite_only
    def test_a_file_cut_short_is_refused(self, filled, settings, tmp_path, other_place, share):
        target, _made = back_up(filled, settings, tmp_path)
        whole = target.read_bytes()
        with tarfile.open(target) as tar:
            end = max(member.offset_data for member in tar)
        target.write_bytes(whole[: round(end * share)])
        with pytest.raises(archive.ArchiveDamagedError):
            restore.restore_backup(other_place("sqlite"), target)

    def test_a_target_that_holds_something_is_refused(self, filled, settings, tmp_path, other_place, backend):
        target, _made = back_up(filled, settings, tmp_path)
        with pytest.raises(restore.RestoreTargetError, match="is not empty: restore into a new one"):
            restore.restore_backup(settings, target)
        place = other_place(backend)
        paper = Path(place.data_dir) / "documents" / "aa" / "x"
        paper.parent.mkdir(parents=True)
        paper.write_text("precious")
        with pytest.raises(restore.RestoreTargetError, match="move it away"):
            restore.restore_backup(place, target)
        assert paper.read_text() == "precious"

    def test_a_chain_that_was_broken_before_the_backup_is_told_and_taken_back(
        self, filled, settings, tmp_path, other_place, backend
    ):
        tamper(filled, "UPDATE audit_entry SET actor = 'user:mallory' WHERE seq = 3")
        target, _made = back_up(filled, settings, tmp_path)
        place = other_place(backend)
        with pytest.raises(AuditBrokenError, match="row 3"):
            restore.restore_backup(place, target)
        assert everything_in(db.database_url(place)) == {}
        assert not (Path(place.data_dir) / "documents").exists()

    @pytest.mark.sqlite_only
    def test_a_backup_of_a_newer_release_is_refused(self, filled, settings, tmp_path, other_place):
        with filled.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        target, _made = back_up(filled, settings, tmp_path)
        with pytest.raises(restore.BackupUnknownError, match="newer release"):
            restore.restore_backup(other_place("sqlite"), target)

    @pytest.mark.sqlite_only
    def test_another_kind_of_archive_is_refused(self, tmp_path, other_place):
        path = tmp_path / "other.tar"
        with archive.open_archive(path) as writer:
            writer.close({"kind": "other", "v": 1})
        with pytest.raises(restore.BackupUnknownError, match="no backup"):
            restore.restore_backup(other_place("sqlite"), path)

    @pytest.mark.sqlite_only
    def test_a_file_that_is_there_is_never_replaced(self, filled, settings, tmp_path):
        (tmp_path / "backup.tar").write_text("precious")
        with pytest.raises(archive.ArchiveExistsError):
            back_up(filled, settings, tmp_path)
        assert (tmp_path / "backup.tar").read_text() == "precious"

    @pytest.mark.sqlite_only
    def test_nothing_is_no_backup(self, tmp_path):
        place = Settings(data_dir=str(tmp_path / "none"), keys_dir=str(tmp_path / "keys"))
        store = Store(db.create_engine(db.database_url(place)), FakeClock())
        with pytest.raises(NotFoundError, match="no database to back up"):
            backup.make_backup(store, place, tmp_path / "backup.tar")
        store.close()
        assert not (tmp_path / "backup.tar").exists()


LIMITED = """
import resource, sys
from pathlib import Path
from central.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def run_limited(size_bytes, *words):
    command = [sys.executable, "-c", LIMITED, str(size_bytes), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def write_config(path, settings):
    lines = [f"{name} = {json.dumps(value)}" for name, value in msgspec.to_builtins(settings).items() if value]
    path.write_text("\n".join(line for line in lines if not line.endswith(("true", "false"))), encoding="utf-8")
    return path


@pytest.mark.sqlite_only
def test_a_full_disk_leaves_no_half_backup_and_no_half_restore(filled, settings, tmp_path, other_place):
    config = write_config(tmp_path / "centre.toml", settings)
    target = tmp_path / "backups" / "backup.tar"
    target.parent.mkdir()
    done = run_limited(100_000, "--config", config, "backup", target)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"There is no room for {target}" in done.stderr
    assert list(target.parent.iterdir()) == []
    assert run_limited(resource.RLIM_INFINITY, "--config", config, "backup", target).returncode == 0
    assert [path.name for path in target.parent.iterdir()] == ["backup.tar"]
    place = other_place("sqlite")
    config = write_config(tmp_path / "other.toml", place)
    done = run_limited(400_000, "--config", config, "restore", target)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "There is no room for what the backup holds" in done.stderr
    assert [path for path in Path(place.data_dir).rglob("*") if path.is_file()] == []
    done = run_limited(resource.RLIM_INFINITY, "--config", config, "restore", target)
    assert done.stdout.splitlines()[-1].endswith(" audit rows verified"), done.stderr


def test_a_backup_of_an_older_schema_is_brought_up_to_date(tmp_path, backend, request, other_place, escrow):
    from alembic import command

    url = request.getfixturevalue("empty_pg_url") if backend == "postgresql" else f"sqlite:///{tmp_path / 'old.db'}"
    command.upgrade(schema.alembic_config(url), "0002")
    engine = db.create_engine(url)
    with engine.begin() as connection:
        for code, parent in (("云2901", "云29"), ("云29", "云"), ("云", None))[::-1]:
            connection.execute(
                text("INSERT INTO court VALUES (:code, :parent, 'basic', 'x', 'x', 'x', 'x', '5', 25.5, 100.5)"),
                {"code": code, "parent": parent},
            )
        connection.execute(
            text("INSERT INTO user_account VALUES ('u1', 'a', 'x', 'administrator', '云29', 'h', NULL, 5)")
        )
    PKI.write_centre_keys(tmp_path / "keys")
    (tmp_path / "keys" / "centre.age").write_text(envelope.identity_to_text(escrow))
    place = Settings(data_dir=str(tmp_path / "d"), keys_dir=str(tmp_path / "keys"), database_url=url)
    store = Store(engine, FakeClock())
    target, made = back_up(store, place, tmp_path)
    store.close()
    assert made.manifest["revision"] == "0002"
    new = other_place("sqlite")
    assert restore.restore_backup(new, target).revision != "0002"
    store = Store(db.create_engine(db.database_url(new)), FakeClock())
    with store.read() as session:
        assert session.get(User, "u1").role == "system_admin"
        assert session.connection().execute(text("SELECT count(*) FROM court_seat")).scalar_one() == 3
    store.close()
