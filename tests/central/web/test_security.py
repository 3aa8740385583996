"""Headers on everything, and no state change without proof."""

import pytest
from fastapi.routing import APIRoute

from central.web.pages import ROUTERS
from central.web.security import CSRF_HEADER

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
