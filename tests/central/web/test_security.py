"""Headers on everything, and no state change without proof."""

import logging

import httpx
import pytest
from fastapi.routing import APIRoute

from central.web.pages import ROUTERS
from central.web.security import CSRF_HEADER

TYPED = "999999199001010016"
STATE_CHANGING = sorted(
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and not route.methods <= {"GET", "HEAD", "OPTIONS"}
)


def fill_in(path: str) -> str:
    return (
        path.replace("{incident_id}", "a" * 32).replace("{recording_id}", "b" * 32).replace("{kit_id}", "dl-2901-01")
    )


def test_there_are_such_routes():
    assert "/incidents/{incident_id}/acknowledge" in STATE_CHANGING
    assert len(STATE_CHANGING) >= 8


@pytest.mark.parametrize("proof", [None, "", "wrong", "错"])
def test_no_state_change_without_token(log_in, proof):
    client = log_in("zhihui")
    del client.headers[CSRF_HEADER]
    data = {} if proof is None else {"csrf": proof}
    for path in STATE_CHANGING:
        assert client.post(fill_in(path), data=data).status_code == 403, path


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
]


def test_no_state_change_from_elsewhere(log_in):
    client = log_in("zhihui")
    for headers in FOREIGN:
        assert client.post("/logout", headers=headers).status_code == 403, headers
    assert client.get("/kits").status_code == 200  # still logged in
    assert client.post("/logout", headers={"origin": str(client.base_url).rstrip("/")}).status_code == 303


def test_token_of_another_session_is_refused(log_in):
    one, other = log_in("zhihui"), log_in("zhiban")
    one.headers[CSRF_HEADER] = other.headers[CSRF_HEADER]
    assert one.post("/logout").status_code == 403


def test_headers_are_on_everything(client):
    for path in ("/login", "/static/css/base.css", "/nothing-here", "/events", "/catalogue/en.json"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'; "), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "cache-control" in headers


@pytest.mark.parametrize(
    ("host", "relay"),
    [
        ("centre.test", "ws://centre.test:8092"),
        ("centre.test:8080", "ws://centre.test:8092"),
        ("[::1]:8080", "ws://[::1]:8092"),
        ("evil.test; script-src *", ""),
        ("", ""),
    ],
)
def test_scripts_reach_the_relay_of_the_pages_own_host_and_nobody_else(client, host, relay):
    policy = client.get("/login", headers={"host": host}).headers["content-security-policy"]
    assert policy.endswith(f"; connect-src 'self' {relay}".rstrip())
    assert "script-src" not in policy


def test_microphone_and_camera_are_for_sessions_alone(client):
    for path, allowed in (("/login", "camera=(), microphone=()"), ("/command/x", "camera=(self), microphone=(self)")):
        assert client.get(path).headers["permissions-policy"].startswith(allowed), path


def test_pages_are_not_cached_but_digested_files_are(log_in):
    client = log_in("zhihui")
    page = client.get("/kits")
    assert page.headers["cache-control"] == "no-store"
    address = page.text.split('href="', 3)[2].split('"')[0]
    assert "?v=" in address
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get(address.split("?")[0]).headers["cache-control"] == "no-cache"


def test_no_inline_script_or_style(log_in, kits, raise_sos):
    raise_sos(kits["dl-2901-01"])
    client = log_in("zhihui")
    for path in ("/", "/kits", "/kits/dl-2901-01", "/incidents", "/recordings", "/profile"):
        text = client.get(path).text
        assert "style=" not in text, path
        assert "<style" not in text, path
        assert " onclick" not in text, path
        for tag in text.split("<script")[1:]:
            assert "src=" in tag.split(">")[0] or 'type="application/json"' in tag.split(">")[0], path


def test_what_a_kit_says_is_escaped(log_in, kits, raise_sos):
    raise_sos(kits["dl-2901-01"])
    text = log_in("zhihui").get("/").text
    assert "&lt;b&gt;急&lt;/b&gt;" in text
    assert "<b>急</b>" not in text


def test_every_kind_of_answer_has_the_headers_and_is_in_no_cache(log_in):
    clerk, chief, auditor = log_in("shuji"), log_in("juzhang"), log_in("shenji")
    answers = [
        chief.get("/cases/export.csv"),
        clerk.get("/imports/template.csv"),
        clerk.get("/imports/template.xlsx"),
        clerk.get("/cases/none/documents/none"),
        clerk.get("/kits?court=%00"),
        clerk.post("/cases", content=b"x" * 2_000_000),
        auditor.post("/audit/export"),
        auditor.post("/audit/export?as=jsonl"),
        auditor.get("/audit?until=9999-12-31&since=0001-01-01"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 422, 413, 200, 200, 200]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.url
        assert answer.headers["x-content-type-options"] == "nosniff", answer.url
        assert "content-security-policy" in answer.headers, answer.url


def test_an_unforeseen_error_is_answered_with_the_headers_and_its_log_quotes_nothing(log_in, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        raise ValueError(TYPED)

    client = log_in("zhihui")
    monkeypatch.setattr("central.web.pages.kits.devices.list_kits", fail)
    with caplog.at_level(logging.INFO):
        answer = client.get("/kits")
    assert answer.status_code == 500
    assert "系统内部错误" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "content-security-policy" in answer.headers
    assert "test_security.py" in caplog.text  # where it happened
    assert "ValueError" in caplog.text
    assert TYPED not in caplog.text + answer.text


def test_an_answer_that_fails_half_way_is_cut_off(log_in, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        yield b"the first rows"
        raise ValueError(TYPED)

    auditor = log_in("shenji")
    monkeypatch.setattr("central.web.pages.audit.export.write_csv", fail)
    with pytest.raises(httpx.RemoteProtocolError):
        auditor.post("/audit/export")
    assert "ValueError" in caplog.text
    assert TYPED not in caplog.text
