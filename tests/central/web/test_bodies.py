"""What comes in is bounded before anybody reads it, and no file lies in the clear on a disk."""

import socket
import tempfile
import threading
from urllib.parse import quote

import httpx
import pytest
from msgspec.structs import replace
from sqlmodel import select

from central.cases.models import CaseDocument
from central.imports import files
from central.web import bodies
from central.web.uploads import FORM_BYTES
from tests.central.web.conftest import HTML, PATIENCE_S, csrf_of
from tests.central.web.test_cases import keyring, path, today  # noqa: F401 - fixtures

MIB = 1024 * 1024
MULTIPART = {"content-type": "multipart/form-data; boundary=B"}
PART = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'


def part_of(mebibytes):
    """A form in chunks, without a length."""
    yield PART
    for _ in range(mebibytes):
        yield b"SPECIMEN" * (MIB // 8)
    yield b"\r\n--B--\r\n"


@pytest.fixture
def spool(monkeypatch):
    """Every temporary file that is opened: where a framework's own parser puts what is large."""
    opened, real = [], tempfile.TemporaryFile

    def open_noted(*args, **more):
        opened.append(args)
        return real(*args, **more)

    monkeypatch.setattr(tempfile, "TemporaryFile", open_noted)
    return opened


@pytest.fixture
def settings(settings):
    return replace(settings, document_max_bytes=3 * MIB, import_max_bytes=4 * MIB)


class TestForms:
    def test_a_stranger_cannot_make_the_centre_take_much(self, client, spool):
        for target in ("/login", "/imports", "/imports?csrf=x", f"/cases/{quote('样例')}/documents", "/nothing"):
            answer = client.post(target, content=part_of(6), headers=MULTIPART)
            assert answer.status_code == (403 if "csrf=" in target else 413), target
            assert answer.headers["connection"] == "close"
            assert answer.headers["cache-control"] == "no-store"
        assert spool == []

    @pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
    def test_by_its_length_before_a_byte_of_it_comes(self, address, method):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            head = f"{method} /login HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nContent-Length: {MIB + 1}\r\n\r\n"
            line.sendall(head.encode())
            answer = line.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 413 ")
            line.shutdown(socket.SHUT_WR)

    def test_the_sentence_in_both_languages(self, client):
        sent = b"a" * (MIB + 1)
        assert "超过此处的上限（1024 KB）；请缩小后重试" in client.post("/login", content=sent).text
        client.cookies.set("zhixing_language", "en")
        assert (
            "More was sent than the 1024 KB this form takes; make it smaller"
            in client.post("/login", content=sent).text
        )

    def test_up_to_the_limit_a_form_is_read(self, client):
        form = {"login": "zhiban", "password": "x" * 2000, "csrf": csrf_of(client)}
        head = "&".join(f"{name}={value}" for name, value in form.items()) + "&more="
        kind = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post("/login", content=head + "y" * (MIB - len(head)), headers=kind).status_code != 413
        assert client.post("/login", content=head + "y" * (MIB + 1 - len(head)), headers=kind).status_code == 413

    def test_one_that_does_not_go_on_is_given_up(self, address, monkeypatch):
        monkeypatch.setattr(bodies, "BODY_S", 0.05)
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nlogin=")
            answer = b""
            while piece := line.recv(65_536):  # until the centre ends the line
                answer += piece
        assert answer.startswith(b"HTTP/1.1 408 ")

    def test_who_goes_away_in_the_middle_leaves_no_error(self, address, client, caplog):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nlogin=")
        assert client.get("/login").status_code == 200
        assert "error" not in caplog.text.lower()

    @pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "utf-16"])
    def test_in_another_charset_is_refused(self, client, charset):
        kind = {"content-type": f"multipart/form-data; boundary=B; charset={charset}"}
        part = b'--B\r\nContent-Disposition: form-data; name="login"\r\n\r\n\\ud800\r\n--B--\r\n'
        assert client.post("/login", content=part, headers=kind).status_code == 422


