"""Every right of the permission table has a door, and every role meets it as the table says.

Each door is one HTTP request by somebody freshly logged in, one person for each role, all of one court. Whoever has
the right gets through (and may be told that a number is unknown or a field is missing), anybody else gets 403.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from central.base import db
from central.base.bus import LocalBus
from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases import acts
from central.cases import queries as case_queries
from central.cases.catalogue import get_catalogue
from central.cases.drafts import CaseDraft
from central.cases.numbers import make_case_no
from central.cases.rights import CASE_ACTIONS
from central.cases.writer import store_cases
from central.courts.permissions import PERMISSIONS, ROLES
from central.people import service as people
from central.people.queries import actor_of, get_user
from contract.trust import KitEntry
from tests.browser.footage import make_recording
from tests.browser.world import World
from tests.cast import cheap_hashes
from tests.central.web.case_specimens import APPLICANT, EXECUTEE
from tests.central.web.conftest import HTML, PASSWORD, csrf_of, enter
from tests.central.web.serving import Server
from tests.fakes.clocks import FakeClock

COURT = "云29"
KIT = "dl-2901-01"
CASE_NO = make_case_no(2026, COURT, "执", 1).text
CASE = f"/cases/{quote(CASE_NO)}"


@dataclass(frozen=True)
class House:
    """The centre with somebody of every role in it."""

    clients: dict[str, httpx.Client]
    incident_id: str
    recording_id: str
    party_id: int
    drafted_id: str
    approved_id: str


Door = Callable[[httpx.Client, House], httpx.Response]


def get(path: str) -> Door:
    return lambda client, house: client.get(path.format(**vars(house)))


def post(path: str, **fields: object) -> Door:
    return lambda client, house: client.post(path.format(**vars(house)), data=fields)


def play(client: httpx.Client, house: House) -> httpx.Response:
    """State a purpose, then open a segment."""
    stated = client.post(f"/recordings/{house.recording_id}/grants", data={"purpose": "样例"})
    if stated.status_code != 200:
        return stated
    grant = stated.json()["grant"]
    return client.get(f"/recordings/{house.recording_id}/segments/1/clear", params={"grant": grant})


# A door for each right. Rooms to come put theirs here: the simplest request that asks for nothing but the right.
DOORS: dict[str, Door] = {
    # the big screen, kits and alarms
    "see_screen": get("/screen/board"),
    "see_kits": get("/kits"),
    "see_trail": get(f"/kits/{KIT}/trail?from_ms=0&to_ms=1"),
    "see_incidents": get("/incidents"),
    "acknowledge_alarm": post("/incidents/{incident_id}/acknowledge"),
    "close_incident": post("/incidents/{incident_id}/close", note="样例"),
    "order_recording": post(f"/kits/{KIT}/recording", wanted="true", cause="样例"),
    "see_tasks": get("/tasks"),
    "assign_tasks": post(f"/kits/{KIT}/tasks", title="样例任务"),
    # remote command
    "request_command": get("/command/new"),
    "decide_command": post("/command/requests/none/refuse", reason="样例"),
    "start_command": post("/command/requests/none/begin"),
    "watch_live": get("/wall"),
    "give_instruction": post("/command/none/orders", text="样例"),
    "lock_kit": post(f"/kits/{KIT}/lost/lock", reason="样例"),
    "ask_destruction": post(f"/kits/{KIT}/lost/ask", reason="样例"),
    "confirm_destruction": post(f"/kits/{KIT}/lost/confirm"),
    # evidence
    "see_recordings": get("/recordings/{recording_id}"),
    "play_recording": play,
    "export_recording": post("/recordings/{recording_id}/export", purpose="样例"),
    # cases
    "see_work": get("/work"),
    "search_cases": get("/cases"),
    "see_case": get(CASE),
    "unmask_party": post(f"{CASE}/parties/{{party_id}}/unmask", purpose="核对样例身份"),
    "register_case": get("/cases/new"),
    "edit_case": get(f"{CASE}/edit"),
    "record_node": post(f"{CASE}/nodes", kind="notice", started_on="2026-11-20", due_on="2026-11-30"),
    "add_document": post(f"{CASE}/documents", kind="none"),
    "assign_case": post(f"{CASE}/assign", handler="nobody"),
    "flag_case": post(f"{CASE}/flags", flag="none", reason="样例"),
    "request_case_act": post(f"{CASE}/acts", kind="extend", months=0, reason="样例"),
    "approve_case_act": post(f"{CASE}/acts/{{drafted_id}}/approve"),
    "sign_case_act": post(f"{CASE}/acts/{{approved_id}}/sign"),
    "set_recusal": post(f"{CASE}/recusals", login="nobody", reason="样例"),
    "share_case": post(f"{CASE}/shares", court="云2901"),
    "export_cases": get("/cases/export.csv"),
    "import_cases": get("/imports/new"),
    "release_import": post("/imports/none/release"),
    # courts and command units
    "see_courts": get("/admin/courts"),
    "manage_units": post(f"/admin/courts/{COURT}/units", kind="other", name=""),
    "appoint_commander": get(f"/admin/courts/{COURT}/appointments"),
    "manage_courts": get("/admin/courts/new"),
    "manage_features": post(f"/admin/courts/{COURT}/edit/feature", feature="inquiry", state="on", basis=""),
    # keeping the house
    "see_health": get("/health"),
    "manage_cameras": get("/cameras"),
    "grant_outlet": get("/command/none/outlets"),
    "fetch_logs": post(f"/kits/{KIT}/logs", reason="样例", hours=1),
    "see_set_aside": get("/devices"),
    "see_users": get("/admin/users"),
    "manage_users": get("/admin/new-user"),
    "admit_users": post("/admin/users/door-police/admit", version=1),
    "manage_sessions": post("/admin/users/door-police/sessions", ref="none"),
    "manage_terminals": get("/admin/terminals"),
    "manage_service_accounts": post("/admin/service-accounts", court=COURT),
    "admit_service_accounts": post("/admin/service-accounts/none/admit", version=1),
    "see_roles": get("/admin/roles"),
    "read_audit": get("/audit"),
    "export_audit": post("/audit/export"),
    "verify_audit": post("/audit/verify"),
}
# Rights without a door of their own, and why.
WITHOUT_DOOR = {
    "talk_live": "is asked by the relay: tests/central/relay, tests/central/command/test_rules.py",
    "join_live": "is asked of who was invited to a session, by his page and the relay: the same tests",
    "manage_devices": "opens a part of the page of a kit (its certificates): test_pages.py looks for it",
}
# Whoever may not see cases is not told which there are: acts on one are refused to him as one on an unknown case.
ON_ONE_CASE = {action for action, door in DOORS.items() if action in CASE_ACTIONS and action != "register_case"}


def login_of(role: str) -> str:
    return f"door-{role}"


@pytest.fixture(scope="module")
def house(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One centre for all doors: what one visitor does to it does not change who may pass."""
    folder = tmp_path_factory.mktemp("doors")
    shutil.copy(migrated_database, folder / "centre.db")
    settings = Settings(
        second_factor="optional", **{f"{name}_dir": str(folder / name) for name in ("data", "keys", "handover")}
    )
    bus, clock = LocalBus(), FakeClock()
    store = Store(db.create_engine(f"sqlite:///{folder / 'centre.db'}"), clock, bus)
    world = _furnish(store, settings, bus)
    case = _open_case(store, settings)
    footage = make_recording(world, KIT, seconds=2)
    incident_id = world.raise_alarm(KIT, place=(25.6, 100.2))
    server = Server(settings, store, bus)
    address = server.start()
    clients = {role: httpx.Client(base_url=address, headers=HTML, timeout=30) for role in ROLES}
    for role, client in clients.items():
        assert enter(client, login_of(role)) == 303
        client.headers["X-CSRF-Token"] = csrf_of(client, "/profile")
    try:
        yield House(clients, incident_id, footage.id, **case)
    finally:
        for client in clients.values():
            client.close()
        server.stop()
        store.close()


