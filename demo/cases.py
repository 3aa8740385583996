"""Fills the demo's case database: fictitious cases of all 13 courts, then some worked on as their people would.

Everything goes through the services that the pages use, so that audit, timelines and deadlines are real ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from sqlmodel import col, select

from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.cases import service as cases
from central.cases.catalogue import get_catalogue
from central.cases.clock import today
from central.cases.models import CaseNode, EnforcementCase
from central.cases.service import DocumentMeta
from central.cases.writer import Outcome, take_cases
from central.courts.permissions import Actor
from central.people.queries import actor_of, get_user
from demo.fiction import make_cases
from demo.people import COUNTIES

COUNT: Final = 2600
SOURCE: Final = "样例案件系统"
_BATCH: Final = 250
_SEED: Final = 7
# Kind of paper -> its name in the demo.
_PAPERS: Final = {
    "execution_notice": "执行通知书（样例）",
    "report_order": "报告财产令（样例）",
    "consumption_order": "限制消费令（样例）",
    "dishonest_decision": "失信决定书（样例）",
    "inquiry_results": "网络查控反馈汇总（样例）",
    "debtor_search": "查找被执行人下落笔录（样例）",
    "creditor_consent": "终本约谈笔录，申请执行人签字（样例）",
}


def fill_cases(store: Store, settings: Settings, *, count: int = COUNT) -> int:
    """Store `count` fictitious cases and work on some; returns how many were created."""
    keyring, catalogue = load_keyring(Path(settings.keys_dir)), get_catalogue()
    drafts = make_cases(count, today(store.clock.now_ms()), seed=_SEED)
    created = 0
    while batch := list(islice(drafts, _BATCH)):
        with store.write() as uow:
            # What was worked on since an earlier filling is refused and stays as it is.
            outcomes = take_cases(uow, keyring, catalogue, batch, source=SOURCE, actor="system:demo")
            created += outcomes.count(Outcome.CREATED)
    for court in COUNTIES:
        _work_at(store, settings, keyring, court)
    return created


def _actor(uow: UnitOfWork, login: str) -> Actor:
    return actor_of(get_user(uow.session, login))


@dataclass(frozen=True)
class _Desk:
    """A court's people at work, in one transaction."""

    uow: UnitOfWork
    settings: Settings
    keyring: Keyring
    judge: Actor
    clerk: Actor
    chief: Actor
    president: Actor
    on: date

    def add_papers(self, case_no: str, kinds: Sequence[str]) -> None:
        """The clerk names the papers on the case."""
        for kind in kinds:
            meta = DocumentMeta(
                kind=kind, title=_PAPERS[kind], doc_no=f"{case_no}之一", made_on=self.on, law_version="2023"
            )
            cases.add_document(
                self.uow, self.clerk, case_no, meta, data=None, settings=self.settings, keyring=self.keyring
            )


def _work_at(store: Store, settings: Settings, keyring: Keyring, court: str) -> None:
    number = court.removeprefix("云")
    with store.write() as uow:
        judge, clerk, chief, president = (
            _actor(uow, f"{role}{number}") for role in ("judge", "clerk", "chief", "president")
        )
        desk = _Desk(uow, settings, keyring, judge, clerk, chief, president, today(uow.now_ms))
        active = _find_active(uow, court, random.Random(number))  # noqa: S311 -- a story, not a secret
        for case in active[:6]:
            desk.add_papers(case.case_no, list(_PAPERS)[:2])
        _flag_and_pause(desk, active)
        _extend(desk, active)
        _close_for_now(desk, active)
        _share_and_recuse(desk, court, active)


def _find_active(uow: UnitOfWork, court: str, dice: random.Random) -> Sequence[EnforcementCase]:
    query = select(EnforcementCase).where(
        EnforcementCase.court_code == court, EnforcementCase.state == "active", EnforcementCase.type_code == "执"
    )
    found = list(uow.session.exec(query.order_by(col(EnforcementCase.filed_day).desc()).limit(14)).all())
    dice.shuffle(found)
    return found


def _flag_and_pause(desk: _Desk, active: Sequence[EnforcementCase]) -> None:
    flags = (("livelihood", "样例：涉农民工工资"), ("petition", "样例：信访件"))
    for case, (flag, reason) in zip(active, flags, strict=False):
        cases.set_flag(desk.uow, desk.chief, case.case_no, flag, reason)
    for case in active[2:3]:
        day = max(case.filed_on, desk.on - timedelta(days=12))
        cases.start_pause(desk.uow, desk.judge, case.case_no, "appraisal", from_on=day, doc_no=f"{case.case_no}之三")


def _extend(desk: _Desk, active: Sequence[EnforcementCase]) -> None:
    """One extension waits for the chief, one for the president, one is signed."""
    reason = "样例：案涉房产正在评估拍卖，无法按期执结"
    for steps, case in enumerate(case for case in active[3:6] if case.limit_on is not None):
        act = cases.draft_act(desk.uow, desk.judge, case.case_no, "extend", {"months": 3}, reason=reason)
        if steps > 0:
            cases.approve_act(desk.uow, desk.chief, act.id, "样例：情况属实，拟同意")
        if steps > 1:
            cases.sign_act(desk.uow, desk.president, act.id, "样例：同意")


def _close_for_now(desk: _Desk, active: Sequence[EnforcementCase]) -> None:
    """A 终本 with all its papers waits for the president's signature."""
    old = [case for case in active if case.filed_on < desk.on - timedelta(days=100)]
    for case in old[:1]:
        desk.add_papers(case.case_no, list(_PAPERS))
        for node in ("notice", "inquiry"):
            _record_if_open(desk, case, node)
        act = cases.draft_act(
            desk.uow, desk.judge, case.case_no, "close", {"closing": "terminated_for_now"},
            reason="样例：穷尽调查措施，未发现可供执行财产",
        )  # fmt: skip
        cases.approve_act(desk.uow, desk.chief, act.id, "样例：终本条件均已具备")


def _record_if_open(desk: _Desk, case: EnforcementCase, kind: str) -> None:
    query = select(CaseNode).where(
        CaseNode.case_id == case.case_id, CaseNode.kind == kind, col(CaseNode.done_on).is_(None)
    )
    node = desk.uow.session.exec(query).first()
    if node is not None and node.node_id is not None:
        cases.record_node(desk.uow, desk.judge, case.case_no, node.node_id, done_on=desk.on)


def _share_and_recuse(desk: _Desk, court: str, active: Sequence[EnforcementCase]) -> None:
    if len(active) <= 8:
        return
    reason = "样例：与被执行人系近亲属，自行申请回避"
    cases.set_recusal(desk.uow, desk.president, active[7].case_no, desk.clerk.login, reason)
    neighbour = COUNTIES[(COUNTIES.index(court) + 1) % len(COUNTIES)]
    basis = "样例：同级协助执行函〔2026〕1号"
    cases.share_case(desk.uow, desk.chief, active[8].case_no, neighbour, days=60, basis=basis)
