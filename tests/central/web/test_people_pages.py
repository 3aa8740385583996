"""Steps of the log-in, proof before grave acts, terminals and administration, over HTTP without scripts."""

from __future__ import annotations

import re

import httpx
import msgspec
import pyotp
import pytest

from central.people import queries, rules, sessions, terminals
from central.people.sessions import Visit
from central.web.security import SESSION_COOKIE
from central.web.visits import TERMINAL_COOKIE, name_device
from tests.central.web.conftest import HTML, PASSWORD, PATIENCE_S, csrf_of, enter
from tests.central.web.serving import Server

JSON = {"accept": "application/json"}


@pytest.fixture
def serve(settings, store, bus):
    """Serve under changed settings; gives a maker of fresh browsers."""
    opened = []

    def start(**changes):
        server = Server(msgspec.structs.replace(settings, **changes), store, bus)
        address = server.start()

        def browser():
            client = httpx.Client(base_url=address, headers=HTML, timeout=PATIENCE_S)
            opened.append(client)
            return client

        opened.append(server)
        return browser

    yield start
    for part in reversed(opened):
        part.close() if isinstance(part, httpx.Client) else part.stop()


def hidden(text, name):
    return re.search(rf'name="{name}" value="([^"]*)"', text)[1]


def send(client, path, page=None, **fields):
    proof = csrf_of(client, page) if page else client.headers.get("X-CSRF-Token") or csrf_of(client)
    return client.post(path, data={"csrf": proof, **fields})


def version_of(store, login):
    with store.read() as session:
        return queries.get_user(session, login).version


