"""Case types, closings, nodes, pauses, flags and papers as data (catalogue.toml), checked when read. Pure.

One catalogue is in force in a process: the packaged one, or the file of the setting `case_catalogue`, which
`install_catalogue` puts in its place at the start.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple, TypeVar

import msgspec

from central.base.errors import InvalidInputError
from central.cases.catalogue_entries import (
    CaseType,
    Closing,
    Condition,
    DocumentKind,
    FlagKind,
    NodeKind,
    PartyCode,
    PauseKind,
)

Unit = Literal["days", "working_days", "hours", "months"]
UNITS: Final[dict[str, Unit]] = {
    "days": "days",
    "working_days": "working_days",
    "hours": "hours",
    "months": "months",
}
_E = TypeVar("_E")
_LIMIT = re.compile(r"([1-9]\d{0,3}) (days|working_days|hours|months)")


class CatalogueError(InvalidInputError):
    """The catalogue file cannot be used; names the entry and the remedy."""

    code: ClassVar[str] = "catalogue"


class UnknownCodeError(InvalidInputError):
    """A code that the catalogue does not know."""

    code: ClassVar[str] = "unknown_code"


class Limit(NamedTuple):
    """A length of time as the rules state it."""

    amount: int
    unit: Unit


class Catalogue(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, dict=True):
    """The whole catalogue, as read. Look entries up by `type`, `node`, ..., which raise UnknownCodeError."""

    edition: str
    law_version: str
    types: tuple[CaseType, ...]
    closings: tuple[Closing, ...]
    conditions: tuple[Condition, ...]
    nodes: tuple[NodeKind, ...]
    pauses: tuple[PauseKind, ...]
    flags: tuple[FlagKind, ...]
    documents: tuple[DocumentKind, ...]
    party_roles: tuple[PartyCode, ...]
    party_kinds: tuple[PartyCode, ...]

    @cached_property
    def _types(self) -> dict[str, CaseType]:
        return {entry.code: entry for entry in self.types}

    @cached_property
    def _nodes(self) -> dict[str, NodeKind]:
        return {entry.kind: entry for entry in self.nodes}

    @cached_property
    def _planned(self) -> dict[tuple[str, str], tuple[NodeKind, ...]]:
        starts = ("filing", "assignment", "closing")
        by_type = {entry.code: self.nodes_of(entry.code) for entry in self.types}
        return {
            (code, s): tuple(n for n in nodes if n.starts == s) for code, nodes in by_type.items() for s in starts
        }

    @cached_property
    def limits(self) -> dict[str, Limit]:
        """Every limit text of the catalogue, read."""
        texts: set[str] = {node.limit for node in self.nodes} | {entry.since_filing for entry in self.conditions}
        for entry in self.types:
            texts |= {entry.limit, entry.non_litigation_limit, entry.extension}
        return {text: read_limit(text) for text in texts if text}

    @property
    def whole_case(self) -> NodeKind:
        """The node that stands for the limit of the whole case."""
        return next(node for node in self.nodes if node.is_whole_case)

    def type(self, code: str) -> CaseType:
        """Return a case type."""
        return _get(self._types, code, "case type")

    def node(self, kind: str) -> NodeKind:
        """Return a node kind."""
        return _get(self._nodes, kind, "node")

    def closing(self, code: str) -> Closing:
        """Return a closing."""
        return _find(self.closings, "code", code, "closing")

    def pause(self, kind: str) -> PauseKind:
        """Return a pause kind."""
        return _find(self.pauses, "kind", kind, "pause")

    def flag(self, code: str) -> FlagKind:
        """Return a flag kind."""
        return _find(self.flags, "code", code, "flag")

    def document(self, kind: str) -> DocumentKind:
        """Return a document kind."""
        return _find(self.documents, "kind", kind, "document kind")

    def has_node(self, kind: str) -> bool:
        """Tell whether there is such a node."""
        return kind in self._nodes

    def nodes_of(self, type_code: str) -> tuple[NodeKind, ...]:
        """Return the nodes a case of this type may have, in the catalogue's order."""
        case_type = self.type(type_code)
        return tuple(
            node
            for node in self.nodes
            if (not node.types or type_code in node.types) and (not node.is_whole_case or case_type.limit)
        )

    def planned_nodes(self, type_code: str, starts: str) -> tuple[NodeKind, ...]:
        """Return the nodes of a type that `filing`, `assignment` or `closing` starts."""
        self.type(type_code)
        return self._planned[type_code, starts]

    def closings_of(self, type_code: str) -> tuple[Closing, ...]:
        """Return the ways a case of this type may end."""
        nature = self.type(type_code).nature
        return tuple(c for c in self.closings if nature in c.natures and (not c.types or type_code in c.types))

    def conditions_of(self, closing: str) -> tuple[Condition, ...]:
        """Return what must stand before this closing."""
        return tuple(entry for entry in self.conditions if entry.closing == closing)


