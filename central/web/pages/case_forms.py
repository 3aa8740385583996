"""Registering a case, and correcting one; a second person's edit is shown field by field and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import DomainError
from central.cases import clock, record
from central.cases import service as cases
from central.cases.catalogue import get_catalogue
from central.cases.drafts import CaseDraft
from central.cases.identity import ID_KINDS
from central.cases.numbers import make_case_no, parse_case_no
from central.cases.parties import KINDS, ROLES
from central.cases.rules import EditConflictError
from central.cases.views import CaseView
from central.courts import queries as courts
from central.courts.permissions import Actor, check_permission
from central.web.case_form import CaseForm, PartyRow, fill_form, keep_theirs, read_form, settle, show_difference
from central.web.case_names import Names
from central.web.case_views import need_day
from central.web.context import Context, Here, SignedIn
from central.web.i18n import note as _
from central.web.problems import say
from central.web.refusals import refusal
from central.web.render import render, words_of

router = APIRouter(prefix="/cases")

FORM: Final = "case"
FIELDS: Final = {
    "case_number": "case_no",
    "case_number_document": "case_no",
    "case_number_year": "case_no",
    "case_exists": "case_no",
    "other_court_case": "case_no",
    "day_format": "filed_on",
    "day": "filed_on",
    "money_format": "claim",
    "amount:claim": "claim",
    "amount:amount received": "received",
    "amount:received": "received",
    "text_too_long:basis_doc_no": "basis_doc_no",
    "text_too_long:cause": "cause",
    "case_state": "origin_case_no",
    "party": "parties",
}
# Refusals of a party that are about its identity number.
ID_CODES: Final = frozenset(
    {"id_form", "id_birth_date", "id_check_digit", "uscc_check_digit", "org_code_check_digit"}
)
FIELD_WORDS: Final = {
    "basis_doc_no": _("执行依据"),
    "cause": _("案由"),
    "claim": _("申请标的（元）"),
    "received": _("执行到位（元）"),
    "is_non_litigation": _("非诉执行"),
    "parties": _("当事人"),
}


async def sent_form(request: Request) -> Mapping[str, Any]:
    """Return the fields of the form that was sent; files are none of them."""
    return dict(await request.form(max_files=0, max_fields=1200))


Sent = Annotated[Mapping[str, Any], Depends(sent_form)]


@router.get("/new")
def show_new(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show the empty form of a new case of the own court."""
    check_permission(actor, "register_case")
    form = CaseForm(
        {"filed_on": str(clock.today(here.now_ms()))},
        [PartyRow({"role": "applicant", "kind": "natural"}), PartyRow({"role": "executee", "kind": "natural"})],
    )
    return _show_form(request, here, actor, form)


@router.post("/new")
def register(request: Request, here: Here, actor: SignedIn, sent: Sent) -> Response:
    """Register a case, or show the form again with what is wrong."""
    check_permission(actor, "register_case")
    form = read_form(sent)
    if sent.get("more"):
        return _show_form(request, here, actor, form)
    parties, wrong = form.make_parties()
    with refusal(request, FORM, FIELDS) as refused, here.store.write() as uow:
        draft = CaseDraft(
            number=parse_case_no(form.get("case_no"), legacy_court=actor.court_code),
            filed_on=need_day(form.get("filed_on")),
            parties=tuple(edit.draft for edit in parties),
            **{name: value for name, value in form.make_changes().items() if name != "is_non_litigation"},
        )
        _raise_first(wrong)
        origin = form.get("origin_case_no")
        case = cases.register_case(
            uow,
            actor,
            here.keyring,
            draft,
            origin_case_no=parse_case_no(origin, legacy_court=actor.court_code).text if origin else "",
            is_non_litigation=bool(form.get("is_non_litigation")),
        )
    if refused:
        problems = _problems(request, refused.problems, wrong)
        return _show_form(request, here, actor, form, status=refused.status, problems=problems)
    return _go_on(request, case.case_no)


@router.get("/{case_no}/edit")
def show_edit(request: Request, here: Here, actor: SignedIn, case_no: str) -> Response:
    """Show the form of a case as it stands."""
    view = _look(here, actor, case_no)
    return _show_form(request, here, actor, fill_form(view), view=view)


