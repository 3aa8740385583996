"""Fictitious cases as the file of a case system, and what people would type to find some of them."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, text

from central.base.keyring import Keyring
from central.base.unit_of_work import Store
from central.cases.drafts import CaseDraft
from central.cases.rows import ID_FIELD
from central.cases.search import CaseFilter
from demo.fiction import make_cases

LAST_DAY = date(2026, 11, 20)
HEADINGS = (
    "案号", "立案日期", "案件状态", "结案方式", "结案日期", "标的额(元)", "执行到位金额(元)", "执行依据文号",
    "案由", "承办人", "承办人账号", "申请执行人", "申请执行人证件号码", "申请执行人电话", "申请执行人地址",
    "申请执行人法定代表人", "被执行人", "被执行人证件号码", "被执行人电话", "被执行人地址",
    "被执行人法定代表人", "分案日期", "通知书送达日期", "网络查控日期",
)  # fmt: skip
_ABSENT = ("欧阳无名", "上官不在", "鑫鑫鑫鑫", "无此人", "查无", "不存在有限公司", "赫连铁柱", "某某某")


@dataclass(frozen=True)
class Question:
    """One search: its kind, and what is asked."""

    kind: str
    wanted: CaseFilter


def write_csv(path: Path, count: int) -> None:
    """Write `count` cases as UTF-8 CSV with the headings of the template."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        writer.writerows(_line(draft) for draft in make_cases(count, LAST_DAY))


def _line(draft: CaseDraft) -> list[str]:
    done = draft.nodes_done
    return [
        draft.number.text, draft.filed_on.isoformat(), draft.state, draft.closing,
        draft.closed_on.isoformat() if draft.closed_on else "", _yuan(draft.claim_fen), _yuan(draft.received_fen),
        draft.basis_doc_no, draft.cause, draft.handler_name, draft.handler_login,
        *_parties(draft, "applicant"), *_parties(draft, "executee"),
        *(done[kind].isoformat() if kind in done else "" for kind in ("assign", "notice", "inquiry")),
    ]  # fmt: skip


def _parties(draft: CaseDraft, role: str) -> Iterator[str]:
    parties = [party for party in draft.parties if party.role == role]
    for field in ("name", "id_no", "phone", "address", "representative"):
        values = [getattr(party, field) for party in parties]
        yield "\n".join(value or "无" for value in values) if len(values) > 1 and any(values) else "".join(values)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def ask(store: Store, keyring: Keyring, court: str, each: int) -> dict[str, list[Question]]:
    """Return `each` questions of every kind, taken from cases that are there, some of them of `court`."""
    rng = random.Random(2026)
    cases = _sample(store, keyring, court, 2 * each, rng)
    kinds: dict[str, Callable[[dict[str, Any]], CaseFilter]] = {
        "number": lambda case: CaseFilter(text=case["case_no"]),
        "number_part": lambda case: CaseFilter(text=_part_of_number(case, rng)),
        "name_prefix": lambda case: CaseFilter(text=case["person"][: rng.choice((1, 2, 2, 2))]),
        "name_substring_2": lambda case: CaseFilter(text=_two_within(case, rng)),
        "name_whole": lambda case: CaseFilter(text=rng.choice((case["person"], case["person"], "张伟", "王秀英"))),
        "company": lambda case: CaseFilter(text=_part_of_body(case, rng)),
        "name_absent": lambda case: CaseFilter(text=rng.choice(_ABSENT) + case["person"][-1:]),
        "identity": lambda case: CaseFilter(text=_number_of(case, rng)),
        "filters": lambda case: _filters(case, rng),
    }
    asked = {}
    for kind, make in kinds.items():
        rng.shuffle(cases)
        asked[kind] = [Question(kind, make(case)) for case in islice(iter(cases), each)]
    return asked


def _sample(store: Store, keyring: Keyring, court: str, count: int, rng: random.Random) -> list[dict[str, Any]]:
    with store.read() as session:
        connection = session.connection()
        highest = int(connection.execute(text("SELECT max(case_id) FROM enforcement_case")).scalar_one())
        ids = rng.sample(range(1, highest + 1), min(highest, 4 * count))
        chosen = text(
            "SELECT case_id, case_no, court_code, type_code, year, seq, handler_id FROM enforcement_case "
            "WHERE case_id IN :ids"
        ).bindparams(bindparam("ids", expanding=True))
        rows = [row._mapping for row in connection.execute(chosen, {"ids": ids})]
        own = [row for row in rows if row["court_code"] == court]
        parties = text("SELECT party_id, kind, name, id_cipher FROM party WHERE case_id = :case_id ORDER BY position")
        found = []
        for row in [*own[: count // 3], *rows]:
            case: dict[str, Any] = {**row, "person": "张伟", "body": "大理农村信用合作联社（样例）", "ids": []}
            for party in connection.execute(parties, {"case_id": row["case_id"]}):
                case["person" if party.kind == "natural" else "body"] = party.name
                if party.id_cipher is not None:
                    case["ids"].append(keyring.open(ID_FIELD, party.party_id, bytes(party.id_cipher)))
            found.append(case)
            if len(found) == count:
                break
    return found


def _part_of_number(case: dict[str, Any], rng: random.Random) -> str:
    kind, seq, court, year = case["type_code"], case["seq"], case["court_code"], case["year"]
    shapes = (
        f"{seq}",
        f"{kind}{seq}",
        f"{court}{kind}{seq}",
        f"{year}{kind}{seq}号",
        f"（{year}）{court}",
        f"{year}-{seq}",
    )
    return rng.choice(shapes)


def _two_within(case: dict[str, Any], rng: random.Random) -> str:
    return rng.choice((case["person"][-2:], case["person"][-2:], "秀英", "建国", "志强"))


def _part_of_body(case: dict[str, Any], rng: random.Random) -> str:
    name = case["body"]
    start = rng.randrange(0, max(1, len(name) - 6))
    return rng.choice((name[start : start + rng.randint(2, 6)], name[:4], name, "有限公司", "公司", "商贸", "苍山"))


def _number_of(case: dict[str, Any], rng: random.Random) -> str:
    if not case["ids"]:
        return "999999199001010015"
    number = rng.choice(case["ids"])
    return number[:-1] + ("1" if number[-1] == "0" else "0") if rng.random() < 0.1 else number


def _filters(case: dict[str, Any], rng: random.Random) -> CaseFilter:
    year = case["year"]
    return rng.choice(
        (
            CaseFilter(state=rng.choice(("filed", "assigned", "active", "suspended", "closed"))),
            CaseFilter(type_code=case["type_code"], state=rng.choice(("active", "closed"))),
            CaseFilter(court_code=case["court_code"], state="active"),
            CaseFilter(due_from=date(2026, 11, 26), due_until=date(2026, 12, 3)),
            CaseFilter(due_until=date(2026, 11, 25)),
            CaseFilter(filed_from=date(year, 3, 1), filed_until=date(year, 3, 31)),
            CaseFilter(handler_id=case["handler_id"] or "", state="active"),
            CaseFilter(text=case["person"][:2], state="active"),
            CaseFilter(text="公司", type_code=case["type_code"]),
            CaseFilter(),
        )
    )
