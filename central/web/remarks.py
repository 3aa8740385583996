"""Kits' own sentences in the reader's language; what is not known is shown as it came, marked as the kit's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from markupsafe import Markup, escape

from central.sentences.kit import SENTENCES
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.labels.field import GAP_CAUSES, REMARKS

OWN: Final = _("装备原文")
_CHINESE: Final = re.compile("[\u4e00-\u9fff]")
_HOLE: Final = re.compile(r"\{(\w+)\}")
# A hole does not reach into the next sentence.
_TEXT: Final = r"(?:(?!; ).)+?"
_REST: Final = r"(?:(?!; ).)*?"
_NUMBER: Final = r"[+\-]?\d+(?:\.\d+)?"
# Sentences hold sentences, but not for ever: what comes from outside must not make this loop long.
_DEEPEST: Final = 4
_LONGEST_CHARS: Final = 600


def explain(text: str, words: Words) -> str:
    """Return a kit's remark in the reader's language as far as it is known; what people wrote stays as it is."""
    return "".join(piece for piece, _is_own in _tell(text, words))


def tell_kits_words(text: str, words: Words) -> Markup:
    """As `explain`, for what a kit's software surely said: what is not known is marked as its own words."""
    own = Markup('<span class="own-words" lang="en">{}</span> <span class="badge">{}</span>')
    said = words(OWN)
    return Markup("").join(
        own.format(piece, said) if is_own else escape(piece) for piece, is_own in _tell(text, words)
    )


def _tell(text: str, words: Words) -> list[tuple[str, bool]]:
    """The remark in pieces; true for one that stands in the kit's English before a reader of Chinese."""
    if text in REMARKS:
        return [(words(REMARKS[text].text), False)]
    cause, colon, rest = text.partition(": ")
    if colon and cause in GAP_CAUSES:
        return [(f"{words(GAP_CAUSES[cause].text)} · ", False), *_tell(rest, words)]
    if words.language == "en" or _CHINESE.search(text) or len(text) > _LONGEST_CHARS:
        return [(text, False)]
    whole = translate(text)
    if whole is not None:
        return [(whole, False)]
    pieces: list[tuple[str, bool]] = []
    for part in text.split("; "):
        told = translate(part)
        if pieces:
            pieces.append(("；", False))
        pieces.append((part, any(map(str.isalpha, part))) if told is None else (told, False))
    return pieces


def translate(text: str, depth: int = 0) -> str | None:
    """Return a kit's sentence in Chinese; None when it is not known."""
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = {}
        for name, value in found.groupdict().items():
            inner = translate(value, depth + 1) if name.startswith("said") and depth < _DEEPEST else None
            if name.startswith("said") and inner is None and name != "said":
                break  # a clock or a span that is none: another sentence
            values[name] = inner if inner is not None else value
        else:
            return _fill(chinese, values)
    return None


def _fill(chinese: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values[hole[1]], chinese)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Most particular first: the more of a sentence stands fast, the earlier it is tried."""
    ordered = sorted(SENTENCES.items(), key=lambda item: -len(_HOLE.sub("", item[0])))
    return [(_compile(pattern), chinese) for pattern, chinese in ordered]


def _compile(pattern: str) -> re.Pattern[str]:
    parts = _HOLE.split(pattern)
    holes = [
        f"(?P<{name}>{_NUMBER if name.split('_')[0] == 'n' else _REST if name == 'others' else _TEXT})"
        for name in parts[1::2]
    ]
    fast = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(a + b for a, b in zip(fast, [*holes, ""], strict=True)))
