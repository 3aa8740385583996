"""The session's record: whole, sealed, chained and anchored; whatever fails meanwhile is stated."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from central.audit.models import AuditEntry
from central.base import db
from central.base.clock import SystemClock
from central.base.unit_of_work import Store
from central.command import queries as command_queries
from central.command import record_queries as queries
from central.command import service
from central.command.record_files import RecordShelf
from central.command.rules import hash_entry
from central.relay.record import SessionRecorder
from contract import chain
from contract.live import Type, pack
from contract.session_record import ItemKind
from tests import mounting
from tests.central.relay.recording import KIT, PERSON, Case, begin, case, described, end, make_settings, picture
from tests.fakes.clocks import FakeClock
from tests.waiting import wait_until

__all__ = ["case"]
FORGETFUL = 64 * 1024


def acts(store: Store, beginning: str = "command:record") -> list[AuditEntry]:
    with store.read() as session:
        query = select(AuditEntry).where(col(AuditEntry.action).startswith(beginning)).order_by(col(AuditEntry.seq))
        return list(session.execute(query).scalars())


class TestWhatIsRecorded:
    pytestmark = pytest.mark.both_databases

    def test_pictures_as_they_were_relayed_in_segments_of_some_seconds(self, case: Case) -> None:
        case.relay(12)
        end(case.store, case.session_id)
        case.turn()
        sent = [item for item in case.read_items() if item.kind is ItemKind.FRAME]
        assert [int.from_bytes(item.body[16:20], "big") for item in sent] == list(range(120))
        assert {item.name for item in sent} == {KIT}
        records = case.read_chain()
        assert [record.kind for record in records] == [0, 1, 1, 1, 3]
        assert all(record.duration_ms <= 5500 for record in records)
        assert records[-1].extra["counts"]["frames"] == 120
        assert case.gaps() == ()

    def test_the_log_lies_in_it_line_by_line_bound_to_each_other(self, case: Case) -> None:
        case.relay(1)
        with case.store.write() as uow:
            service.add_entry(uow, case.session_id, "watch_begun", "样例值班员", {"source": KIT})
        case.turn()
        with case.store.write() as uow:
            service.add_entry(uow, case.session_id, "ordered", "样例指挥长", {"no": 1, "text": "样例：停车"})
        end(case.store, case.session_id)
        case.turn()
        lines = [json.loads(item.body) for item in case.read_items() if item.kind is ItemKind.ENTRY]
        kinds = ["requested", "decided", "begun", "kit_joined", "watch_begun", "ordered"]
        assert [line["kind"] for line in lines][:6] == kinds
        assert [line["no"] for line in lines] == list(range(1, len(lines) + 1))
        previous = bytes(32)
        for line in lines:
            fields = {name: line[name] for name in ("no", "at_ms", "kind", "actor", "detail")}
            digest = hash_entry(session_id=case.session_id, prev_hash=previous, **fields)
            assert (line["prev"], line["hash"]) == (previous.hex(), digest.hex())
            previous = digest
        assert "样例：停车" in [line["detail"].get("text") for line in lines]

    def test_a_session_nobody_looked_at_has_its_log_recorded(self, case: Case) -> None:
        case.turn()
        end(case.store, case.session_id)
        case.turn()
        assert {item.kind for item in case.read_items()} == {ItemKind.ENTRY}
        assert case.read_chain()[-1].kind is chain.Kind.FINAL

    def test_voices_with_whom_they_reached(self, case: Case) -> None:
        for number in range(100):
            if number == 50:
                case.recorder.reached(case.session_id, PERSON, [KIT])
            elif number < 50:
                case.recorder.reached(case.session_id, PERSON, ["yb-2922-01", KIT])
            case.recorder.frame(case.session_id, PERSON, pack(Type.AUDIO, b"opus", stream=3, seq=number))
            case.clock.advance(ms=20)
        case.turn()
        items = [item for item in case.read_items() if item.name == PERSON]
        reached = [(at, json.loads(item.body)) for at, item in enumerate(items) if item.kind is ItemKind.REACHED]
        assert reached == [(0, [KIT, "yb-2922-01"]), (51, [KIT])]
        with case.store.read() as session:
            [link] = [link for link in queries.list_links(session, case.session_id) if link.kind == 1]
        assert link.tracks == {f"{PERSON}/voice": 100}

    def test_each_segment_says_how_to_decode_it(self, case: Case) -> None:
        case.recorder.frame(case.session_id, KIT, described("vp09.00.10.08"))
        case.relay(11)
        case.turn()
        frames = case.frames()
        assert [number for number, body in enumerate(frames) if body[0] == Type.INIT] == [0, 51, 102]

    def test_its_head_is_anchored_in_the_audit_and_in_the_log(self, case: Case) -> None:
        case.relay(6)
        end(case.store, case.session_id)
        case.turn()
        assert [act.action for act in acts(case.store)] == ["command:record:begin", "command:record:seal"]
        with case.store.read() as session:
            record = queries.find_record(session, case.session_id)
            last = command_queries.list_entries(session, case.session_id)[-1]
        assert record is not None
        assert acts(case.store)[-1].detail["head"] == record.head.hex() == last.detail["head"]
        assert last.kind == "record_sealed"

    def test_after_the_end_nothing_joins(self, case: Case) -> None:
        case.relay(1)
        end(case.store, case.session_id)
        case.recorder.end(case.session_id)
        case.turn()
        case.relay(6)
        case.turn()
        assert case.read_chain()[-1].kind is chain.Kind.FINAL
        assert len(case.frames()) == 10


class TestWhatFails:
    def test_memory_is_bounded_and_what_it_did_not_hold_is_stated(
        self, case: Case, caplog: pytest.LogCaptureFixture
    ) -> None:
        case.recorder = SessionRecorder(case.store, case.settings, memory_bytes=FORGETFUL)
        for number in range(200):
            case.recorder.frame(case.session_id, KIT, picture(number, 1, size=1000))
            case.clock.advance(ms=10)
        case.recorder.turn()
        case.relay(6)
        kept = [int.from_bytes(body[16:20], "big") for body in case.frames()][:60]
        lost = 200 - kept.index(199) - 1 if 199 in kept else 200 - next(i for i, n in enumerate(kept) if n != i)
        [gap] = case.gaps()
        assert gap.cause == "memory"
        assert 1000 < gap.duration_ms < 2000
        assert next(record for record in case.read_chain() if record.kind is chain.Kind.GAP).extra["frames"] == lost
        assert "was NOT recorded" in caplog.text

    def test_a_full_disk_stops_no_session_and_is_stated(
        self,
        store: Store,
        clock: FakeClock,
        kits: dict[str, object],
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        mounting.require_right()
        data = tmp_path / "data"
        data.mkdir()
        mounting.mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", data)
        try:
            case = Case(store, make_settings(tmp_path), clock, begin(store, [KIT]).id)
            case.recorder = SessionRecorder(store, case.settings, memory_bytes=FORGETFUL)
            case.relay(6)
            ballast = data / "ballast"
            with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                while True:
                    os.write(file.fileno(), bytes(4096))
            case.relay(30)  # goes on all the while
            with store.read() as session:
                record = queries.find_record(session, case.session_id)
            assert record is not None
            assert record.trouble == "storage_full"
            assert "CANNOT BE RECORDED (storage_full)" in caplog.text
            ballast.unlink()
            case.relay(6)
            case.turn()
            [gap] = case.gaps()
            assert gap.cause == "storage_full"
            gap_record = next(record for record in case.read_chain() if record.kind is chain.Kind.GAP)
            assert len(case.frames()) + gap_record.extra["frames"] == case.seq
            with store.read() as session:
                record = queries.find_record(session, case.session_id)
            assert record is not None
            assert record.trouble == ""
            assert [act.detail["cause"] for act in acts(store, "command:record:gap")] == ["storage_full"]
        finally:
            subprocess.run(["umount", "--lazy", data], check=True)

    def test_a_short_trouble_loses_nothing(self, case: Case) -> None:
        trust = Path(case.settings.handover_dir) / "trust.cbor"
        kept = trust.read_bytes()
        case.relay(6)
        trust.unlink()
        case.relay(12)
        trust.write_bytes(kept)
        case.relay(6)
        case.turn()
        assert len(case.frames()) == 240
        assert case.gaps() == ()

    def test_without_keys_it_is_said(self, case: Case, caplog: pytest.LogCaptureFixture) -> None:
        (Path(case.settings.keys_dir) / "receipt.key").unlink()
        case.relay(6)
        assert "CANNOT BE RECORDED (no_keys)" in caplog.text
        with case.store.read() as session:
            assert queries.find_record(session, case.session_id) is None

    def test_ended_in_order_there_is_no_gap(self, case: Case) -> None:
        case.relay(2)
        case.recorder.stop()
        case.recorder.turn()
        case.clock.advance(ms=60_000)
        case.recorder = SessionRecorder(case.store, case.settings)
        case.relay(6)
        case.turn()
        assert len(case.frames()) == 80
        assert case.gaps() == ()

    def test_what_a_killed_relay_left_without_a_record_goes_and_the_gap_is_stated(self, case: Case) -> None:
        case.relay(6)
        killed_ms = case.clock.now_ms()
        shelf = RecordShelf(Path(case.settings.data_dir))
        next_seq = len(case.read_chain())
        shelf.place(case.session_id, next_seq, b"sealed, and then the power went")
        case.clock.advance(ms=9000)
        case.recorder = SessionRecorder(case.store, case.settings)
        case.recorder.turn()
        assert not shelf.path_of(case.session_id, next_seq).exists()
        [gap] = case.gaps()
        before = case.read_chain()[-2]
        assert (gap.cause, gap.started_ms) == ("crash", before.started_ms + before.duration_ms)
        assert gap.started_ms + gap.duration_ms == killed_ms + 9000
        case.relay(6)
        case.turn()
        assert [record.seq for record in case.read_chain()] == list(range(len(case.read_chain())))

    def test_killed_for_real_what_was_signed_for_is_there(
        self, database: Path, store: Store, kits: dict[str, object], tmp_path: Path
    ) -> None:
        settings = make_settings(tmp_path)
        session_id = begin(store, [KIT]).id
        script = Path(__file__).with_name("record_forever.py")
        program = subprocess.Popen(
            [sys.executable, script, str(database), str(tmp_path), session_id], cwd=Path(__file__).parents[3]
        )

        def count() -> int:
            with store.read() as session:
                record = queries.find_record(session, session_id)
            return record.segment_count if record else 0

        try:
            wait_until(lambda: count() >= 3, 60, "three segments")
        finally:
            program.send_signal(signal.SIGKILL)
            program.wait()
        again = Store(db.create_engine(f"sqlite:///{database}"), SystemClock())
        recorder = SessionRecorder(again, settings)
        recorder.turn()
        case = Case.__new__(Case)
        case.store, case.settings, case.session_id = again, settings, session_id
        numbers = [int.from_bytes(body[16:20], "big") for body in case.frames()]
        assert numbers == list(range(len(numbers)))
        [gap] = case.gaps()
        assert gap.cause == "crash"
        again.close()


def test_its_own_thread_does_it(
    store: Store, kits: dict[str, object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session_id = begin(store, [KIT]).id
    case = Case(store, make_settings(tmp_path), store.clock, session_id)  # type: ignore[arg-type]
    case.recorder.start()
    case.recorder.frame(session_id, KIT, picture(0, 1, is_key=True))
    end(store, session_id)
    case.recorder.end(session_id)
    wait_until(lambda: bool(acts(store, "command:record:seal")), 30, "the record to be sealed")
    case.recorder.stop()
    assert len(case.frames()) == 1