class TestSteps:
    def test_nothing_opens_before_the_second_way_is_set_up(self, serve, clock):
        client = serve(second_factor="required")()
        assert send(client, "/login", login="zhihui", password=PASSWORD).headers["location"] == "/login/enrol?next=/"
        for path in ("/", "/kits", "/profile", "/admin/roles", "/reauth"):
            assert client.get(path).headers["location"].startswith("/login/enrol?next="), path
        assert client.get("/kits", headers=JSON).json()["type"] == "urn:zhixing:problem:login-unfinished"
        assert client.get("/events").status_code in (303, 401)
        answer = client.get("/kits", headers={"hx-request": "true", "hx-current-url": "http://x/kits"})
        assert answer.headers["hx-redirect"] == "/login/enrol?next=/kits"
        assert client.get("/login/second").headers["location"] == "/login/enrol?next=/"
        assert client.get("/login/password").headers["location"] == "/login/enrol?next=/"

        page = send(client, "/security/totp", "/login/enrol", next="/kits").text
        secret = re.search(r'id="secret">([^<]+)<', page)[1].replace(" ", "")
        assert "data:image/svg+xml" in page
        wrong = send(client, "/security/totp/confirm", "/login/enrol", ceremony=hidden(page, "ceremony"), code="1")
        assert wrong.status_code == 401
        code = pyotp.TOTP(secret).at(clock.now_ms() // 1000)
        done = send(
            client,
            "/security/totp/confirm",
            "/login/enrol",
            ceremony=hidden(page, "ceremony"),
            code=code,
            next="/kits",
        )
        assert len(re.findall(r'<li class="mono">', done.text)) == 10
        assert 'href="/kits"' in done.text
        assert client.get("/kits").status_code == 200
        assert client.get("/login/enrol").headers["location"] == "/"

        again = serve(second_factor="required")()
        assert send(again, "/login", login="zhihui", password=PASSWORD).headers["location"] == "/login/second?next=/"
        assert send(again, "/login/second", "/login/second", code=code).status_code == 401
        clock.advance(s=30)
        code = pyotp.TOTP(secret).at(clock.now_ms() // 1000)
        assert send(again, "/login/second", "/login/second", code=code, next="/kits").headers["location"] == "/kits"

    def test_whoever_owes_the_second_way_cannot_make_a_new_one(self, serve, store, settings, clock):
        """A stolen password must not be enough to replace the telephone."""
        browser = serve(second_factor="required")
        client = browser()
        send(client, "/login", login="zhihui", password=PASSWORD)
        page = send(client, "/security/totp", "/login/enrol").text
        secret = re.search(r'id="secret">([^<]+)<', page)[1].replace(" ", "")
        code = pyotp.TOTP(secret).at(clock.now_ms() // 1000)
        send(client, "/security/totp/confirm", "/login/enrol", ceremony=hidden(page, "ceremony"), code=code)
        thief = browser()
        send(thief, "/login", login="zhihui", password=PASSWORD)
        for path in ("/security/totp", "/security/codes", "/security/totp/remove", "/security/passkeys"):
            assert send(thief, path, "/login/second").headers["location"] == "/login/second", path
        assert thief.post("/passkeys/options", data={"purpose": "register"}, headers=JSON).status_code in (401, 403)

    def test_log_out_works_half_way(self, serve):
        client = serve(second_factor="required")()
        send(client, "/login", login="zhihui", password=PASSWORD)
        assert send(client, "/logout", "/login/enrol").headers["location"] == "/login"
        assert client.get("/kits").headers["location"].startswith("/login?next=")

    def test_passkeys_without_a_host_name_are_not_offered(self, client, log_in):
        assert "data-passkey" not in client.get("/login").text
        assert "HTTPS" in log_in("zhiban").get("/profile").text
        answer = send(client, "/passkeys/options", purpose="login")
        assert answer.status_code == 409


class TestProof:
    @pytest.fixture
    def stale(self, log_in, clock):
        client = log_in("anquan")
        clock.advance(ms=rules.REAUTH_MS + 1)
        return client

    def test_a_form_is_asked_for_before_it_is_shown(self, log_in, clock):
        client = log_in("guanli")
        assert client.get("/admin/new-user").status_code == 200
        clock.advance(ms=rules.REAUTH_MS + 1)
        assert client.get("/admin/new-user").headers["location"] == "/reauth?next=/admin/new-user"
        assert client.get("/admin/users").status_code == 200
        answer = send(client, "/reauth", reauth_target="/admin/new-user", reauth_password=PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/new-user")
        assert client.get("/admin/new-user").status_code == 200

    def test_what_was_typed_goes_along_and_on(self, stale, store):
        fields = {"name": "值班台 & <一号机>", "room": "大厅\n二层", "court": "云29"}
        asked = send(stale, "/admin/terminals", **fields)
        assert asked.status_code == 401
        assert "值班台 &amp; &lt;一号机&gt;" in asked.text
        carried = {**fields, "reauth_target": "/admin/terminals", "reauth_post": "yes"}
        wrong = send(stale, "/reauth", **carried, reauth_password="wrong password")
        assert wrong.status_code == 401
        assert "值班台 &amp; &lt;一号机&gt;" in wrong.text
        answer = send(stale, "/reauth", **carried, reauth_password=PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (307, "/admin/terminals")
        assert send(stale, "/admin/terminals", **carried).status_code == 200  # as the browser does
        with store.read() as session:
            (row,) = terminals.list_terminals(session, queries.actor_of(queries.get_user(session, "anquan")))
        assert (row.name, row.room) == ("值班台 & <一号机>", "大厅 二层")

    def test_fragments_and_scripts_are_told_in_their_way(self, stale):
        answer = stale.post("/admin/terminals", data={"name": "x"}, headers=JSON)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:zhixing:problem:reauth-required")
        answer = stale.post("/admin/terminals", data={"name": "x"}, headers={"hx-request": "true"})
        assert answer.headers["hx-retarget"] == "body"
        assert 'value="x"' in answer.text

    def test_a_file_cannot_be_carried_so_the_page_comes_first(self, stale, address):
        answer = stale.post(
            "/admin/terminals",
            data={"name": "x"},
            files={"file": b"x"},
            headers={"referer": f"{address}/admin/terminals"},
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/reauth?next=/admin/terminals")

    @pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
    def test_it_never_leads_elsewhere(self, stale, target):
        answer = send(stale, "/reauth", reauth_target=target, reauth_post="yes", reauth_password=PASSWORD)
        assert answer.headers["location"] == "/"

    def test_ten_wrong_proofs_lock_the_login(self, stale):
        for _ in range(9):
            assert send(stale, "/reauth", reauth_password="x").status_code == 401
        assert send(stale, "/reauth", reauth_password="x").status_code == 429
        assert send(stale, "/reauth", reauth_password=PASSWORD).status_code == 429


class TestTerminals:
    def bind(self, store, browser, court="云29"):
        with store.write() as uow:
            code = terminals.add_terminal(uow, name="一号机", room="", court_code=court, by="system:test").code
        assert send(browser, "/terminal", "/terminal", code=code).status_code == 303
        assert TERMINAL_COOKIE in browser.cookies
        return code

    def test_grave_acts_only_at_a_terminal(self, serve, store):
        browser = serve(terminal_binding="grave")
        client = browser()
        assert enter(client, "guanli") == 303
        assert client.get("/admin/users").status_code == 200
        answer = client.get("/admin/new-user")
        assert answer.status_code == 403
        assert "只能在本院登记终端上进行" in answer.text
        self.bind(store, client)
        assert client.get("/admin/new-user").status_code == 200

    def test_no_log_in_elsewhere(self, serve, store):
        browser = serve(terminal_binding="all")
        client = browser()
        answer = send(client, "/login", login="zhiban", password=PASSWORD)
        assert answer.status_code == 403
        assert "登记终端" in answer.text
        code = self.bind(store, client)
        assert enter(client, "zhiban") == 303
        assert client.get("/kits").status_code == 200
        other = browser()
        assert send(other, "/terminal", "/terminal", code=code).status_code == 401
        assert TERMINAL_COOKIE not in other.cookies

    def test_a_terminal_of_another_county_serves_nobody_else(self, serve, store):
        client = serve(terminal_binding="all")()
        self.bind(store, client, court="云2922")
        assert enter(client, "zhiban") == 403
        assert enter(client, "linxian") == 303


class TestUsers:
    def test_the_first_password_is_shown_once_and_refusals_keep_what_was_typed(self, log_in, store):
        client, security = log_in("guanli"), log_in("anquan")
        answer = send(client, "/admin/new-user", login="x y", name="样例新人", role="judge", court="云2901")
        assert answer.status_code == 422
        assert 'value="样例新人"' in answer.text
        assert send(client, "/admin/new-user", login="zhiban", name="x", role="judge", court="云29").is_error
        fields = {"login": "xinren", "name": "样例新人", "role": "judge", "court": "云2901"}
        assert send(client, "/admin/new-user", **fields).headers["location"] == "/admin/users/xinren"
        assert "发放一次性密码</button>" not in client.get("/admin/users/xinren").text
        assert send(client, "/admin/users/xinren/password", version=1).status_code == 409
        assert send(security, "/admin/users/xinren/admit", version=1).status_code == 303
        assert "1 项待发放密码" in client.get("/admin/users").text
        assert "发放一次性密码</button>" in client.get("/admin/users/xinren").text
        assert "发放一次性密码</button>" not in security.get("/admin/users/xinren").text
        assert send(security, "/admin/users/xinren/password", version=2).status_code == 403
        page = send(client, "/admin/users/xinren/password", version=2).text
        first = re.search(r'id="first-password">([^<]+)<', page)[1]
        assert page.count("user:guanli") >= 2
        assert "user:anquan" in page
        assert first not in client.get("/admin/users/xinren").text
        with store.read() as session:
            assert first not in queries.get_user(session, "xinren").model_dump_json()

    def test_the_way_of_an_account_through_both_administrators(self, log_in, client, store):
        system, security = log_in("guanli"), log_in("anquan")
        send(system, "/admin/new-user", login="xinren", name="样例新人", role="clerk", court="云2901")
        assert "xinren" in security.get("/admin/users?state=waiting").text
        assert send(security, "/admin/users/xinren/admit", version=1).status_code == 303
        page = send(system, "/admin/users/xinren/password", version=2).text
        first = re.search(r'id="first-password">([^<]+)<', page)[1]
        answer = send(client, "/login", login="xinren", password=first)
        assert answer.headers["location"] == "/login/password?next=/"
        weak = send(client, "/login/password", "/login/password", password="1234567890", repeated="1234567890")
        assert weak.status_code == 422
        new = {"password": "三棵树与一条 小河流", "repeated": "三棵树与一条 小河流"}
        differ = send(client, "/login/password", "/login/password", **{**new, "repeated": "x" * 12})
        assert "两次输入的新密码不一致" in differ.text
        assert send(client, "/login/password", "/login/password", **new).headers["location"] == "/work"
        assert send(security, "/admin/users/xinren/admit", version=3).status_code == 409

        assert send(system, "/admin/users/xinren/change", version=3, role="judge", court="云2901").status_code == 303
        assert send(security, "/admin/users/xinren/refuse", version=4, reason="").status_code == 422
        assert send(security, "/admin/users/xinren/admit", version=4).status_code == 303
        assert client.get("/work").status_code == 303  # a changed role ends the sessions
        for who, path, fields in (
            (system, "disable", {"reason": "调离"}),
            (system, "enable", {}),
            (security, "admit", {}),
            (system, "reset", {"what": "second"}),
            (security, "admit", {}),
            (system, "reset", {"what": "password"}),
            (security, "refuse", {"reason": "本人未申请"}),
        ):
            page = who.get("/admin/users/xinren").text
            assert f'action="/admin/users/xinren/{path}"' in page, path
            answer = send(who, f"/admin/users/xinren/{path}", version=version_of(store, "xinren"), **fields)
            assert answer.status_code == 303, path
        assert "重置第二步验证" not in security.get("/admin/users/xinren").text

    def test_stale_pages_conflict(self, log_in):
        client = log_in("guanli")
        assert send(client, "/admin/users/zhiban/disable", version=1, reason="x").status_code == 303
        answer = send(client, "/admin/users/zhiban/disable", version=1, reason="x")
        assert answer.status_code == 409
        assert "刚被他人处理" in answer.text

    def test_nobody_touches_the_own_account(self, log_in):
        client = log_in("guanli")
        assert "须由另一名管理员处理" in client.get("/admin/users/guanli").text
        assert send(client, "/admin/users/guanli/disable", version=1, reason="x").status_code == 403

    def test_sessions_are_seen_and_ended_by_the_security_administrator(self, log_in):
        person, security = log_in("zhiban"), log_in("anquan")
        page = security.get("/admin/users/zhiban").text
        ref = hidden(page, "ref")
        assert send(security, "/admin/users/zhiban/sessions", ref=ref).status_code == 303
        assert person.get("/kits").status_code == 303
        assert "会话</h2>" not in log_in("guanli").get("/admin/users/zhiban").text

    def test_of_another_county_there_is_nobody(self, log_in, store):
        with store.write() as uow:
            queries.get_user(uow.session, "anquan").court_code = "云2922"
        client = log_in("anquan")
        assert client.get("/admin/users/zhiban").status_code == 404
        assert "linxian" in client.get("/admin/users").text
        assert "zhiban" not in client.get("/admin/users").text


class TestProfile:
    def test_other_sessions_are_listed_and_ended(self, log_in, store):
        own, other = log_in("zhiban"), log_in("zhiban")
        page = own.get("/profile").text
        assert page.count("本机") == 1
        assert own.cookies[SESSION_COOKIE] not in page
        assert send(own, "/profile/sessions", ref=hidden(page, "ref")).status_code == 303
        assert other.get("/kits").status_code == 303
        third = log_in("zhiban")
        assert send(own, "/profile/sessions").status_code == 303
        assert third.get("/kits").status_code == 303
        assert own.get("/kits").status_code == 200

    def test_the_own_password(self, log_in, client):
        person = log_in("zhiban")
        new = {"password": "三棵树与一条 小河流", "repeated": "三棵树与一条 小河流"}
        assert send(person, "/profile/password", old="wrong", **new).status_code == 401
        assert send(person, "/profile/password", old=PASSWORD, **{**new, "repeated": "x"}).status_code == 422
        assert send(person, "/profile/password", old=PASSWORD, **new).headers["location"] == "/profile?done=password"
        assert enter(client, "zhiban") == 401
        assert enter(client, "zhiban", new["password"]) == 303

    def test_a_stale_proof_asks_for_the_form_again_and_shows_no_password(self, log_in, clock):
        person = log_in("zhiban")
        clock.advance(ms=rules.REAUTH_MS + 1)
        new = {"old": PASSWORD, "password": "三棵树与一条 小河流", "repeated": "三棵树与一条 小河流"}
        answer = send(person, "/profile/password", **new)
        assert (answer.status_code, answer.headers["location"]) == (303, "/profile/password")
        assert person.get("/profile/password").headers["location"] == "/reauth?next=/profile/password"
        answer = person.post("/profile/password", data=new, headers={"hx-request": "true"})
        assert answer.headers["hx-redirect"] == "/profile/password"
        carried = send(person, "/reauth", **new, reauth_target="/profile/password", reauth_post="yes")
        assert carried.status_code == 401
        assert new["old"] not in carried.text
        assert new["password"] not in carried.text

    def test_an_acting_commander_has_the_rights_of_the_post(self, log_in, store):
        client = log_in("juzhang")
        assert "办结事件" not in client.get("/profile").text
        with store.write() as uow:
            user = queries.get_user(uow.session, "juzhang")
            uow.connection.exec_driver_sql(
                "INSERT INTO appointment (id, court_code, post, user_id, from_ms, basis, made_by, made_ms, ended_by) "
                f"VALUES ('a', '云2901', 'commander', '{user.id}', 1, '样例令', 'x', 1, '')"
            )
        assert "办结事件" in client.get("/profile").text


SERVICE = {"name": "case-system", "court": "云29", "days": "30", "scopes": ["cases:read", "changes:read"]}


class TestServiceAccounts:
    def post(self, client, act, **fields):
        """Press the button of the one account on the page as it stands now."""
        page = client.get("/admin/service-accounts").text
        version = hidden(page, "version")
        account = re.search(r'action="/admin/service-accounts/([0-9a-f]{32})/\w+"', page)[1]
        return send(client, f"/admin/service-accounts/{account}/{act}", version=version, **fields)

    def test_three_steps_by_two_people_and_the_token_is_shown_once(self, log_in):
        system, security = log_in("guanli"), log_in("anquan")
        assert send(system, "/admin/service-accounts", **SERVICE).status_code == 303
        again = send(system, "/admin/service-accounts", **{**SERVICE, "note": "样例说明"})
        assert again.status_code == 409
        assert 'value="样例说明"' in again.text
        assert "发放令牌</button>" not in system.get("/admin/service-accounts").text
        assert "待核准" in security.get("/admin/service-accounts").text
        assert self.post(security, "admit").status_code == 303
        assert "发放令牌</button>" not in security.get("/admin/service-accounts").text
        page = system.get("/admin/service-accounts").text
        assert "发放令牌</button>" in page
        account = re.search(r"/admin/service-accounts/([0-9a-f]{32})/token", page)[1]
        page = send(system, f"/admin/service-accounts/{account}/token", version=2).text
        token = re.search(r'id="service-token">([^<]+)<', page)[1]
        assert token.startswith("zxs_")
        page = system.get("/admin/service-accounts").text
        assert token not in page
        assert "发放令牌</button>" not in page
        assert all(name in page for name in ("user:guanli", "user:anquan"))
        # the button of a fresh token, the form of a change, both by the fields the page itself has
        send(system, f"/admin/service-accounts/{account}/change", version=3, days="0", fresh="true",
             scopes=["cases:read", "changes:read"])  # fmt: skip
        assert "新令牌" in security.get("/admin/service-accounts").text
        refused = send(security, f"/admin/service-accounts/{account}/refuse", version=4, reason="")
        assert refused.status_code == 422
        assert send(security, f"/admin/service-accounts/{account}/refuse", version=4, reason="x").status_code == 303
        wrong = send(system, f"/admin/service-accounts/{account}/change", version=5, days="0")
        assert wrong.status_code == 422
        assert send(security, f"/admin/service-accounts/{account}/revoke").status_code == 303
        assert "已撤销" in system.get("/admin/service-accounts").text

    def test_a_missing_scope_is_told(self, log_in):
        answer = send(log_in("guanli"), "/admin/service-accounts", name="case-system", court="云29", days="30")
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 "
         "Safari/537.36 Edg/150.0", "Edge 150 · Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140 · Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.2 Mobile Safari/604.1",
         "Safari 18 · iPhone"),
        ("python-httpx/0.28", "python-httpx/0.28"),
        ("a\x07b" + "c" * 100, "ab" + "c" * 37),
        ("", ""),
    ],
)  # fmt: skip
def test_devices_are_named_in_few_words(agent, name):
    assert name_device(agent) == name


def test_the_permission_table_is_read_by_everybody(log_in):
    page = log_in("lianluo").get("/admin/roles").text
    assert page.count('<th scope="col">') == 14
    assert "院长签批" in page


def test_a_session_says_where_it_was_opened(store, log_in, settings):
    log_in("zhiban")
    with store.read() as session:
        user = queries.get_user(session, "zhiban")
        (line,) = queries.list_sessions(session, user.id, now_ms=store.clock.now_ms(), idle_s=60)
    assert (line.client, line.device) == ("127.0.0.1", f"python-httpx/{httpx.__version__}")
    assert Visit() == sessions.Visit("", "", "")
