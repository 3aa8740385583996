"""docs/interfaces.md is true: its program runs, its tables name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from central.api.app import make_routes
from central.people.scopes import SCOPES
from tests.central.api.test_cases import PATH, make_case
from tests.waiting import wait_until

DOCS = (Path(__file__).parents[3] / "docs" / "interfaces.md").read_text(encoding="utf-8")


def start_program(server, account, keep, output):
    (program,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    environ = os.environ | {"CENTRE": server.url, "TOKEN": account.token, "KEEP": str(keep)}
    with output.open("a", encoding="utf-8") as file:
        return subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=file)


def test_the_program_follows_what_happens_and_goes_on_after_a_kill(server, client, court_system, tmp_path):
    keep, output = tmp_path / "cursor.json", tmp_path / "output"
    child = start_program(server, court_system, keep, output)
    try:
        wait_until(keep.exists, 20, "the first cursor")
        client.put(PATH, json=make_case()).raise_for_status()
        wait_until(lambda: output.read_text("utf-8").endswith("\n"), 20, "the first change")
        child.kill()
        child.wait()
        client.put(PATH, json=make_case(received_fen=100)).raise_for_status()
        client.put("/cases/" + quote("（2026）云2922执7号"), json=make_case()).raise_for_status()
        child = start_program(server, court_system, keep, output)
        wait_until(lambda: "执7号" in output.read_text("utf-8"), 20, "what happened meanwhile")
    finally:
        child.kill()
        child.wait()
    seen = output.read_text("utf-8").splitlines()
    assert seen[0] == "（2026）云2901执123号 filed 1"
    assert "（2026）云2901执123号 filed 2" in seen
    assert seen[-1] == "（2026）云2922执7号 filed 1"


def test_every_scope_and_every_path_stands_in_the_document():
    assert set(re.findall(r"^\| `([a-z]+:[a-z]+)` \|", DOCS, re.MULTILINE)) == set(SCOPES)
    paths = make_routes().openapi()["paths"]
    for path in ("/courts", "/cases", "/cases/{case_no}", "/changes", "/imports", "/imports/{id}"):
        assert path in DOCS
        assert "/api/v1" + path.replace("{id}", "{job_id}") in paths


def test_every_status_of_the_description_is_explained():
    described = {
        int(status)
        for operations in make_routes().openapi()["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
        if int(status) >= 400
    }
    explained = {
        int(status)
        for row in re.findall(r"^\| ([\d, a-z]+) \|", DOCS, re.MULTILINE)
        for status in re.findall(r"\d{3}", row)
    }
    assert described <= explained
