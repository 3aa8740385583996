"""A database as release 0.1.0 left it (revision 0002), brought to the newest revision and back."""

from __future__ import annotations

import hashlib
import json

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from central.audit import queries as audit_queries
from central.audit import service as audit
from central.base import db, schema
from central.base.keyring import load_keyring
from central.base.unit_of_work import Store
from central.incidents.models import AlarmRecord
from tests.central.flows.session_rows import TABLES, add_session
from tests.fakes.clocks import START_MS, FakeClock

pytestmark = pytest.mark.both_databases

COURTS = [
    ("云", None, "high", "云南省高级人民法院", "530000", 25.03, 102.7),
    ("云29", "云", "intermediate", "大理白族自治州中级人民法院", "532900", 25.6, 100.22),
    ("云2901", "云29", "basic", "大理市人民法院", "532901", 25.59, 100.23),
]
USERS = [("u1", "guanli", "administrator"), ("u2", "zhiban", "duty_operator"), ("u3", "faguan", "judge")]
ACTS = [
    ("user:guanli", "云29", "people:user:add", "zhiban", "", {"role": "duty_operator"}),
    ("user:zhiban", "云2901", "evidence:segment:play", "录像一", "核对现场", {"段": [1, 2], "ok": True, "x": None}),
    ("system:housekeeping", "", "devices:position:prune", "trail", "", {}),
]
LATER_TABLES = ("enforcement_case", "party", "passkey", "import_job", "audit_head")


@pytest.fixture
def old_url(backend, tmp_path, request):
    """Address of a database at revision 0002 with the rows above, written as that release wrote them."""
    is_postgres = backend == "postgresql"
    url = request.getfixturevalue("empty_pg_url") if is_postgres else f"sqlite:///{tmp_path / 'centre.db'}"
    command.upgrade(schema.alembic_config(url), "0002")
    engine = db.create_engine(url)
    with engine.begin() as connection:
        for code, parent, level, name, division, lat, lon in COURTS:
            connection.execute(
                text(
                    "INSERT INTO court VALUES (:code, :parent, :level, :name, :name, :name, :name, :div, :lat, :lon)"
                ),
                {
                    "code": code,
                    "parent": parent,
                    "level": level,
                    "name": name,
                    "div": division,
                    "lat": lat,
                    "lon": lon,
                },
            )
        for user_id, login, role in USERS:
            connection.execute(
                text("INSERT INTO user_account VALUES (:id, :login, '样例', :role, '云29', 'hash', NULL, :at)"),
                {"id": user_id, "login": login, "role": role, "at": START_MS - 5},
            )
        connection.execute(text("INSERT INTO login_session VALUES ('t', 'u2', 1, 1, 1, NULL, '')"))
        for row in chain_of_release_0_1_0():
            connection.execute(
                text(
                    "INSERT INTO audit_entry VALUES "
                    "(:seq, :at_ms, :actor, :court, :action, :subject, :purpose, :detail, :prev, :hash)"
                ),
                row,
            )
    engine.dispose()
    return url


