"""Tasks through the pages: given, shown with their receipts, taken back; with and without scripts the same."""

import re

import pytest

from central.flows.felt import receive_command_receipt
from contract.messages import CommandReceipt

TASK = {
    "title": "送达样例文书",
    "text": "第一行\n第二行<b>",
    "urgency": "most_urgent",
    "category": "service",
    "due": 60,
}


def answer(store, kit, number, state, note=""):
    told = CommandReceipt(number=number, state=state, at_ms=store.clock.now_ms() - 3_600_000, note=note)
    with store.write() as uow:
        receive_command_receipt(uow, kit, told)


@pytest.fixture
def operator(log_in):
    return log_in("zhiban")


def test_given_on_the_kits_page_and_answered_from_the_field(store, kit, operator):
    page = operator.get(f"/kits/{kit.kit_id}").text
    assert "派任务" in page
    sent = operator.post(f"/kits/{kit.kit_id}/tasks", data=TASK)
    assert (sent.status_code, sent.headers["location"]) == (303, f"/kits/{kit.kit_id}#tasks")
    page = operator.get(f"/kits/{kit.kit_id}").text
    assert "送达样例文书" in page and "第二行&lt;b&gt;" in page and "等待装备接入" in page
    store.clock.advance(s=3_700)  # told at once, come an hour later
    for state in ("received", "felt", "read"):
        answer(store, kit, 1, state)
    answer(store, kit, 1, "refused", "too_far")
    part = operator.get(f"/kits/{kit.kit_id}/tasks").text
    assert "<html" not in part
    for word in ("已送达装备", "已被警官感知", "已查看", "已拒绝", "距离过远", "补报"):
        assert word in part


def test_the_list_of_the_court_has_those_first_who_need_somebody(store, kit, operator):
    operator.post("/tasks", data={**TASK, "kit_id": kit.kit_id, "title": "久等的样例"})
    operator.post("/tasks", data={"kit_id": kit.kit_id, "title": "平常的样例"})
    store.clock.advance(s=6 * 60)
    page = operator.get("/tasks").text
    assert page.index("久等的样例") < page.index("平常的样例")
    assert "久未答复" in page and "1 项需要处理" in page
    answer(store, kit, 1, "done", "as_ordered")
    assert "久等的样例" not in operator.get("/tasks").text
    assert "按要求完成" in operator.get("/tasks?show=closed").text


def test_taken_back_with_a_reason(store, kit, operator):
    operator.post(f"/kits/{kit.kit_id}/tasks", data=TASK)
    answer(store, kit, 1, "accepted")
    recall = f"/kits/{kit.kit_id}/tasks/1/recall"
    assert operator.post(recall, data={"reason": ""}).status_code == 422
    assert operator.post(recall, data={"reason": "情况有变"}).status_code == 303
    assert operator.post(recall, data={"reason": "再次"}).status_code == 409
    page = operator.get("/tasks").text
    assert "撤回途中" in page and "情况有变" in page
    answer(store, kit, 2, "felt")
    assert "已撤回" in operator.get("/tasks?show=closed").text


def test_who_reads_but_does_not_give(kit, operator, log_in):
    operator.post(f"/kits/{kit.kit_id}/tasks", data=TASK)
    watcher = log_in("yuanzhang")
    page = watcher.get("/tasks").text
    assert "送达样例文书" in page
    assert not re.search(r"<form[^>]*action=\"[^\"]*/(tasks|recall)\"", page)
    assert watcher.post(f"/kits/{kit.kit_id}/tasks", data=TASK).status_code == 403


def test_an_administrator_keeps_the_kit_and_does_not_read_its_tasks(kit, operator, log_in):
    operator.post(f"/kits/{kit.kit_id}/tasks", data=TASK)
    keeper = log_in("guanli")
    assert keeper.get("/tasks").status_code == 403
    page = keeper.get(f"/kits/{kit.kit_id}")
    assert page.status_code == 200
    assert "送达样例文书" not in page.text


@pytest.mark.parametrize("wrong", [{"title": ""}, {"urgency": "soon"}, {"due": 99_999}, {"case_no": "样例"}])
def test_what_cannot_be_sent_is_said_in_words(kit, operator, wrong):
    refused = operator.post(f"/kits/{kit.kit_id}/tasks", data={**TASK, **wrong})
    assert refused.status_code in (404, 422)
    assert "task_draft" not in refused.text
