"""What the authority refuses, and why. Pure: no database, no clock, no files."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from datetime import timedelta
from typing import Final

TOKEN_LIFE: Final = timedelta(hours=48)
MAX_TEXT_CHARS: Final = 64
MAX_RENEWALS_A_DAY: Final = 10
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}(?:\.(?=[A-Za-z0-9]))?)*")
_COURT_CODE: Final = re.compile(r"[一-鿿](?:[0-9]{2}|[0-9]{4})?")


class AuthorityError(ValueError):
    """An act the authority refuses; the message says why and what to do."""


class NoAuthorityError(AuthorityError):
    """The folder holds no authority."""


class NoCentreError(AuthorityError):
    """The folder is not one of a centre."""


class KitExistsError(AuthorityError):
    """A kit of this id was added before."""


class UnknownKitError(AuthorityError):
    """No kit of this id was added."""


class KitRevokedError(AuthorityError):
    """The kit was revoked."""


class UnknownTokenError(AuthorityError):
    """No such token was issued for this kit."""


class TokenSpentError(AuthorityError):
    """The token was used, replaced or has run out."""


class UnknownCertificateError(AuthorityError):
    """The certificate was not issued here, or was revoked."""


class CertificateExpiredError(AuthorityError):
    """The certificate ended too long ago to bring its kit back."""


class CertificateSupersededError(AuthorityError):
    """The kit has had another key since."""


class TooManyKeysError(AuthorityError):
    """The kit has as many keys as a kit has; another one needs a new enrolment."""


class GraceWaitingError(AuthorityError):
    """The kit's certificate has expired and no administrator has nodded yet."""


class GraceRefusedError(AuthorityError):
    """An administrator has refused to take the kit back."""


class UnknownGraceError(AuthorityError):
    """No such kit has asked to be taken back."""


class TooManyRenewalsError(AuthorityError):
    """The kit asked for certificates too often."""


def check_court_code(code: str) -> str:
    """Give `code` unchanged: province character, then no, two or four digits. Raises AuthorityError."""
    if not _COURT_CODE.fullmatch(code):
        raise AuthorityError(f"{code[:16]!r} is not a court code; give one like 云, 云29 or 云2901.")
    return code


def check_host(host: str) -> str:
    """Give `host` unchanged when a certificate can name it: an address or a DNS name. Raises AuthorityError."""
    if not _is_address(host) and not _HOST.fullmatch(host):
        raise AuthorityError(f"{host[:64]!r} is neither a host name nor an address; give one without port or path.")
    return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_text(field: str, text: str, *, limit: int = MAX_TEXT_CHARS) -> str:
    """Give `text` unchanged when it can stand in a list and on a screen. Raises AuthorityError."""
    if not text.strip() or len(text) > limit or not text.isprintable():
        raise AuthorityError(f"The {field} must be 1 to {limit} printable characters; shorten or correct it.")
    return text


def hash_secret(kit_id: str, secret: bytes) -> bytes:
    """What is kept of a token. A plain digest suffices: the secret has 128 random bits."""
    return hashlib.sha256(b"zhixing/token/v1\0" + kit_id.encode() + b"\0" + secret).digest()


def spent_reason(used_at_ms: int | None, voided_at_ms: int | None) -> str:
    """Why a known token no longer opens anything, with the remedy."""
    if used_at_ms is not None:
        return "This token was used already and serves once; ask for a new one."
    if voided_at_ms is not None:
        return "This token was replaced by a newer one; use the newest, or ask for a new one."
    return "This token has expired; ask for a new one."
