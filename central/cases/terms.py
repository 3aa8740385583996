"""What a case is found by, as numbers: parts of names, serials, identity numbers. Pure.

A term is one number below 2^63, of which the highest bits tell the kind:

- two neighbouring characters of a party's name: first code point << 21 | second; START (0) stands before the first,
  so that a single character finds the names beginning with it. Two characters, because 秀英 is a search of two.
- a serial of a case number: SERIAL | serial.
- an identity number: IDENTITY | 61 bits of its blind index, which tells nothing of the number.

Rows of the table `case_term` are kept by block: 8,192 cases of consecutive ids share one. A batch of new cases then
writes to one narrow stretch of the index, however large the rest has become; a search asks every block. The filing
day stands in the key, so that what is found is put in order without looking at the cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from central.cases.names import search_form

START: Final = 0
SERIAL: Final = 1 << 50
IDENTITY: Final = 1 << 61
BLOCK_BITS: Final = 13
CASES_A_BLOCK: Final = 1 << BLOCK_BITS
_SHIFT: Final = 21


def block_of(case_id: int) -> int:
    """Return the block of a case."""
    return case_id >> BLOCK_BITS


def name_terms(names: Iterable[str]) -> set[int]:
    """Return the terms of all `names` (as stored)."""
    terms: set[int] = set()
    for name in names:
        codes = [ord(letter) for letter in search_form(name)]
        if codes:
            terms.add(codes[0])
            terms.update(one << _SHIFT | other for one, other in pairwise(codes))
    return terms


def name_terms_asked(form: str) -> list[int]:
    """Return the terms a name must have to hold `form` (a `search_form`): one character asks for a beginning."""
    codes = [ord(letter) for letter in form]
    if len(codes) == 1:
        return codes
    return list(dict.fromkeys(one << _SHIFT | other for one, other in pairwise(codes)))


def holds(name: str, form: str) -> bool:
    """Tell whether a stored `name` is one that `form` asks for."""
    plain = search_form(name)
    return plain.startswith(form) if len(form) == 1 else form in plain


def serial_term(seq: int) -> int:
    """Return the term of a serial."""
    return SERIAL | seq


def identity_term(index: bytes) -> int:
    """Return the term of an identity number's blind index; the index itself is compared afterwards."""
    return IDENTITY | int.from_bytes(index[:8], "big") >> 3
