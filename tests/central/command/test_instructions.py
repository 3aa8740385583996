"""Numbered orders: counted in the session, to one, some or all, read back by press or by voice."""

import pytest

from central.base.errors import ForbiddenError, NotFoundError
from central.command import queries, rules, service
from central.command.instructions import list_orders
from central.courts.permissions import Actor
from central.flows.felt import receive_command_receipt
from contract.messages import CommandReceipt
from tests.central.command.conftest import URL

pytestmark = pytest.mark.both_databases


def orders(store, actor, session_id):
    with store.read() as session:
        view = queries.get_session(session, actor, session_id)
        return list_orders(session, view, now_ms=store.clock.now_ms())


def answer(store, kit, number, state, note=""):
    with store.write() as uow:
        told = CommandReceipt(number=number, state=state, at_ms=store.clock.now_ms(), note=note)
        receive_command_receipt(uow, kit, told)


@pytest.fixture
def session(begin):
    return begin(kits=("dl-2901-01", "yb-2922-01"))


@pytest.fixture
def begin(store, kits, commander):
    """On the commander's own motion: his courts are both counties."""

    def take(kits):
        with store.write() as uow:
            request = service.ask_command(uow, commander, service.Ask(list(kits), "样例：联合执行"))
            service.grant_request(uow, commander, request.id, service.Terms())
            return service.begin_session(uow, commander, request.id, url=URL)

    return take


def test_counted_in_the_session_and_sent_to_whom_it_names(store, session, commander, kits):
    with store.write() as uow:
        assert service.give_order(uow, commander, session.id, " 原地待命 ").no == 1
        assert service.give_order(uow, commander, session.id, "撤离", ["yb-2922-01"]).no == 2
    two, one = orders(store, commander, session.id)
    assert (one.order.text, [a.at.kit_id for a in one.answers]) == ("原地待命", ["dl-2901-01", "yb-2922-01"])
    assert [(a.at.kit_id, a.state) for a in two.answers] == [("yb-2922-01", "waiting")]
    with store.read() as reading:
        from central.devices.models import MailboxEntry

        row = reading.get(MailboxEntry, (kits["yb-2922-01"].kit_no, 3))
        assert (row.kind, row.expires_ms) == ("instruct", session.until_ms)
        assert row.body == {
            "session": session.id, "no": 2, "text": "撤离", "by": "样例指挥长",
            "court": "云南省大理白族自治州中级人民法院",
        }  # fmt: skip
        lines = [line for line in queries.list_entries(reading, session.id) if line.kind == "ordered"]
    assert [line.detail["kits"] for line in lines] == [["dl-2901-01", "yb-2922-01"], ["yb-2922-01"]]


def test_read_back_refused_and_unanswered(store, session, commander, kits, clock):
    with store.write() as uow:
        service.give_order(uow, commander, session.id, "原地待命")
    with store.write() as uow:
        service.give_order(uow, commander, session.id, "报告人数", ["yb-2922-01"])
    answer(store, kits["dl-2901-01"], 2, "felt")
    answer(store, kits["dl-2901-01"], 2, "accepted", "已复诵")
    answer(store, kits["yb-2922-01"], 3, "accepted", "已复诵")
    clock.advance(ms=rules.READ_BACK_MS + 1)
    first, second = orders(store, commander, session.id)  # the older one lacks an answer: it stands first
    assert (first.order.no, first.needs_somebody, second.needs_somebody) == (1, True, False)
    done, open_ = first.answers
    assert (done.state, done.note, [step.state for step in done.steps]) == (
        "accepted",
        "已复诵",
        ["felt", "accepted"],
    )
    assert (open_.state, open_.is_late) == ("waiting", True)
    answer(store, kits["yb-2922-01"], 2, "refused", "unsafe")
    refused = next(v for v in orders(store, commander, session.id) if v.order.no == 1).answers[1]
    assert (refused.state, refused.needs_somebody) == ("refused", True)
    with store.read() as reading:
        lines = [(line.kind, line.actor, line.detail.get("no")) for line in queries.list_entries(reading, session.id)]
        queries.verify_entries(reading, session.id)
    assert ("read_back", "kit:dl-2901-01", 1) in lines
    assert ("told", "kit:yb-2922-01", 1) in lines


def test_read_back_by_voice_says_who_heard_it(store, session, commander, operator, neighbour):
    with store.write() as uow:
        service.give_order(uow, commander, session.id, "原地待命", ["dl-2901-01"])
    with store.write() as uow:
        service.note_heard(uow, operator, session.id, 1, "dl-2901-01", note="样例：电台复诵")
    [view] = orders(store, commander, session.id)
    assert (view.answers[0].state, view.answers[0].at.heard_by, view.answers[0].note) == (
        "heard", "样例值班员", "样例：电台复诵",
    )  # fmt: skip
    with pytest.raises(NotFoundError), store.write() as uow:
        service.note_heard(uow, operator, session.id, 1, "dl-2901-01")
    supervisor = Actor("u20", "jiandu", "样例监督员", "supervisor", "云29")
    with pytest.raises(ForbiddenError), store.write() as uow:
        service.note_heard(uow, supervisor, session.id, 1, "dl-2901-01")


def test_who_gives_no_orders(store, session, operator, leader, second, clock, commander):
    watch = Actor("u12", "zhiban29", "样例中院值班员", "duty_operator", "云29")
    for actor in (operator, leader, second, watch):
        with pytest.raises(ForbiddenError), store.write() as uow:
            service.give_order(uow, actor, session.id, "原地待命")
    for text in ("", "x" * 501):
        with pytest.raises(rules.CommandDraftError), store.write() as uow:
            service.give_order(uow, commander, session.id, text)
    with pytest.raises(NotFoundError), store.write() as uow:
        service.give_order(uow, commander, session.id, "原地待命", ["dl-2901-99"])
    clock.advance(ms=session.until_ms)
    with pytest.raises(rules.SessionEndedError), store.write() as uow:
        service.give_order(uow, commander, session.id, "原地待命")
