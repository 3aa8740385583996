"""Nothing that comes in makes the interface fail: every answer to it is a problem, below 500."""

import json
import socket
from urllib.parse import quote

import httpx
import pytest

from central.base import db
from central.base.unit_of_work import Store
from tests.central.api.conftest import Server, add_account, check_problem, serve_copy
from tests.central.api.test_cases import PATH, make_case

CASE_BYTES = 1024 * 1024
JSON = {"content-type": "application/json"}
NUL = "%00"


@pytest.fixture(scope="module")
def served(migrated_database, tmp_path_factory):
    with serve_copy(migrated_database, tmp_path_factory.mktemp("bad_input")) as (server, store):
        yield server, add_account(store, "court-system")


@pytest.fixture
def server(served):
    return served[0]


@pytest.fixture
def court_system(served):
    return served[1]


class TestQuery:
    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/cases", "limit=0"),
            ("/cases", "limit=201"),
            ("/cases", "limit=1e2"),
            ("/cases", "limit=" + "9" * 5000),
            ("/cases", "limit=1&limit=2"),
            ("/cases", "colour=red"),
            ("/cases", "court_code="),
            ("/cases", "court_code=%00"),
            ("/cases", "court_code=" + "9" * 21),
            ("/cases", "state=archived"),
            ("/cases", "case_no=%00"),
            ("/cases", "case_no=abc"),
            ("/cases", "case_no=" + "x" * 121),
            ("/cases", "case_no=" + quote("（2026）云2901执1号之一")),
            ("/cases", "filed_from=2026-13-01"),
            ("/cases", "filed_from=1700000000"),
            ("/cases", "filed_from=1979-12-31"),
            ("/cases", "flagged=yes"),
            ("/cases", "after=x"),
            ("/cases", "after=" + "9" * 400),
            ("/cases", "after=%00"),
            ("/changes", "after=" + "x" * 401),
            ("/changes", "wait=31"),
            ("/changes", "wait=-1"),
            ("/changes", "limit=1001"),
            ("/imports/" + "0" * 32 + "/problems", "after=-1"),
            ("/imports/" + "0" * 32 + "/problems", "after=" + "9" * 30),
            ("/imports/" + "0" * 31, ""),
            ("/imports/..%2f..%2fetc", ""),
        ],
    )
    def test_is_refused(self, client, path, query):
        answer = client.get(path + (f"?{query}" if query else ""))
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    def test_odd_but_harmless_ones_find_nothing(self, client):
        for query in ("court_code=%FF", "court_code=%25", "court_code=_", "type_code=%F0%9F%98%80", "court_code=%zz"):
            answer = client.get(f"/cases?{query}")
            assert (answer.status_code, answer.json()["items"]) == (200, []), query


class TestBody:
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "malformed-json"),
            (b"{", 400, "malformed-json"),
            (b"\xff\xfe{}", 400, "malformed-json"),
            (json.dumps(make_case(), ensure_ascii=False).encode("gb18030"), 400, "malformed-json"),
            (json.dumps(make_case()).encode("utf-16"), 400, "malformed-json"),
            (b'{"cause": "\\ud800"}', 400, "malformed-json"),
            (b'{"cause": "\xed\xa0\x80"}', 400, "malformed-json"),
            (b'{"claim_fen": NaN}', 400, "malformed-json"),
            (b'{"claim_fen": 1e999}', 422, "invalid-input"),
            (b'{"claim_fen": ' + b"9" * 4000 + b"}", 422, "invalid-input"),
            (b'{"claim_fen": ' + b"9" * 5000 + b"}", 400, "malformed-json"),
            (b"[" * 100_000 + b"]" * 100_000, 400, "malformed-json"),
            (b'{"parties":' * 10_000 + b"1" + b"}" * 10_000, 400, "malformed-json"),
            (b"null", 422, "invalid-input"),
            (b"[]", 422, "invalid-input"),
            (b'"' + b"x" * 1000 + b'"', 422, "invalid-input"),
            (b"{}", 422, "invalid-input"),
            (b" " * CASE_BYTES + b"{}", 413, "too-large"),
        ],
    )
    def test_of_another_form_is_refused(self, client, body, status, code):
        check_problem(client.put(PATH, content=body, headers=JSON), status, code)

    def test_ten_thousand_wrong_parties_make_a_short_answer(self, client):
        answer = client.put(PATH, json=make_case(parties=[{}] * 10_000))
        assert len(check_problem(answer, 422, "invalid-input")["errors"]) <= 100
        assert len(answer.content) < 50_000

    def test_without_a_length_the_limit_holds_too(self, client):
        def blocks():
            for _ in range(40):
                yield b" " * 65_536

        check_problem(client.put(PATH, content=blocks(), headers=JSON), 413, "too-large")

    @pytest.mark.parametrize(
        "kind", ["", "text/plain", "application/xml", "application/jsonx", "multipart/form-data"]
    )
    def test_of_another_type_is_refused(self, client, kind):
        answer = client.put(PATH, content=json.dumps(make_case()), headers={"content-type": kind} if kind else {})
        check_problem(answer, 415, "media-type")

    def test_a_charset_may_stand_beside_the_type(self, client):
        kind = {"content-type": "Application/JSON; charset=utf-8"}
        assert client.put(PATH, content=json.dumps(make_case()), headers=kind).status_code == 201

    def test_a_stranger_s_body_is_not_read(self, server):
        """The token is judged before the body: a stranger cannot make the centre take megabytes."""
        with socket.create_connection(("127.0.0.1", server.settings.api_port), timeout=10) as connection:
            head = b"PUT /api/v1" + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            connection.sendall(head + b"Content-Length: 1000000000\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")


