"""Pages that show when something happened at a kit say how sure that is, and what its wrong clock said."""

import pytest

from central.devices.boots import BootBook
from central.devices.rules import ItemKey
from central.devices.times import Anchor, Moment, Told, claim_of_fix, place_boots, tell_answer
from central.flows.felt import receive_command_receipt
from central.flows.sos import receive_alarm
from central.flows.times import settle_times
from contract.messages import Alarm, CommandReceipt

BOOT = "b" * 32
NOON = 1_795_500_000_000
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


def say(store, kit, number, state, *, mono_ms, note=""):
    """A receipt of a kit whose wall clock stands in 1970."""
    told = CommandReceipt(number=number, state=state, at_ms=100_000 + mono_ms, note=note)
    with store.write() as uow:
        assert receive_command_receipt(uow, kit, told, moment=Moment(BOOT, mono_ms))


def place_boot(store, kit, began_ms):
    """The centre learns by a satellite fix when the kit's boot began."""
    book = BootBook()
    with store.write() as uow:
        anchor = book.see(uow, kit.kit_no, BOOT, 1, 1, 0)
        book.hear(kit.kit_no, anchor, claim_of_fix(began_ms, 0))
        book.flush(uow)


def test_answers_to_a_task_out_of_the_dark_by_a_kit_in_1970(log_in, store, kits, clock):
    kit, operator = kits["dl-2901-01"], log_in("zhiban")
    assert operator.post("/kits/dl-2901-01/tasks", data={"title": "样例任务"}).status_code == 303
    clock.advance(ms=3 * HOUR)
    say(store, kit, 1, "accepted", mono_ms=HOUR)
    operator = log_in("zhiban")  # whoever was away for so long logs in anew
    page = operator.get("/tasks").text
    assert "不晚于 17:00:00" in page and "1970" not in page and "08:" not in page, "nothing but its clock is known"
    place_boot(store, kit, clock.now_ms() - 2 * HOUR)
    say(store, kit, 1, "done", mono_ms=HOUR + 90_000)
    for path in ("/tasks?show=closed", "/kits/dl-2901-01"):
        page = operator.get(path).text
        assert "16:00:00" in page and "16:01:30" in page, path
        assert "（17:00:00 补报）" in page and "±1 秒（按卫星时间）" in page and "1970" not in page, path
    mailbox = page[page.index('id="directives"') :]
    assert "16:01:30" in mailbox


def test_when_the_officer_felt_the_answer_stands_in_its_place_with_its_error(log_in, store, kits, clock):
    kit, operator = kits["dl-2901-01"], log_in("zhiban")
    incident = press(store, kit, kind="sos", mono_ms=60_000, seq=1)
    clock.advance(ms=HOUR)
    assert operator.post(f"/incidents/{incident}/acknowledge").status_code == 303
    clock.advance(ms=HOUR)
    assert operator.post(f"/incidents/{incident}/notes", data={"note": "派人前往"}).status_code == 303
    clock.advance(ms=HOUR)
    place_boot(store, kit, clock.now_ms() - 3 * HOUR)
    say(store, kit, 1, "felt", mono_ms=HOUR + 5_000)  # five seconds after it was ordered; its receipt was late
    text = operator.get(f"/incidents/{incident}").text
    steps = text[text.index("处置时间线") :]
    assert steps.index("已受理") < steps.index("已被警官感知") < steps.index("派人前往")
    assert "2026-11-24 15:00:05 ±1 秒（按卫星时间）" in steps and "中心接收 2026-11-24 17:00:00" in steps
    assert "1970" not in steps


def test_a_kit_of_before_says_no_time_since_boot(log_in, store, kits, clock):
    kit, operator = kits["dl-2901-01"], log_in("zhiban")
    operator.post("/kits/dl-2901-01/tasks", data={"title": "样例任务"})
    clock.advance(s=180)
    told = CommandReceipt(number=1, state="read", at_ms=clock.now_ms() - 90_000)
    with store.write() as uow:
        receive_command_receipt(uow, kit, told)
    assert "14:01:30（仅凭装备时钟）" in operator.get("/tasks").text


def test_no_answer_stands_before_its_order(log_in, store, kits, clock):
    """A receipt within its error of the order: felt comes after taken, whatever the kit's clock is off by."""
    kit, operator = kits["dl-2901-01"], log_in("zhiban")
    incident = press(store, kit, kind="sos", mono_ms=60_000, seq=1)
    assert operator.post(f"/incidents/{incident}/acknowledge").status_code == 303
    clock.advance(ms=2_000)
    place_boot(store, kit, clock.now_ms() - HOUR)
    say(store, kit, 1, "felt", mono_ms=HOUR - 2_400)
    text = operator.get(f"/incidents/{incident}").text
    steps = text[text.index("处置时间线") :]
    assert steps.index("已受理") < steps.index("已被警官感知")


@pytest.mark.parametrize(
    ("wall_ms", "told"),
    [
        (NOON + 5_000, Told(NOON + 5_000, None, "kit_clock")),
        (NOON - 5_000, Told(NOON + 9_000, None, "received")),
        (0, Told(NOON + 9_000, None, "received")),
    ],
)
def test_by_the_wall_clock_alone(wall_ms, told):
    assert tell_answer({}, Moment(), wall_ms=wall_ms, received_ms=NOON + 9_000, ordered_ms=NOON) == told


def test_the_order_cuts_the_error_and_a_clock_before_it_is_not_believed():
    anchor = Anchor(BOOT, 1, 1, 0, NOON + 100, 0)
    anchor.hear(claim_of_fix(NOON - 700, 0))
    boots = place_boots([anchor])
    told = tell_answer(boots, Moment(BOOT, 0), wall_ms=0, received_ms=NOON + 100, ordered_ms=NOON)
    assert told == Told(NOON + 50, 50, "gps")
    late = tell_answer(boots, Moment(BOOT, 0), wall_ms=0, received_ms=NOON + 9_000, ordered_ms=NOON + 5_000)
    assert late == Told(NOON + 7_000, 2_000, "centre")
