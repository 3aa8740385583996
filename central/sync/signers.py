"""The certificate of a signing key in a token, as a kit's hello names it: judged like any other of that kit's."""

from __future__ import annotations

import base64
import binascii

from central.base.unit_of_work import UnitOfWork
from central.devices.rules import KitRef
from central.evidence import service as evidence
from central.sync.admission import Admission, Gate, RefusedError, load_certificate
from central.sync.decoding import Entry, Reject


def admit_signer(gate: Gate, kit: KitRef, text: str, now_ms: int) -> Admission:
    """Judge a signing certificate (base64 DER); raise RefusedError unless it is this very kit's and in force."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError("bad_certificate", f"The signing certificate is not base64: {error}.") from error
    admission = gate.admit(load_certificate(data), now_ms)
    if admission.kit.kit_no != kit.kit_no:
        raise RefusedError(
            "serial_refused", f"The signing certificate is {admission.kit.kit_id}'s, not {kit.kit_id}'s."
        )
    return admission


def keep_token_signer(uow: UnitOfWork, gate: Gate, entry: Entry) -> Reject | None:
    """Keep the certificate that a hello names, before what its key signed comes; a reject when it is refused."""
    try:
        admission = admit_signer(gate, entry.kit, entry.body.signer, uow.now_ms)
    except RefusedError as refusal:
        return Reject(entry.kit.kit_id, entry.subject, refusal.code, str(refusal), entry.raw)
    chain_pem = admission.chain_pem(gate.kits_ca)
    evidence.keep_signer(uow, admission.kit, admission.serial, chain_pem, in_token=True)
    return None
