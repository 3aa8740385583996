"""Cases over the interface: delivered once or many times, read masked and in the clear, and what the audit keeps."""

from pathlib import Path
from urllib.parse import quote

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.cases.models import EnforcementCase, Party
from tests.central.api.conftest import add_account, check_problem

NUMBER = "（2026）云2901执123号"
PATH = "/cases/" + quote(NUMBER)
ID_NO = "999999199001010016"
PURPOSE = {"purpose": quote("核对被执行人身份")}


def make_case(**changes):
    case = {
        "filed_on": "2026-11-02",
        "parties": [
            {"role": "applicant", "kind": "organisation", "name": "样例贸易有限公司"},
            {
                "role": "executee", "kind": "natural", "name": "样例甲", "id_kind": "resident_id", "id_no": ID_NO,
                "phone": "00000000000", "address": "样例路1号", "account": "0000 样例",
            },
        ],
        "basis_doc_no": "（2026）云2901民初45号",
        "cause": "买卖合同纠纷",
        "claim_fen": 12_500_000,
        "nodes_done": {"notice": "2026-11-05"},
    }  # fmt: skip
    return case | changes


def audit_rows(store, action=""):
    with store.read() as session:
        rows = session.exec(select(AuditEntry).order_by(AuditEntry.seq)).all()
    return [row for row in rows if row.action == action or not action]


@pytest.mark.both_databases
class TestPut:
    def test_creates_and_says_where(self, client):
        answer = client.put(PATH, json=make_case())
        assert answer.status_code == 201, answer.text
        assert answer.json() == {"case_no": NUMBER, "outcome": "created", "version": 1}
        assert answer.headers["etag"] == '"1"'
        assert client.get(answer.headers["location"].removeprefix("/api/v1")).json()["case_no"] == NUMBER

    def test_the_same_again_changes_nothing(self, client):
        client.put(PATH, json=make_case())
        answer = client.put(PATH, json=make_case())
        assert (answer.status_code, answer.json()["outcome"], answer.headers["etag"]) == (200, "unchanged", '"1"')
        assert len(client.get("/changes").json()["items"]) == 1

    def test_its_own_system_updates_without_asking(self, client):
        client.put(PATH, json=make_case())
        answer = client.put(PATH, json=make_case(received_fen=100))
        assert (answer.status_code, answer.json()["outcome"], answer.headers["etag"]) == (200, "updated", '"2"')
        assert client.get(PATH).json()["received_fen"] == 100
        assert [item["version"] for item in client.get("/changes").json()["items"]] == [1, 2]

    @pytest.mark.parametrize(
        "written", ["(2026)云2901执123号", "〔2026〕云2901执123号", "（２０２６）云2901 执123号"]
    )
    def test_any_usual_writing_of_the_number_is_the_same_case(self, client, written):
        client.put(PATH, json=make_case())
        answer = client.put("/cases/" + quote(written), json=make_case())
        assert answer.json() == {"case_no": NUMBER, "outcome": "unchanged", "version": 1}

    def test_a_number_of_before_2016_needs_its_court(self, client):
        path = "/cases/" + quote("（2012）大执字第123号")
        problem = check_problem(
            client.put(path, json=make_case(filed_on="2012-03-01", nodes_done={})), 422, "invalid-input"
        )
        assert [error["field"] for error in problem["errors"]] == ["court_code"]
        body = make_case(filed_on="2012-03-01", nodes_done={}, court_code="云2901")
        assert client.put(path, json=body).status_code == 201
        assert client.get(path).json()["court_code"] == "云2901"

    def test_a_foreign_court_is_refused(self, open_client, store):
        client = open_client(add_account(store, "county", "云2922"))
        check_problem(client.put(PATH, json=make_case()), 403, "case-foreign-court")
        outside = "/cases/" + quote("（2026）京0101执1号")
        check_problem(client.put(outside, json=make_case()), 403, "case-foreign-court")

    def test_writing_needs_its_scope_and_nothing_else(self, open_client, store):
        writer = open_client(add_account(store, "writer", scopes=("cases:write",)))
        assert writer.put(PATH, json=make_case()).status_code == 201
        check_problem(writer.get(PATH), 403, "scope-missing")
        reader = open_client(add_account(store, "reader", scopes=("cases:read", "personal:read", "imports:write")))
        check_problem(reader.put(PATH, json=make_case()), 403, "scope-missing")

    def test_is_audited_as_the_service(self, client, store):
        client.put(PATH, json=make_case())
        (row,) = audit_rows(store, "cases:batch:store")
        assert (row.actor, row.court_code, row.detail["first"]) == ("service:court-system", "云2901", NUMBER)


