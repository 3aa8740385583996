"""The demo's offices: a rapid-reaction force at every county, and who commands each centre. All are specimens."""

from __future__ import annotations

from typing import Final

from central.base.unit_of_work import UnitOfWork
from central.courts import units
from central.courts.permissions import Actor, check_role
from central.people import appointments
from central.people import queries as people
from demo.people import COUNTIES

# One county is left without a commander, so that the list of courts has something to warn of.
VACANT: Final = "云2932"
_BASIS: Final = "样例任字〔2026〕%s号"


def fill_offices(uow: UnitOfWork) -> None:
    """Set up units and appointments through the services; courts and log-ins must be there."""
    commander, president = _actor(uow, "commander"), _actor(uow, "president29")
    for number, court_code in enumerate(COUNTIES, 1):
        units.add_unit(
            uow,
            commander,
            court_code,
            kind="rapid_force",
            name=f"样例快速反应{number}队",
            phone="0872-0000000",
            note="样例",
        )
    _appoint(uow, president, "云29", "commander", 1)
    for number, court_code in enumerate(COUNTIES, 2):
        if court_code == VACANT:
            continue
        # The bureau chief of 大理市 is shown with the rights of that role alone.
        login = "commander2901" if court_code == "云2901" else f"chief{court_code.removeprefix('云')}"
        _appoint(uow, president, court_code, login, number)


def _appoint(uow: UnitOfWork, president: Actor, court_code: str, login: str, number: int) -> None:
    appointments.appoint(
        uow,
        president,
        court_code,
        post="commander",
        login=login,
        from_ms=uow.now_ms,
        until_ms=None,
        basis=_BASIS % number,
    )


def _actor(uow: UnitOfWork, login: str) -> Actor:
    user = people.get_user(uow.session, login)
    return Actor(user.id, user.login, user.name, check_role(user.role), user.court_code)