def chain_of_release_0_1_0():
    """Rows hashed by the rule of release 0.1.0, told here once more so that the code cannot move it."""
    previous = bytes(32)
    for number, (actor, court, action, subject, purpose, detail) in enumerate(ACTS, 1):
        row = [number, START_MS, actor, court, action, subject, purpose, detail]
        body = json.dumps(row, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        own = hashlib.sha256(b"zhixing audit v1\n" + previous + body).digest()
        yield {
            "seq": number, "at_ms": START_MS, "actor": actor, "court": court, "action": action, "subject": subject,
            "purpose": purpose, "detail": json.dumps(detail), "prev": previous, "hash": own,
        }  # fmt: skip
        previous = own


@pytest.fixture
def read(old_url):
    engine = db.create_engine(old_url)

    def ask(query):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    yield ask
    engine.dispose()


def test_everything_is_there_after_the_upgrade(old_url, read):
    schema.migrate_url(old_url)
    assert read("SELECT code, parent_code, name_zh, lat, version FROM court ORDER BY code") == [
        (code, parent, name, lat, 1) for code, parent, _level, name, _division, lat, _lon in COURTS
    ]
    assert read("SELECT id, login, role, admitted_ms, admitted_by FROM user_account ORDER BY id") == [
        ("u1", "guanli", "system_admin", START_MS - 5, "system:migration"),
        ("u2", "zhiban", "duty_operator", START_MS - 5, "system:migration"),
        ("u3", "faguan", "judge", START_MS - 5, "system:migration"),
    ]
    assert read("SELECT token_hash, stage, method, proven_ms FROM login_session") == [("t", "full", "password", 0)]
    assert read("SELECT seq, case_no, form FROM audit_entry ORDER BY seq") == [(1, "", 1), (2, "", 1), (3, "", 1)]


def test_seats_and_names_have_a_history_from_the_upgrade_on(old_url, read):
    schema.migrate_url(old_url)
    assert read("SELECT court_code, lat, lon, from_ms, until_ms FROM court_seat ORDER BY court_code") == [
        (code, lat, lon, 0, None) for code, _parent, _level, _name, _division, lat, lon in COURTS
    ]
    assert read("SELECT court_code, name_zh, division, from_ms FROM court_name ORDER BY court_code") == [
        (code, name, division, 0) for code, _parent, _level, name, division, _lat, _lon in COURTS
    ]


def test_the_old_chain_verifies_and_goes_on(old_url):
    schema.migrate_url(old_url)
    store = Store(db.create_engine(old_url), FakeClock())
    with store.read() as session:
        count, head = audit_queries.verify_chain(session)
    assert (count, head) == (3, list(chain_of_release_0_1_0())[-1]["hash"])
    with store.write() as uow:
        new = audit.append(
            uow,
            actor="user:faguan",
            court_code="云29",
            action="cases:case:look",
            subject="x",
            case_no="（2026）云29执1号",
        )
        assert (new.seq, new.prev_hash) == (4, head)
    with store.read() as session:
        assert audit_queries.verify_chain(session)[0] == 4
    store.close()


def test_the_audit_rows_stay_guarded(old_url):
    schema.migrate_url(old_url)
    store = Store(db.create_engine(old_url), FakeClock())
    with pytest.raises(DBAPIError, match="never changed or deleted"), store.write() as uow:
        uow.connection.exec_driver_sql("UPDATE audit_entry SET case_no = 'x'")
    store.close()


def test_the_upgrade_can_be_taken_back(old_url, read):
    before = {name: read(f"SELECT * FROM {name} ORDER BY 1") for name in ("court", "user_account", "login_session")}
    schema.migrate_url(old_url)
    command.downgrade(schema.alembic_config(old_url), "0002")
    assert {name: read(f"SELECT * FROM {name} ORDER BY 1") for name in before} == before
    assert [row[-1] for row in read("SELECT seq, hash FROM audit_entry ORDER BY seq")] == [
        row["hash"] for row in chain_of_release_0_1_0()
    ]
    for name in LATER_TABLES:
        with pytest.raises(DBAPIError):
            read(f"SELECT * FROM {name}")
    schema.migrate_url(old_url)
    assert read("SELECT role FROM user_account WHERE id = 'u1'") == [("system_admin",)]


def test_remote_command_can_be_taken_back_with_rows_in_it(store, database_url, kit, tmp_path):
    """Release 0.3.0 runs on what is left: its alarms stay, those it does not know go; the upgrade works again."""
    keyring = load_keyring(tmp_path / "keys")
    with store.write() as uow:
        add_session(uow, keyring, kit.kit_no)
        for kind in ("sos", "watch_me", "watch_me_withdrawn"):
            alarm = {"alarm_id": "a1", "kind": kind, "court_code": "云2901", "received_ms": 1}
            uow.session.add(AlarmRecord(kit_no=kit.kit_no, pressed_ms=1, boot_ms=1, **alarm))
    store.close()
    command.downgrade(schema.alembic_config(database_url), "0004")
    engine = db.create_engine(database_url)
    with engine.connect() as connection:
        assert not set(TABLES) & set(inspect(connection).get_table_names())
        assert list(connection.execute(text("SELECT kind FROM alarm")).scalars()) == ["sos"]
    engine.dispose()
    schema.migrate_url(database_url)
    again = Store(db.create_engine(database_url), FakeClock())
    with again.write() as uow:
        add_session(uow, keyring, kit.kit_no)
    again.close()