@pytest.mark.both_databases
class TestConditions:
    def test_a_version_that_is_no_more_is_refused(self, client):
        client.put(PATH, json=make_case())
        changed = client.put(PATH, json=make_case(received_fen=1), headers={"if-match": '"1"'})
        assert changed.headers["etag"] == '"2"'
        check_problem(
            client.put(PATH, json=make_case(received_fen=2), headers={"if-match": '"1"'}), 412, "edit-conflict"
        )
        assert client.get(PATH).json()["received_fen"] == 1
        assert client.put(PATH, json=make_case(received_fen=2), headers={"if-match": '"1", "2"'}).status_code == 200

    def test_what_another_system_delivered_is_not_overwritten_unseen(self, client, open_client, store):
        client.put(PATH, json=make_case())
        other = open_client(add_account(store, "other-system"))
        check_problem(other.put(PATH, json=make_case(received_fen=9)), 428, "case-of-other-source")
        seen = other.get(PATH).headers["etag"]
        assert other.put(PATH, json=make_case(received_fen=9), headers={"if-match": seen}).status_code == 200
        assert other.put(PATH, json=make_case(received_fen=8), headers={"if-match": "*"}).status_code == 200

    def test_only_when_there_is_none(self, client):
        condition = {"if-none-match": "*"}
        assert client.put(PATH, json=make_case(), headers=condition).status_code == 201
        check_problem(client.put(PATH, json=make_case(), headers=condition), 412, "case-exists")

    @pytest.mark.parametrize("condition", ["*", '"1"'])
    def test_only_when_there_is_one(self, client, condition):
        check_problem(client.put(PATH, json=make_case(), headers={"if-match": condition}), 412, "not-found")

    @pytest.mark.parametrize(
        "headers",
        [
            {"if-match": "1"}, {"if-match": 'W/"1"'}, {"if-match": '"x"'}, {"if-match": '"1",,'},
            {"if-match": '"' + "9" * 400 + '"'}, {"if-none-match": '"1"'}, {"if-match": "*", "if-none-match": "*"},
        ],
    )  # fmt: skip
    def test_a_condition_that_is_none_is_refused(self, client, headers):
        problem = check_problem(client.put(PATH, json=make_case(), headers=headers), 422, "invalid-input")
        assert problem["errors"][0]["in"] == "header"


@pytest.mark.both_databases
class TestGet:
    def test_shows_identities_masked(self, client):
        client.put(PATH, json=make_case())
        answer = client.get(PATH)
        case = answer.json()
        assert answer.headers["etag"] == '"1"'
        assert ID_NO not in answer.text
        assert "样例路" not in answer.text
        executee = case["parties"][1]
        assert (executee["name"], executee["masked_id"][-4:], executee["has_private"]) == ("样例甲", "0016", True)
        assert "id_no" not in executee
        assert (case["state"], case["claim_fen"], case["source"]) == ("filed", 12_500_000, "court-system")
        assert [node["done_on"] for node in case["nodes"] if node["kind"] == "notice"] == ["2026-11-05"]

    def test_with_scope_and_purpose_identities_are_clear_and_audited(self, client, store):
        client.put(PATH, json=make_case())
        executee = client.get(PATH, headers=PURPOSE).json()["parties"][1]
        assert (executee["id_no"], executee["phone"], executee["address"]) == (ID_NO, "00000000000", "样例路1号")
        rows = audit_rows(store, "cases:party:unmask")
        assert {(row.actor, row.purpose, row.case_no) for row in rows} == {
            ("service:court-system", "核对被执行人身份", NUMBER)
        }
        assert not any(ID_NO in str(row.detail) for row in audit_rows(store))

    def test_scope_without_purpose_and_purpose_without_scope_show_nothing(self, client, open_client, store):
        client.put(PATH, json=make_case())
        assert ID_NO not in client.get(PATH).text
        reader = open_client(add_account(store, "reader", scopes=("cases:read",)))
        check_problem(reader.get(PATH, headers=PURPOSE), 403, "scope-missing")
        only_personal = open_client(add_account(store, "personal", scopes=("personal:read",)))
        check_problem(only_personal.get(PATH, headers=PURPOSE), 403, "scope-missing")

    def test_the_reading_is_audited(self, client, store):
        client.put(PATH, json=make_case())
        client.get(PATH)
        (row,) = audit_rows(store, "cases:case:read")
        assert (row.actor, row.case_no) == ("service:court-system", NUMBER)

    @pytest.mark.parametrize(
        "purpose", ["", "abc", "%E6", "%zz%zz", "%FF%FE%FF%FE", "a%00bcd", "%ED%A0%80abc", "x" * 201, "%0A%0D%0A%0D"]
    )
    def test_a_purpose_that_is_none_is_refused(self, client, purpose):
        client.put(PATH, json=make_case())
        problem = check_problem(client.get(PATH, headers={"purpose": purpose}), 422, "invalid-input")
        assert problem["errors"][0]["field"] == "Purpose"

    def test_what_is_not_there_and_what_is_not_ones_own_look_the_same(self, client, open_client, store):
        client.put(PATH, json=make_case())
        county = open_client(add_account(store, "county", "云2922"))
        hidden, missing = county.get(PATH), county.get("/cases/" + quote("（2026）云2901执124号"))
        check_problem(hidden, 404, "not-found")
        assert hidden.text.replace("执123", "执124") == missing.text
        assert open_client(add_account(store, "high", "云")).get(PATH).status_code == 200

    def test_a_paper_number_names_no_case(self, client):
        check_problem(client.get("/cases/" + quote(NUMBER + "之一")), 422, "case-number-document")


