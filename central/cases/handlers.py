"""Who handles the cases of a batch: a log-in, or a name that is unique among the court's people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlmodel import Session, col

from central.cases.drafts import CaseDraft
from central.people.models import User

_ROLES = ("judge", "clerk")


@dataclass(frozen=True, slots=True)
class Handlers:
    """Accounts by log-in and by (court, name)."""

    by_login: dict[str, tuple[str, str]]
    by_name: dict[tuple[str, str], tuple[str, str]]

    def of(self, draft: CaseDraft) -> tuple[str | None, str]:
        """Return account id (None: no account fits) and name of a draft's handler."""
        found = self.by_login.get(draft.handler_login) if draft.handler_login else None
        found = found or self.by_name.get((draft.number.court_code, draft.handler_name))
        return found or (None, draft.handler_name)


def find_handlers(session: Session, drafts: Iterable[CaseDraft]) -> Handlers:
    """Look up the accounts that the drafts name, in one query."""
    logins = {draft.handler_login for draft in drafts} - {""}
    names = {draft.handler_name for draft in drafts} - {""}
    if not logins and not names:
        return Handlers({}, {})
    columns = (col(User.id), col(User.login), col(User.name), col(User.court_code), col(User.role))
    query = select(*columns).where(
        or_(col(User.login).in_(logins), col(User.name).in_(names)), col(User.disabled_ms).is_(None)
    )
    by_login: dict[str, tuple[str, str]] = {}
    by_name: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for user_id, login, name, court_code, role in session.connection().execute(query):
        by_login[login] = (user_id, name)
        if role in _ROLES:
            by_name.setdefault((court_code, name), []).append((user_id, name))
    return Handlers(by_login, {place: found[0] for place, found in by_name.items() if len(found) == 1})
