"""Keys of sealed fields rotate beside running processes, and whatever moment the walk is killed at."""

from __future__ import annotations

import base64
import multiprocessing
import os
import signal

import pytest
from sqlalchemy import insert, select

from central.base import db
from central.base import keyring as keyrings
from central.base.keyring import SealBrokenError, key_number, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases.models import CaseDocument, Party
from central.command import foreign_rules
from central.command.foreign_models import Camera, SessionOutlet
from central.flows import rekeying
from central.imports import files
from central.people.models import Ceremony, User
from tests.central.flows.session_rows import ADDRESS, SECRET, add_session
from tests.fakes.clocks import FakeClock

pytestmark = pytest.mark.both_databases
PARTIES = 12
WITHOUT_ID = 5
OTHERS = 6  # values sealed outside the parties


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path / "keys"))


@pytest.fixture
def keyring(settings, tmp_path):
    return load_keyring(tmp_path / "keys")


@pytest.fixture
def sealed_rows(store, settings, keyring, kit):
    """Parties (one without a number), a document, a user with TOTP, an enrolment, a camera, an outlet, an upload."""
    with store.write() as uow:
        add_session(uow, keyring, kit.kit_no)
        uow.connection.execute(insert(Party), [party(keyring, number) for number in range(1, PARTIES + 1)])
        user = {
            "login": "a",
            "name": "样例",
            "role": "judge",
            "court_code": "云29",
            "password_hash": "",
            "created_ms": 1,
        }
        user |= {"totp_cipher": keyring.seal("user_account.totp", "u1", "SECRET"), "totp_step": 0, "version": 1}
        uow.session.add(User(id="u1", **user))
        uow.session.flush()
        waiting = base64.b64encode(keyring.seal("user_account.totp", "u1", "WAITING")).decode()
        uow.session.add(Ceremony(id="c1", kind="totp", user_id="u1", state={"sealed": waiting}, expires_ms=1 << 50))
        uow.session.add(Ceremony(id="c2", kind="oidc", state={"nonce": "x"}, expires_ms=1 << 50))
        paper = {"case_id": 1, "kind": "basis", "title": "样例", "added_by": "a", "added_ms": 1}
        uow.session.add(
            CaseDocument(id="d1", key_cipher=keyring.seal("case_document.key_cipher", "d1", "77"), **paper)
        )
    return files.receive(settings, keyring, [b"case_no\n", b"x"])


def party(keyring, number):
    clear = f"id {number}"
    has_id = number != WITHOUT_ID
    return {
        "party_id": number, "case_id": 1, "court_code": "云29", "filed_day": 1, "position": number,
        "role": "executee", "kind": "natural", "name": "样例甲", "id_kind": "other",
        "id_cipher": keyring.seal("party.id", number, clear) if has_id else None,
        "id_index": keyring.blind_index("party.id", clear) if has_id else None,
        "private_cipher": keyring.seal("party.private", number, f"private {number}"),
    }  # fmt: skip


def rotate(store, settings, **more):
    return rekeying.rotate_keys(store, settings, by="system:cli:test", settle_s=0, **more)


def check_all(store, settings, upload):
    """Everything opens and every number is found; returns the numbers of the keys in use."""
    keyring = load_keyring_of(settings)
    numbers = set()
    with store.read() as session:
        rows = session.connection().execute(select(Party.__table__)).all()
        assert len(rows) == PARTIES
        for row in rows:
            assert keyring.open("party.private", row.party_id, row.private_cipher) == f"private {row.party_id}"
            numbers.add(key_number(row.private_cipher))
            if row.party_id == WITHOUT_ID:
                assert (row.id_cipher, row.id_index) == (None, None)
                continue
            clear = f"id {row.party_id}"
            assert keyring.open("party.id", row.party_id, row.id_cipher) == clear
            assert row.id_index in keyring.blind_indexes("party.id", clear)
            numbers.add(key_number(row.id_cipher))
        user, paper, ceremony = session.get(User, "u1"), session.get(CaseDocument, "d1"), session.get(Ceremony, "c1")
        camera, outlet = session.get(Camera, "ca1"), session.get(SessionOutlet, "ou1")
        waiting = base64.b64decode(ceremony.state["sealed"])
    assert keyring.open(foreign_rules.ADDRESS_FIELD, "ca1", camera.address_cipher) == ADDRESS
    assert keyring.open(foreign_rules.SECRET_FIELD, "ou1", outlet.secret_cipher) == SECRET
    assert keyring.open("user_account.totp", "u1", user.totp_cipher) == "SECRET"
    assert keyring.open("user_account.totp", "u1", waiting) == "WAITING"
    assert keyring.open("case_document.key_cipher", "d1", paper.key_cipher) == "77"
    with files.open_sealed(settings, keyring, upload.file_id) as file:
        assert file.read() == b"case_no\nx"
    others = (user.totp_cipher, paper.key_cipher, waiting, camera.address_cipher, outlet.secret_cipher)
    return numbers | {key_number(sealed) for sealed in others}


