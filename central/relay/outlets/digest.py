"""HTTP Digest as RTSP clients know it: RFC 2617 with qop=auth or without, MD5 (clients know no other).

Good enough because passwords here are 160 random bits, hold for one session, and the outlet belongs into a closed
network or a tunnel: RTSP itself carries the picture in the clear. Pure; time is passed in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

REALM: Final = "zhixing"
NONCE_S: Final = 60.0
"""A nonce begins a connection within that time; on its own connection it holds on."""
_FIELD: Final = re.compile(r'(\w+)=(?:"([^"\\]*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Answer:
    """What a client sent in its Authorization header."""

    username: str
    nonce: str
    uri: str
    response: str
    qop: str = ""
    nc: str = ""
    cnonce: str = ""


def hash_secret(username: str, password: str) -> str:
    """HA1: what is stored instead of the password."""
    return _md5(f"{username}:{REALM}:{password}")


def read_answer(header: str) -> Answer | None:
    """Take an Authorization header apart; None when it is no usable Digest."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest" or len(rest) > 2000:
        return None
    found = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(rest)}
    if found.get("algorithm", "MD5").upper() != "MD5" or found.get("realm") != REALM:
        return None
    try:
        needed = {name: found[name] for name in ("username", "nonce", "uri", "response")}
    except KeyError:
        return None
    more = {name: found.get(name, "") for name in ("qop", "nc", "cnonce")}
    return Answer(**needed, **more)


def is_right(answer: Answer, ha1: str, method: str) -> bool:
    """Tell whether the answer proves knowledge of the password behind `ha1` for this request."""
    ha2 = _md5(f"{method}:{answer.uri}")
    middle = f"{answer.nc}:{answer.cnonce}:{answer.qop}:" if answer.qop else ""
    if answer.qop not in {"", "auth"}:
        return False
    return hmac.compare_digest(_md5(f"{ha1}:{answer.nonce}:{middle}{ha2}").encode(), answer.response.encode())


def challenge(nonce: str, *, stale: bool = False) -> str:
    """The WWW-Authenticate header."""
    return f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5' + (", stale=true" if stale else "")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
