"""Parties of a case (当事人) as they are entered, checked and normalised. Pure.

Names stand in names.py, identity numbers in identity.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        fields = ("phone", "address", "account", "representative")
        return {field: value for field in fields if (value := getattr(self, field))}


def check_party(draft: PartyDraft) -> PartyDraft:
    """Return `draft` normalised: name, identity number with its kind, private fields.

    Raises PartyError (role, kind, id_kind) or one of its subclasses.
    """
    for field, known in (("role", ROLES), ("kind", KINDS), ("id_kind", ("", *ID_KINDS))):
        if getattr(draft, field) not in known:
            raise PartyError(f"{field} cannot be {getattr(draft, field)[:40]!r}: use one of {', '.join(known)}.")
    id_no = normalise_id(_bound("id_no", draft.id_no))
    id_kind = (draft.id_kind or guess_id_kind(id_no)) if id_no else ""
    return replace(
        draft,
        name=check_name(draft.name),
        id_kind=id_kind,
        id_no=check_id(id_kind, id_no) if id_no else "",
        phone=_field("phone", draft.phone),
        address=_field("address", draft.address),
        account=_field("account", draft.account),
        representative=_field("representative", draft.representative),
    )


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
