"""The one-time enrolment token: text a person can type, or scan, into a kit.

A token carries where to enrol (EST over HTTPS, RFC 7030), as whom, the digest of the root
certificate the answer must stand on, and a 128-bit secret good for one use. It is written in
Crockford's base32 (no I, L, O, U), in rows of five groups of five; the last two symbols of a row
check that row, so a slip of the pen is found in its own row before anything is sent.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from contract.names import check_kit_id

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FINGERPRINT_BYTES = 32
SECRET_BYTES = 16
MAX_URL_CHARS = 200
MAX_TOKEN_CHARS = 2000

_VERSION = 1
_DIGEST_BYTES = 4
_GROUP = 5
_ROW = 25
_ROW_DATA = 23
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_SEPARATORS = re.compile(r"[\s\-‐-―._,:;/|]+")
_URL = re.compile(r"https://[A-Za-z0-9.\-\[\]:]{1,160}(?:/[A-Za-z0-9._~/\-]{0,60})?")


class MistypedTokenError(ValueError):
    """The text is no whole token; the message says where it went wrong and what to do."""


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """What a token says: `root_fingerprint` is SHA-256 over the root's DER, `secret` 16 bytes."""

    kit_id: str
    est_url: str
    root_fingerprint: bytes
    secret: bytes

    @property
    def password(self) -> str:
        """The secret as the password of HTTP Basic; the user name is the kit id."""
        return self.secret.hex()


def check_est_url(url: str) -> str:
    """Give `url` unchanged when a token can carry it; raise ValueError otherwise."""
    if len(url) > MAX_URL_CHARS or not _URL.fullmatch(url):
        raise ValueError(f"{url[:80]!r} is not an https address; give one like https://authority.example:8443.")
    return url


def make_token(token: EnrolmentToken) -> str:
    """Write the token as rows of groups, separated by newlines.

    Raises:
        ValueError: a field has the wrong shape (kit id, https address, 32 and 16 bytes).
    """
    payload = _pack_payload(token)
    payload += hashlib.sha256(payload).digest()[:_DIGEST_BYTES]
    symbols = _encode_base32(payload)
    rows = []
    for index, start in enumerate(range(0, len(symbols), _ROW_DATA)):
        row = symbols[start : start + _ROW_DATA]
        row += _check_symbols(index, row)
        rows.append("-".join(row[at : at + _GROUP] for at in range(0, len(row), _GROUP)))
    return "\n".join(rows)


def parse_token(text: str) -> EnrolmentToken:
    """Read a token as typed: any case, any spacing, O for 0, I or L for 1, full-width letters.

    Raises:
        MistypedTokenError: with one sentence that names the row to look at.
    """
    if len(text) > MAX_TOKEN_CHARS:
        raise MistypedTokenError("This is far longer than a token; type or scan the token alone.")
    symbols = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not symbols:
        raise MistypedTokenError("The token is empty; type or scan the token that was issued for this kit.")
    data = "".join(_read_row(index, symbols[at : at + _ROW]) for index, at in _rows(symbols))
    payload = _decode_base32(data)
    body, digest = payload[:-_DIGEST_BYTES], payload[-_DIGEST_BYTES:]
    if len(body) < 1 or hashlib.sha256(body).digest()[:_DIGEST_BYTES] != digest:
        raise MistypedTokenError("The token is incomplete: its last row is missing; type all rows.")
    return _unpack_payload(body)


def _pack_payload(token: EnrolmentToken) -> bytes:
    if len(token.root_fingerprint) != FINGERPRINT_BYTES or len(token.secret) != SECRET_BYTES:
        raise ValueError("A token needs a 32-byte fingerprint and a 16-byte secret.")
    kit = check_kit_id(token.kit_id).encode("ascii")
    where = check_est_url(token.est_url).removeprefix("https://").rstrip("/").encode("ascii")
    return b"".join(
        (bytes((_VERSION,)), token.root_fingerprint, token.secret, bytes((len(kit),)), kit, where),
    )


def _unpack_payload(body: bytes) -> EnrolmentToken:
    if body[0] != _VERSION:
        raise MistypedTokenError("This token is of a newer kind; update the kit's software first.")
    fixed = 1 + FINGERPRINT_BYTES + SECRET_BYTES
    try:
        kit_end = fixed + 1 + body[fixed]
        kit_id = check_kit_id(body[fixed + 1 : kit_end].decode("ascii"))
        est_url = "https://" + body[kit_end:].decode("ascii")
    except (IndexError, ValueError) as error:
        raise MistypedTokenError("This is not an enrolment token; ask for a new one.") from error
    if not _URL.fullmatch(est_url):
        raise MistypedTokenError("This token names no address to enrol at; ask for a new one.")
    return EnrolmentToken(
        kit_id=kit_id,
        est_url=est_url,
        root_fingerprint=body[1 : 1 + FINGERPRINT_BYTES],
        secret=body[1 + FINGERPRINT_BYTES : fixed],
    )


def _rows(symbols: str) -> list[tuple[int, int]]:
    return list(enumerate(range(0, len(symbols), _ROW)))


def _read_row(index: int, row: str) -> str:
    """Give the row's data symbols in canonical letters, or say what is wrong with the row."""
    for symbol in row:
        if symbol not in _VALUES:
            raise MistypedTokenError(
                f"Row {index + 1} of the token holds {symbol!r}, which no token uses; check that row."
            )
    row = "".join(ALPHABET[_VALUES[symbol]] for symbol in row)
    if len(row) < 3 or _check_symbols(index, row[:-2]) != row[-2:]:
        raise MistypedTokenError(f"Row {index + 1} of the token is mistyped; check it letter by letter.")
    return row[:-2]


def _check_symbols(index: int, data: str) -> str:
    """Ten check bits over the row's place and data: CRC-10 (x^10+x^9+x^5+x^4+x+1)."""
    crc = 0
    for value in (index & 31, *(_VALUES[symbol] for symbol in data)):
        for bit in range(4, -1, -1):
            top = (crc >> 9 & 1) ^ (value >> bit & 1)
            crc = (crc << 1 & 0x3FF) ^ (0x233 if top else 0)
    return ALPHABET[crc >> 5] + ALPHABET[crc & 31]


def _encode_base32(raw: bytes) -> str:
    bits = len(raw) * 8
    count = -(-bits // 5)
    number = int.from_bytes(raw, "big") << (count * 5 - bits)
    return "".join(ALPHABET[number >> (5 * at) & 31] for at in range(count - 1, -1, -1))


def _decode_base32(symbols: str) -> bytes:
    number = 0
    for symbol in symbols:
        number = number << 5 | _VALUES[symbol]
    size = len(symbols) * 5 // 8
    spare = len(symbols) * 5 - size * 8
    if number & ((1 << spare) - 1):
        raise MistypedTokenError("The token is incomplete: its last row is missing; type all rows.")
    return (number >> spare).to_bytes(size, "big")
