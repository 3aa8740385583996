"""Names cut into pairs of neighbouring characters, so that any part of two characters is found by an index. Pure.

A gram is one number: first code point << 21 | second. START (0) stands before the first character, so that a single
character finds the names that begin with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from central.cases.names import search_form

START: Final = 0
_SHIFT: Final = 21


def grams_of(names: Iterable[str]) -> set[int]:
    """Return the grams of all `names` (as stored)."""
    grams: set[int] = set()
    for name in names:
        codes = [ord(letter) for letter in search_form(name)]
        if codes:
            grams.add(codes[0])
            grams.update(one << _SHIFT | other for one, other in zip(codes, codes[1:], strict=False))
    return grams


def grams_asked(form: str) -> list[int]:
    """Return the grams a name must have to hold `form` (a `search_form`): one character asks for a beginning."""
    codes = [ord(letter) for letter in form]
    if len(codes) == 1:
        return codes
    return list(dict.fromkeys(one << _SHIFT | other for one, other in zip(codes, codes[1:], strict=False)))


def holds(name: str, form: str) -> bool:
    """Tell whether a stored `name` is one that `form` asks for."""
    plain = search_form(name)
    return plain.startswith(form) if len(form) == 1 else form in plain
