"""The tree of courts, its command units and its phased roll-out. Pure.

Seed 2, 4, 8, 10-12, 14 (tree, units), 9 (custody level), 26 (feature switches), 27 (a centre moves).
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, Literal

from central.base.errors import ConflictError, InvalidInputError
from central.courts.permissions import SUPREME

Level = Literal["supreme", "high", "intermediate", "basic"]
LEVELS: Final[tuple[Level, ...]] = ("supreme", "high", "intermediate", "basic")
UNIT_KINDS: Final = ("command_centre", "rapid_force", "standby_team", "inquiry_room", "other")
# Who holds the data of an inquiry category (seed 9); the letters are those of seed 18(1).
CUSTODY_LEVELS: Final = ("high", "intermediate", "basic")
INQUIRY_CATEGORIES: Final = "ABCDEFGHIJKLM"
# Functions that a court switches on phase by phase (seed 26).
FEATURES: Final = (
    "cases", "inquiry", "directives", "incidents", "live", "reports", "seals", "disclosure", "supervision",
    "phone_location",
)  # fmt: skip
_CODE = re.compile(r"最高法|[京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新兵军](?:\d{2}(?:\d{2})?)?")


class FeatureOffError(ConflictError):
    """The function has not been switched on for this court yet."""

    code: ClassVar[str] = "feature_off"


class PostTakenError(ConflictError):
    """Somebody else serves as commander of the centre in that time."""

    code: ClassVar[str] = "post_taken"


def check_code(code: str) -> str:
    """Return a court code such as 云2901; raises InvalidInputError when it has another form."""
    if not _CODE.fullmatch(code):
        raise InvalidInputError(f"{code!r} is no court code: write it like 云2901, 云29, 云 or 最高法.", value=code)
    return code


def parent_of(code: str) -> str | None:
    """Return the code of the court above, None for the Supreme People's Court: 云2901 -> 云29 -> 云 -> 最高法."""
    if code == SUPREME:
        return None
    return SUPREME if len(code) == 1 else code[:-2]


def path_up(code: str) -> list[str]:
    """Return the court and all its superiors, nearest first."""
    path = [code]
    while (above := parent_of(path[-1])) is not None:
        path.append(above)
    return path


def lowest_common_superior(one: str, other: str) -> str:
    """Return the lowest court that is, or is above, both (seed 12): two of 云29 -> 云29, 云29 and 云71 -> 云."""
    above = set(path_up(other))
    return next(code for code in path_up(one) if code in above)


def level_of(code: str) -> Level:
    """Return the level a code stands for."""
    if code == SUPREME:
        return "supreme"
    return {1: "high", 3: "intermediate", 5: "basic"}[len(code)]  # type: ignore[return-value]


def overlaps(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    """Tell whether two times (from, until or None: open) share a moment; `until` is the first moment outside."""
    return (one[1] is None or other[0] < one[1]) and (other[1] is None or one[0] < other[1])