class TestWire:
    """Bytes that no client library sends."""

    @pytest.mark.parametrize(
        "request_line",
        [
            "GET /api/v1/courts/%FF%FE HTTP/1.1",
            "GET /api/v1/courts/%zz HTTP/1.1",
            "GET /api/v1/courts/%00 HTTP/1.1",
            "GET /api/v1/cases/%ED%A0%80 HTTP/1.1",
            "GET /api/v1/cases/" + "%E4%BA%91" * 2000 + " HTTP/1.1",
            "GET /api/v1/../../etc/passwd HTTP/1.1",
            "GET //api/v1/courts HTTP/1.1",
            "GET /api/v1/courts/ HTTP/1.1",
            "GET /api/v1/cases?case_no=%ED%A0%80 HTTP/1.1",
            "GET /api/v1/cases?%00=%00 HTTP/1.1",
            "GET /api/v1/cases?&&&=&=;; HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "TRACE /api/v1/cases HTTP/1.1",
            "PROPFIND /api/v1/cases HTTP/1.1",
        ],
    )
    def test_gets_an_answer_below_500(self, server, court_system, request_line):
        head = f"{request_line}\r\nHost: x\r\nAuthorization: Bearer {court_system.token}\r\nConnection: close\r\n\r\n"
        status = self._ask(server, head.encode())
        assert 400 <= status < 500, status

    @pytest.mark.parametrize(
        "header",
        [
            b'If-Match: "1"\r\nIf-Match: "2"\r\nContent-Type: application/json',
            b"Content-Type: application/json\r\nContent-Type: text/plain",
            b"Content-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3",
            b"Content-Type: application/json\r\nContent-Length: -1",
            b"Content-Type: application/json\r\nContent-Length: 99999999999999999999999999",
            b"Content-Type: \xff\xfe",
            b"Purpose: \xe6\xa0\xb8\r\nContent-Type: application/json",
            b"X: " + b"y" * 200_000,
        ],
    )
    def test_headers_of_any_kind_do_too(self, server, court_system, header):
        head = f"PUT /api/v1{PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {court_system.token}\r\n".encode()
        status = self._ask(server, head + header + b"\r\nConnection: close\r\n\r\n{}")
        assert status == 0 or 400 <= status < 500, status

    def test_the_interface_serves_on(self, server, client):
        with socket.create_connection(("127.0.0.1", server.settings.api_port), timeout=10) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        assert client.get("/courts").status_code == 200

    def _ask(self, server, sent):
        """Return the status of the answer; 0 when the connection was ended instead."""
        with socket.create_connection(("127.0.0.1", server.settings.api_port), timeout=10) as connection:
            try:
                connection.sendall(sent)
                answer = connection.recv(65_536)
            except ConnectionError:
                return 0
        return int(answer.split()[1]) if answer else 0


def test_postgresql_sees_no_nul(pg_url, settings):
    """It keeps none in a text, where SQLite would: every place a caller writes into refuses it before."""
    store = Store(db.create_engine(pg_url))
    server = Server(settings, store)
    headers = add_account(store, "court-system").headers
    server.start()
    with httpx.Client(base_url=server.url + "/api/v1", headers=headers, timeout=60) as client:
        answers = [
            client.get(f"/courts/{NUL}"),
            client.get(f"/cases/{NUL}"),
            client.get(f"/imports/{NUL}"),
            *(client.get(f"/cases?{name}={NUL}") for name in ("court_code", "case_no", "after", "type_code")),
            client.get(f"/changes?after={NUL}"),
            client.get(PATH, headers={"Purpose": NUL}),
            client.put(PATH, json=make_case(cause="a\0b")),
            client.put(PATH, json=make_case(handler_login="\0")),
        ]
    server.stop()
    store.close()
    assert [answer.status_code for answer in answers if answer.status_code not in (404, 422)] == []
