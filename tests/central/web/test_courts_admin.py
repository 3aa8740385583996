"""The court pages as people of each role get them, over HTTP."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from central.courts import queries as courts
from central.people import appointments
from tests.central.web.conftest import USERS

DALI = "/admin/courts/云2901"


@pytest.fixture
def send(log_in):
    """Send a form as somebody, as a browser without scripts would; returns the answer."""

    def post(login, path, /, **fields):
        client = log_in(login)
        return client.post(path, data={"csrf": client.headers["X-CSRF-Token"], **fields})

    return post


def court_of(store, code):
    with store.read() as session:
        return courts.get_court(session, code)


@pytest.mark.parametrize("login", USERS)
def test_everybody_looks_up_courts_in_scope_and_changes_none_without_the_right(log_in, login):
    _, role, court = USERS[login]
    client = log_in(login)
    page = client.get("/admin/courts")
    assert page.status_code == 200
    assert (len(re.findall(r'<tr>\s*<td data-label="法院"', page.text))) == (13 if court == "云29" else 1)
    detail = client.get(f"/admin/courts/{court}")
    assert detail.status_code == 200
    assert ("/edit" in detail.text) is (role == "system_admin")
    assert ("/appointments" in detail.text) is (role == "president")
    assert ("增设单位" in detail.text) is (role in ("commander", "bureau_chief"))
    for path, may in (
        (f"/admin/courts/{court}/edit", role == "system_admin"),
        ("/admin/courts/new", role == "system_admin"),
        (f"/admin/courts/{court}/appointments", role == "president"),
    ):
        assert client.get(path).status_code == (200 if may else 403), path


def test_a_court_outside_of_scope_does_not_exist(log_in):
    client = log_in("linxian")
    for code in ("云2901", "云29", "最高法", "云2999"):
        assert client.get(f"/admin/courts/{code}").status_code == 404


def test_the_tree_warns_of_centres_without_a_commander(log_in, send, store, clock):
    page = log_in("yuanzhang").get("/admin/courts").text
    assert page.count("无在任指挥长</span>") == 14  # the figure, and thirteen centres
    answer = send("yuanzhang", f"{DALI}/appointments", post="commander", login="juzhang", basis="样例任字1号")
    assert answer.status_code == 303
    page = log_in("yuanzhang").get("/admin/courts").text
    assert page.count("无在任指挥长</span>") == 13
    assert "样例执行局长" in page
    with store.read() as session:
        assert appointments.serving_commander(session, "云2901", clock.now_ms()).login == "juzhang"


def test_an_acting_commander_gets_and_loses_the_rights_of_the_post(log_in, send):
    assert "增设单位" in log_in("juzhang").get(DALI).text
    assert log_in("faguan").get("/incidents").status_code == 403
    send("yuanzhang", f"{DALI}/appointments", post="duty_operator", login="faguan", basis="样例任字1号")
    assert log_in("faguan").get("/incidents").status_code == 200
    page = log_in("yuanzhang").get(f"{DALI}/appointments").text
    end = re.search(r'action="([^"]+/end)"', page)[1]
    assert send("yuanzhang", end, basis="样例免字2号").status_code == 303
    assert log_in("faguan").get("/incidents").status_code == 403


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"login": "juzhang", "from_day": "2020-01-01"}, 422, "不能从过去的日期起生效"),
        ({"login": "juzhang", "from_day": "明天"}, 422, "2026-11"),
        ({"login": "juzhang", "until_day": "2026-13-01"}, 422, "2026-11"),
        ({"login": "juzhang", "from_day": "2027-03-01", "until_day": "2027-02-01"}, 422, "最后一日早于首日"),
        ({"login": "shuji"}, 409, "不能担任该职务"),
        ({"login": "juzhang", "basis": ""}, 422, "须填写 1 至 200 字"),
    ],
)
def test_a_refused_appointment_is_told_at_its_field_and_nothing_typed_is_lost(send, fields, status, sentence):
    sent = {"post": "commander", "basis": "样例任字9号", "until_day": "2027-12-31"} | fields
    answer = send("yuanzhang", f"{DALI}/appointments", **sent)
    assert answer.status_code == status
    assert sentence in answer.text
    assert f'value="{sent["until_day"]}"' in answer.text
    assert f'<option value="{sent["login"]}" selected' in answer.text


def test_last_days_count_in_full(send, store, clock):
    send("yuanzhang", f"{DALI}/appointments", post="commander", login="juzhang", basis="样例", until_day="2026-11-30")
    with store.read() as session:
        holder = appointments.serving_commander(session, "云2901", clock.now_ms())
    midnight = datetime(2026, 12, 1, tzinfo=timezone(timedelta(hours=8)))
    assert holder.appointment.until_ms == midnight.timestamp() * 1000


SEAT = {"lat": "25.600", "lon": "100.260", "address": "样例路1号", "basis": "样例搬迁", "version": "1"}


class TestSeat:
    def test_a_centre_moves(self, send, store, log_in):
        assert send("guanli", f"{DALI}/edit/seat", **SEAT, from_day="2026-11-25").status_code == 303
        assert court_of(store, "云2901").lon == 100.230  # not yet
        page = log_in("linxian")
        assert page.get(DALI).status_code == 404
        detail = log_in("juzhang").get(DALI).text
        assert "样例路1号" in detail
        assert "未到日期" in detail
        edit = log_in("guanli").get(f"{DALI}/edit").text
        assert "撤销未到日期的变更" in edit
        assert send("guanli", f"{DALI}/edit/cancel", basis="样例撤销", version="2").status_code == 303
        assert "未生效即撤销" in log_in("juzhang").get(DALI).text

    @pytest.mark.parametrize(
        ("fields", "status", "sentence"),
        [
            ({"lat": "abc"}, 422, "坐标应为带小数的度数"),
            ({"lon": ""}, 422, "坐标应为带小数的度数"),
            ({"lat": "100.26", "lon": "25.6"}, 422, "填反了"),
            ({"lat": "48.8", "lon": "2.3"}, 422, "不在中国境内"),
            ({"lat": "39.9", "lon": "116.4", "from_day": "2026-11-24"}, 422, "公里"),
            ({"version": "7"}, 409, "刚被他人修改"),
        ],
    )
    def test_what_cannot_be_is_told_and_nothing_typed_is_lost(self, send, store, fields, status, sentence):
        answer = send("guanli", f"{DALI}/edit/seat", **(SEAT | fields))
        assert answer.status_code == status
        assert sentence in answer.text
        assert 'value="样例路1号"' in answer.text
        assert court_of(store, "云2901").version == 1

    def test_the_second_of_two_editors_keeps_what_was_typed(self, send, store):
        assert send("guanli", f"{DALI}/edit/seat", **SEAT).status_code == 303
        answer = send("guanli", f"{DALI}/edit/seat", **SEAT | {"address": "样例路8号"})
        assert answer.status_code == 409
        assert 'value="样例路8号"' in answer.text
        assert court_of(store, "云2901").lat == 25.6

    @pytest.mark.parametrize("login", ["yuanzhang", "zhihui", "anquan", "juzhang"])
    def test_nobody_else_moves_a_court(self, send, store, login):
        assert send(login, f"{DALI}/edit/seat", **SEAT).status_code == 403
        assert court_of(store, "云2901").version == 1


def test_names_functions_and_levels_are_changed(send, log_in, store, clock):
    names = {"name_zh": "样例法院", "name_en": "Specimen Court", "short_zh": "样例", "short_en": "Specimen"}
    answer = send("guanli", f"{DALI}/edit/names", **names, division="532901", basis="样例", version="1")
    assert answer.status_code == 303
    feature = {"feature": "inquiry", "state": "on", "basis": "样例批复7号"}
    assert send("guanli", f"{DALI}/edit/feature", **feature).status_code == 303
    custody = {"category": "B", "level": "high", "basis": "样例通知5号"}
    assert send("guanli", f"{DALI}/edit/custody", **custody).status_code == 303
    page = log_in("juzhang").get(DALI).text
    assert "样例法院" in page
    assert "样例批复7号" in page
    assert "样例通知5号" in page
    with store.read() as session:
        assert courts.is_feature_on(session, "云2901", "inquiry")
        assert courts.route_court(session, "B", "云2901", clock.now_ms()) == "云"
    for form, fields in (("feature", feature | {"state": "inherit"}), ("custody", custody | {"level": "inherit"})):
        clock.advance(ms=1)
        assert send("guanli", f"{DALI}/edit/{form}", **fields).status_code == 303
    with store.read() as session:
        assert not courts.is_feature_on(session, "云2901", "inquiry")
        assert courts.route_court(session, "B", "云2901", clock.now_ms()) == "云2901"
    assert send("guanli", f"{DALI}/edit/feature", **feature | {"basis": " "}).status_code == 422
    assert send("guanli", f"{DALI}/edit/feature", **feature | {"feature": "x"}).status_code == 422


def test_units_are_kept_by_those_who_command(send, log_in, store):
    unit = {"kind": "rapid_force", "name": "样例快反一队", "phone": "0872-0000000"}
    assert send("juzhang", f"{DALI}/units", **unit).status_code == 303
    page = log_in("zhihui").get(DALI).text
    assert "样例快反一队" in page
    path = re.search(r'action="([^"]+/units/[0-9a-f]{32})">(?:(?!</form>).)*样例快反一队', page, re.S)[1]
    changed = send("zhihui", path, name="样例快反二队", phone="打电话", note="", version="1")
    assert changed.status_code == 422
    assert "电话号码只能含数字" in changed.text
    assert send("zhihui", path, name="样例快反二队", phone="", note="", version="1").status_code == 303
    assert send("zhihui", path, name="样例", phone="", note="", version="1").status_code == 409
    assert send("linxian", path, name="样例", phone="", note="", version="2").status_code == 403
    assert send("zhihui", f"{path}/end", version="2").status_code == 303
    page = log_in("zhihui").get(DALI).text
    assert "已停用单位" in page
    assert send("zhihui", f"{DALI}/units", **unit | {"kind": "command_centre"}).status_code == 409


def test_a_court_is_added(send, store, log_in):
    form = {
        "code": "云2933", "name_zh": "样例县人民法院", "name_en": "Specimen County Court", "short_zh": "样例县",
        "short_en": "Specimen", "division": "532933", "lat": "25.7", "lon": "100.1", "basis": "样例批复",
    }  # fmt: skip
    for code, status in (("云2901", 409), ("云293301", 422), ("云71", 403), ("云2933", 303)):
        answer = send("guanli", "/admin/courts/new", **form | {"code": code})
        assert answer.status_code == status, code
    assert answer.headers["location"] == "/admin/courts/%E4%BA%912933"
    assert court_of(store, "云2933").level == "basic"
    assert log_in("yuanzhang").get("/admin/courts/云2933").status_code == 200


def test_a_name_with_markup_is_text(send, log_in):
    send("juzhang", f"{DALI}/units", kind="other", name="<b>样例</b>'\"")
    page = log_in("juzhang").get(DALI).text
    assert "&lt;b&gt;样例&lt;/b&gt;" in page
    assert "<b>样例</b>" not in page
