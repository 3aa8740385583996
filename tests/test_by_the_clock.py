"""Taking turns: who asks for it has the machine alone, and waits for nobody that came after."""

import threading

import pytest

from tests.by_the_clock import Turns


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    turns = Turns("run"), Turns("run")
    yield turns
    for one in turns:
        one.close()


def in_thread(turns, *, alone):
    """Hold a turn in a thread until told; returns (it has its turn, what lets it end)."""
    has, end = threading.Event(), threading.Event()

    def work():
        with turns.hold(alone=alone):
            has.set()
            assert end.wait(20)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def let_end():
        end.set()
        thread.join(10)

    return has, let_end


def test_two_that_measure_nothing_run_beside_each_other(two):
    (first, end_first), (second, end_second) = (in_thread(one, alone=False) for one in two)
    assert first.wait(10) and second.wait(10)
    end_first()
    end_second()


@pytest.mark.parametrize(("one", "other"), [(True, False), (False, True), (True, True)])
def test_one_that_measures_is_alone(two, one, other):
    first, end_first = in_thread(two[0], alone=one)
    assert first.wait(10)
    second, end_second = in_thread(two[1], alone=other)
    assert not second.wait(0.2)
    end_first()
    assert second.wait(10)
    end_second()


def test_one_that_measures_waits_for_nobody_who_came_later(two, tmp_path):
    third = Turns("run")
    first, end_first = in_thread(two[0], alone=False)
    assert first.wait(10)
    alone, end_alone = in_thread(two[1], alone=True)
    assert not alone.wait(0.2)
    later, end_later = in_thread(third, alone=False)
    assert not later.wait(0.2), "the turnstile holds it up"
    end_first()
    assert alone.wait(10)
    assert not later.is_set()
    end_alone()
    assert later.wait(10)
    end_later()
    third.close()
