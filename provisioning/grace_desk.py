"""The administrator's acts on kits that come back with an expired certificate. Each is logged."""

from __future__ import annotations

from provisioning import grace
from provisioning.acting import name_user
from provisioning.authority import Authority
from provisioning.handover import STATE_FILE
from provisioning.issuing import get_working_kit
from provisioning.rules import AuthorityError
from provisioning.state import open_transaction


def list_grace(desk: Authority) -> list[grace.GraceRequest]:
    """Kits that ask."""
    with open_transaction(desk.folder / STATE_FILE) as transaction:
        return grace.list_requests(transaction)


def decide_grace(desk: Authority, kit_id: str, *, allow: bool) -> None:
    """Nod to a kit, for seven days and one certificate, or refuse it.

    Raises UnknownKitError, KitRevokedError, UnknownGraceError.
    """
    decision, verb = ("allowed", "allow") if allow else ("refused", "refuse")
    now_ms = int(desk.clock().timestamp() * 1000)
    with open_transaction(desk.folder / STATE_FILE) as transaction:
        get_working_kit(transaction, kit_id)
        grace.decide(transaction, kit_id, decision, who=name_user(), now_ms=now_ms)
        transaction.append_log(now_ms, name_user(), f"provisioning:grace:{verb}", kit_id)


def set_grace_days(desk: Authority, days: int) -> None:
    """How long after its end a certificate brings its kit before the administrator; raises AuthorityError."""
    if not 0 <= days <= grace.MAX_GRACE_DAYS:
        raise AuthorityError(f"{days} days of grace are refused: give 0 to {grace.MAX_GRACE_DAYS}.")
    with open_transaction(desk.folder / STATE_FILE) as transaction:
        transaction.set_meta(grace.GRACE_META, str(days))
        transaction.append_log(
            int(desk.clock().timestamp() * 1000), name_user(), "provisioning:grace:days", str(days)
        )
