"""The device authority's permits to destroy a kit's keys, as they lie in the handover folder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from central.base.errors import ConflictError
from contract import lost
from contract.names import check_kit_id
from contract.signing import CodecError


class PermitMissingError(ConflictError):
    """The device authority has not allowed that this kit's keys are destroyed."""

    code: ClassVar[str] = "destruction_permit"


def find_permit(handover_dir: Path, kit_id: str) -> bytes:
    """Return the permit for this kit, b"" when there is none; whether it is genuine the kit itself judges."""
    try:
        data = (handover_dir / f"destroy-{check_kit_id(kit_id)}.cbor").read_bytes()
    except (OSError, ValueError):
        return b""
    return data


def check_permit(permit: bytes, kit_id: str) -> bytes:
    """Return the permit when it speaks of this kit; raises PermitMissingError."""
    try:
        if permit and lost.read_permit(permit).kit_id == kit_id:
            return permit
    except CodecError:
        pass
    raise PermitMissingError(
        f"The device authority has not permitted it: run `zhixing-provision permit-destruction {kit_id}` there.",
        kit_id=kit_id,
    )
