"""People of two levels, and a session in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from central.base.keyring import Keyring, load_keyring
from central.base.unit_of_work import Store
from central.command import cameras, service
from central.command.models import CommandRequest, CommandSession
from central.courts.permissions import Actor

URL = "https://relay.test:8445"


@pytest.fixture
def chief() -> Actor:
    """Bureau chief of Dali city: asks, does not decide."""
    return Actor("u5", "juzhang", "样例局长", "bureau_chief", "云2901")


@pytest.fixture
def leader() -> Actor:
    """Commander of Dali city."""
    return Actor("u6", "zhihui1", "样例县指挥长", "commander", "云2901")


@pytest.fixture
def second() -> Actor:
    """President of the prefecture's court."""
    return Actor("u7", "yuanzhang", "样例院长", "president", "云29")


@pytest.fixture
def judge() -> Actor:
    """Judge of Dali city."""
    return Actor("u8", "faguan", "样例法官", "judge", "云2901")


@pytest.fixture
def ask(store: Store, kits: object, chief: Actor) -> Callable[..., CommandRequest]:
    """Ask for a command by the intermediate court, as the county's bureau chief unless told otherwise."""

    def take(actor: Actor = chief, kits=("dl-2901-01",), court: str = "云29", **fields: str) -> CommandRequest:
        with store.write() as uow:
            return service.ask_command(
                uow, actor, service.Ask(list(kits), "样例：强制腾退现场", commanding_court=court, **fields)
            )

    return take


@pytest.fixture
def begin(store: Store, ask: Callable[..., CommandRequest], commander: Actor) -> Callable[..., CommandSession]:
    """Ask, grant, begin: a session of the intermediate court over a county's kit."""

    def take(kits=("dl-2901-01",), actor: Actor = commander, **fields: object) -> CommandSession:
        request = ask(kits=kits, actor=actor)
        with store.write() as uow:
            service.grant_request(uow, actor, request.id, service.Terms(**fields))
        with store.write() as uow:
            return service.begin_session(uow, actor, request.id, url=URL)

    return take


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return load_keyring(tmp_path / "keys")


@pytest.fixture
def camera_id(store: Store, administrator: Actor, keyring: Keyring) -> str:
    """A camera of the county's court, written down and never tried."""
    address = "rtsp://yonghu:mima@127.0.0.1:1/men"
    with store.write() as uow:
        camera = cameras.add_camera(
            uow, administrator, keyring, court_code="云2901", name="样例门口", place="样例法庭", address=address
        )
        return camera.id
