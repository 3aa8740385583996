"""The authority's permit that a lost kit destroys its keys: without it no kit obeys the centre in this."""

from __future__ import annotations

import argparse
from typing import Final

from contract.lost import DestructionPermit, sign_permit
from contract.names import check_kit_id
from provisioning.acting import name_user
from provisioning.authority import Authority
from provisioning.handover import STATE_FILE
from provisioning.issuing import get_working_kit
from provisioning.rules import UnknownCertificateError, check_text
from provisioning.state import open_transaction

PERMIT_FILE: Final = "destroy-{kit_id}.cbor"


def permit_destruction(desk: Authority, kit_id: str, *, reason: str) -> None:
    """Sign that the kit may destroy its present keys, and hand that over; the centre's two people still decide.

    Raises UnknownKitError, KitRevokedError, UnknownCertificateError, AuthorityError, HandoverError.
    """
    check_text("reason", reason, limit=200)
    now_ms = int(desk.clock().timestamp() * 1000)
    with open_transaction(desk.folder / STATE_FILE) as transaction:
        get_working_kit(transaction, kit_id)
        rows = transaction.list_certificates(kit_id)
        keys = sorted({row.key_digest for row in rows if row.revoked_at_ms is None})
        if not keys:
            raise UnknownCertificateError(f"{kit_id} was never enrolled: it has no keys to destroy.")
        transaction.append_log(now_ms, name_user(), "provisioning:destruction:permit", kit_id, reason)
    permit = DestructionPermit(kit_id=kit_id, keys=keys[-8:], issued_ms=now_ms)
    desk.handover.hand_over(PERMIT_FILE.format(kit_id=kit_id), sign_permit(desk.root.key, permit))


def describe_permit(command: argparse.ArgumentParser) -> None:
    """The command ``permit-destruction KIT --reason WHY``."""
    command.add_argument("kit")
    command.add_argument("--reason", required=True)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    permit_destruction(Authority(options.authority), check_kit_id(options.kit), reason=options.reason)
    print(f"{options.kit} may destroy its keys once two people at the centre have ordered it.")