def _furnish(store: Store, settings: Settings, bus: LocalBus) -> World:
    world = World(store, settings, bus)
    world.add_kits(
        [
            KitEntry(
                kit_id=KIT, court_code="云2901", label="单兵", officer="样例警官", serials=["a1"], revoked_serials=[]
            )
        ]
    )
    with cheap_hashes(), store.write() as uow:
        for role in ROLES:
            people.add_user(
                uow, login=login_of(role), name=f"样例{role}", role=role, court_code=COURT, password=PASSWORD,
                by="system:test",
            )  # fmt: skip
    return world


def _open_case(store: Store, settings: Settings) -> dict[str, Any]:
    """Two cases of the court, each with an act under way: one to approve, one approved already."""
    keyring = load_keyring(Path(settings.keys_dir))
    drafts = [
        CaseDraft(
            number=make_case_no(2026, COURT, "执", seq), filed_on=date(2026, 10, 8), parties=(APPLICANT, EXECUTEE),
            state="active", handler_login=login_of("judge"),
        )
        for seq in (1, 2)
    ]  # fmt: skip
    with cheap_hashes(), store.write() as uow:
        people.add_user(
            uow, login="door-chief2", name="样例副局长", role="bureau_chief", court_code=COURT, password=PASSWORD,
            by="system:test",
        )  # fmt: skip
        store_cases(uow, keyring, get_catalogue(), drafts, source="样例", actor="system:test")
        judge, chief = (actor_of(get_user(uow.session, login)) for login in (login_of("judge"), "door-chief2"))
        drafted, approved = (
            acts.draft_act(uow, judge, draft.number.text, "extend", {"months": 1}, "样例理由") for draft in drafts
        )
        acts.approve_act(uow, chief, approved.id)
    with store.read() as session:
        view = case_queries.view_case(session, judge, keyring, CASE_NO, now_ms=store.clock.now_ms())
    return {"party_id": view.parties[0].party_id, "drafted_id": drafted.id, "approved_id": approved.id}


def test_every_right_has_its_door_or_a_reason():
    assert set(DOORS) | set(WITHOUT_DOOR) == set(PERMISSIONS)
    assert not set(DOORS) & set(WITHOUT_DOOR)


@pytest.mark.parametrize("action", sorted(DOORS))
def test_the_door_opens_as_the_table_says(house: House, action: str) -> None:
    met = {}
    for role, client in house.clients.items():
        answer = DOORS[action](client, house)
        assert answer.status_code not in (401, 405), (role, answer.status_code, answer.text[-600:])
        assert answer.status_code < 500, (role, answer.status_code)
        assert "/login" not in answer.headers.get("location", ""), role
        met[role] = answer.status_code
    refused = {role for role, status in met.items() if status == 403}
    if action in ON_ONE_CASE:
        refused |= {role for role, status in met.items() if status == 404 and role not in PERMISSIONS["see_case"]}
    assert set(ROLES) - refused == PERMISSIONS[action], met
