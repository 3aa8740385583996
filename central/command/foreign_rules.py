"""What an address of a camera and a grant of an outlet must be. Pure."""

from __future__ import annotations

import unicodedata
from typing import ClassVar, Final
from urllib.parse import urlsplit

from central.base.errors import ConflictError, InvalidInputError

ADDRESS_FIELD: Final = "camera.address"
SECRET_FIELD: Final = "session_outlet.secret"  # noqa: S105 -- a column
SCHEMES: Final = frozenset({"rtsp", "rtsps"})
"""Recorders of every maker speak it; anything else (files, lists that name other addresses) is not opened."""
MAX_ADDRESS: Final = 300
MAX_NAME: Final = 60
MAX_PURPOSE: Final = 200
MAX_OUTLETS: Final = 8
"""At the same time in one session."""
CAMERA_STATES: Final = (
    "untried", "seen", "unreachable", "unauthorised", "no_picture", "stalled", "address_sealed",
)  # fmt: skip


class CameraAddressError(InvalidInputError):
    """Not an address a picture can be fetched from."""

    code: ClassVar[str] = "camera_address"


class CameraNameError(InvalidInputError):
    """A camera or system without a usable name, place or purpose."""

    code: ClassVar[str] = "camera_name"


class OutletOffError(ConflictError):
    """This centre has no outlet switched on."""

    code: ClassVar[str] = "outlet_off"


class OutletLimitError(ConflictError):
    """Too many systems take pictures of this session."""

    code: ClassVar[str] = "outlet_limit"


def check_address(text: str) -> tuple[str, str]:
    """Return the address and how it may be shown (without user, password, query); raises CameraAddressError."""
    text = text.strip()
    odd = any(unicodedata.category(char)[0] in "CZ" for char in text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, odd = None, None, True
    if odd or not host or parts.scheme not in SCHEMES or len(text) > MAX_ADDRESS or port == 0:
        raise CameraAddressError(
            f"Write an address like rtsp://user:password@host:554/path, at most {MAX_ADDRESS} characters.",
            limit=MAX_ADDRESS,
        )
    place = f"[{host}]" if ":" in host else host
    return text, f"{parts.scheme}://{place}{f':{port}' if port else ''}{parts.path}"


def check_name(text: str, what: str, limit: int = MAX_NAME, *, needed: bool = True) -> str:
    """Return `text` on one line without odd characters; raises CameraNameError."""
    text = text.strip()
    if any(unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn", "Cf"} for char in text):
        raise CameraNameError(f"The {what} holds characters that cannot be shown; type it anew.", limit=limit)
    if len(text) > limit or (needed and not text):
        raise CameraNameError(f"Write the {what} in {1 if needed else 0} to {limit} characters.", limit=limit)
    return text
