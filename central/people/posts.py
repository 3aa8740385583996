"""Posts that are held by a dated appointment (任命), and who may hold them. Pure.

Seed 7: the commander is a vice-president or the bureau chief. The other posts are acting ones, for a leave or a
vacancy. A post never joins what the table of permissions keeps apart: nobody who drafts keeps seals, no administrator
and no supervisor holds any, and the president appoints without being appointed.
"""

from __future__ import annotations

from typing import ClassVar, Final

from central.base.errors import ConflictError, InvalidInputError

COMMANDER: Final = "commander"
# post -> own roles that may hold it.
HOLDERS: Final[dict[str, frozenset[str]]] = {
    COMMANDER: frozenset({"commander", "bureau_chief"}),
    "bureau_chief": frozenset({"commander", "judge"}),
    "duty_operator": frozenset({"bureau_chief", "judge", "clerk", "police"}),
    "seal_keeper": frozenset({"police", "duty_operator"}),
}
POSTS: Final = tuple(HOLDERS)


class UnfitForPostError(ConflictError):
    """This person cannot hold the post: another court's, disabled, or of a role it may not be joined to."""

    code: ClassVar[str] = "unfit_for_post"


class SelfAppointmentError(ConflictError):
    """Nobody appoints themself."""

    code: ClassVar[str] = "self_appointment"


class AppointmentEndedError(ConflictError):
    """The appointment ends then or earlier already."""

    code: ClassVar[str] = "appointment_ended"


def check_post(post: str) -> str:
    """Return a post; raises InvalidInputError when nobody is appointed to it."""
    if post not in HOLDERS:
        raise InvalidInputError(f"Nobody is appointed to {post!r}: the posts are {', '.join(POSTS)}.")
    return post


def may_hold(post: str, role: str) -> bool:
    """Tell whether a person of this own role may hold the post."""
    return role in HOLDERS.get(post, frozenset())


def posts_for(role: str) -> tuple[str, ...]:
    """Return the posts a person of this own role may hold."""
    return tuple(post for post in POSTS if may_hold(post, role))