def load_catalogue(settings_path: str = "") -> Catalogue:
    """Read the catalogue at `settings_path`, or the packaged one; each is read once.

    Raises CatalogueError with one sentence that names the file, the entry and the remedy.
    """
    return _load(settings_path)


@cache
def _load(settings_path: str) -> Catalogue:
    if not settings_path:
        return parse_catalogue(files("central.cases").joinpath("catalogue.toml").read_text("utf-8"), "catalogue.toml")
    try:
        text = Path(settings_path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(
            f"The case catalogue {settings_path} cannot be read ({error}): correct the setting case_catalogue."
        ) from error
    return parse_catalogue(text, settings_path)


class _InForce:
    catalogue: Catalogue | None = None


def install_catalogue(settings_path: str) -> Catalogue:
    """Put the configured catalogue in force for this process; raises CatalogueError. Call it at the start."""
    _InForce.catalogue = load_catalogue(settings_path)
    return _InForce.catalogue


def get_catalogue() -> Catalogue:
    """Return the catalogue in force."""
    return _InForce.catalogue or load_catalogue()


def parse_catalogue(text: str, name: str) -> Catalogue:
    """Read a catalogue from TOML and check that its entries fit together; raises CatalogueError."""
    try:
        catalogue = msgspec.convert(tomllib.loads(text), Catalogue)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"The case catalogue {name} is not valid ({error}): correct that entry.") from error
    for problem in _list_problems(catalogue):
        raise CatalogueError(f"The case catalogue {name} does not fit together: {problem}; correct that entry.")
    return catalogue


def read_limit(text: str) -> Limit:
    """Read a limit such as "10 working_days"; raises CatalogueError."""
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise CatalogueError(f'The limit "{text}" must read like "10 days"; units are {", ".join(UNITS)}.')
    return Limit(int(match[1]), UNITS[match[2]])


def _list_problems(catalogue: Catalogue) -> Iterable[str]:
    """Yield what does not fit together."""
    for name in ("types", "closings", "nodes", "pauses", "flags", "documents", "party_roles", "party_kinds"):
        codes = [
            str(getattr(entry, "code", None) or getattr(entry, "kind", "")) for entry in getattr(catalogue, name)
        ]
        yield from (f"{name} has {code!r} twice" for code in codes if codes.count(code) > 1)
        yield from (f"{name} has a code that is empty or longer than 24" for code in codes if not 0 < len(code) <= 24)
    types = {entry.code for entry in catalogue.types}
    closings = {entry.code for entry in catalogue.closings}
    nodes = {entry.kind for entry in catalogue.nodes}
    papers = {entry.kind for entry in catalogue.documents}
    if sum(node.is_whole_case for node in catalogue.nodes) != 1:
        yield "exactly one node must have is_whole_case"
    for closing in catalogue.closings:
        yield from _unknown(closing.types, types, f"closing {closing.code}")
    for node in catalogue.nodes:
        yield from _unknown(node.types, types, f"node {node.kind}")
        places = {"node": nodes, "closing": closings}.get(node.starts)
        if (places is None) == bool(node.after) or (places is not None and node.after not in places):
            yield f"node {node.kind} starts with {node.starts!r} after {node.after!r}"
        if node.starts == "closing" and not (node.limit and node.outlives_case):
            yield f"node {node.kind} starts at a closing, so it needs a limit and outlives_case"
    for condition in catalogue.conditions:
        what = f"condition {condition.code}"
        yield from _unknown((condition.closing,), closings, what)
        yield from _unknown(condition.nodes, nodes, what)
        yield from _unknown((*condition.documents_all, *condition.documents_any), papers, what)
    for case_type in catalogue.types:
        if bool(case_type.extension) != bool(case_type.extension_max):
            yield f"type {case_type.code} needs both extension and extension_max, or neither"
    try:
        _ = catalogue.limits
    except CatalogueError as error:
        yield str(error).rstrip(".")


def _unknown(used: Iterable[str], known: set[str], what: str) -> Iterable[str]:
    yield from (f"{what} names {code!r}, which is not in the catalogue" for code in used if code not in known)


def _get(table: Mapping[str, _E], code: str, what: str) -> _E:
    if (entry := table.get(code)) is None:
        raise UnknownCodeError(f"There is no {what} {code!r}: choose one of {', '.join(table)}.", given=code)
    return entry


def _find(entries: Iterable[_E], key: str, code: str, what: str) -> _E:
    return _get({getattr(entry, key): entry for entry in entries}, code, what)
