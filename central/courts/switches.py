"""Writer of the functions switched on or off for a court (seed 26), each on a stated ground."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete
from sqlmodel import col

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.courts import features, queries, rules
from central.courts.models import FeatureSwitch
from central.courts.permissions import Actor, check_permission


def set_feature(uow: UnitOfWork, actor: Actor, court_code: str, feature: str, *, is_on: bool, basis: str) -> None:
    """Switch a function on or off for a court, and for those below it that have not decided themselves (seed 26).

    Raises ForbiddenError, NotFoundError, InvalidInputError for an unknown function, TextLengthError.
    """
    check_permission(actor, "manage_features", court_code)
    queries.get_court(uow.session, court_code)
    name, basis = features.get_feature(feature).code, rules.check_text(basis)
    switch = uow.session.get(FeatureSwitch, (court_code, name))
    before = switch.is_on if switch else None
    switch = switch or FeatureSwitch(court_code=court_code, feature=name, is_on=is_on, changed_ms=0, changed_by="")
    switch.is_on, switch.basis = is_on, basis
    switch.changed_ms, switch.changed_by = uow.now_ms, actor.audit_name
    uow.session.add(switch)
    detail: dict[str, Any] = {"feature": name, "before": before, "after": is_on}
    _audit(uow, actor, "switch", court_code, basis, detail=detail)


def clear_feature(uow: UnitOfWork, actor: Actor, court_code: str, feature: str, *, basis: str) -> None:
    """Let the court above decide again; harmless when it does already. Raises as `set_feature`."""
    check_permission(actor, "manage_features", court_code)
    name, basis = features.get_feature(feature).code, rules.check_text(basis)
    switch = uow.session.get(FeatureSwitch, (court_code, name))
    if switch is None:
        return
    detail: dict[str, Any] = {"feature": name, "before": switch.is_on, "after": None}
    uow.connection.execute(
        delete(FeatureSwitch).where(col(FeatureSwitch.court_code) == court_code, col(FeatureSwitch.feature) == name)
    )
    uow.session.expunge(switch)
    _audit(uow, actor, "inherit", court_code, basis, detail=detail)


def _audit(uow: UnitOfWork, actor: Actor, verb: str, court_code: str, basis: str, *, detail: dict[str, Any]) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=court_code,
        action=f"courts:feature:{verb}",
        subject=f"{court_code}/{detail['feature']}",
        purpose=basis,
        detail=detail,
    )
