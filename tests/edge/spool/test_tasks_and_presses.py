import signal
import subprocess
import sys
import time

import pytest

from contract.messages import CommandReceipt, decode, encode
from contract.orders import Task
from edge.spool import open_spool
from edge.spool.answered import AnswerError
from edge.spool.presses import ANSWERED_KEPT
from tests.waiting import wait_until

BODY = encode(Task(title="送达样例文书", case_no="（2026）样2901执1号", category="service", officer="样例警官"))


@pytest.fixture
def spool(tmp_path):
    with open_spool(tmp_path / "spool.db") as opened:
        yield opened


def receipts(spool):
    return [decode(entry.body, CommandReceipt) for entry in spool.outbox.pending(50, ["receipt"])]


class TestTasks:
    def test_a_task_repeated_by_the_centre_stays_as_it_was_answered(self, spool):
        assert spool.tasks.put(4, BODY, 1)
        spool.tasks.answer(4, "accepted")
        assert not spool.tasks.put(4, BODY, 1)
        assert spool.tasks.find(4).state == "accepted"

    def test_an_answer_and_its_receipt_are_one(self, spool):
        spool.tasks.put(4, BODY, 1)
        assert spool.tasks.answer(4, "read")
        assert spool.tasks.answer(4, "refused", "hands_full")
        assert [(told.number, told.state, told.note) for told in receipts(spool)] == [
            (4, "read", ""),
            (4, "refused", "hands_full"),
        ]
        assert spool.outbox.is_pending(spool.tasks.find(4).receipt_seq)

    def test_the_same_answer_twice_is_one(self, spool):
        spool.tasks.put(4, BODY, 1)
        assert [spool.tasks.answer(4, "accepted") for _ in range(3)] == [True, False, False]
        assert not spool.tasks.answer(4, "read")
        assert len(receipts(spool)) == 1

    def test_what_is_accepted_last_is_what_recordings_are_bound_to(self, spool):
        for number in (4, 5):
            spool.tasks.put(number, BODY, 1)
            spool.tasks.answer(number, "accepted")
        assert spool.state.get("task_current") == {
            "number": 5,
            "title": "送达样例文书",
            "case_no": "（2026）样2901执1号",
            "category": "service",
            "officer": "样例警官",
        }
        spool.tasks.answer(5, "done")
        assert spool.state.get("task_current")["number"] == 4
        spool.tasks.recall(4)
        assert spool.state.get("task_current") is None

    def test_a_recall_that_crosses_the_answer_undoes_nothing_that_has_ended(self, spool):
        for number in (4, 5):
            spool.tasks.put(number, BODY, 1)
        spool.tasks.answer(4, "accepted")
        spool.tasks.answer(4, "done")
        assert spool.tasks.recall(4) == "done"
        assert spool.tasks.find(4).state == "done"
        assert spool.tasks.recall(5) == "received"
        with pytest.raises(AnswerError) as told:
            spool.tasks.answer(5, "accepted")
        assert told.value.state == "recalled"
        assert spool.tasks.recall(6) is None

    def test_steps_that_make_no_sense_are_refused(self, spool):
        spool.tasks.put(4, BODY, 1)
        for answer in ("done", "recalled"):
            with pytest.raises(AnswerError):
                spool.tasks.answer(4, answer)
        with pytest.raises(AnswerError, match="no task 9"):
            spool.tasks.answer(9, "accepted")
        assert receipts(spool) == []

    def test_what_wants_an_answer_comes_first(self, spool):
        for number in (1, 2, 3):
            spool.tasks.put(number, BODY, 1)
        spool.tasks.answer(3, "refused")
        assert [task.number for task in spool.tasks.newest()] == [2, 1, 3]

    def test_a_kill_between_answers_leaves_each_whole(self, tmp_path, spool):
        """kill -9 while answers are being written: every task answered has its receipt, and no other has one."""
        for number in range(1, 400):
            spool.tasks.put(number, BODY, 1)
        script = (
            "import sys, pathlib\nfrom edge.spool import open_spool\n"
            "spool = open_spool(pathlib.Path(sys.argv[1]))\n"
            "for number in range(1, 400):\n    spool.tasks.answer(number, 'accepted')\n"
        )
        child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "spool.db")])
        wait_until(lambda: spool.outbox.count(["receipt"]) > 20, 20)
        child.send_signal(signal.SIGKILL)
        child.wait(5)
        answered = {task.number for task in spool.tasks.newest(500) if task.state == "accepted"}
        assert answered == {told.number for told in (decode(e.body, CommandReceipt) for e in all_receipts(spool))}
        assert spool.state.get("task_current")["number"] == max(answered)


def all_receipts(spool):
    return spool.outbox.pending(1000, ["receipt"])


class TestPresses:
    def test_a_press_repeated_under_its_key_is_one(self, spool):
        assert spool.presses.put("k1", "sos")
        assert not spool.presses.put("k1", "sos")
        (press,) = spool.presses.waiting()
        assert press.act == "sos"
        assert abs(press.at_ms - time.time() * 1000) < 10_000

    def test_an_answer_is_read_back_by_its_key(self, spool):
        spool.presses.put("k1", "duty", "on")
        assert spool.presses.find_answer("k1") is None
        spool.presses.answer(spool.presses.waiting()[0].number, {"done": "duty", "duty": True})
        assert spool.presses.find_answer("k1") == {"done": "duty", "duty": True}
        assert spool.presses.waiting() == []

    def test_only_buttons_can_be_pressed(self, spool):
        with pytest.raises(ValueError, match="no button"):
            spool.presses.put("k1", "delete")

    def test_old_answers_go(self, spool):
        for index in range(ANSWERED_KEPT + 20):
            spool.presses.put(f"k{index}", "mark")
            spool.presses.answer(spool.presses.waiting()[0].number, {"done": "mark"})
        assert spool.presses.find_answer("k0") is None
        assert spool.presses.find_answer("k119") is not None
