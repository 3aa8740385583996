"""From the sealed segment to the package a court checks: stored, opened, exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import text

from central.base.errors import ForbiddenError, NotFoundError
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.devices.rules import KitRef
from central.evidence import queries, rules, service
from central.evidence.export import export_package
from central.evidence.reception import Reception, receive_segment
from central.evidence.rules import RecordVerdict
from central.evidence.vault import Vault
from contract.receipts import verify_segment_receipt
from contract.signers import load_anchor
from contract.verify import verify_package
from tests.central.sync.pki import Pki
from tests.central.sync.recorder import Recorder

pytestmark = pytest.mark.both_databases

Accept = Callable[..., list[RecordVerdict]]
NewRecorder = Callable[..., Recorder]
Receive = Callable[..., Reception]


@pytest.fixture
def receive(store: Store, vault: Vault, pki: Pki, signers: dict[str, KitRef]) -> Receive:
    def bring(recorder: Recorder, seq: int, *, kit_id: str = "dl-2901-01", sealed: bytes | None = None) -> Reception:
        draft = vault.new_draft()
        try:
            draft.write(recorder.sealed[seq] if sealed is None else sealed)
            kit = signers[kit_id]
            return receive_segment(
                store, vault, pki.receipt_key, kit=kit, recording_id=recorder.rid, seq=seq, draft=draft
            )
        finally:
            draft.discard()

    return bring


@pytest.fixture
def recorded(accept: Accept, new_recorder: NewRecorder) -> Recorder:
    """A closed recording of three segments whose records are here and whose segments are not."""
    recorder = new_recorder()
    recorder.open()
    for _ in range(3):
        recorder.segment()
    recorder.final()
    accept(*recorder.records)
    return recorder


def actions(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as session:
        rows = session.connection().execute(
            text("SELECT actor, action, purpose FROM audit_entry WHERE action LIKE 'evidence:%' ORDER BY seq")
        )
        return [tuple(row) for row in rows]


class TestReception:
    def test_the_receipt_names_what_was_re_read(
        self, store: Store, vault: Vault, pki: Pki, recorded: Recorder, receive: Receive
    ) -> None:
        reception = receive(recorded, 1)
        receipt = verify_segment_receipt([pki.receipt_key.public_key()], reception.receipt)
        assert reception.is_new
        assert (receipt.recording_id, receipt.seq) == (recorded.recording_id, 1)
        assert vault.path_of(recorded.rid, 1).read_bytes() == recorded.sealed[1]
        assert vault.clear_drafts(before_s=2**40) == 0

    def test_a_repeat_gets_the_same_receipt(self, recorded: Recorder, receive: Receive) -> None:
        first, again = receive(recorded, 1), receive(recorded, 1)
        assert (again.is_new, again.receipt) == (False, first.receipt)

    def test_a_repeat_mends_a_damaged_file(self, vault: Vault, recorded: Recorder, receive: Receive) -> None:
        receive(recorded, 1)
        vault.path_of(recorded.rid, 1).write_bytes(b"rot")
        receive(recorded, 1)
        assert vault.path_of(recorded.rid, 1).read_bytes() == recorded.sealed[1]

    def test_a_segment_before_its_record_is_sent_back(self, new_recorder: NewRecorder, receive: Receive) -> None:
        recorder = new_recorder()
        recorder.open()
        recorder.segment()
        with pytest.raises(rules.ChainRecordMissingError):
            receive(recorder, 1)

    @pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:-1] + b"\0", lambda data: b""])
    def test_a_truncated_or_changed_segment_is_refused(
        self, vault: Vault, recorded: Recorder, receive: Receive, change: Callable[[bytes], bytes]
    ) -> None:
        with pytest.raises(rules.DigestMismatchError):
            receive(recorded, 1, sealed=change(recorded.sealed[1]))
        assert not vault.path_of(recorded.rid, 1).exists()

    def test_another_segments_place_is_refused(self, recorded: Recorder, receive: Receive) -> None:
        with pytest.raises(rules.DigestMismatchError):
            receive(recorded, 1, sealed=recorded.sealed[2])

    def test_a_foreign_kit_is_refused(self, recorded: Recorder, receive: Receive) -> None:
        with pytest.raises(rules.ForeignRecordingError):
            receive(recorded, 1, kit_id="yb-2922-01")

    def test_a_full_store_promises_nothing(self, settings: Settings) -> None:
        with pytest.raises(rules.StoreFullError):
            Vault(Path(settings.data_dir), min_free_bytes=2**60).check_room(1)


class TestOpening:
    def test_gives_the_clear_bytes_and_leaves_a_trace(
        self,
        store: Store,
        vault: Vault,
        identity: X25519PrivateKey,
        recorded: Recorder,
        receive: Receive,
        operator: Actor,
    ) -> None:
        receive(recorded, 2)
        with store.write() as uow:
            clear = service.open_clear_segment(uow, operator, vault, identity, recorded.rid, 2, purpose="核实警情")
        assert b"".join(clear.chunks) == recorded.clear[2]
        assert clear.header.seq == 2
        assert actions(store) == [("user:zhiban", "evidence:segment:open", "核实警情")]

    def test_is_refused_without_purpose_court_or_role(
        self,
        store: Store,
        vault: Vault,
        identity: X25519PrivateKey,
        recorded: Recorder,
        receive: Receive,
        operator: Actor,
        neighbour: Actor,
        administrator: Actor,
    ) -> None:
        receive(recorded, 2)
        cases = [
            (operator, "", rules.PurposeMissingError),
            (neighbour, "核实", NotFoundError),
            (administrator, "核实", ForbiddenError),
        ]
        for actor, purpose, error in cases:
            with pytest.raises(error), store.write() as uow:
                service.open_clear_segment(uow, actor, vault, identity, recorded.rid, 2, purpose=purpose)
        assert actions(store) == []

    def test_a_segment_not_here_yet_is_said_so(
        self, store: Store, vault: Vault, identity: X25519PrivateKey, recorded: Recorder, operator: Actor
    ) -> None:
        with pytest.raises(rules.SegmentNotStoredError), store.write() as uow:
            service.open_clear_segment(uow, operator, vault, identity, recorded.rid, 2, purpose="核实")

    def test_a_flipped_byte_on_disk_is_noticed(
        self,
        store: Store,
        vault: Vault,
        identity: X25519PrivateKey,
        recorded: Recorder,
        receive: Receive,
        operator: Actor,
    ) -> None:
        receive(recorded, 2)
        path = vault.path_of(recorded.rid, 2)
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(data)
        with pytest.raises(rules.SegmentDamagedError), store.write() as uow:
            clear = service.open_clear_segment(uow, operator, vault, identity, recorded.rid, 2, purpose="核实")
            b"".join(clear.chunks)


class TestLists:
    def test_are_narrowed_to_the_actors_courts(
        self, store: Store, recorded: Recorder, operator: Actor, commander: Actor, neighbour: Actor
    ) -> None:
        with store.read() as session:
            assert [item.id for item in queries.list_recordings(session, operator)] == [recorded.rid]
            assert [item.id for item in queries.list_recordings(session, commander)] == [recorded.rid]
            assert queries.list_recordings(session, neighbour) == []
            with pytest.raises(NotFoundError):
                queries.view_recording(session, neighbour, recorded.rid)

    def test_the_view_states_what_is_missing(
        self, store: Store, recorded: Recorder, receive: Receive, operator: Actor
    ) -> None:
        receive(recorded, 1)
        with store.read() as session:
            view = queries.view_recording(session, operator, recorded.rid)
        assert [(entry.seq, entry.stored) for entry in view.segments] == [(1, True), (2, False), (3, False)]
        assert [(gap.seq, gap.cause) for gap in view.continuity.gaps] == [(2, "not_received"), (3, "not_received")]


class TestExport:
    def test_the_package_verifies_against_the_anchor(
        self,
        store: Store,
        settings: Settings,
        pki: Pki,
        recorded: Recorder,
        receive: Receive,
        commander: Actor,
        tmp_path: Path,
    ) -> None:
        for seq in (1, 2, 3):
            receive(recorded, seq)
        target = tmp_path / "package.zip"
        export_package(store, settings, commander, recording_id=recorded.rid, purpose="移送审判庭", target=target)
        judgement = verify_package(target, load_anchor(pki.root.cert_pem()))
        assert judgement.verdict == "genuine", judgement
        assert actions(store) == [("user:zhihui", "evidence:recording:export", "移送审判庭")]

    def test_segments_never_received_are_stated_not_hidden(
        self,
        store: Store,
        settings: Settings,
        pki: Pki,
        recorded: Recorder,
        receive: Receive,
        commander: Actor,
        tmp_path: Path,
    ) -> None:
        receive(recorded, 1)
        target = tmp_path / "package.zip"
        export_package(store, settings, commander, recording_id=recorded.rid, purpose="移送", target=target)
        judgement = verify_package(target, load_anchor(pki.root.cert_pem()))
        assert judgement.verdict == "genuine", judgement
        assert judgement.absent == (2, 3)

    def test_is_for_those_who_may(
        self, store: Store, settings: Settings, recorded: Recorder, operator: Actor, tmp_path: Path
    ) -> None:
        target = tmp_path / "package.zip"
        with pytest.raises(ForbiddenError):
            export_package(store, settings, operator, recording_id=recorded.rid, purpose="移送", target=target)
        with pytest.raises(NotFoundError):
            other = replace(operator, role="commander", court_code="云2922")
            export_package(store, settings, other, recording_id=recorded.rid, purpose="移送", target=target)
        assert not target.exists()

    def test_a_damaged_store_is_not_exported(
        self,
        store: Store,
        settings: Settings,
        vault: Vault,
        recorded: Recorder,
        receive: Receive,
        commander: Actor,
        tmp_path: Path,
    ) -> None:
        receive(recorded, 1)
        vault.path_of(recorded.rid, 1).write_bytes(b"rot")
        with pytest.raises(rules.SegmentDamagedError):
            export_package(
                store, settings, commander, recording_id=recorded.rid, purpose="移送", target=tmp_path / "p.zip"
            )
        assert actions(store) == []
