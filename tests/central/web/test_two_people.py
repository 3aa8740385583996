"""What one administrator alone cannot do over HTTP, however it is tried."""

from __future__ import annotations

import re

from central.people import queries, service_accounts
from tests.central.web.conftest import PASSWORD, csrf_of, enter

FIELDS = {"name": "myself", "court": "云29", "days": "30", "scopes": ["cases:read", "personal:read"]}


def send(client, path, **fields):
    return client.post(path, data={"csrf": csrf_of(client), **fields})


def account_of(client):
    page = client.get("/admin/service-accounts").text
    return re.search(r"/admin/service-accounts/([0-9a-f]{32})/", page)[1]


def scopes_of(store, token):
    """What the interface lets this token do now; None: it does not know it."""
    with store.read() as session:
        service = service_accounts.find_service(session, token, store.clock.now_ms())
    return service.scopes if service is not None else None


def version_of(store, login):
    with store.read() as session:
        return queries.get_user(session, login).version


def test_a_security_administrator_alone_reads_no_case(log_in):
    security = log_in("anquan")
    answer = send(security, "/admin/service-accounts", **FIELDS)
    assert answer.status_code == 403
    assert "zxs_" not in answer.text
    assert send(log_in("guanli"), "/admin/service-accounts", **FIELDS).status_code == 303
    account = account_of(security)
    assert send(security, f"/admin/service-accounts/{account}/admit", version=1).status_code == 303
    answer = send(security, f"/admin/service-accounts/{account}/token", version=2)
    assert (answer.status_code, "zxs_" in answer.text) == (403, False)


def test_a_system_administrator_alone_gets_no_token_either(log_in):
    system = log_in("guanli")
    send(system, "/admin/service-accounts", **FIELDS)
    account = account_of(system)
    for act, fields in (("admit", {}), ("token", {}), ("change", {"scopes": ["cases:read"], "fresh": "true"})):
        answer = send(system, f"/admin/service-accounts/{account}/{act}", version=1, **fields)
        assert answer.status_code in (403, 409), act
        assert "zxs_" not in answer.text, act


def test_an_admitted_and_issued_token_opens_and_a_narrowed_one_no_more(log_in, store):
    system, security = log_in("guanli"), log_in("anquan")
    send(system, "/admin/service-accounts", **FIELDS)
    account = account_of(system)
    send(security, f"/admin/service-accounts/{account}/admit", version=1)
    page = send(system, f"/admin/service-accounts/{account}/token", version=2).text
    token = re.search(r'id="service-token">([^<]+)<', page)[1]
    assert scopes_of(store, token) == {"cases:read", "personal:read"}
    send(system, f"/admin/service-accounts/{account}/change", version=3, scopes=["courts:read"], days="0")
    assert scopes_of(store, token) == frozenset()
    send(security, f"/admin/service-accounts/{account}/revoke")
    assert scopes_of(store, token) is None


def test_a_system_administrator_alone_takes_no_account_over(log_in, client, store):
    system = log_in("guanli")
    tries = (("reset", {"what": "password"}), ("admit", {}), ("password", {}), ("reset", {"what": "second"}))
    for login in ("anquan", "shenji", "faguan"):
        for path, fields in tries:
            answer = send(system, f"/admin/users/{login}/{path}", version=version_of(store, login), **fields)
            assert 'id="first-password"' not in answer.text, (login, path)
        assert enter(client, login, PASSWORD) == 303, "the person goes on with the own password"
        client.cookies.clear()


def test_even_with_a_reset_admitted_no_system_administrator_becomes_a_security_administrator(log_in, store):
    system, security = log_in("guanli"), log_in("anquan")
    with store.write() as uow:
        queries.get_user(uow.session, "faguan").role = "security_admin"
    send(system, "/admin/users/faguan/reset", version=1, what="password")
    assert send(security, "/admin/users/faguan/admit", version=2).status_code == 303
    assert send(system, "/admin/users/faguan/password", version=3).status_code == 403
    assert "发放一次性密码</button>" not in system.get("/admin/users/faguan").text
    page = send(security, "/admin/users/faguan/password", version=3)
    assert 'id="first-password"' in page.text
