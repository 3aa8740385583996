"""What two people must agree on before an account, a password or a token comes into being. Pure.

Every key to the house takes two: a system administrator proposes, a security administrator admits. A one-time
password is known to whoever issues it, so the office issues it that gains nothing by it: for a security
administrator another security administrator, for all others a system administrator.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from central.base.errors import ConflictError, InvalidInputError
from central.people.rules import SamePersonError

# What can be reset in an account: the password, or the second ways with the link to the directory.
Reset = Literal["password", "second"]
RESETS: Final[tuple[Reset, ...]] = ("password", "second")
_ADMITTING_ROLE: Final = "security_admin"


class ProposalPendingError(ConflictError):
    """Another proposal for the same account waits to be admitted or refused."""

    code: ClassVar[str] = "proposal_pending"


def check_reset(what: str) -> Reset:
    """Return `what` as one of RESETS; raises InvalidInputError."""
    for known in RESETS:
        if what == known:
            return known
    raise InvalidInputError(f"There is no reset of {what[:20]!r}: use one of {', '.join(RESETS)}.")


def issuing_right(role: str) -> str:
    """Return the right that issues one-time passwords to accounts of `role`."""
    return "admit_users" if role == _ADMITTING_ROLE else "manage_users"


def changes_issuer(role: str, new_role: str) -> bool:
    """Tell whether a change of role makes the other office responsible for the account's password.

    Then password and second ways begin anew: whoever issued the former ones might still hold them.
    """
    return issuing_right(role) != issuing_right(new_role)


def check_other(actor_name: str, proposer: str) -> None:
    """Raise SamePersonError when the one who admits is the one who proposed (names as the audit has them)."""
    if actor_name == proposer:
        raise SamePersonError("Nobody admits what he proposed; another security administrator must do this.")
