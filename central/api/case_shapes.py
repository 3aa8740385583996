"""Puts a case as the queries see it into the shapes that go out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from central.api.shapes import moment
from central.api.shapes_cases import CaseBase, CaseDetail, CaseLine, ClearCase, ClearParty, Node, Party, Pause
from central.cases.search import CaseRow
from central.cases.views import CaseView

_PRIVATE = ("id_no", "phone", "address", "account", "representative")


def line_of(row: CaseRow) -> CaseLine:
    """Return a case of a list."""
    return CaseLine(**{name: getattr(row, name) for name in CaseLine.model_fields})


def detail_of(view: CaseView) -> CaseDetail:
    """Return one case, identities masked."""
    parties = [Party(**_pick(Party, party)) for party in view.parties]
    return CaseDetail(**_describe(view), parties=parties)


def clear_of(view: CaseView, clear: Mapping[int, Mapping[str, str]]) -> ClearCase:
    """Return one case with what is sealed; `clear` holds the private fields by party_id."""
    sealed = {party_id: dict.fromkeys(_PRIVATE, "") | dict(fields) for party_id, fields in clear.items()}
    parties = [ClearParty(**(_pick(Party, party) | sealed[party.party_id])) for party in view.parties]
    return ClearCase(**_describe(view), parties=parties)


def _describe(view: CaseView) -> dict[str, Any]:
    case, clock = view.case, view.clock
    own = ("basis_doc_no", "cause", "received_fen", "closed_on", "extended_months", "source")
    return {
        **_pick(CaseBase, case),
        **{name: getattr(case, name) for name in own},
        "flags": [flag.flag for flag in view.flags],
        "raw_days": clock.raw_days,
        "net_days": clock.net_days,
        "is_paused": clock.is_paused,
        "origin_case_no": view.origin_no,
        "created_at": moment(case.created_ms),
        "changed_at": moment(case.changed_ms),
        "nodes": [Node(**_pick(Node, node)) for node in view.nodes],
        "pauses": [Pause(**_pick(Pause, pause)) for pause in view.pauses],
    }


def _pick(shape: Any, source: Any) -> dict[str, Any]:
    return {name: getattr(source, name) for name in shape.model_fields}
