"""The chain itself: written by anybody at once, and broken in every way somebody with the database could."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from central.audit import queries, rules
from central.audit import service as audit
from central.audit.rules import Act
from central.base.errors import InvalidInputError
from tests.central.audit.tampering import append, rewrite, rows_of, tamper

pytestmark = pytest.mark.both_databases


def verify(store, **arguments):
    with store.read() as session:
        return queries.verify_chain(session, **arguments)


def findings(store, keys=(), **arguments):
    with store.read() as session:
        report = queries.check_chain(session, keys, **arguments)
    return [(found.kind, found.first, found.last) for found in report.findings]


def test_an_untouched_chain_holds(store):
    assert verify(store) == (0, rules.GENESIS_HASH)
    append(store, 5)
    count, head = verify(store)
    assert (count, len(head)) == (5, 32)
    assert verify(store, expected=(count, head)) == (count, head)
    assert findings(store) == []
    assert findings(store, since=3) == []


@pytest.mark.parametrize(
    ("statement", "first_broken"),
    [
        ("UPDATE audit_entry SET actor = 'user:mallory' WHERE seq = 3", 3),
        ("UPDATE audit_entry SET at_ms = at_ms + 1 WHERE seq = 1", 1),
        ("UPDATE audit_entry SET court_code = '云2922' WHERE seq = 2", 2),
        ("UPDATE audit_entry SET subject = 'x' WHERE seq = 4", 4),
        ("UPDATE audit_entry SET purpose = '' WHERE seq = 5", 5),
        ("UPDATE audit_entry SET action = 'a:b:c' WHERE seq = 5", 5),
        ("UPDATE audit_entry SET case_no = '' WHERE seq = 2", 2),
        ("UPDATE audit_entry SET form = 1 WHERE seq = 2", 2),
        ("UPDATE audit_entry SET form = 1, case_no = '' WHERE seq = 2", 2),
        ("UPDATE audit_entry SET form = 3 WHERE seq = 2", 2),
        ("""UPDATE audit_entry SET detail = '{"ok": true}' WHERE seq = 2""", 2),
        ("UPDATE audit_entry SET prev_hash = hash WHERE seq = 4", 4),
        ("DELETE FROM audit_entry WHERE seq = 3", 3),
        ("DELETE FROM audit_entry WHERE seq = 1", 1),
    ],
)
def test_the_first_broken_row_is_named(store, statement, first_broken):
    append(store, 6)
    tamper(store, statement)
    with pytest.raises(rules.AuditBrokenError) as caught:
        verify(store)
    assert caught.value.params == {"seq": first_broken}
    kind = "missing" if "DELETE" in statement else "edited"
    assert findings(store) == [(kind, first_broken, first_broken)]


@pytest.mark.sqlite_only
@pytest.mark.parametrize("statement", ["detail = '{'", "detail = '[1]'", "prev_hash = 'text'", "at_ms = 'soon'"])
def test_what_sqlite_lets_stand_in_a_column_is_no_way_out(store, statement):
    append(store, 3)
    tamper(store, f"UPDATE audit_entry SET {statement} WHERE seq = 2")
    assert findings(store) == [("edited", 2, 2)]


def test_everything_that_is_wrong_is_named_not_only_the_first(store):
    append(store, 12)
    tamper(
        store,
        "UPDATE audit_entry SET actor = 'user:mallory' WHERE seq IN (2, 3, 9)",
        "DELETE FROM audit_entry WHERE seq IN (5, 6)",
    )
    assert findings(store) == [("edited", 2, 3), ("missing", 5, 6), ("edited", 9, 9)]
    assert findings(store, since=4) == [("missing", 5, 6), ("edited", 9, 9)]


def test_swapped_rows_are_found(store):
    append(store, 5)
    tamper(
        store,
        "UPDATE audit_entry SET seq = 99 WHERE seq = 2",
        "UPDATE audit_entry SET seq = 2 WHERE seq = 3",
        "UPDATE audit_entry SET seq = 3 WHERE seq = 99",
    )
    assert findings(store) == [("moved", 2, 3)]


def renumber(store, from_seq, step):
    order = "DESC" if step > 0 else "ASC"
    numbers = [row["seq"] for row in rows_of(store) if row["seq"] >= from_seq]
    moves = sorted(numbers, reverse=order == "DESC")
    tamper(store, *(f"UPDATE audit_entry SET seq = {seq + step} WHERE seq = {seq}" for seq in moves))


def test_a_row_taken_out_with_the_others_moved_up_is_found(store):
    append(store, 6)
    tamper(store, "DELETE FROM audit_entry WHERE seq = 3")
    renumber(store, 4, -1)
    assert findings(store) == [("moved", 3, 5)]


def test_a_row_put_in_with_the_others_moved_down_is_found(store):
    append(store, 6)
    renumber(store, 4, 1)
    tamper(
        store,
        "INSERT INTO audit_entry (seq, at_ms, actor, court_code, action, subject, purpose, case_no, detail,"
        " prev_hash, hash, form) SELECT 4, at_ms, 'user:mallory', court_code, action, subject, purpose, case_no,"
        " detail, hash, prev_hash, form FROM audit_entry WHERE seq = 3",
    )
    assert findings(store) == [("edited", 4, 4), ("moved", 5, 7)]


def test_a_row_put_in_with_its_own_right_hash_is_found(store):
    append(store, 5)
    renumber(store, 4, 1)
    rewrite(store, 4, like=3, actor="user:mallory")
    assert findings(store) == [("moved", 5, 6)]


def test_a_row_before_the_first_is_found(store):
    append(store, 2)
    tamper(store, "UPDATE audit_entry SET seq = -5 WHERE seq = 1")
    assert findings(store) == [("foreign", -5, -5), ("missing", 1, 1)]


def test_a_row_forged_with_its_own_right_hash_breaks_the_next(store):
    append(store, 4)
    rewrite(store, 2, actor="user:mallory")
    assert findings(store) == [("unlinked", 3, 3)]


def test_a_cut_tail_shows_against_a_head_kept_elsewhere(store):
    append(store, 4)
    kept = verify(store)
    tamper(store, "DELETE FROM audit_entry WHERE seq = 4")
    assert verify(store)[0] == 3
    with pytest.raises(rules.AuditBrokenError) as caught:
        verify(store, expected=kept)
    assert caught.value.params == {"seq": 4}
    append(store, 1, actor="user:mallory")
    with pytest.raises(rules.AuditBrokenError, match="differs from the signed head"):
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


def test_several_acts_at_once_are_rows_in_their_order(store):
    numbers = [f"（2026）云29执{number}号" for number in range(3)]
    acts = [Act(actor="user:a", court_code="云29", action="a:b:c", subject="x", case_no=number) for number in numbers]
    append(store, 1)
    with store.write() as uow:
        audit.append_many(uow, acts[:1])
        assert [entry.seq for entry in audit.append_many(uow, acts[1:])] == [3, 4]
        assert audit.append_many(uow, []) == []
    assert [row["case_no"] for row in rows_of(store)][1:] == numbers
    assert verify(store)[0] == 4


def test_whatever_text_comes_is_held_and_verifies(store):
    with store.write() as uow:
        audit.append(
            uow,
            actor="user:" + "长" * 200,
            court_code="云29",
            action="a:b:c",
            subject="\0zero\ud800" + "x" * 500,
            purpose="目的" * 600,
            case_no="案" * 100,
            detail={"空": "\0", "数": 1.5, "对": (1, None, True), 7: "seven"},
        )
    (row,) = rows_of(store)
    assert [len(row[name]) for name in ("actor", "subject", "purpose", "case_no")] == [80, 200, 500, 60]
    assert row["subject"].startswith("\ufffdzero?xx") and row["subject"].endswith("x…")
    assert row["detail"] == {"空": "\0", "数": 1.5, "对": [1, None, True], "7": "seven"}
    assert findings(store) == []


@pytest.mark.parametrize("action", ["played it", "a:b", "A:b:c", "a:b:" + "c" * 80])
def test_an_action_of_another_form_is_refused(store, action):
    with pytest.raises(InvalidInputError, match="room:subject:verb"), store.write() as uow:
        audit.append(uow, actor="a", court_code="", action=action, subject="x")


def test_a_detail_that_is_not_json_is_refused(store):
    with pytest.raises(InvalidInputError, match="must be JSON"), store.write() as uow:
        audit.append(uow, actor="a", court_code="", action="a:b:c", subject="x", detail={"x": object()})
    assert rows_of(store) == []


def test_the_end_is_found_by_its_number_and_not_by_reading_all(store):
    append(store, 3)
    wanted = "SELECT seq, hash FROM audit_entry ORDER BY seq DESC LIMIT 1"
    is_sqlite = store.engine.dialect.name == "sqlite"
    with store.read() as session:
        if not is_sqlite:
            session.connection().execute(text("SET LOCAL enable_seqscan = off"))  # three rows are read whole anyway
        asked = ("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + wanted
        plan = " ".join(str(row) for row in session.connection().execute(text(asked)))
        assert queries.find_tail(session)[0] == 3
    assert "TEMP B-TREE" not in plan and "Sort" not in plan
