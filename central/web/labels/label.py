"""A code of the domain as people see it: word, icon and tone. A colour never stands without the other two."""

from __future__ import annotations

from dataclasses import dataclass

from central.web.i18n import Words


@dataclass(frozen=True)
class Label:
    """`tone` is one of ok, warn, bad, off, info and becomes a class; `icon` a symbol of icons.svg."""

    text: str
    icon: str
    tone: str
    code: str = ""


def look_up(table: dict[str, Label], code: str, words: Words) -> Label:
    """Return the label of `code` in the language of `words`; an unknown code is shown as it is.

    Kits add particulars to some codes, as in "gpsd silent (timeout)" or "off by +9 s": the code stands before them.
    """
    found = table.get(code) or table.get(code.partition(" (")[0]) or table.get(code.partition(" by ")[0])
    if found is None:
        return Label(code or "—", "list", "off", code)
    return Label(words(found.text), found.icon, found.tone, code)
