"""The tree of courts, the catalogue, and the interface's own resources."""

from urllib.parse import quote

import pytest
from sqlalchemy.exc import OperationalError

from central.cases.catalogue import load_catalogue
from tests.central.api.conftest import add_account, check_problem


class TestCourts:
    def test_the_tree_hangs_together(self, client):
        courts = client.get("/courts").json()["items"]
        codes = {court["code"] for court in courts}
        assert len(courts) == 13
        assert courts[0]["code"] == "云29"
        assert {court["parent_code"] for court in courts[1:]} == {"云29"}
        assert codes >= {"云2901", "云2932"}

    @pytest.mark.parametrize(("court", "count"), [("最高法", 15), ("云", 14), ("云29", 13), ("云2901", 1)])
    def test_own_court_and_below(self, open_client, store, court, count):
        items = open_client(add_account(store, "other", court)).get("/courts").json()["items"]
        assert items[0]["code"] == court
        assert len(items) <= count  # the supreme court stands on the tree only where it was seeded
        assert all(item["code"].startswith(court) or court == "最高法" for item in items)

    def test_one_court_has_its_names_and_seats(self, client):
        court = client.get("/courts/" + quote("云2901")).json()
        assert court["name_zh"] == "大理市人民法院"
        assert court["seats"][0]["until_at"] is None
        assert (court["seats"][0]["lat"], court["seats"][0]["lon"]) == (court["lat"], court["lon"])
        assert court["names"][0]["name_zh"] == court["name_zh"]

    def test_outside_the_scope_and_unknown_are_the_same(self, open_client, store):
        county = open_client(add_account(store, "county", "云2922"))
        answers = [county.get("/courts/" + quote(code)) for code in ("云2901", "云2999", "云29")]
        for answer in answers:
            check_problem(answer, 404, "not-found")
        assert len({answer.text for answer in answers}) == 1

    @pytest.mark.parametrize("code", ["x", "云2901%00", "%FF", "云" * 20])
    def test_what_is_no_code_is_refused(self, client, code):
        answer = client.get("/courts/" + (code if code.startswith(("%", "x")) else quote(code, safe="%")))
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/problem+json"


class TestCatalogue:
    def test_every_list_is_whole(self, client):
        catalogue = load_catalogue()
        for path, name in {
            "case-types": "types", "closings": "closings", "node-kinds": "nodes", "pause-kinds": "pauses",
            "flag-kinds": "flags", "document-kinds": "documents", "party-roles": "party_roles",
            "party-kinds": "party_kinds",
        }.items():  # fmt: skip
            answer = client.get(f"/{path}").json()
            assert answer["edition"] == catalogue.edition
            assert len(answer["items"]) == len(getattr(catalogue, name)) > 0
            assert all(item["code"] and item["zh"] and item["en"] for item in answer["items"])

    def test_a_type_says_its_limit_and_law(self, client):
        (first,) = [item for item in client.get("/case-types").json()["items"] if item["code"] == "执"]
        assert (first["zh"], first["limit"]) == ("首次执行", "6 months")
        assert first["source"]


class TestInterface:
    def test_the_index_is_open_and_leads_everywhere(self, open_client, client, server):
        index = open_client().get(server.url + "/api/v1").json()
        assert index["version"] == "v1"
        for name, link in index["links"].items():
            assert client.get(link["href"].removeprefix("/api/v1")).status_code in (200, 405), name
        assert open_client().get(index["specification"].removeprefix("/api/v1")).json()["openapi"] == "3.1.0"

    def test_each_link_names_the_scope_it_needs(self, open_client, store, server):
        index = open_client().get(server.url + "/api/v1").json()
        for name, link in index["links"].items():
            if link["scope"] and name != "imports":
                narrow = open_client(add_account(store, f"only-{name}", scopes=(link["scope"],)))
                assert narrow.get(link["href"].removeprefix("/api/v1")).status_code == 200, name

    def test_health_tells_nothing_but_itself(self, open_client):
        answer = open_client().get("/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_health_without_a_database_is_busy(self, open_client, server, store, monkeypatch):
        def fail():
            raise OperationalError("SELECT 1", {}, Exception("disk"))

        monkeypatch.setattr(store, "read", fail)
        answer = open_client().get("/health")
        check_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "5"

    def test_answers_belong_in_no_cache_and_no_frame(self, client):
        for answer in (client.get("/courts"), client.get("/nowhere"), client.post("/courts")):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in answer.headers
            assert "server" not in answer.headers

    def test_allow_names_every_method(self, client):
        answer = client.delete("/cases/" + quote("（2026）云2901执1号"))
        check_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET, PUT"
