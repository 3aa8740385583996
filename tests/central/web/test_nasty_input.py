"""Nothing that is typed or sent makes a page fail: every answer to it is below 500, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from central.base import db
from central.base.unit_of_work import Store
from central.people import service as people
from central.web.pages import ROUTERS
from tests.cast import cheap_hashes
from tests.central.web.case_specimens import case_no, fill_docket
from tests.central.web.conftest import PASSWORD, USERS
from tests.central.web.test_cases import keyring  # noqa: F401 - a fixture
from tests.fakes.clocks import FakeClock

pytestmark = pytest.mark.both_databases

LOGINS = ("zhiban", "shuji", "guanli")
TEXTS = {
    "nul": "a%00b",
    "surrogate": "%ED%A0%80",
    "forty digits": "9" * 40,
    "eleven digits": "9" * 11,
    "minus": "-1",
    "last day": "9999-12-31",
    "first day": "0001-01-01",
    "long signs": quote("😀\u202eשלום%_'\\;--" * 60),
}
# The clerk meets most pages that take something, so what is rarer is tried by the clerk alone.
BY_ALL = {"nul", "forty digits"}
IN_FORMS = {"nul", "forty digits", "last day", "long signs"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
# Ends the session this test needs, or streams for ever.
LEFT_OUT = {"/logout", "/events"}
ROUTES = [
    route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.path not in LEFT_OUT
]


@pytest.fixture
def database_url(backend, request):
    """The centre with its users, in either database."""
    if backend == "sqlite":
        return f"sqlite:///{request.getfixturevalue('database')}"
    url = request.getfixturevalue("pg_url")
    store = Store(db.create_engine(url), FakeClock())
    with cheap_hashes(), store.write() as uow:
        for login in (*LOGINS, "faguan"):
            name, role, court = USERS[login]
            people.add_user(
                uow, login=login, name=name, role=role, court_code=court, password=PASSWORD, by="system:test"
            )
    store.close()
    return url


@pytest.fixture
def places(store, kits, raise_sos, keyring) -> dict[str, str]:  # noqa: F811
    """What there is, for the parts of a path that are not nasty."""
    today = fill_docket(store, keyring, count=5)
    return {
        "kit_id": "dl-2901-01",
        "incident_id": raise_sos(kits["dl-2901-01"]),
        "case_no": quote(case_no(101, today)),
        "code": quote("云2901"),
        "login": "zhiban",
        "node_id": "1",
        "party_id": "1",
    }


def names_of(dependant: Dependant, place: str) -> Iterator[str]:
    """Yield the parameters of a route and of all it depends on; of a model, its fields."""
    for one in getattr(dependant, f"{place}_params"):
        shape: Any = one.field_info.annotation
        is_model = isinstance(shape, type) and issubclass(shape, BaseModel)
        yield from shape.model_fields if is_model else [one.alias]
    yield from chain.from_iterable(names_of(each, place) for each in dependant.dependencies)


def addresses(route: APIRoute, nasty: str, places: dict[str, str]) -> Iterator[str]:
    """Yield the route's address with `nasty` in each part of its path and in each parameter, one at a time."""
    parts = set(names_of(route.dependant, "path"))
    usual = {name: places.get(name, "0" * 32) for name in parts}
    for name in parts:
        yield route.path.format(**{**usual, name: nasty})
    path = route.path.format(**usual)
    names = sorted(set(names_of(route.dependant, "query")))
    yield from (f"{path}?{name}={nasty}" for name in names)
    if len(names) > 1:
        yield f"{path}?" + "&".join(f"{name}={nasty}" for name in names)


def ask(client: httpx.Client, method: str, address: str, **more: Any) -> httpx.Response:
    # httpx would write the address anew; a sender of such values does not.
    request = client.build_request(method, "/", **more)
    request.url = request.url.copy_with(raw_path=address.encode())
    return client.send(request)


def test_the_walk_sees_every_kind_of_parameter():
    seen = {
        name for route in ROUTES for place in ("path", "query", "body") for name in names_of(route.dependant, place)
    }
    assert {"case_no", "kit_id", "code", "before", "until", "since", "from_ms", "page", "done_on", "lat"} <= seen


@pytest.fixture
def texts(backend) -> dict[str, str]:
    """PostgreSQL is the stricter one; what differs with SQLite is how large a number may be."""
    return TEXTS if backend == "postgresql" else {name: TEXTS[name] for name in ("forty digits",)}


def is_bad(kind: str, status: int) -> bool:
    return status >= 500 or (kind == "nul" and status != 422)


def kinds_for(login: str, texts: dict[str, str]) -> set[str]:
    return texts.keys() & (TEXTS.keys() if login == "shuji" else BY_ALL)


def test_every_address(log_in, places, texts):
    pages, failed, count = [route for route in ROUTES if "GET" in route.methods], [], 0
    for login in LOGINS:
        client = log_in(login)
        for kind in kinds_for(login, texts):
            wanted = {address for route in pages for address in addresses(route, texts[kind], places)}
            for address in wanted:
                answer, count = ask(client, "GET", address), count + 1
                if is_bad(kind, answer.status_code):
                    failed.append((login, kind, address[:120], answer.status_code))
    assert failed == []
    assert count > 200


def test_every_form(log_in, places, texts):
    forms, failed, count = [route for route in ROUTES if "POST" in route.methods], [], 0
    for login in LOGINS:
        client = log_in(login)
        for kind in IN_FORMS & kinds_for(login, texts):
            for route in forms:
                for path, sent in filled_in(route, kind, places):
                    answer, count = ask(client, "POST", path, content=sent, headers=FORM), count + 1
                    if is_bad(kind, answer.status_code):
                        failed.append((login, kind, path[:120], answer.status_code))
    assert failed == []
    assert count > 200


def filled_in(route: APIRoute, kind: str, places: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield where a form goes and what is sent: every field nasty, for numbers each part of the path too."""
    nasty = TEXTS[kind]
    fields = [*names_of(route.dependant, "body"), "text", "case_no", "cause", "filed_on", "claim"]
    sent = "&".join(f"{name}={nasty}" for name in fields)
    yield route.path.format(**{n: places.get(n, "0" * 32) for n in names_of(route.dependant, "path")}), sent
    if kind == "forty digits":
        yield from ((path, sent) for path in addresses(route, nasty, places) if "?" not in path)


def test_passkey_answers_of_any_form(log_in):
    fresh = log_in("zhiban")
    for answer in (
        '{"id":"\\u0000"}',
        '{"id":"\\ud800","rawId":"\\ud800","type":"public-key"}',
        "[" * 9000,
        "9" * 5000,
    ):
        for path in ("/login/passkey", "/security/passkeys"):
            sent = {"ceremony": "x", "answer": answer}
            assert fresh.post(path, data=sent).status_code < 500, (path, answer[:20])


def test_the_refusal_is_one_clear_sentence(log_in, places):
    client = log_in("zhiban")
    answer = ask(client, "GET", "/kits?court=%00")
    assert answer.status_code == 422
    assert "内容含有无法保存的字符（空字符或不完整的字符）；请删去后重试。" in answer.text
    assert "\0" not in answer.text
    assert "%00" not in answer.text
