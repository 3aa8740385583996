"""What a recording is about: the codes on the officer's wheel, as they stand in signed records.

They are the acts of enforcement an officer goes out for (Civil Procedure Law, part four; the Supreme People's Court's
rules on the search of concealed property and on summons by warrant), so that a court finds its search among a day's
recordings. Screens translate them; a code a reader does not know is shown as it stands.
"""

from __future__ import annotations

from typing import Final

SEARCH: Final = "search"

# The order is that of the wheel: what is most often turned to comes first.
CATEGORIES: Final = (
    SEARCH,  # 搜查
    "seizure",  # 查封、扣押
    "eviction",  # 强制迁出、腾退
    "detention",  # 拘留
    "summons",  # 拘传
    "service",  # 送达
    "handover",  # 交付财物、票证
    "inspection",  # 现场勘查、评估
    "investigation",  # 调查、询问
    "mediation",  # 执行和解
    "auction",  # 拍卖、看样
    "visitation",  # 探视、交付子女
    "rally",  # 集中执行行动
    "other",  # 其他
)
MAX_CODE_CHARS: Final = 32


def is_category(code: object) -> bool:
    """Whether ``code`` is one of the wheel's."""
    return isinstance(code, str) and code in CATEGORIES
