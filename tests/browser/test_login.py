"""Log-in as people do it: first log-in with a second way, passkeys, directory, proof anew, own sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

from central.people import queries as people
from central.people import service
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_access import RULES
from tests.browser.world import PASSWORD, make_world
from tests.central.web.serving import Server
from tests.fakes.ports import find_free_port
from tests.fakes.small_directory import SmallDirectory

pytestmark = pytest.mark.browser

PEOPLE = ({"sub": "d-1", "preferred_username": "faguan", "amr": ["pwd", "otp"]},)


@pytest.fixture(scope="module")
def provider() -> Iterator[SmallDirectory]:
    with SmallDirectory(PEOPLE) as provider:
        yield provider


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: SmallDirectory):
    """A centre that requires a second way, at a host name, with a directory."""
    folder = tmp_path_factory.mktemp("strict")
    world, port = make_world(folder), find_free_port()
    secret = Path(folder) / "oidc.secret"
    secret.write_text("only-for-tests")
    settings = msgspec.structs.replace(
        world.settings,
        second_factor="required",
        web_public_url=f"http://localhost:{port}",
        oidc_issuer=provider.issuer,
        oidc_client_id="zhixing",
        oidc_client_secret_file=str(secret),
    )
    server = Server(settings, world.store, world.bus, port=port)
    server.start()
    world.settings = settings
    yield world
    server.stop()
    world.store.close()


@pytest.fixture
def visit(browser, house, provider):
    """Open the log-in in a fresh browser; page errors and requests elsewhere fail the test."""
    bad, contexts = [], []
    origins = (house.settings.web_url + "/", provider.issuer + "/")

    def is_bad(message: ConsoleMessage, page: Page) -> bool:
        # Chromium logs a refused page, which is what is tested here; the directory's own page wants a foreign style.
        is_refusal = re.search(r"status of (401|403) ", message.text) is not None
        return message.type == "error" and not is_refusal and not page.url.startswith(provider.issuer)

    def open_fresh(size=DESK) -> Page:
        context = browser.new_context(viewport=size, locale="zh-CN", base_url=house.settings.web_url)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: bad.append(f"page error {error}"))
        page.on("console", lambda message: is_bad(message, page) and bad.append(f"console {message.text}"))
        page.on(
            "request",
            lambda request: (
                urlsplit(request.url).scheme != "data"
                and not request.url.startswith(origins)
                and not page.url.startswith(provider.issuer)
                and bad.append(f"foreign {request.url}")
            ),
        )
        return page

    yield open_fresh
    for context in contexts:
        context.close()
    assert bad == []


def violations(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in found]


def wait_at(page: Page, path: str) -> None:
    """Wait until the browser is at a path, whatever the query."""
    page.wait_for_url(lambda url: urlsplit(url).path == path)


def fill_in(page: Page, login: str, password: str = PASSWORD) -> None:
    page.goto("/login")
    page.get_by_label("用户名").fill(login)
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录", exact=True).click()


def enrol_totp(page: Page) -> pyotp.TOTP:
    page.get_by_role("button", name=re.compile("验证器应用")).click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("验证码").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="确认").click()
    return pyotp.TOTP(secret)


def plug_in(page: Page) -> str:
    """Give the browser an authenticator with a fingerprint reader; returns its id."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                "isUserVerified": True, "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip
    page.webauthn = session  # type: ignore[attr-defined] - the session must outlive this call
    return str(made["authenticatorId"])


def age_proofs(house) -> None:
    """Let the proofs of all sessions grow old, as five minutes would."""
    with house.store.write() as uow:
        uow.connection.exec_driver_sql("UPDATE login_session SET proven_ms = 0")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_first_log_in_sets_a_second_way_up_and_the_next_asks_for_it(visit, house, size):
    login = "zhihui" if size is DESK else "zhiban"
    page = visit(size)
    fill_in(page, login)
    wait_at(page, "/login/enrol")
    assert violations(page) == []
    page.goto("/kits")  # nothing else opens before
    wait_at(page, "/login/enrol")
    page.get_by_role("button", name=re.compile("验证器应用")).click()
    assert violations(page) == []
    assert page.locator("img.qr").evaluate("image => image.naturalWidth") > 100
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("验证码").fill("000000")
    page.get_by_role("button", name="确认").click()
    page.get_by_text("验证码不正确").wait_for()
    assert page.locator("#secret").inner_text().replace(" ", "") == secret  # the same one, scanned already
    page.get_by_label("验证码").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="确认").click()
    codes = page.locator("#codes li").all_inner_texts()
    assert len(set(codes)) == 10
    assert violations(page) == []
    page.get_by_role("link", name="已保存，继续").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/kits")

    other = visit(size)
    fill_in(other, login)
    wait_at(other, "/login/second")
    assert violations(other) == []
    other.get_by_label("验证码或恢复码").fill(codes[0])
    other.get_by_role("button", name="继续").click()
    other.wait_for_url(lambda url: "/login" not in url)


