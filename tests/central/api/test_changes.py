"""The change feed: complete, in order, once; whoever reads it and however it is interrupted."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from sqlmodel import delete

from central.api.cursors import write_cursor
from central.cases.change_models import CaseChange
from central.cases.feed import Position
from tests.central.api.conftest import add_account, check_problem
from tests.waiting import wait_until

pytestmark = pytest.mark.both_databases


def add_changes(store, numbers, court_code="云2901", kind="updated"):
    with store.write() as uow:
        for number in numbers:
            uow.session.add(
                CaseChange(
                    case_id=number, case_no=f"（2026）{court_code}执{number}号", court_code=court_code,
                    kind=kind, version=1, at_ms=uow.now_ms,
                )
            )  # fmt: skip


def numbers_of(items):
    return [int(item["case_no"].partition("执")[2].rstrip("号")) for item in items]


def read_all(client, cursor="", limit=3):
    found = []
    while True:
        params = {"limit": limit} | ({"after": cursor} if cursor else {})
        page = client.get("/changes", params=params).raise_for_status().json()
        found += numbers_of(page["items"])
        cursor = page["next"]
        if not page["has_more"]:
            return found, cursor


class TestCursor:
    def test_reads_on_where_it_stopped(self, client, store):
        add_changes(store, range(1, 8))
        found, cursor = read_all(client)
        assert found == [1, 2, 3, 4, 5, 6, 7]
        assert read_all(client, cursor) == ([], cursor)
        add_changes(store, [8])
        assert read_all(client, cursor)[0] == [8]

    def test_each_item_has_its_own(self, client, store):
        add_changes(store, range(1, 6))
        items = client.get("/changes").json()["items"]
        assert read_all(client, items[1]["cursor"])[0] == [3, 4, 5]

    def test_latest_skips_what_was(self, client, store):
        assert client.get("/changes", params={"after": "latest"}).json()["items"] == []
        add_changes(store, [1, 2])
        page = client.get("/changes", params={"after": "latest"}).json()
        assert (page["items"], page["has_more"]) == ([], False)
        add_changes(store, [3])
        assert read_all(client, page["next"])[0] == [3]

    def test_an_exact_page_has_no_more(self, client, store):
        add_changes(store, [1, 2])
        page = client.get("/changes", params={"limit": 2}).json()
        assert (numbers_of(page["items"]), page["has_more"]) == ([1, 2], False)

    @pytest.mark.parametrize("cursor", ["x", "AAAA", "%FF", "æ", "A" * 400, "=" * 28])
    def test_what_is_none_is_refused(self, client, cursor):
        check_problem(client.get("/changes", params={"after": cursor}), 422, "cursor-invalid")

    def test_a_changed_one_is_refused(self, client, store):
        add_changes(store, [1])
        cursor = client.get("/changes").json()["next"]
        forged = cursor[:8] + ("A" if cursor[8] != "A" else "B") + cursor[9:]
        check_problem(client.get("/changes", params={"after": forged}), 422, "cursor-invalid")

    @pytest.mark.parametrize("position", [Position(999, 5), Position(1, 5), Position(-1, 0), Position(2**63 - 1, 0)])
    def test_one_of_before_a_restore_is_gone(self, client, store, position):
        add_changes(store, [1])
        check_problem(client.get("/changes", params={"after": write_cursor(position)}), 410, "cursor-gone")

    def test_ids_given_anew_after_a_restore_do_not_pass_for_the_old_ones(self, client, store, clock):
        add_changes(store, [1, 2])
        cursor = client.get("/changes").json()["next"]
        with store.write() as uow:
            uow.session.connection().execute(delete(CaseChange).where(CaseChange.case_id == 2))
        clock.advance(s=60)
        check_problem(client.get("/changes", params={"after": cursor}), 410, "cursor-gone")


class TestScope:
    def test_own_court_and_below(self, open_client, store):
        add_changes(store, [1], "云2901")
        add_changes(store, [2], "云2922")
        add_changes(store, [3], "云29")
        reads = {
            court: read_all(open_client(add_account(store, f"of-{court.encode().hex()}", court)))[0]
            for court in ("云2901", "云2922", "云29", "云", "最高法", "云2930")
        }
        assert reads == {
            "云2901": [1], "云2922": [2], "云29": [1, 2, 3], "云": [1, 2, 3], "最高法": [1, 2, 3], "云2930": []
        }  # fmt: skip

    def test_others_changes_do_not_stand_in_the_way(self, open_client, store):
        client = open_client(add_account(store, "county", "云2922"))
        add_changes(store, range(1, 30), "云2901")
        add_changes(store, [30], "云2922")
        found, cursor = read_all(client, limit=1)
        assert found == [30]
        add_changes(store, [31], "云2901")
        assert read_all(client, cursor) == ([], cursor)


class TestWaiting:
    def test_an_answer_comes_as_soon_as_something_happens(self, client, open_client, store, court_system):
        cursor = client.get("/changes").json()["next"]
        answers = []

        def wait():
            began = time.monotonic()
            page = open_client(court_system).get("/changes", params={"after": cursor, "wait": 30}).json()
            answers.append((time.monotonic() - began, page))

        waiting = threading.Thread(target=wait)
        waiting.start()
        add_changes(store, [1])
        waiting.join(10)
        took_s, page = answers[0]
        assert numbers_of(page["items"]) == [1]
        assert took_s < 5

    def test_nothing_within_the_time_is_an_empty_answer(self, client, store):
        add_changes(store, [1])
        cursor = client.get("/changes").json()["next"]
        began = time.monotonic()
        page = client.get("/changes", params={"after": cursor, "wait": 1}).json()
        assert (page["items"], page["next"], page["has_more"]) == ([], cursor, False)
        assert 0.9 < time.monotonic() - began < 5

    def test_what_is_there_is_not_held_back(self, client, store):
        add_changes(store, [1])
        began = time.monotonic()
        assert numbers_of(client.get("/changes", params={"wait": 30}).json()["items"]) == [1]
        assert time.monotonic() - began < 5

    def test_a_token_revoked_meanwhile_ends_it(self, client, store, server, court_system):
        from tests.central.api.test_access import change_account

        answers = []

        def wait():
            address = server.url + "/api/v1/changes"
            answers.append(httpx.get(address, params={"wait": 30}, headers=court_system.headers, timeout=40))

        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until(lambda: server.app.state.context.waiting._taken, 10, "the long poll")
        change_account(store, "court-system", revoked_ms=1)
        waiting.join(10)
        check_problem(answers[0], 401, "token-invalid")


class TestWriters:
    """Beside writers in processes of their own: nothing skipped, nothing twice, in the order of commit."""

    def test_nothing_is_skipped_or_repeated(self, client, database_url, store):
        writers = [start_writer(database_url, first) for first in (1000, 2000, 3000)]
        found, cursor = [], ""
        try:
            deadline = time.monotonic() + 60
            while len(found) < 3 * WRITES and time.monotonic() < deadline:
                params = {"limit": 7, "wait": 2} | ({"after": cursor} if cursor else {})
                page = client.get("/changes", params=params).raise_for_status().json()
                found += numbers_of(page["items"])
                cursor = page["next"]
            assert [writer.wait(20) for writer in writers] == [0, 0, 0]
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()
        assert sorted(found) == sorted(first + n for first in (1000, 2000, 3000) for n in range(WRITES))
        for first in (1000, 2000, 3000):
            own = [number for number in found if first <= number < first + 1000]
            assert own == sorted(own)
        assert found == read_all(client, limit=1000)[0]

    def test_a_reader_killed_at_any_moment_goes_on_where_it_was(self, client, store, server, court_system, tmp_path):
        add_changes(store, range(1, 201))
        kept = tmp_path / "kept.json"
        for _ in range(4):
            reader = start_reader(server.url, court_system.token, kept)
            done = len(load(kept)["found"])
            wait_until(lambda before=done: len(load(kept)["found"]) >= min(200, before + 20), 30, "the reader")
            reader.send_signal(signal.SIGKILL)
            reader.wait()
        reader = start_reader(server.url, court_system.token, kept)
        try:
            wait_until(lambda: len(load(kept)["found"]) >= 200, 30, "the reader")
            add_changes(store, [201])
            wait_until(lambda: load(kept)["found"][-1] == 201, 30, "the newest change")
        finally:
            reader.kill()
            reader.wait()
        assert load(kept)["found"] == list(range(1, 202))


WRITES = 60
ROOT = Path(__file__).parents[3]
WRITER = """
import sys
from central.base.db import create_engine
from central.base.unit_of_work import Store
from tests.central.api.test_changes import WRITES, add_changes
store = Store(create_engine(sys.argv[1]))
first = int(sys.argv[2])
for number in range(first, first + WRITES, 2):
    add_changes(store, [number, number + 1])
store.close()
"""
# Keeps items and cursor together, written whole or not at all: what docs/interfaces.md asks of a consumer.
READER = """
import json, os, sys
import httpx
url, token, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    kept = json.load(file)
client = httpx.Client(base_url=url, headers={"authorization": "Bearer " + token}, timeout=40)
while True:
    params = {"limit": 7, "wait": 5} | ({"after": kept["next"]} if kept["next"] else {})
    page = client.get("/api/v1/changes", params=params).raise_for_status().json()
    kept["found"] += [int(item["case_no"].partition("执")[2].rstrip("号")) for item in page["items"]]
    kept["next"] = page["next"]
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(kept, file)
    os.replace(path + ".new", path)
"""


def start_writer(database_url, first):
    return subprocess.Popen([sys.executable, "-c", WRITER, database_url, str(first)], cwd=ROOT)


def start_reader(url, token, path):
    if not path.exists():
        path.write_text(json.dumps({"found": [], "next": ""}), encoding="utf-8")
    return subprocess.Popen([sys.executable, "-c", READER, url, token, str(path)], cwd=ROOT)


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))
