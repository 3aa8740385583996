import sqlite3
import threading

import pytest

from central.audit import queries, rules
from central.audit import service as audit
from central.base.errors import InvalidInputError


def append(store, count=1, **overrides):
    for number in range(count):
        with store.write() as uow:
            values = {
                "actor": "user:zhiban",
                "court_code": "云2901",
                "action": "evidence:recording:play",
                "subject": f"recording {number}",
                "purpose": "核对",
                "detail": {"分钟": number, "ok": True},
            }
            audit.append(uow, **{**values, **overrides})


def tamper(database, *statements):
    connection = sqlite3.connect(database)
    connection.executescript("DROP TRIGGER audit_entry_no_update; DROP TRIGGER audit_entry_no_delete;")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def verify(store, **arguments):
    with store.read() as session:
        return queries.verify_chain(session, **arguments)


def test_an_untouched_chain_holds(store):
    assert verify(store) == (0, rules.GENESIS_HASH)
    append(store, 5)
    count, head = verify(store)
    assert (count, len(head)) == (5, 32)
    assert verify(store, expected=(count, head)) == (count, head)


@pytest.mark.parametrize(
    ("statement", "first_broken"),
    [
        ("UPDATE audit_entry SET actor = 'user:mallory' WHERE seq = 3", 3),
        ("UPDATE audit_entry SET at_ms = at_ms + 1 WHERE seq = 1", 1),
        ("UPDATE audit_entry SET court_code = '云2922' WHERE seq = 2", 2),
        ("UPDATE audit_entry SET subject = 'x' WHERE seq = 4", 4),
        ("UPDATE audit_entry SET purpose = '' WHERE seq = 5", 5),
        ("UPDATE audit_entry SET action = 'a:b:c' WHERE seq = 5", 5),
        ("""UPDATE audit_entry SET detail = '{"ok": true}' WHERE seq = 2""", 2),
        ("UPDATE audit_entry SET prev_hash = zeroblob(32) WHERE seq = 4", 4),
        ("DELETE FROM audit_entry WHERE seq = 3", 3),
        ("DELETE FROM audit_entry WHERE seq = 1", 1),
    ],
)
def test_the_first_broken_row_is_named(store, database, statement, first_broken):
    append(store, 6)
    tamper(database, statement)
    with pytest.raises(rules.AuditBrokenError) as caught:
        verify(store)
    assert caught.value.params == {"seq": first_broken}


def test_swapped_rows_are_found(store, database):
    append(store, 4)
    tamper(
        database,
        "UPDATE audit_entry SET seq = 99 WHERE seq = 2",
        "UPDATE audit_entry SET seq = 2 WHERE seq = 3",
        "UPDATE audit_entry SET seq = 3 WHERE seq = 99",
    )
    with pytest.raises(rules.AuditBrokenError) as caught:
        verify(store)
    assert caught.value.params == {"seq": 2}


def test_a_cut_tail_shows_against_a_head_kept_elsewhere(store, database):
    append(store, 4)
    kept = verify(store)
    tamper(database, "DELETE FROM audit_entry WHERE seq = 4")
    assert verify(store)[0] == 3
    with pytest.raises(rules.AuditBrokenError) as caught:
        verify(store, expected=kept)
    assert caught.value.params == {"seq": 4}
    append(store, 1, actor="user:mallory")
    with pytest.raises(rules.AuditBrokenError, match="differs from the head"):
        verify(store, expected=kept)


def test_writers_at_once_make_one_line(store):
    threads = [threading.Thread(target=append, args=(store, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(store)[0] == 40


def test_a_rolled_back_act_leaves_no_hole(store):
    append(store)
    with pytest.raises(RuntimeError), store.write() as uow:
        audit.append(uow, actor="a", court_code="", action="a:b:c", subject="x")
        raise RuntimeError
    append(store)
    assert verify(store)[0] == 2


def test_an_action_of_another_form_is_refused(store):
    with pytest.raises(InvalidInputError, match="room:subject:verb"), store.write() as uow:
        audit.append(uow, actor="a", court_code="", action="played it", subject="x")


def test_reading_narrows_by_court_and_pages(store):
    append(store, 3)
    append(store, 2, court_code="云2922")
    with store.read() as session:
        assert len(queries.list_entries(session, court_prefix="云29")) == 5
        own = queries.list_entries(session, court_prefix="云2922", limit=1)
        assert [entry.seq for entry in own] == [5]
        older = queries.list_entries(session, court_prefix="云2922", before_seq=own[0].seq)
        assert [entry.seq for entry in older] == [4]
        assert queries.list_entries(session, court_prefix="%") == []
        assert len(queries.list_entries(session, court_prefix="云", subject="recording 1")) == 2
        assert queries.list_entries(session, court_prefix="云", action_prefix="courts:") == []
        assert queries.count_entries(session) == 5


def test_a_row_forged_with_its_own_right_hash_breaks_the_next(store, database):
    append(store, 4)
    with store.read() as session:
        row = queries.list_entries(session, court_prefix="云", limit=3)[1]
        row.actor = "user:mallory"
        forged = queries.hash_of(row)
    tamper(database, f"UPDATE audit_entry SET actor = 'user:mallory', hash = x'{forged.hex()}' WHERE seq = {row.seq}")
    with pytest.raises(rules.AuditBrokenError) as caught:
        verify(store)
    assert caught.value.params == {"seq": row.seq + 1}
