"""One person's request about one case: every form on its page is acted on, refused and shown again the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases import service as cases
from central.cases.recusals import find_own_recusal
from central.courts.permissions import Actor, check_permission
from central.web.case_page import page_values
from central.web.context import AtTerminal, Context, Here, Proven, SignedIn
from central.web.refusals import refusal
from central.web.render import render, words_of

Line = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Form(max_length=64)]
Day = Annotated[str, Form(max_length=20)]
REASON_FIELDS: Final = {"text_missing": "reason", "text_too_long": "reason", "extension": "months"}


@dataclass(frozen=True)
class ActForm:
    """A form on the page: its name and section there, the right its act asks for, the field each refusal is about."""

    name: str
    section: str
    right: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def of(self, part: str | int) -> ActForm:
        """Return this form as it stands once for each node, pause, paper, act or recusal."""
        return replace(self, name=f"{self.name}-{part}")


@dataclass(frozen=True)
class CaseDesk:
    """Who asks, and which case it is about."""

    request: Request
    here: Context
    actor: Actor
    case_no: str

    def perform(self, form: ActForm, given: Mapping[str, str], act: Callable[[UnitOfWork], Any]) -> Response:
        """Do one act in one transaction; then show the case, or the form again with its refusal and what was typed.

        Who may not is refused before anybody reads what was typed.
        """
        check_permission(self.actor, form.right)
        with (
            refusal(self.request, form.name, form.fields, section=form.section) as refused,
            self.here.store.write() as uow,
        ):
            act(uow)
        if refused:
            return self.show(status=refused.status, problems=refused.problems, given={form.name: given})
        return RedirectResponse(f"/cases/{quote(self.case_no)}#{form.section}", status_code=303)

    def show(
        self,
        *,
        status: int = 200,
        before: int | None = None,
        problems: Mapping[str, Mapping[str, str]] | None = None,
        given: Mapping[str, Mapping[str, str]] | None = None,
        unmasked: Mapping[int, Mapping[str, str]] | None = None,
    ) -> Response:
        """Render the case's page: with messages beside the fields they belong to, and what was typed kept."""
        here, actor, words, now_ms = self.here, self.actor, words_of(self.request), self.here.now_ms()
        try:
            with here.store.write() as uow:
                view = cases.look_at_case(uow, actor, here.keyring, self.case_no)
                values = page_values(uow.session, actor, view, words, now_ms=now_ms, before=before)
        except NotFoundError:
            with here.store.read() as session:
                recusal = find_own_recusal(session, actor, self.case_no)
            if recusal is None:
                raise
            return render(self.request, "cases/recused.html", status=403, case_no=self.case_no, recusal=recusal)
        return render(
            self.request,
            "cases/case.html",
            status=status,
            problems=problems or {},
            given=given or {},
            unmasked=unmasked or {},
            document_max_bytes=here.settings.document_max_bytes,
            **values,
        )


def _desk(request: Request, here: Here, actor: SignedIn, case_no: str) -> CaseDesk:
    return CaseDesk(request, here, actor, case_no)


def _terminal_desk(request: Request, here: Here, actor: AtTerminal, case_no: str) -> CaseDesk:
    return CaseDesk(request, here, actor, case_no)


def _proven_desk(request: Request, here: Here, actor: Proven, case_no: str) -> CaseDesk:
    return CaseDesk(request, here, actor, case_no)


# Numbers of rows as a path or a query names them: what no database counts to is refused before it is asked.
RowNo = Annotated[int, Path(ge=0, lt=2**63)]
BeforeRow = Annotated[int | None, Query(ge=0, lt=2**63)]
# As context.SignedIn, AtTerminal and Proven; the path names the case.
Desk = Annotated[CaseDesk, Depends(_desk)]
TerminalDesk = Annotated[CaseDesk, Depends(_terminal_desk)]
ProvenDesk = Annotated[CaseDesk, Depends(_proven_desk)]
