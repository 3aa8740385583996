"""Asks who the person is once more, before a grave act, without losing what was typed.

The form holds the fields of the act beside its own (which all begin with `reauth_`); after the proof the browser is
told to send the very same form on to the act (307 keeps method and body, RFC 9110 15.4.8). No script is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request, Response

from central.people import passkeys
from central.people import queries as people
from central.web.context import any_login, get_context
from central.web.render import render
from central.web.security import CSRF_FIELD

PREFIX: Final = "reauth_"
# Names of fields that hold a password; no page of ours ever shows them again.
SECRET_FIELDS: Final = frozenset({"old", "password", "repeated"})


def holds_secret(fields: Sequence[tuple[str, Any]]) -> bool:
    """Tell whether a password stands among the fields of an act."""
    return any(name in SECRET_FIELDS for name, _value in fields)


def show_reauth(
    request: Request,
    *,
    target: str,
    is_post: bool,
    fields: Sequence[tuple[str, Any]] = (),
    status: int = 200,
    sentence: str = "",
) -> Response:
    """Show the form; `fields` are those of the act, to be sent to `target` afterwards."""
    here, login = get_context(request), any_login(request)
    with here.store.read() as session:
        user = people.get_user(session, login.actor.login)
        has_passkey = passkeys.are_available(here.settings) and bool(people.list_passkeys(session, user.id))
    left_out = SECRET_FIELDS | {CSRF_FIELD}
    kept = [(name, value) for name, value in fields if not name.startswith(PREFIX) and name not in left_out]
    request.state.actor = login.actor
    return render(
        request,
        "login/reauth.html",
        status=status,
        sentence=sentence,
        target=target,
        is_post=is_post,
        fields=kept,
        has_totp=user.totp_cipher is not None,
        has_passkey=has_passkey,
    )
