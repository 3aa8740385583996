"""The functions a court switches on phase by phase (seed 26). Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from central.base.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Feature:
    """One function. `phase` is the one of seed 26 it belongs to; `is_default` holds where no court has decided."""

    code: str
    zh: str
    en: str
    phase: int
    is_default: bool = False


# Seed 26: 1 the base and the inquiries, 2 dispatch, credit and the counties' lines, 3 every county centre.
_ALL: Final = (
    Feature("cases", "执行案件", "Enforcement cases", 1, is_default=True),
    Feature("inquiry", "司法查控", "Inquiry and control", 1),
    Feature("seals", "远程电子签章", "Remote seals", 1),
    Feature("incidents", "突发事件", "Incidents", 2, is_default=True),
    Feature("directives", "指令与协助", "Directives and assistance", 2),
    Feature("live", "远程指挥视频", "Live command video", 2),
    Feature("disclosure", "信息公开与信用", "Disclosure and credit", 2),
    Feature("reports", "执行要情", "Situation reports", 3),
    Feature("supervision", "执行监督", "Supervision", 3),
    Feature("phone_location", "手机定位查询", "Telephone location", 3),
)
FEATURES: Final[dict[str, Feature]] = {feature.code: feature for feature in _ALL}
PHASES: Final = (1, 2, 3)


def get_feature(code: str) -> Feature:
    """Return one function; raises InvalidInputError for a code that is none."""
    feature = FEATURES.get(code)
    if feature is None:
        raise InvalidInputError(f"There is no function {code!r}: use one of {', '.join(FEATURES)}.", feature=code)
    return feature
