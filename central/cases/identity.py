"""Identity numbers of persons and bodies: their kinds, checks, and what of them may be shown. Pure.

GB 11643 (resident ID, 18 digits), GB 32100 (统一社会信用代码), GB 11714 (the old organisation code). Region codes are
not judged: they may be historic. A refusal never tells the right check digit, which would turn the check into a way
of making numbers up.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import ClassVar, Final

from stdnum.cn import ric

from central.cases.names import PartyError, clean_text

ID_KINDS: Final = ("resident_id", "old_resident_id", "uscc", "org_code", "passport", "permit", "other")
ID_LENGTH: Final = 40
_ID_SIGNS: Final = " -‐‑‒–—_'\"`"
_FIRST_BIRTH: Final = 1850
_ORG_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORG_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_USCC: Final = re.compile(r"[0-9A-HJ-NP-RTUW-Y]{2}\d{6}[0-9A-HJ-NP-RTUW-Y]{10}", re.ASCII)
_USCC_LETTERS: Final = {letter: value for value, letter in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}
_USCC_BY_VALUE: Final = tuple(_USCC_LETTERS)
_USCC_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
_PERMIT: Final = re.compile(r"[HM]\d{8}(?:\d\d)?", re.ASCII)
_PASSPORT: Final = re.compile(r"[DEGPS]\d{8}|[DEPS][A-HJ-NP-Z]\d{7}", re.ASCII)


class IdFormError(PartyError):
    """The number has not the length or characters of its kind."""

    code: ClassVar[str] = "id_form"


class IdBirthDateError(PartyError):
    """The birth date within the number does not exist."""

    code: ClassVar[str] = "id_birth_date"


class IdCheckDigitError(PartyError):
    """The last character of a resident ID does not match the rest."""

    code: ClassVar[str] = "id_check_digit"


class UsccCheckDigitError(PartyError):
    """The last character of a 统一社会信用代码 does not match the rest."""

    code: ClassVar[str] = "uscc_check_digit"


class OrgCodeCheckDigitError(PartyError):
    """The last character of an organisation code does not match the rest."""

    code: ClassVar[str] = "org_code_check_digit"


def normalise_id(text: str) -> str:
    """Return an identity number NFKC, in upper case, without spaces, hyphens and invisible characters."""
    plain = clean_text(text).upper().replace("×", "X")
    if plain.isalnum():
        return plain
    return unicodedata.normalize("NFKC", "".join(letter for letter in plain if letter not in _ID_SIGNS)).upper()


def guess_id_kind(text: str) -> str:
    """Return the kind an identity number most likely is; "other" when nothing fits, "" for no text."""
    number = normalise_id(text)
    if not number:
        return ""
    if len(number) == 18:
        return _guess_of_18(number)
    if len(number) == 15 and _is_digits(number):
        return "old_resident_id"
    for kind, form in (("permit", _PERMIT), ("passport", _PASSPORT)):
        if form.fullmatch(number):
            return kind
    return "org_code" if len(number) == 9 and _org_check(number) == number[-1] else "other"


def check_id(id_kind: str, number: str) -> str:
    """Return a normalised `number` when it can be one of `id_kind`; raises IdFormError, ... with `id_kind`."""
    if id_kind in ("resident_id", "old_resident_id"):
        _check_resident(id_kind, number)
    elif id_kind == "uscc":
        if not _USCC.fullmatch(number):
            raise _wrong_form(id_kind)
        if _uscc_check(number) != number[-1]:
            raise UsccCheckDigitError(
                "The last character of this 统一社会信用代码 does not match the rest: compare it with the paper."
            )
    elif id_kind == "org_code":
        check = _org_check(number)
        if check is None:
            raise _wrong_form(id_kind)
        if check != number[-1]:
            raise OrgCodeCheckDigitError(
                "The last character of this organisation code does not match the rest: compare it with the paper."
            )
    elif not 3 <= len(number) <= ID_LENGTH or not number.isprintable():
        raise _wrong_form(id_kind)
    return number


def id_variants(id_kind: str, number: str) -> list[str]:
    """Return the numbers under which the same person or body may be stored, `number` first.

    A resident ID of 18 digits and the one of 15 it grew from; a USCC and the organisation code within it.
    """
    if id_kind == "resident_id" and number[6:8] == "19":
        return [number, number[:6] + number[8:17]]
    if id_kind == "old_resident_id":
        long = f"{number[:6]}19{number[6:]}"
        return [number, long + ric.calc_check_digit(long + "0")]
    if id_kind == "uscc":
        return [number, number[8:17]]
    return [number]


def mask_id(id_kind: str, id_no: str) -> str:
    """Return an identity number as screens show it: the last four; organisation codes are open."""
    if id_kind in ("uscc", "org_code"):
        return id_no
    shown = 4 if len(id_no) > 8 else 2 if len(id_no) > 4 else 0
    return "*" * (len(id_no) - shown) + id_no[len(id_no) - shown :]


def public_mask(id_kind: str, id_no: str) -> str:
    """Return an identity number as it may be published: month and day of birth hidden; organisation codes open."""
    if id_kind in ("uscc", "org_code"):
        return id_no
    if id_kind == "resident_id":
        return f"{id_no[:10]}****{id_no[14:]}"
    if id_kind == "old_resident_id":
        return f"{id_no[:8]}****{id_no[12:]}"
    return f"{id_no[:2]}****{id_no[-2:]}" if len(id_no) > 6 else "****"


def birth_date(id_kind: str, number: str) -> date | None:
    """Return the birth date within a resident ID, None where there is none or no such day."""
    digits = number[6:14] if id_kind == "resident_id" else "19" + number[6:12] if id_kind == "old_resident_id" else ""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _check_resident(id_kind: str, number: str) -> None:
    length = 18 if id_kind == "resident_id" else 15
    digits = number[:17]
    if len(number) != length or not _is_digits(digits) or not (_is_digits(number) or number[-1] == "X"):
        raise _wrong_form(id_kind)
    born = birth_date(id_kind, number)
    if born is None or born.year < _FIRST_BIRTH:
        raise IdBirthDateError("The birth date in this resident ID does not exist: compare it with the paper.")
    if length == 18 and ric.calc_check_digit(number) != number[-1]:
        raise IdCheckDigitError(
            "The last character of this resident ID does not match the rest: compare it with the paper."
        )


def _guess_of_18(number: str) -> str:
    could_be_person = _is_digits(number[:17]) and (_is_digits(number[-1]) or number[-1] == "X")
    could_be_body = bool(_USCC.fullmatch(number))
    if could_be_person and could_be_body:
        is_person = ric.calc_check_digit(number) == number[-1] and birth_date("resident_id", number) is not None
        is_body = _uscc_check(number) == number[-1]
        return "uscc" if is_body and not is_person else "resident_id"
    if could_be_person:
        return "resident_id"
    return "uscc" if could_be_body else "other"


def _org_check(number: str) -> str | None:
    """Return the check character GB 11714 wants, None for another form."""
    if len(number) != 9 or not all(letter in _ORG_LETTERS for letter in number):
        return None
    rest = sum(_ORG_LETTERS.index(letter) * weight for letter, weight in zip(number, _ORG_WEIGHTS, strict=False))
    value = 11 - rest % 11
    return {10: "X", 11: "0"}.get(value, str(value))


def _uscc_check(number: str) -> str:
    """Return the check character GB 32100 wants; a quarter of python-stdnum's time, and tested against it."""
    total = sum(_USCC_LETTERS[letter] * weight for letter, weight in zip(number, _USCC_WEIGHTS, strict=False))
    return _USCC_BY_VALUE[-total % 31]


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _wrong_form(id_kind: str) -> IdFormError:
    return IdFormError(f"This number cannot be a {id_kind}: check its length and characters.", id_kind=id_kind)
