"""The kit says what became of a directive; for an acknowledgement, that the officer felt it."""

from __future__ import annotations

from central.audit import service as audit
from central.base.outbox import KIT_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.devices import service as devices
from central.devices.rules import KitRef
from central.devices.times import UNKNOWN, Moment
from central.flows.command import note_receipt
from central.flows.lost import receive_destruction_proof
from central.flows.tasks import note_answer
from central.incidents import service as incidents
from contract.messages import CommandReceipt


def receive_command_receipt(
    uow: UnitOfWork, kit: KitRef, receipt: CommandReceipt, *, moment: Moment = UNKNOWN
) -> bool:
    """Note a kit's receipt; tells whether it named a directive that exists. A repeat changes nothing.

    `moment` is when it was written by the kit's time since boot: its wall clock alone may be wrong by years.
    """
    if receipt.proof:
        receive_destruction_proof(uow, kit, receipt.number, receipt.proof)
    entry, moved = devices.apply_receipt(uow, kit, receipt, moment=moment)
    if entry is None or not moved:
        return entry is not None
    uow.emit(
        KIT_CHANGED,
        kit.court_code,
        {
            "kit_id": kit.kit_id,
            "change": "directive",
            "number": entry.number,
            "kind": entry.kind,
            "state": entry.state,
        },
    )
    if entry.kind == "task":
        note_answer(uow, kit, receipt)
    if entry.kind in ("live", "instruct"):
        note_receipt(uow, kit, receipt, kind=entry.kind, body=entry.body, moment=moment)
    if entry.kind == "sos_ack":
        _note_on_incident(uow, kit, receipt, moment, str(entry.body.get("alarm_id", "")))
    return True


def _note_on_incident(uow: UnitOfWork, kit: KitRef, receipt: CommandReceipt, moment: Moment, alarm_id: str) -> None:
    detail = {"kit_at_ms": receipt.at_ms, **moment._asdict(), "note": receipt.note}
    if receipt.state == "felt":
        incident = incidents.note_felt(uow, kit, alarm_id, detail)
        if incident is not None:
            audit.append(
                uow,
                actor=f"kit:{kit.kit_id}",
                court_code=kit.court_code,
                action="incidents:acknowledgement:feel",
                subject=incident.id,
                detail=detail,
            )
    elif receipt.state == "failed":
        incident = incidents.find_incident_of_alarm(uow, kit.kit_no, alarm_id)
        if incident is not None:
            incidents.add_entry(uow, incident.id, "ack_failed", f"kit:{kit.kit_id}", detail)
            incidents.tell_changed(uow, incident)
