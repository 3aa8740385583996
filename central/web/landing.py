"""Where each person's work begins: the page after log-in. Pure."""

from __future__ import annotations

from typing import Final

from central.courts.permissions import ADMIN_ROLES, Actor

# First match decides: who directs alarms needs the screen before the files. Anybody else begins at the own log-in.
_LANDINGS: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (frozenset({"commander", "duty_operator"}), "/"),
    (frozenset({"president", "bureau_chief", "judge", "clerk", "supervisor"}), "/work"),
    (ADMIN_ROLES, "/admin"),
    (frozenset({"police"}), "/kits"),
)


def landing_page(actor: Actor) -> str:
    """Return the path of the page this person starts from; `/` is the big screen."""
    return next((path for roles, path in _LANDINGS if not roles.isdisjoint(actor.roles)), "/profile")
