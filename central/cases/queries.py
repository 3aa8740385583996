"""Reads of the cases room, narrowed to what the viewer sees; long ones live beside it and are offered here.

Nothing here is audited: pages and interfaces that show one case call `service.look_at_case`, which is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from central.base.keyring import Keyring
from central.cases import building, clock, rights
from central.cases.agenda import count_due_by_day, list_due, list_work
from central.cases.catalogue import get_catalogue
from central.cases.models import (
    CaseAct,
    CaseDocument,
    CaseEntry,
    CaseFlag,
    CaseNode,
    CasePause,
    CaseRecusal,
    CaseShare,
    EnforcementCase,
    Party,
)
from central.cases.parties import mask_id
from central.cases.rows import ID_FIELD, PRIVATE_FIELD
from central.cases.sight import find_case_id, get_case, is_visible, stand_of
from central.cases.views import CaseView, PartyView, RecusalView
from central.courts.permissions import Viewer
from central.people.models import User

__all__ = [
    "count_due_by_day",
    "find_case_id",
    "get_case",
    "is_visible",
    "list_due",
    "list_timeline",
    "list_work",
    "open_party",
    "view_case",
    "view_parties",
]


def view_case(session: Session, actor: Viewer, keyring: Keyring, case_no: str, *, now_ms: int) -> CaseView:
    """Return one case as its page shows it, private data masked.

    Raises ForbiddenError without `see_case`, NotFoundError for a case outside the viewer's courts and shares, or from
    which the person is recused.
    """
    case = get_case(session, actor, case_no, now_ms=now_ms)
    stand = stand_of(session, actor, case, now_ms=now_ms)
    catalogue, on = get_catalogue(), clock.today(now_ms)
    nodes, pauses = _of_case(session, CaseNode, case), _of_case(session, CasePause, case)
    documents, flags = _of_case(session, CaseDocument, case), _of_case(session, CaseFlag, case)
    acts = sorted(_of_case(session, CaseAct, case), key=lambda act: -act.drafted_ms)
    parties = view_parties(session, keyring, case)
    look = building.act_case(case, nodes, documents)
    recusals = list_recusals(session, case)
    is_handler_recused = any(r.recusal.user_id == case.handler_id and r.recusal.ended_ms is None for r in recusals)
    return CaseView(
        case=case,
        parties=parties,
        nodes=sorted(nodes, key=lambda node: (node.done_on is not None, node.due_on or date.max, node.node_id or 0)),
        pauses=sorted(pauses, key=lambda pause: pause.from_on),
        acts=[
            building.view_act(catalogue, actor, act, look, stand)
            for act in sorted(acts, key=lambda act: -act.drafted_ms)
        ],
        flags=[flag for flag in flags if flag.cleared_ms is None],
        proposed_flags=building.list_proposals(catalogue, case, parties, flags, on),
        documents=sorted(documents, key=lambda document: document.added_ms),
        shares=_of_case(session, CaseShare, case),
        recusals=recusals,
        clock=building.view_clock(catalogue, case, nodes, building.pauses_of(catalogue, pauses), on),
        conditions=building.view_conditions(catalogue, case, look, on),
        origin_no=_number_of(session, actor, case.origin_case_id, now_ms),
        resumed_nos=_numbers_of_resumptions(session, actor, case, now_ms),
        clerk_name=_name_of(session, case.clerk_id),
        needs_handler=case.state != "closed" and (case.handler_id is None or is_handler_recused),
        rights=rights.rights_on(actor, stand),
    )


def view_parties(session: Session, keyring: Keyring, case: EnforcementCase) -> list[PartyView]:
    """Return the parties of a case in their order, identity numbers masked to the last four characters."""
    query = select(Party).where(Party.case_id == case.case_id).order_by(col(Party.position), col(Party.party_id))
    return [_view_party(keyring, party) for party in session.exec(query).all()]


def _view_party(keyring: Keyring, party: Party) -> PartyView:
    number = "" if party.id_cipher is None else keyring.open(ID_FIELD, party.party_id or 0, party.id_cipher)
    return PartyView(
        party_id=party.party_id or 0,
        role=party.role,
        kind=party.kind,
        name=party.name,
        id_kind=party.id_kind,
        masked_id=mask_id(party.id_kind, number) if number else "",
        has_private=party.private_cipher is not None,
    )


def open_party(keyring: Keyring, party: Party) -> dict[str, str]:
    """Return the clear private fields of a party: id_no, phone, address, account, representative, where known."""
    fields: dict[str, str] = {}
    if party.id_cipher is not None:
        fields["id_no"] = keyring.open(ID_FIELD, party.party_id or 0, party.id_cipher)
    if party.private_cipher is not None:
        fields |= json.loads(keyring.open(PRIVATE_FIELD, party.party_id or 0, party.private_cipher))
    return fields


def list_timeline(
    session: Session, actor: Viewer, case_no: str, *, now_ms: int, limit: int = 50, before: int | None = None
) -> Sequence[CaseEntry]:
    """Return lines of a case's timeline, newest first; page on with `before`, the last line's id."""
    case = get_case(session, actor, case_no, now_ms=now_ms)
    query = select(CaseEntry).where(CaseEntry.case_id == case.case_id)
    if before is not None:
        query = query.where(col(CaseEntry.id) < before)
    return session.exec(query.order_by(col(CaseEntry.id).desc()).limit(limit)).all()


def list_recusals(session: Session, case: EnforcementCase) -> list[RecusalView]:
    """Return every recusal of a case, standing or ended, with the person's name."""
    query = select(CaseRecusal, User).join(User, col(User.id) == CaseRecusal.user_id)
    found = session.exec(query.where(CaseRecusal.case_id == case.case_id).order_by(col(CaseRecusal.set_ms))).all()
    return [RecusalView(recusal, user.name, user.login) for recusal, user in found]


def _of_case(session: Session, table: type[Any], case: EnforcementCase) -> list[Any]:
    return list(session.exec(select(table).where(table.case_id == case.case_id)).all())


def _name_of(session: Session, user_id: str | None) -> str:
    user = session.get(User, user_id) if user_id else None
    return user.name if user else ""


def _number_of(session: Session, viewer: Viewer, case_id: int | None, now_ms: int) -> str:
    if case_id is None:
        return ""
    query = select(EnforcementCase.case_no).where(EnforcementCase.case_id == case_id, is_visible(viewer, now_ms))
    return session.exec(query).first() or ""


def _numbers_of_resumptions(session: Session, viewer: Viewer, case: EnforcementCase, now_ms: int) -> list[str]:
    query = select(EnforcementCase.case_no).where(EnforcementCase.origin_case_id == case.case_id)
    return list(session.exec(query.where(is_visible(viewer, now_ms)).order_by(EnforcementCase.case_no)).all())
