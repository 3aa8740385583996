"""A kit's statement that it destroys its keys, checked against the certificates the kit has shown."""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from central.base.unit_of_work import UnitOfWork
from central.devices import lost as devices_lost
from central.devices.rules import KitRef
from central.evidence import queries as evidence
from contract import lost
from contract.signing import BadSignatureError, CodecError


def receive_destruction_proof(uow: UnitOfWork, kit: KitRef, order_no: int, proof: str) -> bool:
    """Keep a statement with the verdict on it; tells whether it belongs to an order of destruction."""
    try:
        data = base64.b64decode(proof + "=" * (-len(proof) % 4), altchars=b"-_", validate=True)
        statement, _ = lost.read_statement(data)
    except (binascii.Error, ValueError, CodecError) as error:
        return devices_lost.keep_proof(
            uow, kit, order_no, proof.encode(), verdict="malformed", detail=str(error)[:200]
        )
    fits = statement.kit_id == kit.kit_id and statement.order == order_no and _is_signed(uow, kit, data)
    told = f"{len(statement.keys)} keys, {len(statement.heads)} chains, {statement.unsent_segments} segments unsent"
    verdict = "verified" if fits else "foreign"
    return devices_lost.keep_proof(uow, kit, order_no, data, verdict=verdict, detail=told)


def _is_signed(uow: UnitOfWork, kit: KitRef, data: bytes) -> bool:
    for signer in evidence.list_signers(uow.session, kit.kit_no):
        key = x509.load_pem_x509_certificate(signer.chain_pem).public_key()
        if isinstance(key, EllipticCurvePublicKey):
            try:
                lost.verify_statement(key, data)
            except (BadSignatureError, CodecError):
                continue
            return True
    return False