def test_a_passkey_is_made_and_lets_in_alone(visit, house):
    page = visit()
    plug_in(page)
    fill_in(page, "guanli")
    wait_at(page, "/login/enrol")
    page.get_by_role("button", name=re.compile("通行密钥")).click()
    page.locator("#codes").wait_for()
    page.get_by_role("link", name="已保存，继续").click()
    wait_at(page, "/admin")

    page.goto("/profile")
    assert violations(page) == []
    page.locator("details.profile summary").click()
    page.get_by_role("button", name="退出登录").click()
    wait_at(page, "/login")
    assert violations(page) == []
    page.get_by_role("button", name="使用通行密钥").click()
    wait_at(page, "/admin")
    with house.store.read() as session:
        user = people.get_user(session, "guanli")
        (key,) = people.list_passkeys(session, user.id)
    assert key.sign_count >= 1
    assert key.label.startswith("Chrome")


def test_a_passkey_is_the_second_way_and_the_proof_before_a_grave_act(visit, house):
    page = visit()
    plug_in(page)
    fill_in(page, "shenji")
    page.get_by_role("button", name=re.compile("通行密钥")).click()
    page.get_by_role("link", name="已保存，继续").click()
    page.locator("details.profile summary").click()
    page.get_by_role("button", name="退出登录").click()
    fill_in(page, "shenji")
    wait_at(page, "/login/second")
    page.get_by_role("button", name="使用通行密钥").click()
    wait_at(page, "/admin")
    age_proofs(house)
    page.goto("/profile/password")
    wait_at(page, "/reauth")
    page.get_by_role("button", name="使用通行密钥").click()
    wait_at(page, "/profile/password")


def test_what_was_typed_survives_the_proof(visit, house):
    """The form is open for long; sending it asks who one is, and then goes on by itself."""
    page = visit()
    plug_in(page)
    from_root(house, "xitong2", "anquan5")
    enter_whole(page, "xitong2", house)
    page.goto("/admin/service-accounts")
    assert violations(page) == []
    page.locator("#name").fill("case-system")
    page.locator("#note").fill("样例 <办案> “系统”")
    page.get_by_label("查看案件").check()
    page.get_by_label("读取变更流").check()
    age_proofs(house)
    page.get_by_role("button", name="提请", exact=True).click()
    page.get_by_role("heading", name="确认身份").wait_for()
    assert violations(page) == []
    page.get_by_label("密码").fill("wrong password")
    page.get_by_role("button", name="用密码确认").click()
    page.get_by_text("密码不正确").wait_for()
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="用密码确认").click()
    page.locator("table.stack tbody tr").first.wait_for()
    row = page.locator("table.stack tbody tr").first.inner_text()
    assert "样例 <办案> “系统”" in row
    assert "读取变更流" in row

    other = visit(PHONE)
    enter_whole(other, "anquan5", house)
    other.goto("/admin/service-accounts")
    assert violations(other) == []
    other.get_by_role("button", name="核准", exact=True).click()
    other.get_by_text("待发放令牌").wait_for()
    page.reload()
    assert violations(page) == []
    page.get_by_role("button", name="发放令牌").click()
    assert page.locator("#service-token").inner_text().startswith("zxs_")
    assert violations(page) == []


def test_the_directory_lets_in_and_its_second_way_counts(visit, house, provider):
    page = visit()
    page.goto("/login?next=/profile")
    page.get_by_role("link", name="使用法院统一身份登录").click()
    page.wait_for_url(lambda url: url.startswith(provider.issuer))
    page.get_by_role("button", name="d-1").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/profile")
    page.get_by_text("统一身份（含第二步）").first.wait_for()