class TestFaults:
    """Everything wrong with a case is told at once, and never what was sent."""

    def test_each_refused_field_is_named(self, client):
        body = make_case(state="closed", filed_on="2026-12-30", nodes_done={"nonsense": "2026-11-05"})
        body["parties"][1]["id_no"] = "999999199001010019"
        body["parties"][0] |= {"id_kind": "uscc", "id_no": "91530000000000000X"}
        answer = client.put(PATH, json=body)
        problem = check_problem(answer, 422, "invalid-input")
        found = {(error["field"], error["code"]) for error in problem["errors"]}
        assert ("parties.1.id_no", "id_check_digit") in found
        assert {field for field, _ in found} == {
            "parties.0.id_no", "parties.1.id_no", "closing", "closed_on", "filed_on", "nodes_done.nonsense"
        }  # fmt: skip
        assert "99999919900101" not in answer.text
        assert all(any("一" <= letter <= "鿿" for letter in error["detail_zh"]) for error in problem["errors"])

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"claim_fen": -1}, "claim_fen"),
            ({"claim_fen": 2**63}, "claim_fen"),
            ({"claim_fen": "1"}, "claim_fen"),
            ({"claim_fen": 1.5}, "claim_fen"),
            ({"claim_fen": True}, "claim_fen"),
            ({"filed_on": "2026-02-30"}, "filed_on"),
            ({"filed_on": 0}, "filed_on"),
            ({"filed_on": "0001-01-01"}, "filed_on"),
            ({"filed_on": "2026-11-02T00:00:00"}, "filed_on"),
            ({"cause": "a\u0000b"}, "cause"),
            ({"cause": "x" * 101}, "cause"),
            ({"cuase": "买卖合同纠纷"}, "cuase"),
            ({"parties": {}}, "parties"),
            ({"parties": [{}]}, "parties.0.role"),
            ({"state": "archived"}, "state"),
            ({"closing": "completed"}, "closing"),
            ({"nodes_done": {"notice": "x"}}, "nodes_done.notice"),
            ({"court_code": "云2922"}, "court_code"),
        ],
    )
    def test_a_wrong_value(self, client, changes, field):
        problem = check_problem(client.put(PATH, json=make_case(**changes)), 422, "invalid-input")
        assert field in {error["field"] for error in problem["errors"]}

    @pytest.mark.parametrize(
        "name", ["", "  ", "\u200b\u200b", "样" * 201, "样" * 1001, "a\u0000b", "\u202e", "…", "\ufeff样例乙"]
    )
    def test_names_are_normalised_or_refused(self, client, name):
        body = make_case()
        body["parties"][1]["name"] = name
        answer = client.put(PATH, json=body)
        if name == "\ufeff样例乙":
            assert client.get(PATH).json()["parties"][1]["name"] == "样例乙"
        else:
            problem = check_problem(answer, 422, "invalid-input")
            assert {error["field"] for error in problem["errors"]} == {"parties.1.name"}

    def test_nothing_of_a_refused_case_stays(self, client, store):
        client.put(PATH, json=make_case(state="closed"))
        with store.read() as session:
            assert session.exec(select(EnforcementCase)).all() == []
            assert session.exec(select(Party)).all() == []
        assert audit_rows(store) == []


