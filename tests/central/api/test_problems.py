"""What the interface says of its refusals: complete, in both languages, and nothing of what lies within."""

import logging
import re
from pathlib import Path

import httpx
import pytest

import central.api
from central.api import problems, sentences
from central.api.openapi import _HEADERS
from central.base.errors import DomainError, NotFoundError
from tests.central.api.conftest import check_problem

SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in Path(central.api.__file__).parent.glob("*.py"))


def test_every_sentence_is_used_and_has_both_languages():
    for code, (english, chinese) in sentences.SENTENCES.items():
        assert f'"{code}"' in SOURCES.replace(f'    "{code}": (', ""), code
        assert english.endswith(".")
        assert chinese.endswith("。")
        assert re.findall(r"%\(\w+\)s", chinese) in ([], re.findall(r"%\(\w+\)s", english)), code


def test_every_status_has_its_title():
    used = {int(status) for status in re.findall(r"ProblemError\(\s*(\d{3}),", SOURCES)}
    assert used | set(_HEADERS) <= set(sentences.TITLES)
    assert len(used) > 8


def test_an_unforeseen_error_tells_nothing(server, court_system, monkeypatch, caplog):
    def fail(*_args, **_kwargs):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("central.api.courts.courts.list_courts", fail)
    with caplog.at_level(logging.ERROR):
        answer = httpx.get(server.url + "/api/v1/courts", headers=court_system.headers)
    problem = check_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    reference = re.search(r"[0-9a-f]{16}", str(problem["detail"]))[0]
    assert reference in caplog.text
    assert reference in str(problem["detail_zh"])
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFoundError("No such thing; look again.", case_no="x"), 404, "not_found"),
        (DomainError("No."), 409, "domain_error"),
    ],
)
def test_what_the_domain_refuses_keeps_its_code(error, status, code):
    problem = problems.to_problem(error)
    assert (problem.status, problem.code, problem.detail) == (status, code, error.message)
    assert problem.detail_zh


def test_seconds_to_wait_are_rounded_up():
    assert [problems.busy("too_many_requests", s).headers["Retry-After"] for s in (0.01, 1.0, 1.2)] == ["1", "1", "2"]
