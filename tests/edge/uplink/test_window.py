"""The window follows what the link carries: played over links of known rate."""

from __future__ import annotations

import pytest

from edge.uplink.window import FIRST_BYTES, LEAST_BYTES, MOST_BYTES, ByteWindow


def play(window: ByteWindow, bytes_s: float, seconds: float, *, step_s: float = 0.25) -> tuple[float, list[int]]:
    """Fill the window again and again over a link; bytes carried and what lay in the queue after each turn."""
    queue, carried, depths, now = 0.0, 0.0, [], 0.0
    while now < seconds:
        room = window.room(int(queue), now)
        window.sent(room)
        queue += room
        depths.append(int(queue))
        gone = min(queue, bytes_s * step_s)
        carried, queue, now = carried + gone, queue - gone, now + step_s
    return carried, depths


@pytest.mark.parametrize("kbit_s", [64, 256, 1000])
def test_it_keeps_the_link_busy_with_a_second_of_queue_at_most(kbit_s: int) -> None:
    bytes_s = kbit_s * 125
    carried, depths = play(ByteWindow(), bytes_s, 60)
    assert carried >= 0.9 * bytes_s * 60
    assert max(depths[20:]) <= bytes_s * 1.05


def test_a_link_of_eight_kbit_still_gets_its_least() -> None:
    _, depths = play(ByteWindow(), 1000, 120)
    assert depths[-1] == LEAST_BYTES


def test_a_fast_link_opens_it_up_to_a_bound() -> None:
    window = ByteWindow()
    play(window, 10_000_000, 10)
    assert window.allowed == MOST_BYTES
    window.reset()
    assert window.room(0, 20.0) == FIRST_BYTES


def test_nothing_goes_while_nothing_is_carried_away() -> None:
    window = ByteWindow()
    window.sent(window.room(0, 0.0))
    assert window.room(FIRST_BYTES, 1.0) == 0
    assert window.room(FIRST_BYTES, 9.0) == 0
    assert window.room(0, 10.0) >= LEAST_BYTES