@router.post("/{case_no}/edit")
def edit(request: Request, here: Here, actor: SignedIn, case_no: str, sent: Sent) -> Response:
    """Correct a case; when somebody else was first, show both values of every field that differs."""
    view = _look(here, actor, case_no)
    form = settle(read_form(sent), view)
    if sent.get("more"):
        return _show_form(request, here, actor, form, view=view)
    form, is_theirs = keep_theirs(form, sent, view)
    parties, wrong = form.make_parties()
    with refusal(request, FORM, FIELDS) as refused, here.store.write() as uow:
        changes = form.make_changes()
        _raise_first(wrong)
        cases.edit_case(
            uow,
            actor,
            here.keyring,
            case_no,
            form.version,
            changes=changes,
            parties=None if is_theirs or not _is_changed(form, view) else parties,
        )
    if not refused:
        return _go_on(request, case_no)
    differences = []
    if isinstance(refused.error, EditConflictError):
        differences = [show_difference(each) for each in refused.error.params["differences"]]  # type: ignore[attr-defined]
        form.version = int(str(refused.error.params["version"]))
    return _show_form(
        request,
        here,
        actor,
        form,
        view=view,
        status=refused.status,
        problems=_problems(request, refused.problems, wrong),
        differences=differences,
    )


def _go_on(request: Request, case_no: str) -> Response:
    """Go to the case: its page has nothing of the form that a script could swap in place."""
    path = f"/cases/{quote(case_no)}"
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def _look(here: Context, actor: Actor, case_no: str) -> CaseView:
    """Return the case to be edited; raises ForbiddenError or CaseClosedError when this person cannot."""
    with here.store.write() as uow:
        view = cases.look_at_case(uow, actor, here.keyring, case_no)
        if "edit_case" not in view.rights:
            record.open_case(uow, actor, case_no, "edit_case")  # says why
        return view


def _is_changed(form: CaseForm, view: CaseView) -> bool:
    """Tell whether anything about the parties was typed: else they are left alone, and sealed values with them."""
    before = fill_form(view).parties
    same = len(before) == len(form.parties) and all(
        row.party_id == old.party_id
        and not row.is_removed
        and not row.is_erased
        and all(row.get(name) == old.get(name) for name in ("role", "kind", "name", "id_kind"))
        and not any(row.get(name) for name in ("id_no", "phone", "address", "account", "representative"))
        for row, old in zip(form.parties, before, strict=True)
    )
    return not same


def _raise_first(wrong: Mapping[str, DomainError]) -> None:
    for error in wrong.values():
        raise error


def _problems(
    request: Request, problems: dict[str, dict[str, str]], wrong: Mapping[str, DomainError]
) -> dict[str, dict[str, str]]:
    """Put every party's refusal beside its row, not only the first that stopped the form."""
    if not wrong:
        return problems
    words = words_of(request)
    places = {name: "id_no" if error.code in ID_CODES else "name" for name, error in wrong.items()}
    return {FORM: {name: say(error, words) for name, error in wrong.items()}, "places": places}


def _show_form(
    request: Request,
    here: Context,
    actor: Actor,
    form: CaseForm,
    *,
    view: CaseView | None = None,
    status: int = 200,
    problems: Mapping[str, Mapping[str, str]] | None = None,
    differences: list[tuple[str, str, str]] | None = None,
) -> Response:
    words = words_of(request)
    with here.store.read() as session:
        court_code = view.case.court_code if view else actor.court_code
        court = courts.get_court(session, court_code)
        names = Names(words, courts.list_all_courts(session))
    return render(
        request,
        "cases/form.html",
        status=status,
        form=form,
        given={FORM: form.fields},
        view=view,
        court=court,
        example=make_case_no(clock.today(here.now_ms()).year, court_code, "执", 123).text,
        names=names,
        problems=problems or {},
        differences=[(name, words(FIELD_WORDS[name]), a, b) for name, a, b in differences or []],
        types=names.options(get_catalogue().types),
        roles=ROLES,
        kinds=KINDS,
        id_kinds=ID_KINDS,
    )
