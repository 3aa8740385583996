"""Tasks on the page of their case, and kept from a person who is recused from it."""

from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest

from central.base.keyring import load_keyring
from tests.central.web.case_specimens import case_no, fill_docket

KIT = "dl-2901-01"


@pytest.fixture
def number(store, settings):
    return case_no(101, fill_docket(store, load_keyring(Path(settings.keys_dir)), count=20))


@pytest.fixture
def given(log_in, number, kits):
    """A task for the case and one for none."""
    operator = log_in("zhiban")
    for title, case in (("腾退现场勘查", number), ("护送样例人员", "")):
        sent = operator.post(f"/kits/{KIT}/tasks", data={"title": title, "case_no": case})
        assert sent.status_code == 303
    return operator


def test_the_case_shows_what_was_ordered_for_it(log_in, given, number):
    for login in ("zhiban", "faguan", "shuji"):
        page = log_in(login).get(f"/cases/{quote(number)}").text
        assert "本案任务" in page and "腾退现场勘查" in page and "护送样例人员" not in page, login
    assert "/kits/" not in page.partition("本案任务")[2].partition("</section>")[0], "the clerk sees no kits"
    other = case_no(102, date(int(number[1:5]), 1, 1))
    assert "本案任务" not in log_in("zhiban").get(f"/cases/{quote(other)}").text


def test_a_recused_person_neither_sees_nor_gives_nor_recalls(log_in, given, number):
    commander = log_in("zhihui")
    assert "腾退现场勘查" in commander.get("/tasks").text
    told = log_in("juzhang").post(f"/cases/{quote(number)}/recusals", data={"login": "zhihui", "reason": "近亲属"})
    assert told.status_code == 303
    for page in ("/tasks", "/tasks?show=closed", f"/kits/{KIT}", f"/kits/{KIT}/tasks"):
        text = commander.get(page).text
        assert "腾退现场勘查" not in text and number not in text, page
    assert "护送样例人员" in commander.get("/tasks").text
    assert commander.post(f"/kits/{KIT}/tasks", data={"title": "样例", "case_no": number}).status_code == 404
    assert commander.post(f"/kits/{KIT}/tasks/1/recall", data={"reason": "样例"}).status_code == 404
    assert "腾退现场勘查" in given.get("/tasks").text, "others see it"
