"""Pages that show when something happened at a kit say how sure that is, and what its wrong clock said."""

from central.devices.rules import ItemKey
from central.devices.times import Anchor, claim_of_fix, place_boots
from central.flows.sos import receive_alarm
from central.flows.times import settle_times
from contract.messages import Alarm

BOOT = "b" * 32
HOUR = 3_600_000


def press(store, kit, *, kind, mono_ms, seq, alarm_id="c" * 32):
    now_ms = store.clock.now_ms()
    alarm = Alarm(alarm_id=alarm_id, kind=kind, pressed_ms=100_000 + seq, boot_ms=mono_ms)
    with store.write() as uow:
        key = ItemKey(kit.kit_no, 1, seq)
        outcome = receive_alarm(
            uow, kit, alarm, key=key, digest=bytes(8), at_ms=100_000, received_ms=now_ms, boot=BOOT
        )
    return outcome.incident_id


def test_an_incident_of_hours_ago_by_a_kit_in_1970(log_in, store, kits):
    kit, now_ms = kits["dl-2901-01"], store.clock.now_ms()
    incident = press(store, kit, kind="sos", mono_ms=60_000, seq=1)
    press(store, kit, kind="sos_withdrawn", mono_ms=65_000, seq=2)
    page = f"/incidents/{incident}"
    before = log_in("zhiban").get(page).text
    assert "不晚于 2026-11-24 14:00:00" in before and "装备时钟显示 1970-01-01 08:01:40" in before
    anchor = Anchor(BOOT, 1, 1, 0, now_ms, 0)
    anchor.hear(claim_of_fix(now_ms - 3 * HOUR - 750, 0))
    with store.write() as uow:
        settle_times(uow, kit.kit_no, place_boots([anchor]))
    text = log_in("zhiban").get(page).text
    assert "2026-11-24 11:01:00 ±1 秒（按卫星时间）" in text
    assert "2026-11-24 11:01:05 ±1 秒（按卫星时间）" in text, "and the withdrawal five seconds later"
    assert "中心接收 2026-11-24 14:00:00" in text and "装备时钟显示 1970-01-01" in text
    english = log_in("zhiban")
    english.cookies.set("zhixing_language", "en")
    assert "2026-11-24 11:01:00 ±1 s (satellite time)" in english.get(page).text
    assert "2026-11-24 11:01:00 ±1 秒（按卫星时间）" in log_in("zhiban").get("/kits/dl-2901-01").text


def test_the_timeline_stands_in_the_order_of_the_acts(log_in, store, kits, clock):
    kit = kits["dl-2901-01"]
    incident = press(store, kit, kind="sos", mono_ms=60_000, seq=1)
    page = f"/incidents/{incident}"
    clock.advance(ms=HOUR)
    assert log_in("zhiban").post(f"{page}/acknowledge").status_code == 303
    clock.advance(ms=HOUR)
    press(store, kit, kind="sos_withdrawn", mono_ms=65_000, seq=2)  # pressed at once, but the link was gone
    anchor = Anchor(BOOT, 1, 1, 0, clock.now_ms(), 0)
    anchor.hear(claim_of_fix(clock.now_ms() - 3 * HOUR, 0))
    with store.write() as uow:
        settle_times(uow, kit.kit_no, place_boots([anchor]))
    text = log_in("zhiban").get(page).text
    steps = text[text.index("处置时间线") :]
    assert steps.index("告警接收") < steps.index("警官撤回") < steps.index("已受理")
