"""Builds what one case's page shows from its rows. Pure: rows in, views out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from central.cases import act_rules, clock, rights, rules
from central.cases.act_rules import ActCase
from central.cases.catalogue import Catalogue, get_catalogue
from central.cases.clock import Pause
from central.cases.models import CaseAct, CaseDocument, CaseFlag, CaseNode, CasePause, EnforcementCase
from central.cases.views import ActView, ClockView, ConditionView, PartyView
from central.courts.permissions import Actor, Viewer


def pauses_of(catalogue: Catalogue, pauses: Sequence[CasePause]) -> list[Pause]:
    """Return the pauses as the clock counts them."""
    return [Pause(p.from_on, p.until_on, catalogue.pause(p.kind).suspends) for p in pauses]


def act_case(case: EnforcementCase, nodes: Sequence[CaseNode], documents: Sequence[CaseDocument]) -> ActCase:
    """Return what acts look at; withdrawn papers prove nothing."""
    return ActCase(
        type_code=case.type_code,
        state=case.state,
        closing=case.closing,
        filed_on=case.filed_on,
        closed_on=case.closed_on,
        extended=case.extended_months,
        has_limit=bool(get_catalogue().type(case.type_code).limit),
        nodes_done=frozenset(node.kind for node in nodes if node.done_on is not None),
        papers=frozenset(document.kind for document in documents if document.withdrawn_ms is None),
    )


def view_clock(
    catalogue: Catalogue, case: EnforcementCase, nodes: Sequence[CaseNode], pauses: Sequence[Pause], on: date
) -> ClockView:
    """Return the clocks of a case on a day, or on the day it was closed."""
    day = case.closed_on or on
    stops = [pause for pause in pauses if pause.from_on <= day]
    # Counting a pause without end up to the day shows what is left when it ends now.
    counted = [pause if pause.until_on else Pause(pause.from_on, day + timedelta(days=1)) for pause in stops]
    limit = clock.case_limit(
        catalogue,
        type_code=case.type_code,
        filed_on=case.filed_on,
        pauses=counted,
        extended=case.extended_months,
        is_non_litigation=case.is_non_litigation,
    )
    is_standing = any(pause.until_on is None for pause in stops)
    return ClockView(
        raw_days=clock.raw_days(case.filed_on, day),
        net_days=clock.net_days(case.filed_on, day, stops),
        limit_on=None if is_standing else limit,
        days_left=None if limit is None else (limit - day).days,
        is_paused=case.state != "closed" and clock.is_paused(day, stops),
        is_provisional=any(_is_provisional(catalogue, node) for node in nodes),
    )


def _is_provisional(catalogue: Catalogue, node: CaseNode) -> bool:
    limit = catalogue.limits.get(catalogue.node(node.kind).limit)
    is_counted = limit is not None and limit.unit == "working_days" and node.stated_on is None
    is_open = node.done_on is None and node.due_on is not None
    return is_counted and is_open and clock.is_provisional(node.due_on or node.started_on)


def view_act(catalogue: Catalogue, actor: Viewer, act: CaseAct, look: ActCase, stand: rights.CaseStand) -> ActView:
    """Return an act with the steps that this viewer may take."""
    detail = {key: value for key, value in act.detail.items() if key != "basis"}
    is_pending = act.state in act_rules.PENDING
    is_stale = is_pending and act.detail.get("basis") != look.basis_of(act.kind)
    steps: set[str] = set()
    if is_pending and isinstance(actor, Actor):
        held = rights.rights_on(actor, stand)
        own = act.drafted_by == actor.login
        if own and "request_case_act" in held:
            steps.add("withdraw")
        if act.state == "submitted" and not own and "approve_case_act" in held:
            steps |= {"refuse"} if is_stale else {"approve", "refuse"}
        if act.state == "approved" and actor.login not in (act.drafted_by, act.approved_by):
            steps |= ({"refuse"} if is_stale else {"sign", "refuse"}) if "sign_case_act" in held else set()
    return ActView(act, act_rules.needs_signature(catalogue, act.kind, detail), is_stale, frozenset(steps))


def view_conditions(catalogue: Catalogue, case: EnforcementCase, look: ActCase, on: date) -> list[ConditionView]:
    """Return the conditions of the gated closings of an open case, met or not."""
    if case.state == "closed":
        return []
    gated = [closing.code for closing in catalogue.closings_of(case.type_code) if closing.has_gate]
    views = []
    for closing in gated:
        unmet = {entry.code for entry in act_rules.list_unmet(catalogue, closing, look, on)}
        views += [
            ConditionView(c.code, c.zh, c.en, c.remedy_zh, c.remedy_en, c.source, c.code not in unmet)
            for c in catalogue.conditions_of(closing)
        ]
    return views


def list_proposals(
    catalogue: Catalogue,
    case: EnforcementCase,
    parties: Sequence[PartyView],
    flags: Sequence[CaseFlag],
    on: date,
) -> list[str]:
    """Return the flags the system proposes and nobody has decided on yet."""
    known = {flag.flag for flag in flags}  # one that a person cleared is not proposed again
    proposed = rules.propose_flags(
        catalogue,
        claim_fen=case.claim_fen,
        applicants=sum(party.role == "applicant" for party in parties),
        filed_on=case.filed_on,
        on=on,
        is_open=case.state != "closed",
    )
    return [flag for flag in proposed if flag not in known]
