"""Parties of a case (当事人) as they are entered, checked and normalised. Pure.

Names stand in names.py, identity numbers in identity.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from central.cases.identity import (
    ID_KINDS,
    ID_LENGTH,
    check_id,
    guess_id_kind,
    mask_id,
    normalise_id,
    public_mask,
)
from central.cases.names import PartyError, check_name, clean_text

__all__ = ["ID_KINDS", "PartyDraft", "PartyError", "check_party", "guess_id_kind", "mask_id", "public_mask"]

ROLES: Final = ("applicant", "executee", "third_party", "other")
KINDS: Final = ("natural", "organisation", "other")
_LENGTHS: Final = {"id_no": ID_LENGTH, "phone": 40, "address": 200, "account": 60, "representative": 100}


class FieldTooLongError(PartyError):
    """A field of the party other than its name is too long."""

    code: ClassVar[str] = "party_field_too_long"


@dataclass(frozen=True, slots=True)
class PartyDraft:
    """A party as it is entered; `check_party` returns it normalised. All text; "" is unknown."""

    role: str
    kind: str
    name: str
    id_kind: str = ""
    id_no: str = ""
    phone: str = ""
    address: str = ""
    account: str = ""
    representative: str = ""

    @property
    def private(self) -> dict[str, str]:
        """What is kept sealed beside the identity number, without what is empty."""
        fields = {
            "phone": self.phone,
            "address": self.address,
            "account": self.account,
            "representative": self.representative,
        }
        return {field: value for field, value in fields.items() if value}


def check_party(draft: PartyDraft) -> PartyDraft:
    """Return `draft` normalised: name, identity number with its kind, private fields.

    Raises PartyError (role, kind, id_kind) or one of its subclasses.
    """
    if draft.role not in ROLES or draft.kind not in KINDS or (draft.id_kind and draft.id_kind not in ID_KINDS):
        raise _unknown(draft)
    id_no = normalise_id(_bound("id_no", draft.id_no)) if draft.id_no else ""
    id_kind = (draft.id_kind or guess_id_kind(id_no)) if id_no else ""
    return PartyDraft(
        draft.role,
        draft.kind,
        check_name(draft.name),
        id_kind,
        check_id(id_kind, id_no) if id_no else "",
        _field("phone", draft.phone),
        _field("address", draft.address),
        _field("account", draft.account),
        _field("representative", draft.representative),
    )


def _unknown(draft: PartyDraft) -> PartyError:
    known = {"role": ROLES, "kind": KINDS, "id_kind": ("", *ID_KINDS)}
    field = next(name for name, codes in known.items() if getattr(draft, name) not in codes)
    given = str(getattr(draft, field))[:40]
    return PartyError(f"{field} cannot be {given!r}: use one of {', '.join(known[field])}.")


def _bound(field: str, text: str) -> str:
    if len(text) > 5 * _LENGTHS[field]:
        raise _too_long(field)
    return text


def _field(field: str, text: str) -> str:
    if not text:
        return ""
    cleaned = clean_text(_bound(field, text))
    if len(cleaned) > _LENGTHS[field]:
        raise _too_long(field)
    return cleaned


def _too_long(field: str) -> FieldTooLongError:
    return FieldTooLongError(
        f"{field} is too long: give at most {_LENGTHS[field]} characters.", field=field, limit=_LENGTHS[field]
    )
