"""What recordings are about: read from signed records, bound to the case of the task, found by it."""

import pytest
from sqlmodel import select

from central.courts.permissions import Actor
from central.devices import service as devices
from central.evidence import queries
from central.evidence.models import RecordingNote

pytestmark = pytest.mark.both_databases

CASE = "（2026）云2901执77号"
READER = Actor("u1", "zhihui", "样例指挥长", "commander", "云29")


@pytest.fixture
def task_no(store, signers):
    """A task for the kit, as its mailbox holds it."""
    body = {"title": "搜查被执行人住所", "case_no": CASE, "category": "search"}
    with store.write() as uow:
        return devices.put_directive(uow, signers["dl-2901-01"], kind="task", body=body).number


def found(store, **filters):
    with store.read() as session:
        return [row.id for row in queries.list_recordings(session, READER, **filters)]


def recording(store, recorder):
    with store.read() as session:
        return queries.find_recording(session, recorder.rid)


def notes(store, recorder):
    with store.read() as session:
        rows = queries.list_notes(session, recorder.rid)
        return [(row.what, row.category, row.task_no, row.case_no, row.said) for row in rows]


def note(what, **facts):
    return {"what": what, "at_ms": 1_795_500_000_000, **facts}


class TestMatters:
    def test_the_opening_binds_it_to_the_case_of_its_task(self, store, accept, new_recorder, task_no):
        recorder = new_recorder()
        recorder.open(task=task_no, category="search", cause="officer")
        accept(*recorder.records)
        row = recording(store, recorder)
        assert (row.task_no, row.category, row.case_no) == (task_no, "search", CASE)
        assert notes(store, recorder) == [("task", "", task_no, CASE, ""), ("category", "search", None, "", "")]

    def test_turns_and_marks_follow_in_their_order(self, store, accept, new_recorder, task_no):
        recorder = new_recorder()
        recorder.open(cause="officer")
        recorder.segment(notes=[note("task", task=task_no), note("category", category="search")])
        recorder.segment(notes=[note("mark", category="search", task=task_no), note("stop", cause="centre")])
        recorder.segment(notes=[note("category", category="seizure"), note("task", task=None)])
        accept(*recorder.records)
        row = recording(store, recorder)
        assert (row.task_no, row.category, row.case_no) == (None, "seizure", CASE)
        assert [line[0] for line in notes(store, recorder)] == [
            "task", "category", "mark", "stop", "category", "task",
        ]  # fmt: skip
        assert notes(store, recorder)[2:4] == [
            ("mark", "search", task_no, CASE, ""),
            ("stop", "", None, "", "centre"),
        ]

    def test_repeats_and_records_out_of_order_enter_nothing_twice(self, store, accept, new_recorder, task_no):
        recorder = new_recorder()
        recorder.open(task=task_no)
        recorder.segment(notes=[note("mark")])
        accept(recorder.records[1])
        accept(*recorder.records)
        accept(*recorder.records)
        assert [line[0] for line in notes(store, recorder)] == ["task", "mark"]

    def test_a_number_that_is_no_task_binds_to_nothing(self, store, accept, new_recorder, signers):
        with store.write() as uow:
            entry = devices.put_directive(uow, signers["dl-2901-01"], kind="record_start", body={"case_no": CASE})
        recorder = new_recorder()
        recorder.open(task=entry.number)
        recorder.segment(notes=[note("task", task=4711)])
        accept(*recorder.records)
        assert (recording(store, recorder).task_no, recording(store, recorder).case_no) == (4711, "")

    @pytest.mark.parametrize(
        "odd",
        [
            "much",
            [1, None, {}],
            [{"what": "mark"}, {"what": "mark", "at_ms": True}],
            [{"what": "unknown", "at_ms": 1}],
        ],
    )
    def test_what_has_not_the_shape_of_notes_is_left_out(self, store, accept, new_recorder, odd):
        recorder = new_recorder()
        recorder.open(task="seven", category="<b>")
        recorder.segment(notes=odd)
        assert [item.verdict for item in accept(*recorder.records)] == ["accepted", "accepted"]
        assert (recording(store, recorder).task_no, recording(store, recorder).category) == (None, "")
        assert all(line[0] in ("task", "category") for line in notes(store, recorder))

    def test_values_out_of_range_are_cut(self, store, accept, new_recorder):
        recorder = new_recorder()
        recorder.open()
        recorder.segment(
            notes=[{"what": "wish", "at_ms": -5, "cause": "x" * 900}, {"what": "task", "at_ms": 2**60, "task": 2**60}]
        )
        accept(*recorder.records)
        assert notes(store, recorder) == [("wish", "", None, "", "x" * 64), ("task", "", None, "", "")]
        with store.read() as session:
            assert min(row.at_ms for row in session.exec(select(RecordingNote))) == 0


class TestFinding:
    def test_by_case_category_and_call(self, store, accept, new_recorder, task_no):
        bound, other = new_recorder(), new_recorder()
        bound.open(task=task_no, category="search")
        bound.segment(notes=[note("category", category="seizure"), note("task", task=None)])
        other.open(category="service", together="a" * 32)
        accept(*bound.records)
        accept(*other.records)
        assert found(store, case_no=CASE) == [bound.rid]
        assert found(store, category="search") == [bound.rid]
        assert found(store, category="seizure") == [bound.rid]
        assert found(store, category="service") == [other.rid]
        assert found(store, category="eviction") == []
        assert found(store, together="a" * 32) == [other.rid]
        assert len(found(store)) == 2

    def test_nobody_finds_what_is_outside_his_courts(self, store, accept, new_recorder, task_no):
        recorder = new_recorder()
        recorder.open(task=task_no, category="search")
        accept(*recorder.records)
        stranger = Actor("u2", "linxian", "样例邻县指挥长", "commander", "云2922")
        with store.read() as session:
            assert queries.list_recordings(session, stranger, case_no=CASE) == []