def load_keyring_of(settings):
    from pathlib import Path

    return load_keyring(Path(settings.keys_dir))


@pytest.fixture(autouse=True)
def small_bites(monkeypatch):
    monkeypatch.setattr(rekeying, "BITE", 5)


def test_everything_is_sealed_and_indexed_anew_and_the_old_keys_go(store, settings, keyring, sealed_rows):
    told = []
    rotation = rotate(store, settings, tell=told.append)
    assert (rotation.resealed, rotation.retired) == (2 * PARTIES - 1 + OTHERS, [1])
    assert check_all(store, settings, sealed_rows) == {2}
    assert (keyring.newest, keyring.sealing_numbers, len(keyring.blind_indexes("party.id", "x"))) == (2, [2], 1)
    assert told[0] == "keys: number 2 seals from now on"
    assert rotate(store, settings).retired == [2]
    assert check_all(store, settings, sealed_rows) == {3}
    with store.read() as session:
        from central.audit import queries

        acts = queries.list_entries(session, court_prefix="", action_prefix="base:keyring")
        assert [act.action.rpartition(":")[2] for act in acts] == ["finish", "begin", "finish", "begin"]
        assert acts[0].detail == {"newest": 3, "resealed": 2 * PARTIES - 1 + OTHERS, "retired": [2]}


def test_an_empty_database_gets_new_keys(store, settings, keyring):
    assert rotate(store, settings).retired == [1]
    assert keyring.newest == 2


def test_a_process_at_work_goes_on_while_keys_rotate(store, settings, keyring, sealed_rows):
    """What it had sealed just before and commits only then is found by the second walk."""
    late = party(keyring, PARTIES + 1)

    def commit_late(_seconds):
        with store.write() as uow:
            uow.connection.execute(insert(Party), [late, party(keyring, PARTIES + 2)])

    rotation = rekeying.rotate_keys(store, settings, by="system:cli:test", settle_s=3600, sleep=commit_late)
    assert rotation.resealed == 2 * PARTIES - 1 + OTHERS + 2
    with store.read() as session:
        for number in (PARTIES + 1, PARTIES + 2):
            row = session.get(Party, number)
            assert keyring.open("party.id", number, row.id_cipher) == f"id {number}"
            assert row.id_index == keyring.blind_index("party.id", f"id {number}")


def test_keys_in_use_to_the_end_stay(store, settings, keyring, sealed_rows, monkeypatch):
    real = rekeying._walk
    walks = []

    def walk_then_old(*arguments):
        walks.append(1)
        done = real(*arguments)
        if len(walks) == 2:  # something of the old key comes after the last walk
            with store.write() as uow:
                uow.session.get(User, "u1").totp_cipher = old
        return done

    old = keyring.seal("user_account.totp", "u1", "SECRET")
    monkeypatch.setattr(rekeying, "_walk", walk_then_old)
    with pytest.raises(rekeying.KeysInUseError, match="1 values are still sealed"):
        rotate(store, settings)
    assert keyring.sealing_numbers == [1, 2]
    assert rotate(store, settings).retired == [1]
    assert check_all(store, settings, sealed_rows) == {2}


def test_an_altered_value_stops_the_walk_and_no_key_goes(store, settings, keyring, sealed_rows):
    with store.write() as uow:
        uow.session.get(Party, 3).id_cipher = keyring.seal("party.id", 4, "id 4")
    with pytest.raises(SealBrokenError, match="row 3 was altered"):
        rotate(store, settings)
    assert keyring.sealing_numbers == [1, 2]


def _rotate_and_die(url: str, settings: Settings, at_step: int) -> None:
    """Rotate, and kill -9 this very process at the given step."""
    rekeying.BITE = 5
    step = 0

    def dying(real):
        def act(*arguments, **named):
            nonlocal step
            for moment in ("before", "after"):
                if step == at_step:
                    os.kill(os.getpid(), signal.SIGKILL)
                step += 1
                if moment == "before":
                    result = real(*arguments, **named)
            return result

        return act

    keyrings._write_draft = dying(keyrings._write_draft)
    keyrings._replace = dying(keyrings._replace)
    rekeying._reseal = dying(rekeying._reseal)
    files.reseal_head = dying(files.reseal_head)
    store = Store(db.create_engine(url), FakeClock())
    rotate(store, settings)
    store.close()


def test_killed_at_any_step_nothing_is_lost_and_it_goes_on(
    backend, database_url, store, settings, keyring, sealed_rows
):
    context = multiprocessing.get_context("spawn")
    killed = 0
    for at_step in range(1, 100, 3 if backend == "sqlite" else 9):
        process = context.Process(target=_rotate_and_die, args=(database_url, settings, at_step))
        process.start()
        process.join()
        check_all(store, settings, sealed_rows)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        rotate(store, settings)
        assert check_all(store, settings, sealed_rows) == {keyring.newest}
        assert len(keyring.sealing_numbers) == 1
    assert killed >= (8 if backend == "sqlite" else 3)
