"""What each page shows, to whom, and what its buttons do."""

from central.audit import queries as audit
from central.devices import service as devices
from central.devices.models import KitSpool
from central.devices.rules import position_row
from central.web.i18n import load_words
from central.web.remarks import explain
from contract.health import Health
from contract.messages import CommandReceipt, Fix

OPERATOR_PAGES = ("/", "/incidents", "/kits", "/recordings", "/profile")
ADMIN_PAGES = ("/kits", "/devices", "/admin", "/profile")


def test_operator_reads_the_work_but_keeps_no_house(log_in, kits):
    client = log_in("zhiban")
    for path in OPERATOR_PAGES:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "执行指挥中心" in answer.text
    for path in ("/audit", "/devices"):
        answer = client.get(path)
        assert answer.status_code == 403, path
        assert "无权进行此操作" in answer.text


def test_administrator_keeps_house_but_sees_no_content(log_in, kits):
    client = log_in("guanli")
    for path in ADMIN_PAGES:
        assert client.get(path).status_code == 200, path
    for path in ("/incidents", "/recordings", "/screen/board", "/audit"):
        assert client.get(path).status_code == 403, path


def test_administrator_is_sent_from_the_screen_to_the_administration(log_in):
    assert log_in("guanli").get("/").headers["location"] == "/admin"


def test_scope_hides_other_counties(log_in, kits, raise_sos):
    incident = raise_sos(kits["dl-2901-01"])
    stranger = log_in("linxian")
    assert "dl-2901-01" not in stranger.get("/").text
    assert "dl-2901-01" not in stranger.get("/kits").text
    assert stranger.get(f"/incidents/{incident}").status_code == 404
    assert stranger.get("/kits/dl-2901-01").status_code == 404
    assert stranger.get("/kits/dl-2901-01/trail?from_ms=0&to_ms=1").status_code == 404
    assert stranger.post(f"/incidents/{incident}/acknowledge").status_code == 404
    assert stranger.post("/kits/dl-2901-01/recording", data={"wanted": "true", "cause": "x"}).status_code == 404


def test_alarm_is_acknowledged_and_felt(log_in, kits, store, raise_sos):
    from central.flows.felt import receive_command_receipt

    kit = kits["dl-2901-01"]
    incident = raise_sos(kit)
    client = log_in("zhiban")
    assert "立即受理" in client.get("/").text
    board = client.post(f"/incidents/{incident}/acknowledge", headers={"hx-request": "true"})
    assert board.status_code == 200
    assert "立即受理" not in board.text
    assert "送达中" in board.text
    with store.write() as uow:
        assert receive_command_receipt(uow, kit, CommandReceipt(number=1, state="received", at_ms=uow.now_ms))
    assert ">送达<" in client.get("/screen/board").text
    with store.write() as uow:
        assert receive_command_receipt(uow, kit, CommandReceipt(number=1, state="felt", at_ms=uow.now_ms))
    board = client.get("/screen/board").text
    assert 'data-felt="yes"' in board
    assert "已被警官感知" in board


def test_second_hand_is_told_who_was_first(log_in, kits, raise_sos):
    incident = raise_sos(kits["dl-2901-01"])
    first, second = log_in("zhiban"), log_in("zhihui")
    assert first.post(f"/incidents/{incident}/acknowledge").status_code == 303
    answer = second.post(f"/incidents/{incident}/acknowledge", headers={"hx-request": "true"})
    assert answer.status_code == 409
    assert "样例值班员 已先受理该告警" in answer.text
    assert 'id="notice"' in answer.text


def test_incident_is_logged_and_closed(log_in, kits, raise_sos):
    incident = raise_sos(kits["dl-2901-01"])
    commander, operator = log_in("zhihui"), log_in("zhiban")
    page = f"/incidents/{incident}"
    assert commander.post(f"{page}/close", data={"note": "完"}).status_code == 409
    assert operator.post(f"{page}/acknowledge").status_code == 303
    assert operator.post(f"{page}/notes", data={"note": "已派增援"}).status_code == 303
    assert operator.post(f"{page}/close", data={"note": "完"}).status_code == 403
    assert commander.post(f"{page}/close", data={"note": ""}).status_code == 422
    assert commander.post(f"{page}/close", data={"note": "现场平稳"}).headers["location"] == page
    text = commander.get(page).text
    for words in ("已派增援", "现场平稳", "已办结", "样例指挥长"):
        assert words in text
    assert incident in commander.get("/incidents?state=closed").text
    assert incident not in commander.get("/incidents").text