@pytest.mark.both_databases
class TestList:
    @pytest.fixture(autouse=True)
    def cases(self, client):
        for n, (court, filed_on, state) in enumerate(
            [
                ("云2901", "2026-03-01", "filed"), ("云2901", "2026-04-01", "active"),
                ("云2922", "2026-05-01", "filed"),
                ("云29", "2026-06-01", "filed"), ("云2901", "2026-06-02", "suspended"),
            ],
            1,
        ):  # fmt: skip
            path = "/cases/" + quote(f"（2026）{court}执{n}号")
            client.put(path, json=make_case(filed_on=filed_on, state=state, nodes_done={})).raise_for_status()

    def serials(self, client, **params):
        items = client.get("/cases", params=params).raise_for_status().json()["items"]
        return [int(item["case_no"].partition("执")[2].rstrip("号")) for item in items]

    def test_narrowed_by_court_state_and_days(self, client):
        assert self.serials(client) == [5, 4, 3, 2, 1]
        assert self.serials(client, court_code="云2901") == [5, 2, 1]
        assert self.serials(client, state="filed") == [4, 3, 1]
        assert self.serials(client, filed_from="2026-04-01", filed_until="2026-06-01") == [4, 3, 2]
        assert self.serials(client, court_code="云2901", state="active", type_code="执") == [2]
        assert self.serials(client, type_code="执恢") == []
        assert self.serials(client, flagged="true") == []

    def test_page_by_page_is_the_whole(self, client):
        found, after = [], None
        while True:
            page = client.get("/cases", params={"limit": 2} | ({"after": after} if after else {})).json()
            found += [item["case_no"] for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert found == [item["case_no"] for item in client.get("/cases").json()["items"]]
        assert len(found) == 5

    def test_one_number_is_that_case_and_none_that_looks_like_it(self, client):
        path = "/cases/" + quote("（2026）云2901执4号")
        client.put(path, json=make_case(nodes_done={})).raise_for_status()
        items = client.get("/cases", params={"case_no": "(2026)云29执4号"}).json()["items"]
        assert [item["case_no"] for item in items] == ["（2026）云29执4号"]
        assert self.serials(client, case_no="(2026)云29执5号") == []

    def test_within_the_account_s_courts(self, open_client, store):
        county = open_client(add_account(store, "county", "云2922"))
        assert self.serials(county) == [3]
        assert self.serials(county, court_code="云2901") == []
        assert self.serials(county, case_no="（2026）云2901执1号") == []

    def test_names_are_shown_numbers_are_not_and_the_reading_is_audited(self, client, store):
        answer = client.get("/cases", params={"court_code": "云2901", "limit": 1})
        (item,) = answer.json()["items"]
        assert (item["applicants"], item["executees"]) == ("样例贸易有限公司", "样例甲")
        assert ID_NO not in answer.text
        (row,) = audit_rows(store, "cases:list:read")
        assert (row.actor, row.subject) == ("service:court-system", "court:云2901")
        assert (row.detail["court_code"], row.detail["shown"]) == ("云2901", 1)


@pytest.mark.both_databases
def test_nothing_of_an_identity_lies_readable_in_the_database(client, database_url, store):
    client.put(PATH, json=make_case()).raise_for_status()
    client.get(PATH, headers=PURPOSE).raise_for_status()
    if database_url.startswith("sqlite"):
        stem = Path(database_url.removeprefix("sqlite:///"))
        content = b"".join(path.read_bytes() for path in stem.parent.glob(stem.name + "*"))
        assert NUMBER.encode() in content
        assert ID_NO.encode() not in content
        assert "样例路1号".encode() not in content
    with store.read() as session:
        for party in session.exec(select(Party)).all():
            assert ID_NO not in str(party)
