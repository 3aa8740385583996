"""Orders to be read back: kept, answered once, told durably."""

import os
import signal
import subprocess
import sys

import pytest

from contract.messages import CommandReceipt, decode, encode
from contract.orders import Instruction
from edge.spool import open_spool
from edge.spool.answered import AnswerError
from edge.spool.instructions import KEPT
from tests.waiting import wait_until

BODY = encode(
    Instruction(
        session="a" * 32, no=1, text="从北门进入。", by="样例指挥长", court="云南省大理白族自治州中级人民法院"
    )
)


@pytest.fixture
def spool(tmp_path):
    with open_spool(tmp_path / "spool.db") as opened:
        yield opened


def receipts(spool):
    return [decode(entry.body, CommandReceipt) for entry in spool.outbox.pending(50, ["receipt"])]


def test_a_read_back_repeats_the_words_that_were_before_the_officer(spool):
    spool.instructions.put(4, BODY, 1)
    assert spool.instructions.answer(4, "read")
    assert spool.instructions.answer(4, "accepted")
    assert [(told.state, told.note) for told in receipts(spool)] == [
        ("read", ""),
        ("accepted", "已复诵：从北门进入。"),
    ]
    assert spool.outbox.is_pending(spool.instructions.find(4).receipt_seq)


def test_an_order_repeated_by_the_centre_stays_as_it_was_answered(spool):
    assert spool.instructions.put(4, BODY, 1)
    spool.instructions.answer(4, "refused", "unsafe")
    assert not spool.instructions.put(4, BODY, 1)
    assert (spool.instructions.find(4).state, spool.instructions.find(4).note) == ("refused", "unsafe")


def test_the_same_answer_twice_is_one_and_what_was_read_back_stays_so(spool):
    spool.instructions.put(4, BODY, 1)
    assert [spool.instructions.answer(4, "accepted") for _ in range(3)] == [True, False, False]
    assert not spool.instructions.answer(4, "read")
    with pytest.raises(AnswerError, match="accepted"):
        spool.instructions.answer(4, "refused", "unsafe")
    assert len(receipts(spool)) == 1
    with pytest.raises(AnswerError, match="no order 5"):
        spool.instructions.answer(5, "accepted")


def test_refused_may_still_be_read_back(spool):
    spool.instructions.put(4, BODY, 1)
    spool.instructions.answer(4, "refused", "not_understood")
    assert spool.instructions.answer(4, "accepted")


def test_what_waits_stands_first_in_the_order_in_which_it_was_given(spool):
    for number in (4, 5, 6, 7):
        spool.instructions.put(number, BODY, 1)
    spool.instructions.answer(4, "accepted")
    spool.instructions.answer(5, "refused", "busy")
    assert [row.number for row in spool.instructions.newest()] == [6, 7, 5, 4]


def test_old_answered_ones_go_and_unanswered_ones_never(spool):
    spool.instructions.put(1, BODY, 1)
    for number in range(2, KEPT + 10):
        spool.instructions.put(number, BODY, 1)
        spool.instructions.answer(number, "accepted")
    spool.instructions.put(KEPT + 10, BODY, 1)
    kept = [row.number for row in spool.instructions.newest(1000)]
    assert kept[0] == 1 and 2 not in kept and len(kept) <= KEPT + 1


def test_killed_between_answers_none_is_without_its_receipt(tmp_path):
    code = (
        "import sys\nfrom edge.spool import open_spool\nfrom pathlib import Path\n"
        "spool = open_spool(Path(sys.argv[1]))\n"
        "for number in range(1, 10_000):\n"
        "    spool.instructions.put(number, sys.argv[2].encode(), 1)\n"
        "    spool.instructions.answer(number, 'accepted')\n"
    )
    path = tmp_path / "spool.db"
    child = subprocess.Popen([sys.executable, "-c", code, str(path), BODY.decode()])
    with open_spool(path) as watching:
        wait_until(lambda: len(receipts(watching)) > 20, 30, "answers")
    os.kill(child.pid, signal.SIGKILL)
    child.wait(5)
    with open_spool(path) as spool:
        rows = [row for row in spool.instructions.newest(100_000) if row.state == "accepted"]
        assert len(rows) > 20
        assert all(spool.outbox.is_pending(row.receipt_seq) for row in rows)
        assert spool.outbox.count(["receipt"]) >= len(rows)
