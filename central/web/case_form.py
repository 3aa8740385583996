"""The form a case is registered and corrected with: read from what was sent, and filled from a case. Pure.

Private fields of a party are shown masked and never sent to the browser: left empty they stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from central.base.errors import InvalidInputError
from central.cases.parties import PartyDraft, check_party
from central.cases.rules import Difference
from central.cases.service import PartyEdit
from central.cases.views import CaseView, PartyView
from central.web.case_views import parse_money
from central.web.formats import show_money

MAX_ROWS: Final = 60
BLANK_ROWS: Final = 2
PRIVATE: Final = ("id_no", "phone", "address", "account", "representative")
PARTY_FIELDS: Final = ("role", "kind", "name", "id_kind", *PRIVATE)
CASE_FIELDS: Final = ("basis_doc_no", "cause", "claim", "received", "is_non_litigation")


@dataclass
class PartyRow:
    """One party as it is typed. `masked` is what the page may show of a number that is stored."""

    values: dict[str, str] = field(default_factory=dict)
    party_id: int | None = None
    masked: str = ""
    has_private: bool = False
    is_removed: bool = False
    is_erased: bool = False
    """Whether empty private fields are to be emptied rather than kept."""

    def get(self, name: str) -> str:
        """Return what stands in a field."""
        return self.values.get(name, "")

    @property
    def is_blank(self) -> bool:
        """Whether nothing was typed into a row that stands for nobody."""
        return self.party_id is None and not any(self.get(name).strip() for name in ("name", *PRIVATE))

    def make_edit(self) -> PartyEdit:
        """Return the party as the room takes it; raises PartyError."""
        draft = PartyDraft(**{name: self.get(name) for name in PARTY_FIELDS})
        is_kept = self.party_id is not None and not self.is_erased
        keeps = frozenset(name for name in PRIVATE if is_kept and not self.get(name).strip())
        return PartyEdit(check_party(draft), self.party_id, keeps)


@dataclass
class CaseForm:
    """Everything the form holds."""

    fields: dict[str, str] = field(default_factory=dict)
    parties: list[PartyRow] = field(default_factory=list)
    version: int = 0

    def get(self, name: str) -> str:
        """Return what stands in a field of the case."""
        return self.fields.get(name, "")

    def rows(self) -> list[PartyRow]:
        """Return the parties and some blank rows for more."""
        return [*self.parties, *(PartyRow({"role": "executee", "kind": "natural"}) for _ in range(BLANK_ROWS))]

    def make_changes(self) -> dict[str, Any]:
        """Return the fields of the case as the room takes them; raises MoneyError."""
        return {
            "basis_doc_no": self.get("basis_doc_no"),
            "cause": self.get("cause"),
            "claim_fen": parse_money(self.get("claim")),
            "received_fen": parse_money(self.get("received")),
            "is_non_litigation": bool(self.get("is_non_litigation")),
        }

    def make_parties(self) -> tuple[list[PartyEdit], dict[str, InvalidInputError]]:
        """Return the parties that stay, and why a row is refused, by its field `p<n>`."""
        edits: list[PartyEdit] = []
        wrong: dict[str, InvalidInputError] = {}
        for number, row in enumerate(self.parties):
            if row.is_removed:
                continue
            try:
                edits.append(row.make_edit())
            except InvalidInputError as error:
                wrong[f"p{number}"] = error
        return edits, wrong


def read_form(sent: Mapping[str, Any]) -> CaseForm:
    """Read the form from what a browser sent: `p<n>-<field>` for the parties; blank rows are left out."""
    text = {str(name): value.strip()[:1000] for name, value in sent.items() if isinstance(value, str)}
    rows = []
    for number in range(MAX_ROWS):
        if f"p{number}-name" not in text:
            break
        party_id = text.get(f"p{number}-id", "")
        row = PartyRow(
            {name: text.get(f"p{number}-{name}", "") for name in PARTY_FIELDS},
            int(party_id) if party_id.isdecimal() and len(party_id) < 19 else None,
            is_removed=bool(text.get(f"p{number}-remove")),
            is_erased=bool(text.get(f"p{number}-erase")),
        )
        if not row.is_blank:
            rows.append(row)
    version = text.get("version", "")[:9]
    names = ("case_no", "filed_on", "origin_case_no", *CASE_FIELDS)
    return CaseForm({name: text.get(name, "") for name in names}, rows, int(version) if version.isdecimal() else 0)


def fill_form(view: CaseView) -> CaseForm:
    """Return the form of a case as it stands, private fields empty."""
    case = view.case
    fields = {
        "basis_doc_no": case.basis_doc_no,
        "cause": case.cause,
        "claim": show_money(case.claim_fen).replace(",", ""),
        "received": show_money(case.received_fen).replace(",", ""),
        "is_non_litigation": "yes" if case.is_non_litigation else "",
    }
    return CaseForm(fields, [_row_of(party) for party in view.parties], case.version)


def _row_of(party: PartyView) -> PartyRow:
    values = {"role": party.role, "kind": party.kind, "name": party.name, "id_kind": party.id_kind}
    return PartyRow(values, party.party_id, party.masked_id, party.has_private)


def settle(form: CaseForm, view: CaseView) -> CaseForm:
    """Bind what was typed to the case as it stands now: to the parties that are meant, with what is masked of them.

    After somebody else's edit the parties have other numbers; the same role and name is the same party.
    """
    left = {party.party_id: party for party in view.parties}
    for row in form.parties:
        same = left.get(row.party_id or 0) or next(
            (p for p in left.values() if (p.role, p.name) == (row.get("role"), row.get("name"))), None
        )
        if row.party_id is not None or same is not None:
            row.party_id = same.party_id if same else None
        row.masked, row.has_private = (same.masked_id, same.has_private) if same else ("", False)
        if same:
            left.pop(same.party_id)
    return form


def keep_theirs(form: CaseForm, sent: Mapping[str, Any], view: CaseView) -> tuple[CaseForm, bool]:
    """Take over the present value of every field for which `theirs` was chosen; tells whether parties are theirs."""
    present = fill_form(view)
    for name in CASE_FIELDS:
        if sent.get(f"choose-{name}") == "theirs":
            form.fields[name] = present.get(name)
    is_theirs = sent.get("choose-parties") == "theirs"
    if is_theirs:
        form.parties = present.parties
    return form, is_theirs


FORM_FIELD: Final = {"claim_fen": "claim", "received_fen": "received"}


def show_difference(difference: Difference) -> tuple[str, str, str]:
    """Return (field of the form, present value, value that was typed) as text."""
    name = FORM_FIELD.get(difference.field, difference.field)
    return name, _show(name, difference.theirs), _show(name, difference.yours)


def _show(name: str, value: Any) -> str:
    if name in ("claim", "received"):
        return show_money(int(value))
    if name == "parties":
        return "、".join(str(pair[1]) for pair in _pairs(value))
    if isinstance(value, bool):
        return "✓" if value else "—"
    return str(value) or "—"


def _pairs(value: Any) -> Sequence[tuple[str, str]]:
    return [(str(role), str(name)) for role, name in value]