def test_kit_page_shows_health_and_mailbox(log_in, kits, store, clock):
    kit = kits["dl-2901-01"]
    health = Health(
        recording=True, duty=True, queue_outbox=3, queue_segments=7, free_bytes=41_300_000_000,
        vault_bytes=18_200_000, uptime_s=5400, version="0.1.0", gps="3d", clock="ntp", temp_c=48.5, battery_pct=81,
    )  # fmt: skip
    with store.write() as uow:
        devices.record_health(uow, kit, health, at_ms=uow.now_ms, received_ms=uow.now_ms)
    client = log_in("zhiban")
    assert client.post("/kits/dl-2901-01/recording", data={"wanted": "true", "cause": ""}).status_code == 422
    answer = client.post("/kits/dl-2901-01/recording", data={"wanted": "true", "cause": "核实现场"})
    assert answer.headers["location"] == "/kits/dl-2901-01#mailbox"
    text = client.get("/kits/dl-2901-01").text
    for words in ("录像中", "41.3 GB", "48.5 °C", "7 段", "开始录像", "核实现场", "待送达", "三维定位"):
        assert words in text, words
    assert "a1" not in text.split("<main")[1].split("序列号")[-1] or "序列号" not in text
    clock.advance(s=90)
    assert "失联" in client.get("/kits").text
    assert "链路中断" in client.get("/kits/dl-2901-01").text


def test_what_a_kit_says_of_itself_is_told_in_the_readers_language(log_in, kits, store):
    kit, client = kits["dl-2901-01"], log_in("zhiban")
    health = Health(
        recording=False, duty=True, queue_outbox=0, queue_segments=0, free_bytes=1, vault_bytes=0, uptime_s=1,
        version="0.1.0", gps="gpsd unreachable (timeout)", clock="off by +9 s against the centre",
    )  # fmt: skip
    with store.write() as uow:
        devices.record_health(uow, kit, health, at_ms=uow.now_ms, received_ms=uow.now_ms)
    text = client.get("/kits/dl-2901-01").text
    for words in ("定位服务无法连接", "与中心不一致", "与中心相差 +9 秒"):
        assert words in text, words
    english = client.get(
        "/kits/dl-2901-01", headers={"cookie": f"{client_cookies(client)}; zhixing_language=en"}
    ).text
    assert "gpsd unreachable" in english
    assert "Differs from the centre" in english


def client_cookies(client):
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_remarks_of_kits_are_explained_and_those_of_people_left_alone():
    chinese, english = load_words("zh"), load_words("en")
    assert explain("camera_stall: no picture for 3 s", chinese) == "摄像头中断 · no picture for 3 s"
    assert explain("shown on the stand-in page; this kit has no buzzer", english).startswith("Shown on")
    assert explain("注意: 后门", chinese) == "注意: 后门"


def test_change_of_language_returns_to_the_page_with_its_filter(log_in, kits):
    client = log_in("zhiban")
    assert 'name="next" value="/kits?presence=live"' in client.get("/kits?presence=live").text
    refused = client.post("/incidents/none/notes", data={"note": "x"}, headers={"accept": "text/html"})
    assert refused.status_code == 404
    assert 'name="next" value="/"' in refused.text


def test_administrator_sees_certificates_not_trails(log_in, kits):
    client = log_in("guanli")
    text = client.get("/kits/dl-2901-01").text
    assert "序列号" in text
    assert "行动轨迹" not in text
    assert client.get("/kits/dl-2901-01/trail?from_ms=0&to_ms=1").status_code == 403


