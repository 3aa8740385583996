"""What another system may do on `/api/v1`: scopes, what each allows, and the service acting. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from central.base.errors import InvalidInputError

# Scope -> actions of the permission table (courts.permissions) it allows; `read_changes` is for services alone.
SERVICE_RIGHTS: Final[dict[str, frozenset[str]]] = {
    scope: frozenset(actions)
    for scope, actions in {
        "courts:read": ("see_courts",),
        "cases:read": ("search_cases", "see_case"),
        "cases:write": ("register_case", "edit_case"),
        "personal:read": ("unmask_party",),
        "changes:read": ("read_changes",),
        "imports:write": ("import_cases",),
    }.items()
}
SCOPES: Final[tuple[str, ...]] = tuple(SERVICE_RIGHTS)


@dataclass(frozen=True)
class ServiceActor:
    """Another system, acting within its scopes in its court and those below; fits `courts.permissions.Viewer`."""

    name: str
    court_code: str
    scopes: frozenset[str]

    @property
    def user_id(self) -> str:
        """No person's id: rules that look at persons (recusal, handler) never match a service."""
        return self.audit_name

    @property
    def audit_name(self) -> str:
        """How the audit chain names this system."""
        return f"service:{self.name}"

    def has_right(self, action: str) -> bool:
        """Tell whether one of the scopes allows `action`."""
        return any(action in SERVICE_RIGHTS.get(scope, frozenset()) for scope in self.scopes)


def check_scopes(scopes: Iterable[str]) -> list[str]:
    """Return the scopes without doubles, in the order of SCOPES; raises InvalidInputError for unknown or no ones."""
    wanted = set(scopes)
    if unknown := sorted(wanted.difference(SCOPES)):
        raise InvalidInputError(f"There is no scope {unknown[0]!r}: use some of {', '.join(SCOPES)}.")
    if not wanted:
        raise InvalidInputError("A service account needs at least one scope: choose what the system may do.")
    return [scope for scope in SCOPES if scope in wanted]
