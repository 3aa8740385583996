"""The lists of codes that the other resources use, with their words and the law they come from."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from central.api.context import CaseReader, Here
from central.api.openapi import refusals
from central.api.shapes import CatalogueEntry, CatalogueList

router = APIRouter(tags=["catalogue"])

# Path -> list of the catalogue, and what it holds.
LISTS: Final = {
    "case-types": ("types", "case types: the word in a case number"),
    "closings": ("closings", "ways a case ends"),
    "node-kinds": ("nodes", "steps with a deadline"),
    "pause-kinds": ("pauses", "reasons for which a clock stands still"),
    "flag-kinds": ("flags", "reasons for which a case is big or important"),
    "document-kinds": ("documents", "kinds of papers"),
    "party-roles": ("party_roles", "parts a party has in a case"),
    "party-kinds": ("party_kinds", "sorts of parties"),
}


def _add_list(path: str, name: str, what: str) -> None:
    def give_list(here: Here, _service: CaseReader) -> CatalogueList:
        entries = [_describe(entry) for entry in getattr(here.catalogue, name)]
        return CatalogueList(edition=here.catalogue.edition, items=entries)

    give_list.__doc__ = f"Return the {what}."
    router.get(f"/{path}", operation_id=f"list_{path.replace('-', '_')}", responses=refusals(403))(give_list)


def _describe(entry: Any) -> CatalogueEntry:
    return CatalogueEntry(
        code=getattr(entry, "code", None) or entry.kind,
        zh=entry.zh,
        en=entry.en,
        source=entry.source,
        limit=getattr(entry, "limit", ""),
    )


for _path, (_name, _what) in LISTS.items():
    _add_list(_path, _name, _what)
