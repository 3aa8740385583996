"""One row in every table of remote command: a session with its decision, record, order, camera and outlet."""

from __future__ import annotations

from typing import Final

from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.command import foreign_rules
from central.command.foreign_models import Camera, SessionOutlet
from central.command.models import (
    CommandDecision,
    CommandRequest,
    CommandSession,
    SessionEntry,
    SessionGuest,
    SessionKit,
    SessionOrder,
    SessionOrderKit,
)
from central.command.record_models import SessionRecord, SessionRecordLink

ADDRESS: Final = "rtsp://yonghu:mima@127.0.0.1:1/men"
SECRET: Final = "0123456789abcdef0123456789abcdef"
AT_MS: Final = 1_700_000_000_123
CITY, PREFECTURE = "云2901", "云29"
TABLES: Final = (
    "command_request", "command_decision", "command_session", "session_kit", "session_guest", "session_entry",
    "session_order", "session_order_kit", "session_record", "session_record_link", "camera", "session_outlet",
)  # fmt: skip


def add_session(uow: UnitOfWork, keyring: Keyring, kit_no: int) -> None:
    """Write the rows; the kit and the courts must be there."""
    for rows in (_decided(), _begun(kit_no), _recorded(), _foreign(keyring)):
        for row in rows:
            uow.session.add(row)
            uow.session.flush()


def _decided() -> list[object]:
    return [
        CommandRequest(
            id="rq1", commanding_court=PREFECTURE, requesting_court=CITY, ground="other", reason="样例",
            kits=["汉", 'q"'], requested_by="样例", requested_ms=AT_MS, state="granted", state_ms=AT_MS,
        ),
        CommandDecision(
            id="de1", request_id="rq1", kind="ordinary", verdict="granted", court_code=PREFECTURE, decided_by="样例",
            decider_id="u1", decided_ms=AT_MS, start_until_ms=AT_MS, ratify_due_ms=None,
        ),
        CommandSession(
            id="se1", decision_id="de1", court_code=PREFECTURE, requesting_court=CITY, purpose="样例", begun_ms=AT_MS,
            begun_by="样例", until_ms=AT_MS,
        ),
    ]  # fmt: skip


def _begun(kit_no: int) -> list[object]:
    part = {"session_id": "se1", "kit_no": kit_no, "kit_id": "dl-2901-01"}
    return [
        SessionKit(court_code=CITY, joined_ms=AT_MS, left_ms=AT_MS, order_no=1, **part),
        SessionKit(court_code=CITY, joined_ms=AT_MS, order_no=2, **part),  # it left and joined again
        SessionGuest(session_id="se1", kind="camera", ref="ca1", name="样例", by="样例", joined_ms=AT_MS),
        SessionEntry(
            session_id="se1", no=1, at_ms=AT_MS, kind="begun", actor="样例", detail={"空": None, "x": 1.5},
            prev_hash=bytes(32), hash=bytes(range(32)),
        ),
        SessionOrder(session_id="se1", no=1, text="样例\t\\N\n", by="样例", issued_ms=AT_MS),
        SessionOrderKit(no=1, number=7, **part),
    ]  # fmt: skip


def _recorded() -> list[object]:
    return [
        SessionRecord(session_id="se1", court_code=PREFECTURE, begun_ms=AT_MS, last_ms=AT_MS, head=bytes(range(32))),
        SessionRecordLink(
            session_id="se1", seq=0, kind=1, body=b"\x00\xff", sig=bytes(64), cipher_hash=bytes(32), length=1,
            started_ms=AT_MS, duration_ms=5000, cause="", tracks={"p:dl-2901-01": 75},
        ),
    ]  # fmt: skip


def _foreign(keyring: Keyring) -> list[object]:
    return [
        Camera(
            id="ca1", court_code=CITY, name="样例门口", shown="rtsp://127.0.0.1:1/men", added_by="样例",
            added_ms=AT_MS, address_cipher=keyring.seal(foreign_rules.ADDRESS_FIELD, "ca1", ADDRESS),
        ),
        SessionOutlet(
            id="ou1", session_id="se1", source="dl-2901-01", system="样例", purpose="样例", granted_by="样例",
            granted_ms=AT_MS, until_ms=AT_MS, secret_cipher=keyring.seal(foreign_rules.SECRET_FIELD, "ou1", SECRET),
        ),
    ]  # fmt: skip
