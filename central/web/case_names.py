"""Codes of the case catalogue and of courts in the reader's language: what templates call `names`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from central.cases.catalogue import Catalogue, get_catalogue
from central.cases.record import BOUND_NODES
from central.web.i18n import Words


class _Court(Protocol):
    code: str
    short_zh: str
    short_en: str
    name_zh: str
    name_en: str


class _Entry(Protocol):
    @property
    def zh(self) -> str: ...

    @property
    def en(self) -> str: ...


class Names:
    """Looks codes up; an unknown code is shown as it is, so that an old record never breaks a page."""

    def __init__(self, words: Words, courts: Sequence[_Court] = (), catalogue: Catalogue | None = None) -> None:
        self._words = words
        self._courts = {court.code: words.choose(court.short_zh, court.short_en) for court in courts}
        self._full = {court.code: words.choose(court.name_zh, court.name_en) for court in courts}
        self.catalogue = catalogue or get_catalogue()

    def court(self, code: str) -> str:
        """Short name of a court."""
        return self._courts.get(code, code)

    def court_in_full(self, code: str) -> str:
        """Full name of a court."""
        return self._full.get(code, code)

    def type(self, code: str) -> str:
        """案件类型."""
        return self._find(self.catalogue.types, code)

    def closing(self, code: str) -> str:
        """结案方式."""
        return self._find(self.catalogue.closings, code)

    def node(self, kind: str) -> str:
        """流程节点."""
        return self._find(self.catalogue.nodes, kind)

    def source(self, kind: str) -> str:
        """The rule that a node's deadline comes from."""
        return next((node.source for node in self.catalogue.nodes if node.kind == kind), "")

    def is_by_hand(self, kind: str) -> bool:
        """Whether people record this node themselves: not what assigning and closing do."""
        return kind != self.catalogue.whole_case.kind and kind not in BOUND_NODES

    def pause(self, kind: str) -> str:
        """Why the clock stands still."""
        return self._find(self.catalogue.pauses, kind)

    def flag(self, code: str) -> str:
        """大要案 flag."""
        return self._find(self.catalogue.flags, code)

    def document(self, kind: str) -> str:
        """Kind of paper."""
        return self._find(self.catalogue.documents, kind)

    def options(self, entries: Iterable[_Entry]) -> list[tuple[str, str]]:
        """Return (code, name) of catalogue entries for a choice."""
        return [(_code(entry), self._words.choose(entry.zh, entry.en)) for entry in entries]

    def _find(self, entries: Iterable[_Entry], code: str) -> str:
        found = next((entry for entry in entries if _code(entry) == code), None)
        return self._words.choose(found.zh, found.en) if found else code


def _code(entry: object) -> str:
    return str(getattr(entry, "code", None) or getattr(entry, "kind", ""))