class TestPapers:
    @pytest.fixture
    def clerk(self, log_in):
        return log_in("shuji")

    def test_a_large_one_never_lies_in_the_clear(self, clerk, store, path, spool):  # noqa: F811
        data = b"%PDF-1.7 " + b"SPECIMEN" * (2 * MIB // 8)
        sent = {"kind": "receipt", "title": "样例大件"}
        answer = clerk.post(f"{path}/documents", data=sent, files={"file": ("大件.pdf", data)})
        assert answer.status_code == 303
        with store.read() as session:
            paper = session.exec(select(CaseDocument)).one()
        assert (paper.size_bytes, paper.file_name) == (len(data), "大件.pdf")
        assert clerk.get(f"{path}/documents/{paper.id}").content == data
        assert spool == []

    def test_the_proof_may_stand_in_the_address(self, clerk, path):  # noqa: F811
        page = clerk.get(path).text
        assert f'action="{path}/documents?csrf=' in page
        proof = clerk.headers.pop("X-CSRF-Token")
        large = {"file": ("a.pdf", b"%PDF-1.7 " + b"x" * 2 * MIB)}
        assert (
            clerk.post(f"{path}/documents", data={"kind": "receipt", "csrf": proof}, files=large).status_code == 413
        )
        sent = {"kind": "receipt"}
        assert clerk.post(f"{path}/documents?csrf={proof}", data=sent, files=large).status_code == 303

    @pytest.mark.parametrize("over", [1, FORM_BYTES + 1])
    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_one_that_is_too_large_is_refused(self, clerk, settings, path, over, is_chunked):  # noqa: F811
        data = b"%PDF-1.7 ".ljust(settings.document_max_bytes + over, b"x")
        form = (
            b'--B\r\nContent-Disposition: form-data; name="kind"\r\n\r\nreceipt\r\n' + PART + data + b"\r\n--B--\r\n"
        )
        content = (form[start : start + 65_536] for start in range(0, len(form), 65_536)) if is_chunked else form
        answer = clerk.post(f"{path}/documents", content=content, headers=MULTIPART)
        assert answer.status_code == (422 if over == 1 else 413)
        assert "上限" in answer.text

    def test_fields_are_bounded_and_texts(self, clerk, path):  # noqa: F811
        for sent in ({"title": "x" * 1001}, {"title": "a\0b"}, {"kind": "x" * 65}):
            answer = clerk.post(f"{path}/documents", data={"kind": "receipt", **sent}, files={"file": ("", b"")})
            assert answer.status_code == 422, sent

    def test_who_may_not_sends_it_for_nothing(self, log_in, path):  # noqa: F811
        for login in ("zhiban", "guanli"):
            answer = log_in(login).post(f"{path}/documents", content=part_of(2), headers=MULTIPART)
            assert answer.status_code == 403, login


class TestImports:
    def test_more_than_an_import_may_hold_leaves_no_file(self, log_in, settings):
        clerk = log_in("shuji")
        answer = clerk.post("/imports", content=part_of(6), headers=MULTIPART)
        assert answer.status_code in (413, 422)
        assert files.list_files(settings, before_s=float("inf")) == []

    def test_beside_a_large_file_others_are_served(self, address, log_in):
        clerk, is_seen = log_in("shuji"), threading.Event()

        def slowly():
            yield PART + b"SPECIMEN"
            assert is_seen.wait(10)
            yield b"\r\n--B--\r\n"

        sending = threading.Thread(target=lambda: clerk.post("/imports", content=slowly(), headers=MULTIPART))
        sending.start()
        with httpx.Client(base_url=address, headers=HTML, timeout=PATIENCE_S) as other:
            assert other.get("/login").status_code == 200
        is_seen.set()
        sending.join(10)
        assert not sending.is_alive()
