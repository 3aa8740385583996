"""A kit's clock may be wrong by years: what is still checked, and what is not believed."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edge.reach.trusted_time import CertificateDateError, TrustedTime, make_context
from tests.fakes.small_authority import SmallAuthority

DAY_MS = 86_400_000
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


class Clock:
    def __init__(self, wall_ms: int) -> None:
        self.wall_ms = wall_ms
        self.run_ms = 0

    def make(self, floor_ms: int) -> TrustedTime:
        return TrustedTime(floor_ms, clock_ms=lambda: self.wall_ms, monotonic_ms=lambda: self.run_ms)


def test_floor_rises_with_elapsed_time_and_what_is_learnt() -> None:
    clock = Clock(NOW_MS)
    time = clock.make(NOW_MS - DAY_MS)
    clock.run_ms += 5_000
    assert time.floor_ms() == NOW_MS - DAY_MS + 5_000
    time.learn_floor(NOW_MS - 2 * DAY_MS)
    assert time.floor_ms() == NOW_MS - DAY_MS + 5_000, "never back"
    time.learn_floor(NOW_MS)
    assert time.floor_ms() == NOW_MS


def test_the_clock_is_believed_only_near_the_floor() -> None:
    assert Clock(NOW_MS).make(NOW_MS - DAY_MS).find_now_ms() == NOW_MS
    behind = Clock(0).make(NOW_MS)
    assert behind.find_now_ms() is None and behind.describe().startswith("behind by at least")
    ahead = Clock(NOW_MS + 3650 * DAY_MS).make(NOW_MS)
    assert ahead.find_now_ms() is None and ahead.describe() == "far ahead, not believed"
    ahead.learn_now(NOW_MS)
    assert ahead.find_now_ms() == NOW_MS
    assert ahead.describe() == f"off by +{3650 * 86400} s against the centre"
    assert Clock(NOW_MS).make(NOW_MS).describe() == "ok, not compared"


def test_the_centre_cannot_turn_time_back() -> None:
    time = Clock(0).make(NOW_MS)
    time.learn_now(NOW_MS - 10 * DAY_MS)
    assert time.floor_ms() == NOW_MS and time.find_now_ms() is None


def test_a_centre_whose_clock_was_wrong_is_believed_again_when_it_is_right() -> None:
    clock = Clock(0)
    time = TrustedTime(
        NOW_MS, signed_ms=NOW_MS - 90 * DAY_MS, clock_ms=lambda: clock.wall_ms, monotonic_ms=lambda: clock.run_ms
    )
    time.learn_floor(NOW_MS + 300 * DAY_MS)
    time.learn_now(NOW_MS + 300 * DAY_MS)
    clock.run_ms += 3_600_000
    time.learn_now(NOW_MS + 300 * DAY_MS + 1_000, round_trip_ms=3_600_000)
    assert time.floor_ms() > NOW_MS + 300 * DAY_MS + 3_000_000, "an answer that was long on its way corrects nothing"
    time.learn_now(NOW_MS, round_trip_ms=100)
    assert time.floor_ms() == NOW_MS and time.find_now_ms() == NOW_MS
    reading = time.find_reading()
    assert reading is not None and abs(reading.offset_ms + clock.run_ms - NOW_MS) <= 51
    time.learn_now(NOW_MS - 91 * DAY_MS)
    assert time.floor_ms() == NOW_MS, "but never below what the authority has signed"


def test_the_most_exact_word_of_the_centre_is_kept_while_it_is_the_most_exact() -> None:
    clock = Clock(0)
    time = clock.make(NOW_MS - DAY_MS)
    assert time.find_reading() is None
    time.learn_now(NOW_MS, round_trip_ms=100)
    best = time.find_reading()
    assert best is not None and (best.offset_ms, best.error_ms) == (NOW_MS + 50, 51)
    clock.run_ms += 1_000
    time.learn_now(NOW_MS + 1_000, round_trip_ms=1_800)
    assert time.find_reading() == best
    clock.run_ms += DAY_MS
    time.learn_now(NOW_MS + 1_000 + DAY_MS, round_trip_ms=1_800)
    later = time.find_reading()
    assert later is not None and later.taken_ms == clock.run_ms, "a day's drift is worse than a slow answer"
    time.learn_now(NOW_MS + 2 * DAY_MS, round_trip_ms=60_000)
    moved = time.find_reading()
    assert moved is not None and moved.error_ms == 30_001, "the centre's own clock was set"


def test_deadlines() -> None:
    time = Clock(0).make(NOW_MS)
    assert time.is_past(NOW_MS - 1)
    assert not time.is_past(NOW_MS + 1), "unknown is not past"


def serve_once(keys: Path) -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "server.crt", keys / "server.key")

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            pass
        finally:
            connection.close()
            listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


def shake_hands(world: SmallAuthority, time: TrustedTime, keys: Path, host: str = "localhost") -> None:
    context = make_context(time, root_pem=world.root.certificate.public_bytes(Encoding.PEM).decode())
    port = serve_once(keys)
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        secured.send(b"!")


@pytest.mark.parametrize("wall_ms", [0, NOW_MS, NOW_MS + 30 * 365 * DAY_MS], ids=["1970", "now", "in 30 years"])
def test_a_wrong_clock_does_not_shut_the_kit_out(world: SmallAuthority, wall_ms: int) -> None:
    shake_hands(world, Clock(wall_ms).make(NOW_MS - DAY_MS), world.serve())


def test_a_certificate_that_surely_ended_is_refused(world: SmallAuthority) -> None:
    keys = world.serve(now=datetime.now(UTC) - timedelta(days=4 * 365))
    for wall_ms in (0, NOW_MS):
        with pytest.raises(CertificateDateError, match="ended on"):
            shake_hands(world, Clock(wall_ms).make(NOW_MS - DAY_MS), keys)


def test_a_certificate_of_the_future_is_refused_by_a_believed_clock(world: SmallAuthority) -> None:
    keys = world.serve(now=datetime.now(UTC) + timedelta(days=30))
    with pytest.raises(CertificateDateError, match="begins on"):
        shake_hands(world, Clock(NOW_MS).make(NOW_MS - DAY_MS), keys)


def test_strangers_and_other_names_are_refused_whatever_the_clock(world: SmallAuthority, tmp_path: Path) -> None:
    stranger = SmallAuthority.found(tmp_path / "stranger")
    for wall_ms in (0, NOW_MS):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(world, Clock(wall_ms).make(NOW_MS), stranger.serve(f"s{wall_ms}"))
        with pytest.raises(ssl.SSLCertVerificationError, match="ostname"):
            shake_hands(world, Clock(wall_ms).make(NOW_MS), world.serve(f"w{wall_ms}"), host="other.example")


@pytest.mark.parametrize("ahead_days", [1064, 1066, 1094, 3650])
def test_no_word_of_a_centre_makes_its_own_certificate_end(world: SmallAuthority, ahead_days: int) -> None:
    time = Clock(0).make(NOW_MS)
    shake_hands(world, time, world.serve("before"))
    time.learn_floor(NOW_MS + ahead_days * DAY_MS)
    time.learn_now(NOW_MS + ahead_days * DAY_MS)
    shake_hands(world, time, world.serve("after"))


def test_in_its_last_days_a_centre_is_believed_where_the_clock_agrees(
    world: SmallAuthority,
) -> None:
    keys = world.serve(now=datetime.now(UTC) - timedelta(days=3 * 365 - 10))
    for wall_ms, told in ((NOW_MS, True), (0, False)):
        time = Clock(wall_ms).make(NOW_MS - DAY_MS)
        shake_hands(world, time, keys)
        time.learn_now(NOW_MS)
        assert (time.find_reading() is not None) is told
