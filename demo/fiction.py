"""Fictitious cases for the demo and the measurements: the same for the same seed, pure.

Names are made at random from the common surnames and given names, so that searches behave as with real ones; that
nobody is meant shows at once: every resident ID is of region 999999, which does not exist, every body bears （样例）,
every cause begins with 样例, every paper is a 样例 paper, telephones are 000-.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from stdnum.cn import ric, uscc

from central.cases.drafts import CaseDraft
from central.cases.numbers import CaseNumber, make_case_no
from central.cases.parties import PartyDraft

FIRST_DAY: Final = date(2016, 1, 4)
# Court -> share of the prefecture's cases.
COURTS: Final = {
    "云29": 4, "云2901": 30, "云2922": 4, "云2923": 13, "云2924": 9, "云2925": 7, "云2926": 5, "云2927": 7,
    "云2928": 4, "云2929": 4, "云2930": 6, "云2931": 3, "云2932": 4,
}  # fmt: skip
SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任"
    "姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_MALE: Final = (
    "伟强磊军勇杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林欢佳阳建国志文海东永兴德福云山成荣新春庆学"
    "义正光中立民生"
)
_FEMALE: Final = "芳敏静丽艳娟霞秀英燕玲丹萍红莉娜雪梅婷慧倩琳颖洁桂兰凤珍玉莲菊琴翠香月素云春花仙美巧丽淑惠贞爱彩"
_PAIRS: Final = (
    "秀英", "桂英", "秀兰", "玉兰", "桂兰", "秀珍", "凤英", "玉梅", "秀芳", "丽华", "建国", "建华", "志强", "建军",
    "志明", "永强", "文华", "海燕", "国强", "玉珍", "晓东", "春梅", "红梅", "丽娟", "小红", "家豪", "子轩", "梓涵",
)  # fmt: skip
# What half a million people are called: one name with thousands of hits must be quick too.
_COMMON: Final = (
    "张伟", "王伟", "王芳", "李伟", "李娜", "王秀英", "李秀英", "张敏", "李静", "张丽", "王静", "李强", "张磊",
    "王磊", "李杰", "张秀英", "王丽", "李军", "张勇", "王勇", "李艳", "杨秀英", "杨志强", "李桂英", "段文华",
    "赵建国",
)  # fmt: skip
_PLACES: Final = (
    "大理", "下关", "漾濞", "祥云", "宾川", "弥渡", "南涧", "巍山", "永平", "云龙", "洱源", "剑川", "鹤庆", "昆明",
    "云南",
)  # fmt: skip
_STEMS: Final = (
    "苍山洱海鑫源恒达永昌金茂宏远泰和华盛瑞丰天成东方联创众诚兴隆利民佳信安顺博雅嘉禾龙翔云岭白塔玉龙古城"
    "三塔金花凤羽沙溪喜洲"
)
_TRADES: Final = (
    "商贸", "建筑工程", "房地产开发", "农业发展", "物流", "小额贷款", "融资担保", "食品", "旅游开发", "餐饮管理",
    "建材", "汽车销售", "医药", "物业服务", "劳务", "装饰工程", "矿业", "科技", "茶业", "养殖",
)  # fmt: skip
_FORMS: Final = ("有限公司", "有限公司", "有限公司", "有限责任公司", "股份有限公司", "集团有限公司")
_LENDERS: Final = tuple(
    f"{place}{kind}（样例）"
    for place in _PLACES
    for kind in ("农村信用合作联社", "农村商业银行股份有限公司", "村镇银行有限责任公司")
)
_CAUSES: Final = (
    "民间借贷纠纷", "金融借款合同纠纷", "买卖合同纠纷", "机动车交通事故责任纠纷", "追索劳动报酬纠纷",
    "建设工程施工合同纠纷", "离婚后财产纠纷", "抚养费纠纷", "房屋租赁合同纠纷", "信用卡纠纷", "物业服务合同纠纷",
    "劳务合同纠纷", "罚金",
)  # fmt: skip
_TYPES: Final = {"执": 74, "执恢": 14, "执保": 6, "执异": 4, "执他": 1, "执监": 1}
_REVIEW: Final = frozenset({"执异", "执监", "执他"})
_CLOSINGS: Final = {"completed": 36, "terminated_for_now": 44, "terminated": 12, "withdrawn": 6, "dismissed": 2}


@dataclass(frozen=True, slots=True)
class _Choice:
    """A weighted choice, faster than `random.choices` for one."""

    items: tuple[str, ...]
    sums: tuple[float, ...]

    def pick(self, rng: random.Random) -> str:
        return self.items[bisect.bisect(self.sums, rng.random() * self.sums[-1])]


def _weigh(weights: dict[str, float]) -> _Choice:
    return _Choice(tuple(weights), tuple(itertools.accumulate(weights.values())))


def _zipf(items: Sequence[str], flat: float = 6.0) -> _Choice:
    return _weigh({item: 1 / (flat + rank) for rank, item in enumerate(dict.fromkeys(items))})


_COURT = _weigh(dict(COURTS))
_TYPE = _weigh(dict(_TYPES))
_CLOSING = _weigh(dict(_CLOSINGS))
_SURNAME = _zipf(SURNAMES, 8)
_MAN, _WOMAN, _PAIR = _zipf(_MALE), _zipf(_FEMALE), _zipf(_PAIRS, 4)
_FULL = _zipf(_COMMON, 3)
_CAUSE, _LENDER = _zipf(_CAUSES, 2), _zipf(_LENDERS, 3)


def make_cases(count: int, last_day: date, *, seed: int = 1) -> Iterator[CaseDraft]:
    """Yield `count` cases of the prefecture's 13 courts, filed from FIRST_DAY to `last_day`, oldest first.

    Some 85 % are closed and each has two parties, every twelfth a third.
    """
    rng = random.Random(seed)  # noqa: S311
    serials: dict[tuple[str, str, int], int] = {}
    days = (last_day - FIRST_DAY).days
    for index in range(count):
        # Every year has somewhat more than the one before it.
        filed_on = FIRST_DAY + timedelta(days=round(days * ((index + 1) / count) ** 0.8))
        court, kind = _COURT.pick(rng), _TYPE.pick(rng)
        place = (court, kind, filed_on.year)
        serials[place] = serials.get(place, 0) + 1
        number = make_case_no(filed_on.year, court, kind, serials[place])
        yield _make_case(rng, number, filed_on, last_day)


def _make_case(rng: random.Random, number: CaseNumber, filed_on: date, last_day: date) -> CaseDraft:
    court, kind = number.court_code, number.type_code
    claim = round(rng.lognormvariate(11, 1.6)) * 100
    # Hardly a case is open after a year and a half; those that are show as long overdue.
    share = 0.93 if (last_day - filed_on).days < 500 else 0.996
    is_closed, closed_on = rng.random() < share, filed_on + timedelta(days=rng.randint(20, 400))
    if not is_closed or closed_on > last_day:
        age = (last_day - filed_on).days
        state = "filed" if age < 4 else "assigned" if age < 10 else "suspended" if rng.random() < 0.05 else "active"
        closing, closed = "", None
    else:
        state, closed = "closed", closed_on
        closing = "decided" if kind in _REVIEW else _CLOSING.pick(rng)
        closing = "completed" if kind == "执保" and closing == "terminated_for_now" else closing
    received = claim if closing == "completed" else round(claim * rng.random() ** 4) if state != "filed" else 0
    digits = court.removeprefix("云")
    return CaseDraft(
        number=number,
        filed_on=filed_on,
        parties=tuple(_make_parties(rng)),
        basis_doc_no=f"（{filed_on.year}）样例民初{rng.randint(1, 9000)}号",
        cause=f"样例{_CAUSE.pick(rng)}",
        claim_fen=claim,
        received_fen=received,
        state=state,
        closing=closing,
        closed_on=closed,
        handler_login="" if state == "filed" else f"judge{digits}",
        handler_name="" if state == "filed" else f"样例{digits}法官",
        nodes_done=_make_done(rng, kind, state, filed_on, last_day)
        | (_make_rechecks(rng, closed_on, last_day) if closing == "terminated_for_now" else {}),
    )


def _make_done(rng: random.Random, kind: str, state: str, filed_on: date, last_day: date) -> dict[str, date]:
    if state == "filed":
        return {}
    done = {"assign": filed_on + timedelta(days=rng.randint(0, 5))}
    if kind in ("执", "执恢") and (state != "assigned"):
        if rng.random() < 0.97 or state == "closed":
            done["notice"] = filed_on + timedelta(days=rng.randint(2, 11))
        if rng.random() < 0.95 or state == "closed":
            done["inquiry"] = filed_on + timedelta(days=rng.randint(1, 6))
    return {node: min(day, last_day) for node, day in done.items()}


def _make_rechecks(rng: random.Random, closed_on: date, last_day: date) -> dict[str, date]:
    """The newest half-yearly query after a 终本, as most courts have made it."""
    turns = min(10, (last_day - closed_on).days // 183)
    return {"recheck": closed_on + timedelta(days=183 * turns)} if turns and rng.random() < 0.95 else {}


def _make_parties(rng: random.Random) -> list[PartyDraft]:
    """Return who asks for enforcement, who owes, and in every twelfth case a second debtor."""
    chance = rng.random()
    if chance < 0.4:
        parties = [_make_body(rng, "applicant", _LENDER.pick(rng))]
    else:
        parties = [_make_body(rng, "applicant") if chance < 0.6 else make_person(rng, "applicant")]
    parties.append(make_person(rng) if rng.random() < 0.8 else _make_body(rng))
    if rng.random() < 0.08:
        parties.append(make_person(rng))
    return parties


def make_person(rng: random.Random, role: str = "executee") -> PartyDraft:
    """Return a fictitious natural person."""
    is_woman = rng.random() < 0.45
    born = date(1950, 1, 1).toordinal() + rng.randint(0, 20_000)
    return PartyDraft(
        role,
        "natural",
        make_name(rng, is_woman=is_woman),
        "resident_id",
        specimen_id(date.fromordinal(born), 2 * rng.randint(0, 499) + (not is_woman)),
        phone=f"000-{rng.randint(0, 99_999_999):08d}" if rng.random() < 0.8 else "",
        address=f"样例县样例镇样例村{rng.randint(1, 999)}号" if rng.random() < 0.8 else "",
    )


def make_name(rng: random.Random, *, is_woman: bool) -> str:
    """Return a name of two or three characters, rarely a longer one with a middle dot."""
    chance = rng.random()
    if chance < 0.01:
        return f"阿{_WOMAN.pick(rng)}{_MAN.pick(rng)}·{_MAN.pick(rng)}木"
    if chance < 0.035:
        return _FULL.pick(rng)
    given = _WOMAN if is_woman else _MAN
    surname = _SURNAME.pick(rng)
    if chance < 0.25:
        return surname + given.pick(rng)
    return surname + (_PAIR.pick(rng) if chance < 0.45 else given.pick(rng) + given.pick(rng))


def _make_body(rng: random.Random, role: str = "executee", name: str = "") -> PartyDraft:
    if not name:
        at = rng.randrange(0, len(_STEMS) - 1)
        stem = _STEMS[at : at + 2] if rng.random() < 0.6 else rng.choice(_STEMS) + rng.choice(_STEMS)
        name = f"{rng.choice(_PLACES)}{stem}{rng.choice(_TRADES)}（样例）{rng.choice(_FORMS)}"
    serial = random.Random(name).randint(0, 9_999_999)  # noqa: S311
    return PartyDraft(
        role,
        "organisation",
        name,
        "uscc",
        specimen_uscc(serial),
        address=f"样例县样例路{rng.randint(1, 999)}号",
        account=f"0000{rng.randint(0, 10**12):013d}" if rng.random() < 0.5 else "",
        representative=make_name(rng, is_woman=False),
    )


def specimen_id(born: date, serial: int) -> str:
    """Return a resident ID of region 999999, which does not exist, with its right check digit; serial 0 to 999."""
    digits = f"999999{born:%Y%m%d}{serial:03d}"
    return digits + ric.calc_check_digit(digits + "0")


def specimen_uscc(serial: int) -> str:
    """Return a 统一社会信用代码 of region 999999 with its right check character; serial below 10 million."""
    digits = f"91999999M{serial:07d}X"
    return digits + uscc.calc_check_digit(digits)
