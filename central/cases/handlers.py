"""Who handles the cases of a batch: a judge of the case's court, by log-in or by a name that no other there bears."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlmodel import Session, col

from central.cases.drafts import CaseDraft
from central.people.models import User

Place = tuple[str, str]
"""Court, and log-in or name."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """Judges as (account id, name) by (court, log-in) and by (court, name)."""

    by_login: dict[Place, tuple[str, str]]
    by_name: dict[Place, tuple[str, str]]

    def is_fit(self, draft: CaseDraft) -> bool:
        """Tell whether the log-in a draft names, if any, is that of somebody who could be assigned the case."""
        return not draft.handler_login or (draft.number.court_code, draft.handler_login) in self.by_login

    def of(self, draft: CaseDraft) -> tuple[str | None, str]:
        """Return account id (None: no account fits) and name of a draft's handler."""
        court = draft.number.court_code
        found = self.by_login.get((court, draft.handler_login)) or self.by_name.get((court, draft.handler_name))
        return found or (None, draft.handler_name)


def find_handlers(session: Session, drafts: Iterable[CaseDraft]) -> Handlers:
    """Look up the accounts that the drafts name, in one query."""
    logins = {draft.handler_login for draft in drafts} - {""}
    names = {draft.handler_name for draft in drafts} - {""}
    if not logins and not names:
        return Handlers({}, {})
    columns = (col(User.id), col(User.login), col(User.name), col(User.court_code))
    query = select(*columns).where(
        or_(col(User.login).in_(logins), col(User.name).in_(names)),
        col(User.role) == "judge",
        col(User.admitted_ms).is_not(None),
        col(User.disabled_ms).is_(None),
    )
    by_login: dict[Place, tuple[str, str]] = {}
    by_name: dict[Place, list[tuple[str, str]]] = {}
    for user_id, login, name, court_code in session.connection().execute(query):
        by_login[court_code, login] = (user_id, name)
        by_name.setdefault((court_code, name), []).append((user_id, name))
    return Handlers(by_login, {place: found[0] for place, found in by_name.items() if len(found) == 1})