def test_a_refusal_at_the_directory_leads_back_with_a_sentence(visit, house, provider):
    page = visit()
    page.goto("/login")
    page.get_by_role("link", name="使用法院统一身份登录").click()
    page.get_by_role("textbox").fill("nobody-here")
    page.get_by_role("button", name="Authorize", exact=True).click()
    page.get_by_text("没有为您设立账户").wait_for()
    assert urlsplit(page.url).path == "/login/directory/back"
    assert violations(page) == []


def test_a_new_person_from_proposal_to_the_own_password(visit, house):
    """Two administrators and the person, each in a browser of their own."""
    from_root(house, "xitong", "anquan3")
    system, security = visit(), visit()
    enter_whole(system, "xitong", house)
    enter_whole(security, "anquan3", house)

    system.goto("/admin/users")
    assert violations(system) == []
    system.get_by_role("link", name="提请新用户").click()
    assert violations(system) == []
    system.get_by_label("用户名").fill("xinren")
    system.get_by_label("姓名").fill("样例新人")
    system.locator("#role").select_option("clerk")
    system.locator("#court").select_option("云2901")
    system.get_by_role("button", name="提请", exact=True).click()
    system.locator("#password-steps").wait_for()
    assert violations(system) == []

    security.goto("/admin/users?state=proposed")
    security.get_by_role("link", name="xinren").click()
    assert violations(security) == []
    security.get_by_role("button", name="核准", exact=True).click()
    security.locator(".page-head").get_by_text("待发放密码").wait_for()
    assert violations(security) == []
    system.reload()
    system.get_by_role("button", name="发放一次性密码").click()
    first = system.locator("#first-password").inner_text()
    assert violations(system) == []

    person = visit()
    fill_in(person, "xinren", first)
    wait_at(person, "/login/password")
    assert violations(person) == []
    person.get_by_label("新密码").fill("short")
    person.get_by_label("新密码").fill("三棵树与一条 小河流")
    person.get_by_label("再输入一次").fill("三棵树与一条 小河流")
    person.get_by_role("button", name="继续").click()
    wait_at(person, "/login/enrol")
    enrol_totp(person)
    person.get_by_role("link", name="已保存，继续").click()
    wait_at(person, "/work")

    security.goto("/admin/users/xinren")
    security.locator("#sessions").get_by_role("button", name="全部结束").click()
    person.reload()
    wait_at(person, "/login")


def from_root(house, system: str, security: str) -> None:
    """Two more administrators, made at the machine itself."""
    with house.store.write() as uow:
        for login, role in ((system, "system_admin"), (security, "security_admin")):
            service.add_user(
                uow,
                login=login,
                name=f"样例{login}",
                role=role,
                court_code="云29",
                password=PASSWORD,
                by="system:test",
            )


def enter_whole(page: Page, login: str, house) -> None:
    fill_in(page, login)
    enrol_totp(page)
    page.get_by_role("link", name="已保存，继续").click()
    wait_at(page, "/admin")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_of_the_house_without_violations(visit, house, size):
    page = visit(size)
    login = "yuanzhang" if size is DESK else "jiandu"
    fill_in(page, login)
    enrol_totp(page)
    page.get_by_role("link", name="已保存，继续").click()
    page.wait_for_url(lambda url: "/login" not in url)
    for path in ("/admin/roles", "/profile", "/profile/password", "/reauth", "/terminal"):
        page.goto(path)
        assert (path, violations(page)) == (path, [])


def test_a_terminal_is_bound_by_its_own_browser(visit, house):
    page = visit()
    house_admin = "anquan4"
    with house.store.write() as uow:
        service.add_user(
            uow, login=house_admin, name="样例安全员丁", role="security_admin", court_code="云29", password=PASSWORD,
            by="system:test",
        )  # fmt: skip
    enter_whole(page, house_admin, house)
    page.goto("/admin/terminals")
    assert violations(page) == []
    page.get_by_label("名称").fill("值班台一号机")
    page.get_by_label("房间").fill("指挥大厅")
    page.get_by_role("button", name="登记", exact=True).click()
    code = page.locator("#terminal-code").inner_text()
    assert violations(page) == []

    desk = visit()
    desk.goto("/terminal")
    assert violations(desk) == []
    desk.get_by_label("登记码").fill(code.lower())
    desk.get_by_role("button", name="登记").click()
    desk.get_by_text("值班台一号机").wait_for()
    assert violations(desk) == []
