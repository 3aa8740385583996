"""Logs of kits: who asks, who reads, what is audited, when they go."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.courts.permissions import Actor
from central.devices import logs
from central.devices.logs import LogGoneError, LogNotAskedError, LogShelf, LogUnreadableError
from central.devices.models import MailboxEntry
from central.devices.rules import DAY_MS
from contract import envelope

pytestmark = pytest.mark.both_databases

KIT = "dl-2901-01"
ADMIN = Actor("1", "guanli", "样例管理员", "system_admin", "云29")


@pytest.fixture
def identity():
    return X25519PrivateKey.generate()


@pytest.fixture
def shelf(tmp_path):
    return LogShelf(tmp_path / "data")


def bring(store, shelf, kit, number, tmp_path: Path, identity, clear=b"PK-specimen"):
    source = tmp_path / "part"
    source.write_bytes(envelope.seal(clear, [identity.public_key()]))
    digest = hashlib.sha256(source.read_bytes()).digest()
    return logs.keep_log(store, shelf, kit, number, source=source, digest=digest), digest


def ask(store, actor=ADMIN, kit_id=KIT, reason="样例：录像程序反复重启", hours=24):
    with store.write() as uow:
        return logs.request_logs(uow, actor, kit_id, reason=reason, hours=hours).number


def test_asked_brought_read_and_all_of_it_audited(store, kits, shelf, tmp_path, identity):
    number = ask(store)
    with store.read() as session:
        entry = session.exec(select(MailboxEntry)).one()
    assert (entry.kind, entry.number) == ("logs", number)
    assert entry.body == {"reason": "样例：录像程序反复重启", "hours": 24, "by": "样例管理员"}
    is_new, digest = bring(store, shelf, kits[KIT], number, tmp_path, identity)
    assert is_new
    assert bring_again(store, shelf, kits[KIT], number, tmp_path, digest) is False
    with store.write() as uow:
        clear = logs.open_log(uow, ADMIN, KIT, number, shelf=shelf, identity=identity)
    assert clear == b"PK-specimen"
    with store.read() as session:
        told = [(row.actor, row.action, row.purpose) for row in session.exec(select(AuditEntry))]
    assert told[-3:] == [
        ("user:guanli", "devices:logs:request", "样例：录像程序反复重启"),
        (f"kit:{KIT}", "devices:logs:bring", ""),
        ("user:guanli", "devices:logs:read", "样例：录像程序反复重启"),
    ]


def bring_again(store, shelf, kit, number, tmp_path, digest):
    (tmp_path / "part").write_bytes(b"whatever")
    return logs.keep_log(store, shelf, kit, number, source=tmp_path / "part", digest=digest)


def test_what_nobody_asked_for_is_not_taken(store, kits, shelf, tmp_path, identity):
    number = ask(store)
    with pytest.raises(LogNotAskedError):
        bring(store, shelf, kits[KIT], number + 1, tmp_path, identity)
    with pytest.raises(LogNotAskedError):
        bring(store, shelf, kits["yb-2922-01"], number, tmp_path, identity)
    bring(store, shelf, kits[KIT], number, tmp_path, identity)
    with pytest.raises(LogNotAskedError):
        bring(store, shelf, kits[KIT], number, tmp_path, identity, clear=b"another file")
    assert shelf.path_of(kits[KIT].kit_no, number).exists()


def test_who_may_not(store, kits, shelf, identity):
    number = ask(store)
    commander = Actor("2", "zhihui", "样例指挥长", "commander", "云29")
    elsewhere = Actor("3", "b", "样例管理员乙", "system_admin", "云2922")
    with pytest.raises(ForbiddenError):
        ask(store, commander)
    with pytest.raises(NotFoundError):
        ask(store, elsewhere)
    with store.write() as uow, pytest.raises(ForbiddenError):
        logs.open_log(uow, commander, KIT, number, shelf=shelf, identity=identity)
    with store.read() as session, pytest.raises(NotFoundError):
        logs.list_logs(session, elsewhere, KIT)


@pytest.mark.parametrize(("reason", "hours"), [("", 24), ("  ", 24), ("x" * 501, 24), ("样例", 0), ("样例", 169)])
def test_a_reason_and_hours_within_limits(store, kits, reason, hours):
    with pytest.raises(InvalidInputError):
        ask(store, reason=reason, hours=hours)


def test_they_go_when_their_time_is_over_and_the_asking_stays(store, kits, clock, shelf, tmp_path, identity):
    number = ask(store)
    bring(store, shelf, kits[KIT], number, tmp_path, identity)
    path = shelf.path_of(kits[KIT].kit_no, number)
    assert logs.remove_old_logs(store, shelf, before_ms=clock.now_ms()) == 0 and path.exists()
    clock.advance(ms=DAY_MS)
    assert logs.remove_old_logs(store, shelf, before_ms=clock.now_ms()) == 1 and not path.exists()
    assert logs.remove_old_logs(store, shelf, before_ms=clock.now_ms()) == 0
    with store.read() as session:
        (row,) = logs.list_logs(session, ADMIN, KIT)
    assert row.removed_ms == clock.now_ms() and row.reason
    with store.write() as uow, pytest.raises(LogGoneError):
        logs.open_log(uow, ADMIN, KIT, number, shelf=shelf, identity=identity)


def test_not_come_lost_from_the_disk_or_of_another_key(store, kits, shelf, tmp_path, identity):
    number = ask(store)
    with store.write() as uow, pytest.raises(LogGoneError):
        logs.open_log(uow, ADMIN, KIT, number, shelf=shelf, identity=identity)
    bring(store, shelf, kits[KIT], number, tmp_path, identity)
    with store.write() as uow, pytest.raises(LogUnreadableError):
        logs.open_log(uow, ADMIN, KIT, number, shelf=shelf, identity=X25519PrivateKey.generate())
    shelf.remove(kits[KIT].kit_no, number)
    with store.write() as uow, pytest.raises(LogGoneError):
        logs.open_log(uow, ADMIN, KIT, number, shelf=shelf, identity=identity)
