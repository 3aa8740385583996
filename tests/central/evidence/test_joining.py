from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from central.base.unit_of_work import Store
from central.evidence import queries
from central.evidence.models import Recording
from central.evidence.rules import RecordVerdict
from contract import chain
from contract.signing import Signed
from tests.central.sync.recorder import Recorder

pytestmark = pytest.mark.both_databases

Accept = Callable[..., list[RecordVerdict]]
NewRecorder = Callable[..., Recorder]


def verdicts(found: list[RecordVerdict]) -> list[str]:
    return [item.verdict for item in found]


def set_aside(store: Store) -> list[str]:
    with store.read() as session:
        return [row[0] for row in session.connection().execute(text("SELECT reason FROM set_aside ORDER BY id"))]


def recording_of(store: Store, recorder: Recorder) -> Recording:
    with store.read() as session:
        recording = queries.find_recording(session, recorder.rid)
        assert recording is not None
        return recording


class TestAccept:
    def test_a_chain_in_order(self, store: Store, accept: Accept, new_recorder: NewRecorder) -> None:
        recorder = new_recorder()
        recorder.open(camera="synthetic", cause="centre")
        recorder.segment()
        recorder.gap("camera_stall", 3000)
        recorder.segment()
        recorder.final()
        assert verdicts(accept(*recorder.records)) == ["accepted"] * 5
        recording = recording_of(store, recorder)
        assert (recording.segment_count, recording.gap_count, recording.duration_ms) == (2, 1, 4000)
        assert recording.closed_ms is not None
        assert recording.opening["camera"] == "synthetic"
        assert recording.cause == "centre"
        assert recording.head == chain.link_hash(recorder.records[-1])

    def test_repeats_change_nothing(self, store: Store, accept: Accept, new_recorder: NewRecorder) -> None:
        recorder = new_recorder()
        recorder.open()
        recorder.segment()
        accept(*recorder.records)
        assert verdicts(accept(*recorder.records)) == ["repeat", "repeat"]
        assert recording_of(store, recorder).segment_count == 1
        assert set_aside(store) == []

    @pytest.mark.parametrize("order", [(3, 2, 1, 0), (0, 2, 3, 1), (2, 0, 3, 1), (1, 0, 3, 2)])
    def test_out_of_order_waits_for_its_turn(
        self, store: Store, accept: Accept, new_recorder: NewRecorder, order: tuple[int, ...]
    ) -> None:
        recorder = new_recorder()
        recorder.open()
        recorder.segment()
        recorder.segment()
        recorder.final()
        for place in order:
            assert accept(recorder.records[place])[0].verdict in {"accepted", "waiting"}
        recording = recording_of(store, recorder)
        assert (recording.next_seq, recording.waiting_count) == (4, 0)
        assert recording.closed_ms is not None
        assert set_aside(store) == []

    def test_a_waiting_record_repeated_waits_once(
        self, store: Store, accept: Accept, new_recorder: NewRecorder
    ) -> None:
        recorder = new_recorder()
        recorder.open()
        recorder.segment()
        assert verdicts(accept(recorder.records[1], recorder.records[1])) == ["waiting", "repeat"]


class TestRefusal:
    def test_a_forged_signature(self, store: Store, accept: Accept, new_recorder: NewRecorder) -> None:
        recorder = new_recorder()
        opening = recorder.open()
        found = accept(Signed(opening.body, bytes(64)))
        assert [(item.verdict, item.code) for item in found] == [("refused", "forged")]
        assert set_aside(store) == ["forged"]
        assert verdicts(accept(opening)) == ["accepted"]

    def test_a_record_of_another_kits_recording(
        self, store: Store, accept: Accept, new_recorder: NewRecorder
    ) -> None:
        recorder = new_recorder()
        recorder.open()
        recorder.segment()
        accept(recorder.records[0])
        found = accept(recorder.records[1], kit_id="yb-2922-01")
        assert [(item.verdict, item.code) for item in found] == [("refused", "foreign_recording")]

    def test_an_opening_that_names_another_kit(self, store: Store, accept: Accept, new_recorder: NewRecorder) -> None:
        recorder = new_recorder()
        found = accept(recorder.open(kit_id="yb-2922-01"))
        assert [(item.verdict, item.code) for item in found] == [("refused", "foreign_recording")]
        with store.read() as session:
            assert queries.find_recording(session, recorder.rid) is None

    def test_another_record_in_a_taken_place(self, store: Store, accept: Accept, new_recorder: NewRecorder) -> None:
        recorder = new_recorder()
        recorder.open()
        fork = Recorder(recorder.holder, recorder.kit_id, recorder.recipients, recorder.recording_id)
        fork.writer.state = recorder.writer.state
        recorder.segment()
        fork.segment()
        assert verdicts(accept(*recorder.records)) == ["accepted", "accepted"]
        found = accept(fork.records[0])
        assert [(item.verdict, item.code) for item in found] == [("refused", "spliced")]

    def test_a_spliced_record_found_when_its_turn_comes(
        self, store: Store, accept: Accept, new_recorder: NewRecorder
    ) -> None:
        recorder = new_recorder()
        recorder.open()
        fork = Recorder(recorder.holder, recorder.kit_id, recorder.recipients, recorder.recording_id)
        fork.writer.state = recorder.writer.state
        recorder.segment()
        fork.segment()
        fork.segment()
        assert verdicts(accept(fork.records[1])) == ["waiting"]
        accept(*recorder.records)
        recording = recording_of(store, recorder)
        assert (recording.next_seq, recording.waiting_count) == (2, 0)
        assert set_aside(store) == ["spliced"]

    def test_a_record_after_the_end(self, store: Store, accept: Accept, new_recorder: NewRecorder) -> None:
        recorder = new_recorder()
        recorder.open()
        before_end = recorder.writer.state
        recorder.final()
        fork = Recorder(recorder.holder, recorder.kit_id, recorder.recipients, recorder.recording_id)
        fork.writer.state = chain.ChainState(
            before_end.recording_id, before_end.next_seq + 1, chain.link_hash(recorder.records[-1])
        )
        late = fork.segment()
        accept(*recorder.records)
        found = accept(late)
        assert [(item.verdict, item.code) for item in found] == [("refused", "spliced")]

    def test_bytes_that_are_no_record(self, store: Store, accept: Accept) -> None:
        found = accept(Signed(b"\xff\xff", bytes(64)))
        assert [(item.verdict, item.code) for item in found] == [("refused", "malformed")]
