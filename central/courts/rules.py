"""The tree of courts, its command units and its phased roll-out. Pure.

Seed 2, 4, 8, 10-12, 14 (tree, units), 9 (custody level), 26 (feature switches), 27 (a centre moves).
"""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar, Final, Literal

from central.base.errors import ConflictError, InvalidInputError
from central.courts.permissions import SUPREME

Level = Literal["supreme", "high", "intermediate", "basic"]
LEVELS: Final[tuple[Level, ...]] = ("supreme", "high", "intermediate", "basic")
CENTRE: Final = "command_centre"
UNIT_KINDS: Final = (CENTRE, "rapid_force", "standby_team", "inquiry_room", "other")
# Who holds the data of an inquiry category (seed 9); the letters are those of seed 18(1). `basic` means that every
# court asks for itself, point to point.
CUSTODY_LEVELS: Final[tuple[Level, ...]] = ("high", "intermediate", "basic")
DEFAULT_CUSTODY: Final[Level] = "basic"
INQUIRY_CATEGORIES: Final = "ABCDEFGHIJKLM"
MAX_NAME_CHARS: Final = 100
MAX_TEXT_CHARS: Final = 200
DAY_MS: Final = 24 * 3600 * 1000
_CODE = re.compile(
    r"最高法|[京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新兵军](?:[0-9]{2}(?:[0-9]{2})?)?"
)
_DIVISION = re.compile(r"[1-9][0-9]{5}")
_PHONE = re.compile(r"[0-9+ ()-]{0,40}")


class FeatureOffError(ConflictError):
    """The function has not been switched on for this court yet."""

    code: ClassVar[str] = "feature_off"


class PostTakenError(ConflictError):
    """Somebody else serves as commander of the centre in that time."""

    code: ClassVar[str] = "post_taken"


class CourtChangedError(ConflictError):
    """Somebody else changed the court since the form was opened."""

    code: ClassVar[str] = "court_changed"


class CourtExistsError(ConflictError):
    """The code belongs to a court already."""

    code: ClassVar[str] = "court_exists"


class SuperiorMissingError(ConflictError):
    """The court above must be there first."""

    code: ClassVar[str] = "superior_missing"


class LaterChangeError(ConflictError):
    """History is written forwards: something at or after that day is recorded already."""

    code: ClassVar[str] = "later_change"


class UnitChangedError(ConflictError):
    """Somebody else changed or ended the unit since the form was opened."""

    code: ClassVar[str] = "unit_changed"


class CentreTakenError(ConflictError):
    """A court has one command centre at a time."""

    code: ClassVar[str] = "centre_taken"


class CourtCodeError(InvalidInputError):
    """No court can have this code."""

    code: ClassVar[str] = "court_code"


class DivisionError(InvalidInputError):
    """No division has this code."""

    code: ClassVar[str] = "division"


class TextLengthError(InvalidInputError):
    """A name or a basis is empty or too long."""

    code: ClassVar[str] = "text_length"


class PhoneError(InvalidInputError):
    """A telephone number has letters in it."""

    code: ClassVar[str] = "phone"


class BackdatedError(InvalidInputError):
    """What takes effect on others cannot begin in the past."""

    code: ClassVar[str] = "backdated"


class TermError(InvalidInputError):
    """A time ends before it begins."""

    code: ClassVar[str] = "term"


def check_code(code: str) -> str:
    """Return a court code such as 云2901; raises CourtCodeError when it has another form."""
    if not _CODE.fullmatch(code):
        raise CourtCodeError(f"{code!r} is no court code: write it like 云2901, 云29, 云 or 最高法.", value=code)
    return code


def check_division(division: str) -> str:
    """Return a division's code (GB/T 2260, six digits); raises DivisionError."""
    if not _DIVISION.fullmatch(division):
        raise DivisionError(f"{division[:12]!r} is no division code: write six digits such as 532901 (GB/T 2260).")
    return division


def check_text(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Return a name or basis without control characters and doubled blanks; raises TextLengthError."""
    text = tidy(text)
    if not 1 <= len(text) <= limit:
        raise TextLengthError(f"Names and grounds need 1 to {limit} characters; fill them in.", limit=limit)
    return text


def tidy(text: str) -> str:
    """Return `text` as NFC, without control and invisible format characters, blanks made single."""
    plain = unicodedata.normalize("NFC", text[:4000])
    return " ".join("".join(char for char in plain if unicodedata.category(char) not in ("Cc", "Cf")).split())


def check_phone(phone: str) -> str:
    """Return an office telephone number, or nothing; raises PhoneError."""
    phone = tidy(unicodedata.normalize("NFKC", phone[:100]))
    if not _PHONE.fullmatch(phone):
        raise PhoneError("A telephone number has digits, blanks, + and - only, at most 40; correct it.")
    return phone


def check_unit_kind(kind: str) -> str:
    """Return a unit's kind; raises InvalidInputError."""
    if kind not in UNIT_KINDS:
        raise InvalidInputError(f"There is no kind of unit {kind!r}: use one of {', '.join(UNIT_KINDS)}.")
    return kind


def check_category(category: str) -> str:
    """Return an inquiry category, A to M; raises InvalidInputError."""
    if len(category) != 1 or category not in INQUIRY_CATEGORIES:
        raise InvalidInputError(f"There is no inquiry category {category[:10]!r}: use A to M.")
    return category


def check_custody(level: str) -> Level:
    """Return a custody level; raises InvalidInputError."""
    for known in CUSTODY_LEVELS:
        if level == known:
            return known
    raise InvalidInputError(f"There is no custody level {level!r}: use one of {', '.join(CUSTODY_LEVELS)}.")


def parent_of(code: str) -> str | None:
    """Return the code of the court above, None for the Supreme People's Court: 云2901 -> 云29 -> 云 -> 最高法."""
    if code == SUPREME:
        return None
    return SUPREME if len(code) == 1 else code[:-2]


def path_up(code: str) -> list[str]:
    """Return the court and all its superiors, nearest first; raises CourtCodeError."""
    path = [check_code(code)]
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


def route_up(code: str, level: str) -> str:
    """Return the court that asks for `code` where the data lie at `level` (seed 9).

    That is the first court upwards of that level or a higher one: a basic court of 云29 asks through 云 when the
    level is high, through 云29 when it is intermediate, itself when it is basic.
    """
    wanted = LEVELS.index(check_custody(level))
    return next(court for court in path_up(code) if LEVELS.index(level_of(court)) <= wanted)


def overlaps(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    """Tell whether two times (from, until or None: open) share a moment; `until` is the first moment outside."""
    start = max(one[0], other[0])
    ends = [until for _, until in (one, other) if until is not None]
    return not ends or start < min(ends)


def holds_at(from_ms: int, until_ms: int | None, at_ms: int) -> bool:
    """Tell whether a dated row holds at a moment."""
    return overlaps((from_ms, until_ms), (at_ms, at_ms + 1))


def check_start(from_ms: int, now_ms: int) -> int:
    """Return when something begins that others act on: today means from now on, not since midnight.

    Raises BackdatedError when it would begin before today.
    """
    if from_ms <= now_ms - DAY_MS:
        raise BackdatedError("This cannot begin in the past; enter today or a later day.")
    return max(from_ms, now_ms)


def check_term(from_ms: int, until_ms: int | None) -> None:
    """Raise TermError when a time ends before it begins."""
    if until_ms is not None and until_ms <= from_ms:
        raise TermError("The last day lies before the first; correct one of them.")
