"""Names of parties: how they are stored and compared. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import ClassVar, Final

from central.base.errors import InvalidInputError

NAME_LENGTH: Final = 200

# · U+00B7 stands between the parts of a name; these are typed for it.
_DOTS: Final = str.maketrans(dict.fromkeys("•‧∙⋅・●᛫◦", "·"))
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"))
_CJK: Final = r"\u2e80-\u2fdf\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAS_CJK: Final = re.compile(rf"[{_CJK}]")
_SPACES: Final = re.compile(r"\s+")
_NEEDLESS_SPACE: Final = re.compile(rf"(?<=[{_CJK}（）·]) (?=[{_CJK}（）·])| (?=·)|(?<=·) ")
_CJK_DOT: Final = re.compile(rf"(?<=[{_CJK}]) ?\. ?(?=[{_CJK}])")
_SIGNS: Final = re.compile(r"[\W_]+")
_PLAIN_NAME: Final = re.compile(r"[\u4e00-\u9fff]{1,200}")


class PartyError(InvalidInputError):
    """A party cannot be taken as it is given."""

    code: ClassVar[str] = "party"


class NameEmptyError(PartyError):
    """No name, or only signs."""

    code: ClassVar[str] = "name_empty"


class NameTooLongError(PartyError):
    """The name is longer than NAME_LENGTH."""

    code: ClassVar[str] = "name_too_long"


def check_name(text: str) -> str:
    """Return a name as it is stored; raises NameEmptyError or NameTooLongError.

    NFKC, no control, zero-width or direction characters, spaces folded (none between Chinese characters), one form of
    the middle dot (·), full-width brackets in Chinese names.
    """
    if _PLAIN_NAME.fullmatch(text):
        return text
    if len(text) > 10 * NAME_LENGTH:
        raise _name_too_long(len(text))
    name = clean_text(text).translate(_DOTS)
    if _HAS_CJK.search(name):
        name = _CJK_DOT.sub("·", name).replace("(", "（").replace(")", "）")
    name = _NEEDLESS_SPACE.sub("", name)
    if not any(letter.isalpha() for letter in name):
        raise NameEmptyError("The name is empty or holds no letter: give the party's name.")
    if len(name) > NAME_LENGTH:
        raise _name_too_long(len(name))
    return name


def clean_text(text: str) -> str:
    """Return one line of text NFKC, without invisible characters, spaces folded."""
    if text.isprintable() and "  " not in text and (text.isascii() or unicodedata.is_normalized("NFKC", text)):
        return text.strip()
    plain = unicodedata.normalize("NFKC", _SPACES.sub(" ", text))
    if not plain.isprintable():
        plain = "".join(letter for letter in plain if unicodedata.category(letter) not in _INVISIBLE)
    return _SPACES.sub(" ", plain).strip()


def search_form(name: str) -> str:
    """Return what of a name is compared in searches: letters and digits in lower case, no signs and spaces."""
    plain = name.casefold()
    return plain if plain.isalnum() else _SIGNS.sub(lambda found: _marks_of(found[0]), plain)


@lru_cache(maxsize=1024)
def _marks_of(signs: str) -> str:
    """Return the marks among signs: they belong to the letter before them."""
    return "".join(sign for sign in signs if unicodedata.category(sign)[0] == "M")


def _name_too_long(length: int) -> NameTooLongError:
    return NameTooLongError(
        f"The name has {length} characters: give at most {NAME_LENGTH}.", limit=NAME_LENGTH, length=length
    )