def test_trail_is_given_oldest_first(log_in, kits, store):
    kit, now_ms = kits["dl-2901-01"], store.clock.now_ms()
    rows = [
        position_row(
            kit.kit_no,
            1,
            seq,
            at_ms,
            Fix(lat=25.6 + seq / 1000, lon=100.2, fix_ms=at_ms),
            digest=bytes(8),
            received_ms=now_ms,
        )
        for seq, at_ms in ((2, now_ms - 1000), (1, now_ms - 2000))
    ]
    with store.write() as uow:
        uow.session.add(KitSpool(spool_no=1, kit_no=kit.kit_no, spool="1" * 32, first_ms=now_ms))
        devices.store_positions(uow, rows)
    path = f"/kits/dl-2901-01/trail?from_ms={now_ms - 9000}&to_ms={now_ms}"
    fixes = log_in("zhiban").get(path).json()["fixes"]
    assert [fix[0] for fix in fixes] == [now_ms - 2000, now_ms - 1000]


def test_audit_lists_and_verifies(log_in, kits, store):
    client = log_in("shenji")
    assert "people:session:open" in client.get("/audit?action=people:session").text
    assert "没有符合条件的记录" in client.get("/audit?action=nothing:").text
    assert "审计链完整" in client.post("/audit/verify").text
    with store.write() as uow:
        uow.connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_entry_no_update")
        for (name,) in uow.connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_entry'"
        ).all():
            uow.connection.exec_driver_sql(f"DROP TRIGGER {name}")
        uow.connection.exec_driver_sql("UPDATE audit_entry SET actor = 'user:forged' WHERE seq = 2")
    assert "审计链从第 2 条起不一致" in client.post("/audit/verify").text


def test_what_was_set_aside_is_shown_harmlessly(log_in, kits, store):
    with store.write() as uow:
        for payload in (b'<script>alert("x")</script>', b"\xff\x00\x01"):
            devices.keep_aside(
                uow, kit_id="dl-2901-01", source="kits/dl-2901-01/up/position", reason="unparsable",
                detail="malformed JSON", payload=payload,
            )  # fmt: skip
    text = log_in("guanli").get("/devices").text
    assert "&lt;script&gt;" in text
    assert "<script>alert" not in text
    assert "ff 00 01" in text
    assert "无法解析" in text


def test_unknown_pages_are_told(log_in):
    answer = log_in("zhiban").get("/nowhere")
    assert answer.status_code == 404
    assert "没有这个页面" in answer.text
    asked = log_in("zhiban").get("/kits/zz", headers={"accept": "application/json"})
    assert asked.headers["content-type"] == "application/problem+json"
    assert asked.json()["detail"]


def test_every_act_is_audited(log_in, kits, store, raise_sos):
    incident = raise_sos(kits["dl-2901-01"])
    log_in("zhiban").post(f"/incidents/{incident}/acknowledge")
    with store.read() as session:
        actions = [entry.action for entry in audit.list_entries(session, court_prefix="云29", subject=incident)]
    assert "incidents:alarm:acknowledge" in actions


def test_alarm_follows_onto_other_pages(log_in, kits, raise_sos):
    client = log_in("zhiban")
    assert "hidden" in client.get("/incidents/urgent").text
    incident = raise_sos(kits["dl-2901-01"])
    text = client.get("/incidents/urgent").text
    assert 'data-count="1"' in text
    assert f"/incidents/{incident}" in text
    client.post(f"/incidents/{incident}/acknowledge")
    assert 'data-count="0"' in client.get("/incidents/urgent").text
    assert log_in("guanli").get("/incidents/urgent").status_code == 403


def test_what_a_page_asks_by_itself_is_no_use(log_in, clock, settings):
    used, forgotten = log_in("zhiban"), log_in("zhihui")
    forgotten.headers["X-Passive"] = "yes"
    for _ in range(4):
        clock.advance(s=settings.session_idle_s // 2)
        used_status, forgotten_status = used.get("/kits").status_code, forgotten.get("/kits").status_code
    assert (used_status, forgotten_status) == (200, 303)
