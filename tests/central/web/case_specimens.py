"""A small docket that looks like a real one: every state of nearness. Specimen people only."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

from central.base.keyring import Keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases import clock
from central.cases import service as cases
from central.cases.catalogue import get_catalogue
from central.cases.drafts import CaseDraft
from central.cases.numbers import make_case_no
from central.cases.parties import PartyDraft
from central.cases.writer import store_cases
from central.people.queries import actor_of, get_user
from demo.fiction import make_cases, specimen_id, specimen_uscc

APPLICANT = PartyDraft(
    "applicant", "organisation", "大理苍山（样例）农村商业银行股份有限公司", "uscc", specimen_uscc(1234567),
    address="样例县样例路 1 号", account="0000123456789012", representative="样例行长",
)  # fmt: skip
EXECUTEE_ID = specimen_id(date(1979, 3, 8), 415)
EXECUTEE = PartyDraft(
    "executee", "natural", "样例杨秀英", "resident_id", EXECUTEE_ID,
    phone="000-12345678", address="样例县样例镇样例村 7 号",
)  # fmt: skip
SECOND = PartyDraft("executee", "natural", "样例张建国", "resident_id", specimen_id(date(1975, 10, 2), 217))


def case_no(seq: int, today: date, type_code: str = "执", court: str = "云2901") -> str:
    """Return the number of a specimen case of this year."""
    return make_case_no(today.year, court, type_code, seq).text


def own_cases(today: date) -> list[CaseDraft]:
    """Cases of 云2901, most of them handled by `faguan`: overdue, due soon, new, calm, closed; one unassigned."""

    def case(seq: int, age: int, **more: object) -> CaseDraft:
        filed = today - timedelta(days=age)
        done = {} if age < 3 else {"assign": filed + timedelta(days=1)}
        done |= {"notice": filed + timedelta(days=4), "inquiry": filed + timedelta(days=3)} if age > 12 else {}
        draft = CaseDraft(
            number=make_case_no(filed.year, "云2901", "执", seq),
            filed_on=filed,
            parties=(APPLICANT, EXECUTEE),
            basis_doc_no=f"（{filed.year}）样例民初{seq}号",
            cause="样例金融借款合同纠纷",
            claim_fen=38_650_000 + seq * 1_234_500,
            received_fen=seq * 345_600,
            state="active" if age > 12 else "assigned" if age > 2 else "filed",
            handler_login="faguan" if age > 2 else "",
            nodes_done=done,
        )
        return replace(draft, **more)

    return [
        case(101, 192, parties=(APPLICANT, EXECUTEE, SECOND), received_fen=12_000_000),
        case(102, 178),
        case(103, 8, parties=(PartyDraft("applicant", "natural", "样例李桂兰"), EXECUTEE)),
        case(104, 1, parties=(PartyDraft("applicant", "natural", "样例王志强"), SECOND)),
        case(105, 60, claim_fen=1_280_000_000, cause="样例建设工程施工合同纠纷"),
        case(106, 100, parties=(APPLICANT, replace(SECOND, name="样例段文华"))),
        case(
            107, 250, state="closed", closing="terminated_for_now", closed_on=today - timedelta(days=176),
            parties=(APPLICANT, replace(EXECUTEE, name="样例赵春梅", id_kind="", id_no="")),
        ),
    ]  # fmt: skip


def fill_docket(store: Store, keyring: Keyring, *, count: int = 400) -> date:
    """Store the specimen cases and most of `count` fictitious ones of all thirteen courts; returns today."""
    today = clock.today(store.clock.now_ms())
    rng = random.Random(5)
    drafts = own_cases(today)
    taken = {draft.number.text for draft in drafts}
    for draft in make_cases(count, today, seed=7):
        if draft.number.text in taken or _is_stale(draft, today):
            continue
        own = draft.number.court_code == "云2901" and draft.state not in ("filed", "closed") and rng.random() < 0.5
        # The fictitious judges have no accounts in this house: only their names are told.
        named = replace(draft, handler_login="")
        drafts.append(replace(named, handler_login="faguan", handler_name="") if own else named)
    for start in range(0, len(drafts), 200):
        with store.write() as uow:
            store_cases(
                uow, keyring, get_catalogue(), drafts[start : start + 200], source="样例办案系统", actor="system:test"
            )
    return today


def _is_stale(draft: CaseDraft, today: date) -> bool:
    """Tell whether a case would be years late: a busy court is shown, not a neglected one."""
    if draft.closed_on is not None:
        return draft.closing == "terminated_for_now" and (today - draft.closed_on).days > 190
    return (today - draft.filed_on).days > 230


def work_on_docket(store: Store, settings: Settings, keyring: Keyring) -> str:
    """Let people work on the specimen cases as in a busy week; returns the number of the richest one."""
    today = clock.today(store.clock.now_ms())
    rich, second, large = (case_no(seq, today) for seq in (106, 101, 105))
    with store.read() as session:
        judge, clerk, chief, commander = (
            actor_of(get_user(session, login)) for login in ("faguan", "shuji", "juzhang", "zhihui")
        )

    def ago(days: int) -> date:
        return today - timedelta(days=days)

    with store.write() as uow:
        cases.assign_case(uow, chief, rich, judge.login, clerk_login=clerk.login)
        cases.start_node(uow, judge, rich, "lead_check", started_on=ago(5), note="申请执行人提供车辆线索")
        cases.start_node(uow, judge, rich, "valuation", started_on=ago(3))
        cases.start_node(uow, judge, rich, "property_report", started_on=ago(90), due_on=ago(75))
        cases.record_node(uow, judge, rich, "property_report", done_on=ago(78), note="申报无财产，待核实")
        pause = cases.start_pause(uow, judge, rich, "announcement", from_on=ago(62), doc_no="样例公告第106号")
        cases.end_pause(uow, judge, rich, pause.id, until_on=ago(2))
        cases.set_flag(uow, chief, rich, "livelihood", "追索劳动报酬，涉六名工人")
        cases.set_flag(uow, commander, large, "amount")
        cases.share_case(uow, chief, rich, "云2923", days=30, basis="（2026）云2901协执函12号")
        cases.set_recusal(uow, chief, second, "zhihui", "系申请执行人代理人近亲属")
        for kind, title, number, days in (
            ("basis", "样例民事判决书", "（2026）样例民初106号", 130),
            ("execution_notice", "执行通知书", "（2026）云2901执106号", 96),
            ("report_order", "报告财产令", "（2026）云2901执106号", 96),
            ("inquiry_results", "网络查控结果汇总", "", 92),
            ("consumption_order", "限制消费令", "（2026）云2901执106号之一", 70),
        ):
            meta = cases.DocumentMeta(kind, title, number, ago(days), f"{title}.pdf")
            cases.add_document(
                uow, clerk, rich, meta, data=b"%PDF-1.7\n" + kind.encode() * 9000, settings=settings, keyring=keyring
            )
        cases.draft_act(uow, judge, rich, "extend", {"months": 2}, "评估报告尚未出具，申请执行人同意延长")
        approved = cases.draft_act(uow, judge, second, "extend", {"months": 1}, "被执行人名下房产正在拍卖公告期")
        cases.approve_act(uow, chief, approved.id, "同意，提请院长签发")
    return rich
