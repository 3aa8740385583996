"""Orders of remote command: which sessions the kit is in, and what late, repeated and crossed orders change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.messages import MessageError
from contract.orders import LiveOrder
from edge.spool import Order, Spool, open_spool
from edge.uplink.live_orders import MAX_SESSIONS, end_past_sessions, obey_live_order

A, B = "a" * 32, "b" * 32
NOW_MS = 1_800_000_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path / "spool.db") as spool:
        yield spool


def is_past(at_ms: int) -> bool:
    return at_ms < NOW_MS


def order(spool: Spool, number: int, session: str = A, *, on: bool = True, **facts: Any) -> str:
    told = LiveOrder(session=session, on=on, url="https://centre.example:8445", by="样本指挥", court="云29", **facts)
    return obey_live_order(spool, Order(number, "live", b"", NOW_MS, None), told, is_past)


def sessions(spool: Spool) -> list[tuple[str, int]]:
    return [(entry["session"], entry["number"]) for entry in spool.state.get("live_sessions") or []]


def test_a_session_begins_and_ends(spool: Spool) -> None:
    assert order(spool, 1, purpose="现场指挥", until_ms=NOW_MS + 1000) == "the session has begun"
    (entry,) = spool.state.get("live_sessions")
    assert entry.pop("on_ms") > 0
    assert entry == {
        "session": A, "number": 1, "url": "https://centre.example:8445", "by": "样本指挥", "court": "云29",
        "purpose": "现场指挥", "until_ms": NOW_MS + 1000, "voice": "ptt",
    }  # fmt: skip
    assert order(spool, 2, on=False) == "the session has ended"
    assert sessions(spool) == []
    # Only the session wanted the recording: its end is due after a while, with its own cause.
    assert spool.state.get("recording_wanted") == {"on": False, "cause": "live", "by": "样本指挥"}


def test_the_officers_own_recording_outlives_the_session(spool: Spool) -> None:
    own = {"on": True, "cause": "officer", "by": "button"}
    spool.state.set("recording_wanted", own)
    order(spool, 1)
    order(spool, 2, on=False)
    assert spool.state.get("recording_wanted") == own


def test_two_sessions_at_once_and_one_that_is_ordered_again(spool: Spool) -> None:
    order(spool, 1)
    order(spool, 2, B)
    order(spool, 3, voice="duplex")
    assert sessions(spool) == [(B, 2), (A, 3)]
    order(spool, 4, B, on=False)
    assert sessions(spool) == [(A, 3)] and spool.state.get("recording_wanted") is None


def test_an_end_that_overtook_its_beginning_counts(spool: Spool) -> None:
    assert order(spool, 2, on=False) == "the kit was not in this session"
    assert order(spool, 1) == "the session has ended already"
    assert sessions(spool) == []
    # Begun anew after its end, it is on.
    order(spool, 3)
    assert sessions(spool) == [(A, 3)]


def test_what_is_over_never_begins_and_ends_by_the_clock(spool: Spool) -> None:
    with pytest.raises(MessageError, match="over before"):
        order(spool, 1, until_ms=NOW_MS - 1)
    order(spool, 2, until_ms=NOW_MS + 10)
    order(spool, 3, B)
    assert not end_past_sessions(spool, is_past)
    assert end_past_sessions(spool, lambda at_ms: at_ms < NOW_MS + 11)
    assert sessions(spool) == [(B, 3)]


def test_a_lost_kit_shows_nothing(spool: Spool) -> None:
    spool.state.set("lost", {"step": "lock"})
    with pytest.raises(MessageError, match="lost"):
        order(spool, 1)


def test_sessions_are_bounded(spool: Spool) -> None:
    for number in range(MAX_SESSIONS):
        order(spool, number + 1, f"{number:032x}")
    with pytest.raises(MessageError, match="already"):
        order(spool, 99, "f" * 32)
