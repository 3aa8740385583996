"""When a process counts as hung."""

from edge.beats import PULSE_LIMIT_S, START_GRACE_S, BeatWatch

PID = 4711


def line(turn: int, pulse: int | None = None, pid: int = PID) -> bytes:
    return f"{pid} {turn:012d}{'' if pulse is None else f' {pulse:012d}'}\n".encode()


def watch() -> BeatWatch:
    watch = BeatWatch(5.0)
    watch.begin(100.0)
    return watch


def test_a_loop_that_stands_still_for_four_beats_hangs() -> None:
    beats = watch()
    assert beats.find_fault(line(1), PID, 101.0) == ""
    assert beats.find_fault(line(1), PID, 120.9) == ""
    assert "heartbeat stood still" in beats.find_fault(line(1), PID, 121.1)


def test_a_pulse_that_stands_still_is_a_whole_process_that_does() -> None:
    beats = watch()
    assert beats.find_fault(line(1, 7), PID, 101.0) == ""
    assert beats.find_fault(line(1, 7), PID, 101.0 + PULSE_LIMIT_S) == ""
    assert "whole process" in beats.find_fault(line(1, 7), PID, 101.1 + PULSE_LIMIT_S)


def test_a_loop_that_waits_for_the_card_is_not_hung_while_its_pulse_goes_on() -> None:
    beats = watch()
    for second in range(1, 19):
        assert beats.find_fault(line(1, second), PID, 100.0 + second) == ""


def test_the_last_beat_of_the_process_before_says_nothing_and_starting_may_take_its_time() -> None:
    beats = watch()
    assert beats.find_fault(line(900, 900, pid=1), PID, 100.0 + START_GRACE_S) == ""
    assert "sign of life" in beats.find_fault(line(900, 900, pid=1), PID, 100.1 + START_GRACE_S)
    assert "sign of life" in beats.find_fault(b"", PID, 100.1 + START_GRACE_S)
