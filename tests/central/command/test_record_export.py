"""The record of a session as a package: checked without any key, whole or with its first damage named."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, NotFoundError
from central.command import record_queries as queries
from central.command import record_rules as rules
from central.command.record_export import export_record
from central.command.record_files import RecordShelf
from central.courts.permissions import Actor
from contract.findings import Judgement, Verdict
from contract.signers import load_anchor
from contract.verify import verify_package
from tests.central.relay.recording import Case, authority, case, end

__all__ = ["case"]
pytestmark = pytest.mark.both_databases


def judge(path: Path) -> Judgement:
    from cryptography.hazmat.primitives.serialization import Encoding

    return verify_package(path, load_anchor(authority().root.cert.public_bytes(Encoding.DER)))


def test_it_verifies_with_the_authority_s_root_and_no_key(case: Case, commander: Actor, tmp_path: Path) -> None:
    case.relay(12)
    end(case.store, case.session_id)
    case.turn()
    target = tmp_path / "session.zip"
    export_record(
        case.store, case.settings, commander, session_id=case.session_id, purpose="样例：核查", target=target
    )
    judgement = judge(target)
    assert (judgement.verdict, judgement.session) == (Verdict.GENUINE, case.session_id)
    assert judgement.segment_count == 3
    assert judgement.continuity is not None
    assert judgement.continuity.end_cause == "centre"
    with case.store.read() as session:
        acts = session.exec(select(AuditEntry).where(AuditEntry.action == "command:record:export")).all()
    assert [(act.actor, act.purpose) for act in acts] == [("user:zhihui", "样例：核查")]


def test_one_that_goes_on_has_an_open_end(case: Case, commander: Actor, tmp_path: Path) -> None:
    case.relay(7)
    target = tmp_path / "session.zip"
    export_record(case.store, case.settings, commander, session_id=case.session_id, purpose="样例", target=target)
    judgement = judge(target)
    assert judgement.verdict is Verdict.GENUINE
    assert judgement.continuity is not None
    assert judgement.continuity.end_cause is None


def test_what_is_damaged_on_the_disk_does_not_leave(case: Case, commander: Actor, tmp_path: Path) -> None:
    case.relay(7)
    path = RecordShelf(Path(case.settings.data_dir)).path_of(case.session_id, 1)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    target = tmp_path / "session.zip"
    with pytest.raises(rules.RecordDamagedError, match="Segment 1"):
        export_record(case.store, case.settings, commander, session_id=case.session_id, purpose="样例", target=target)
    assert not target.exists()


def test_only_who_may_for_a_stated_purpose(
    case: Case, commander: Actor, neighbour: Actor, operator: Actor, tmp_path: Path
) -> None:
    case.relay(7)

    def export(actor: Actor, purpose: str) -> None:
        target = tmp_path / "session.zip"
        export_record(case.store, case.settings, actor, session_id=case.session_id, purpose=purpose, target=target)

    with pytest.raises(ForbiddenError):
        export(operator, "样例")
    with pytest.raises(NotFoundError):
        export(neighbour, "样例")
    with pytest.raises(rules.RecordPurposeError):
        export(commander, "  ")


def test_a_county_that_took_part_sees_it_and_others_do_not(case: Case, neighbour: Actor, chief: Actor) -> None:
    case.relay(7)
    with case.store.read() as session:
        assert queries.view_record(session, chief, case.session_id).tracks
        with pytest.raises(NotFoundError):
            queries.view_record(session, neighbour, case.session_id)


def test_nothing_recorded_yet_is_said(case: Case, commander: Actor) -> None:
    with case.store.read() as session, pytest.raises(rules.RecordMissingError):
        queries.get_record(session, commander, case.session_id)
