"""A remote command with kits of the stage, opened as a commander would: asked for, decided, begun (seed 13)."""

from __future__ import annotations

from collections.abc import Sequence

from central.base.settings import load_settings
from central.command import queries, rules, service
from central.command.service import Ask, Terms
from central.flows import command
from central.people.queries import actor_of, get_user
from demo.stand import Stand


def open_session(
    stand: Stand, kits: Sequence[str], *, login: str = "commander", voice: str = "duplex", minutes: int = 60
) -> str:
    """Begin a session that calls ``kits``; returns its id. Raises as the services do."""
    settings = load_settings(stand.stage.centre_config, environ={})
    request_id = decide(stand, kits, login=login, voice=voice, minutes=minutes)
    with stand.store.write() as uow:
        actor = actor_of(get_user(uow.session, login))
        return command.begin_session(uow, actor, request_id, url=rules.check_live(settings)).id


def decide(
    stand: Stand, kits: Sequence[str], *, login: str = "commander", voice: str = "duplex", minutes: int = 60
) -> str:
    """Ask for a session with ``kits`` and grant it, without beginning it; returns the request's id."""
    with stand.store.write() as uow:
        actor = actor_of(get_user(uow.session, login))
        request = command.ask_command(uow, actor, Ask(kits, "样例：远程指挥集中执行"))
        service.grant_request(uow, actor, request.id, Terms(minutes=minutes, voice=voice))
        return request.id


def end_session(stand: Stand, session_id: str, *, login: str = "commander") -> None:
    """End it, as whoever began it would."""
    with stand.store.write() as uow:
        service.end_session(uow, actor_of(get_user(uow.session, login)), session_id, "样例结束")


def keep_session(stand: Stand, kits: Sequence[str]) -> None:
    """See to it that a session is open; one of an earlier run of the demo goes on."""
    with stand.store.read() as session:
        if queries.list_open(session):
            return
    open_session(stand, kits, voice="ptt", minutes=240)
