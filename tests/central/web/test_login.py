"""Log-in, lock-out, log-out, language."""

import re

import httpx
import msgspec
import pytest

from central.web.security import SESSION_COOKIE, VISITOR_COOKIE
from tests.central.web.conftest import HTML, PASSWORD, PATIENCE_S, csrf_of, enter
from tests.central.web.serving import Server


def test_wrong_password_is_told_in_words(client):
    form = {"login": "zhiban", "password": "falsch", "csrf": csrf_of(client)}
    answer = client.post("/login", data=form)
    assert answer.status_code == 401
    assert "用户名或密码不正确" in answer.text
    assert 'value="zhiban"' in answer.text
    assert "falsch" not in answer.text
    assert SESSION_COOKIE not in client.cookies


def test_lock_out_says_for_how_long(client):
    for _ in range(9):
        assert enter(client, "zhiban", "falsch") == 401
    assert enter(client, "zhiban", "falsch") == 429
    answer = client.post("/login", data={"login": "zhiban", "password": PASSWORD, "csrf": csrf_of(client)})
    assert answer.status_code == 429
    assert "连续 10 次密码错误" in answer.text
    assert "15 分钟后重试" in answer.text


def test_session_cookie_is_out_of_reach(client):
    answer = client.post("/login", data={"login": "zhiban", "password": PASSWORD, "csrf": csrf_of(client)})
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie  # plain http at loopback
    assert answer.headers["location"] == "/"


def test_secure_cookie_over_https(settings, store, bus, address):
    public = msgspec.structs.replace(settings, web_public_url="https://centre.example")
    server = Server(public, store, bus)  # as behind a proxy that speaks TLS
    with httpx.Client(base_url=server.start(), headers=HTML, timeout=PATIENCE_S) as client:
        page = client.get("/login")
        visitor = next(line for line in page.headers.get_list("set-cookie") if line.startswith(VISITOR_COOKIE))
        client.cookies.set(VISITOR_COOKIE, visitor.split("=", 1)[1].split(";")[0])
        proof = re.search(r'name="csrf" content="([^"]+)"', page.text)[1]
        answer = client.post("/login", data={"login": "zhiban", "password": PASSWORD, "csrf": proof})
    server.stop()
    assert "Secure" in visitor
    assert answer.status_code == 303
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"])
def test_log_in_never_leads_elsewhere(client, target):
    form = {"login": "zhiban", "password": PASSWORD, "csrf": csrf_of(client), "next": target}
    assert client.post("/login", data=form).headers["location"] == "/"


def test_pages_send_strangers_to_log_in(client):
    answer = client.get("/kits?court=%E4%BA%91")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/kits%3Fcourt")


def test_log_out_ends_the_session(log_in):
    client = log_in("zhiban")
    token = client.cookies[SESSION_COOKIE]
    assert client.get("/kits").status_code == 200
    assert client.post("/logout").status_code == 303
    client.cookies.set(SESSION_COOKIE, token)
    assert client.get("/kits").status_code == 303


def test_administrator_lands_at_the_kits(client):
    answer = client.post("/login", data={"login": "guanli", "password": PASSWORD, "csrf": csrf_of(client)})
    assert answer.headers["location"] == "/admin"


def test_language_is_remembered(client):
    answer = client.post("/language", data={"language": "en", "next": "/login", "csrf": csrf_of(client)})
    assert answer.status_code == 303
    page = client.get("/login").text
    assert '<html lang="en">' in page
    assert "Enforcement Command Centre" in page
    assert enter(client, "zhiban", "wrong") == 401


def test_unknown_language_is_refused(client):
    assert client.post("/language", data={"language": "tlh", "csrf": csrf_of(client)}).status_code == 422
