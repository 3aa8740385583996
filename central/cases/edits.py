"""A case is registered, corrected and assigned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from sqlmodel import col, select

from central.base.errors import InvalidInputError
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases import queries, record, rules
from central.cases.catalogue import get_catalogue
from central.cases.drafts import CaseDraft
from central.cases.models import CaseEntry, CaseRecusal, EnforcementCase, Party
from central.cases.parties import PartyDraft, PartyError, check_party
from central.cases.sight import find_case_id
from central.cases.writer import rewrite_parties, store_cases
from central.courts.permissions import Actor, Viewer, check_permission
from central.people.models import User
from central.people.queries import list_handlers

# Lines of the timeline that change what a clerk edits; others raise the version without touching it.
EDITING_KINDS: Final = ("edited", "updated")
MAX_PARTIES: Final = 500


@dataclass(frozen=True, slots=True)
class PartyEdit:
    """A party as it was edited: `party_id` of the one it was, None for a new one.

    Fields in `keeps` (id_no, phone, address, account, representative) stay as they are sealed, whatever the draft
    says: the page showed them masked. Keeping `id_no` keeps its kind too.
    """

    draft: PartyDraft
    party_id: int | None = None
    keeps: frozenset[str] = frozenset()


def register_case(
    uow: UnitOfWork,
    actor: Viewer,
    keyring: Keyring,
    draft: CaseDraft,
    *,
    origin_case_no: str = "",
    is_non_litigation: bool = False,
) -> EnforcementCase:
    """Register a new case of the own court as filed; `origin_case_no` is the closed case it takes up (执恢).

    Raises ForbiddenError (OtherCourtCase), CaseExistsError, PartyError, DayError, AmountError, UnknownCodeError.
    """
    court_code = draft.number.court_code
    check_permission(actor, "register_case", court_code)
    if isinstance(actor, Actor) and actor.court_code != court_code:
        raise rules.OtherCourtCaseError("A case is registered in its own court; ask the court that has it.")
    if find_case_id(uow.session, draft.number.text) is not None:
        raise rules.CaseExistsError(
            f"There is a case {draft.number.text} already; open it instead.", case_no=draft.number.text
        )
    on = record.day_of(uow)
    rules.check_day(draft.filed_on, filed_on=date(1949, 10, 1), on=on)
    rules.check_amount(draft.claim_fen, "claim")
    rules.check_amount(draft.received_fen, "amount received")
    parties = _check_parties(draft.number.type_code, draft.parties)
    origin = record.open_case(uow, actor, origin_case_no, "see_case") if origin_case_no else None
    if origin is not None and origin.state != "closed":
        raise rules.CaseStateError("The earlier case is still open; only a closed case is taken up.", act="resume")
    fresh = replace(
        draft,
        parties=parties,
        state="filed",
        closing="",
        closed_on=None,
        nodes_done={},
        handler_login="",
        handler_name="",
    )
    store_cases(uow, keyring, get_catalogue(), [fresh], source="", actor=actor.audit_name)
    case = record.open_case(
        uow, actor, draft.number.text, "see_case" if isinstance(actor, Actor) else "register_case"
    )
    return _complete(uow, actor, case, origin, is_non_litigation=is_non_litigation)


def _complete(
    uow: UnitOfWork, actor: Viewer, case: EnforcementCase, origin: EnforcementCase | None, *, is_non_litigation: bool
) -> EnforcementCase:
    case.is_non_litigation = is_non_litigation
    if isinstance(actor, Actor) and "clerk" in actor.roles:
        case.clerk_id = actor.user_id
    if origin is not None:
        case.origin_case_id = origin.case_id
    uow.session.add(case)
    record.refresh_dues(uow, case)
    record.keep_audit(uow, case, actor, "cases:case:registered")
    if origin is not None:
        record.keep_change(uow, origin, actor, "resumed", detail={"case_no": case.case_no})
    return case


def _check_parties(type_code: str, drafts: Sequence[PartyDraft]) -> tuple[PartyDraft, ...]:
    if len(drafts) > MAX_PARTIES:
        raise rules.TextTooLongError(
            f"A case holds {MAX_PARTIES} parties at most; leave some out.", field="parties", limit=MAX_PARTIES
        )
    parties = tuple(check_party(draft) for draft in drafts)
    needed = {"applicant", "executee"} if get_catalogue().type(type_code).nature == "implementing" else set()
    if not parties or not needed <= {party.role for party in parties}:
        raise PartyError("A case needs an applicant and an executee; add who is missing.")
    return parties


def edit_case(
    uow: UnitOfWork,
    actor: Viewer,
    keyring: Keyring,
    case_no: str,
    version: int,
    *,
    changes: Mapping[str, Any],
    parties: Sequence[PartyDraft | PartyEdit] | None = None,
) -> EnforcementCase:
    """Correct a case (rules.EDITABLE) and, when given, replace its parties; `version` is the one that was shown.

    Raises EditConflictError when somebody else edited it since: `params` carry `version` and `differences`
    (list of rules.Difference), so that both can be shown and nothing is lost; PartyError, AmountError, NotFoundError,
    ForbiddenError, CaseClosedError, InvalidInputError for an unknown field.
    """
    case = record.open_case(uow, actor, case_no, "edit_case")
    wanted = _check_changes(changes)
    _check_conflict(uow, case, version, wanted, parties)
    changed = {d.field: [d.theirs, d.yours] for d in rules.list_differences(_current(case), wanted)}
    detail: dict[str, Any] = {"fields": changed}
    if parties is not None:
        drafts = _check_parties(case.type_code, _restore_private(uow, keyring, case, parties))
        rewrite_parties(uow, keyring, case, drafts)
        detail["parties"] = len(drafts)
    if changed or parties is not None:
        values = {name: wanted[name] for name in changed}
        record.keep_change(uow, case, actor, "edited", detail=detail, values=values)
    return case


def _check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(changes) - set(rules.EDITABLE))
    if unknown:
        raise InvalidInputError(f"The field {unknown[0]!r} cannot be edited; leave it out.", field=unknown[0])
    checked: dict[str, Any] = {}
    for name, value in changes.items():
        if name.endswith("_fen"):
            checked[name] = rules.check_amount(int(value), name.removesuffix("_fen"))
        elif name.startswith("is_"):
            checked[name] = bool(value)
        else:
            checked[name] = rules.check_text(str(value), name, 100)
    return checked


def _check_conflict(
    uow: UnitOfWork,
    case: EnforcementCase,
    version: int,
    wanted: Mapping[str, Any],
    parties: Sequence[PartyDraft | PartyEdit] | None,
) -> None:
    """Raise EditConflictError when the case was edited since `version` and what was sent differs from what stands."""
    if version == case.version:
        return
    query = select(CaseEntry).where(CaseEntry.case_id == case.case_id, col(CaseEntry.kind).in_(EDITING_KINDS))
    entries = uow.session.exec(query.order_by(col(CaseEntry.id).desc()).limit(case.version)).all()
    since = [entry.detail for entry in entries if entry.detail.get("version", case.version) > version]
    if not since:
        return  # only nodes, pauses, papers or people moved on
    differences = rules.list_differences(_current(case), wanted)
    theirs = _name_parties(uow, case)
    if parties is not None:
        yours = [(_draft_of(party).role, _draft_of(party).name) for party in parties]
        # Names alone do not tell whether an address was changed.
        if yours != theirs or any(detail.get("parties") for detail in since):
            differences.append(rules.Difference("parties", theirs, yours))
    if differences:
        raise rules.EditConflictError(
            f"Somebody else changed this case while you edited it; compare both and save again ({case.case_no}).",
            version=case.version,
            differences=differences,
        )


def _current(case: EnforcementCase) -> dict[str, Any]:
    return {name: getattr(case, name) for name in rules.EDITABLE}


def _draft_of(party: PartyDraft | PartyEdit) -> PartyDraft:
    return party.draft if isinstance(party, PartyEdit) else party


def _name_parties(uow: UnitOfWork, case: EnforcementCase) -> list[tuple[str, str]]:
    query = select(Party.role, Party.name).where(Party.case_id == case.case_id)
    return [(role, name) for role, name in uow.session.exec(query.order_by(col(Party.position))).all()]


def _restore_private(
    uow: UnitOfWork, keyring: Keyring, case: EnforcementCase, parties: Sequence[PartyDraft | PartyEdit]
) -> list[PartyDraft]:
    """Return complete drafts: what the editor was shown masked is filled in from what is sealed."""
    query = select(Party).where(Party.case_id == case.case_id)
    known = {party.party_id: party for party in uow.session.exec(query).all()}
    drafts = []
    for party in parties:
        draft = _draft_of(party)
        row = known.get(party.party_id) if isinstance(party, PartyEdit) and party.party_id is not None else None
        if row is not None and isinstance(party, PartyEdit) and party.keeps:
            clear = queries.open_party(keyring, row)
            kept: dict[str, str] = {name: clear.get(name, "") for name in party.keeps}
            if "id_no" in party.keeps:
                kept["id_kind"] = row.id_kind
            draft = replace(draft, **kept)
        drafts.append(draft)
    return drafts


def assign_case(
    uow: UnitOfWork, actor: Actor, case_no: str, handler_login: str, *, clerk_login: str | None = None
) -> EnforcementCase:
    """Assign the handler (承办人) and, when given, the clerk; "" takes the clerk away.

    Both are admitted people of the case's court who are not recused from it; the handler is a judge.
    Raises HandlerUnfitError, NotFoundError, ForbiddenError.
    """
    case = record.open_case(uow, actor, case_no, "assign_case")
    handler = _find_fit(uow, case, handler_login, "judge")
    values: dict[str, Any] = {
        "handler_id": handler.id,
        "handler_name": handler.name,
        "state": rules.next_state(case.state, "assign"),
    }
    if clerk_login is not None:
        values["clerk_id"] = _find_fit(uow, case, clerk_login, "clerk").id if clerk_login else None
    for node in record.list_open_nodes(uow, case, "assign"):
        record.finish_node(node, done_on=record.day_of(uow), done_by=actor.audit_name)
        uow.session.add(node)
    detail = {"handler": handler.name, "before": case.handler_name}
    record.keep_change(uow, case, actor, "assigned", detail=detail, values=values)
    return case


def _find_fit(uow: UnitOfWork, case: EnforcementCase, login: str, role: str) -> User:
    people = list_handlers(uow.session, case.court_code)
    user = next((user for user in people if user.login == login and user.role == role), None)
    if user is None:
        raise rules.HandlerUnfitError(
            f"{login!r} is no {role} of this court; choose somebody of the list.", role=role
        )
    query = select(CaseRecusal.id).where(
        CaseRecusal.case_id == case.case_id, CaseRecusal.user_id == user.id, col(CaseRecusal.ended_ms).is_(None)
    )
    if uow.session.exec(query).first() is not None:
        raise rules.HandlerUnfitError(f"{user.name} is recused from this case; choose somebody else.", role=role)
    return user
