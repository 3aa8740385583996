"""The small parts of the kits' door, each alone."""

from __future__ import annotations

import stat
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.base.bus import broker_credentials
from central.base.settings import Settings
from central.sync.broker import broker_config, broker_secrets, read_refusal
from central.sync.broker_process import start_broker
from central.sync.proof import NONCE_LIFE_MS, Nonces
from central.sync.receipts import MAX_RANGES, ReceiptBook, merge_ranges
from contract.messages import TelemetryReceipt, decode
from tests.fakes.clocks import FakeClock


class TestRanges:
    @given(st.lists(st.integers(0, 300), min_size=1))
    def test_cover_exactly_what_was_given(self, seqs: list[int]) -> None:
        ranges = merge_ranges(list(seqs))
        covered = [seq for low, high in ranges for seq in range(low, high + 1)]
        assert covered == sorted(set(seqs))
        assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(ranges))


class TestReceiptBook:
    def test_gives_each_number_once(self) -> None:
        book = ReceiptBook()
        book.note(("dl-2901-01", "a" * 32), [3, 1])
        book.note(("dl-2901-01", "a" * 32), [2])
        book.note(("dl-2901-02", "b" * 32), [7])
        urgent = list(book.take([("dl-2901-01", "a" * 32), ("nobody", "c" * 32)]))
        assert [(subject, decode(body, TelemetryReceipt).ranges) for subject, body in urgent] == [
            ("cmd.dl-2901-01.receipt", [(1, 3)])
        ]
        assert [subject for subject, _ in book.take()] == ["cmd.dl-2901-02.receipt"]
        assert list(book.take()) == []

    def test_splits_what_would_be_too_long(self) -> None:
        book = ReceiptBook()
        book.note(("dl-2901-01", "a" * 32), list(range(0, 2 * (MAX_RANGES + 5), 2)))
        sizes = [len(decode(body, TelemetryReceipt).ranges) for _, body in book.take()]
        assert sizes == [MAX_RANGES, 5]


class TestNonces:
    def test_live_for_five_minutes(self) -> None:
        clock = FakeClock()
        nonces = Nonces(clock)
        young, old = nonces.make(), nonces.make()
        clock.advance(ms=NONCE_LIFE_MS)
        assert nonces.use(young)
        clock.advance(ms=1)
        assert not nonces.use(old)

    def test_of_another_start_are_strangers(self) -> None:
        clock = FakeClock()
        assert not Nonces(clock).use(Nonces(clock).make())

    def test_forget_what_can_no_longer_come(self) -> None:
        clock = FakeClock()
        nonces = Nonces(clock)
        for _ in range(50):
            assert nonces.use(nonces.make())
        clock.advance(ms=NONCE_LIFE_MS + 1)
        assert nonces.use(nonces.make())
        assert nonces.remembered() == 1


class TestBroker:
    def test_its_files_are_private_and_made_once(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=str(tmp_path), keys_dir=str(tmp_path))
        assert broker_secrets(settings) == broker_secrets(settings)
        child = start_broker(settings)  # it ends at once: there are no certificates
        child.wait(10)
        assert child.stderr is not None
        child.stderr.close()
        for name in ("broker.json", "broker.secrets", "broker.password"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name

    def test_admits_kits_by_the_kits_ca_only(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=str(tmp_path), keys_dir="/keys")
        config = broker_config(settings, broker_credentials(settings), broker_secrets(settings))
        tls = config["mqtt"]["tls"]
        assert (tls["ca_file"], tls["verify"]) == ("/keys/kits-ca.crt", True)
        assert config["host"] == "127.0.0.1"
        assert config["tls"].get("ca_file") is None

    @pytest.mark.parametrize(
        ("line", "code", "kit_id"),
        [
            (
                '[1] [ERR] 127.0.0.1:49369 - mid:10 - "dl-2901-01" - Publish Violation - Subject "kits.x.up.alarm"',
                "foreign_subject",
                "dl-2901-01",
            ),
            (
                '[1] [ERR] 1.2.3.4:5 - mid:7 - "a.b" - invalid character in client ID "a.b"',
                "bad_name",
                "a.b",
            ),
            (
                "[1] [ERR] 1.2.3.4:5 - mid:9 - TLS handshake error: tls: failed to verify certificate: x509: unknown",
                "tls_refused",
                "",
            ),
        ],
    )
    def test_its_log_tells_what_it_refused(self, line: str, code: str, kit_id: str) -> None:
        refusal = read_refusal(line)
        assert refusal is not None
        assert (refusal.code, refusal.kit_id) == (code, kit_id)

    @pytest.mark.parametrize(
        "line", ["", "[1] [INF] Server is ready", "[1] [ERR] 1.2.3.4:5 - mid:9 - read error: EOF"]
    )
    def test_other_lines_are_no_refusals(self, line: str) -> None:
        assert read_refusal(line) is None
