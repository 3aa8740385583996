"""What a request at the HTTP door must prove: who sent it, that it is fresh, and that it is this very request."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from central.base.clock import Clock
from central.sync.admission import Admission, Gate, RefusedError, load_certificate
from contract import door_auth

NONCE_LIFE_MS: Final = 5 * 60 * 1000
MAX_TOKEN_BYTES: Final = 16 * 1024
_MAX_REMEMBERED: Final = 500_000
_MAX_SHOWN: Final = 20_000
_STAMP_BYTES: Final = 8
_RANDOM_BYTES: Final = 12
_MAC_BYTES: Final = 16
# Judged by the register and the certificate: the kit must be told that it is out, not that its token is odd.
_REVOKED_CODES: Final = frozenset({"kit_unknown", "serial_refused"})


class ProofError(Exception):
    """A request proves too little; ``problem`` is the contract's type, the text its remedy."""

    def __init__(self, status: int, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = problem


@dataclass(frozen=True)
class Proof:
    """A proven request: whose it is, and the digest its body must have."""

    admission: Admission
    body_hash: str


class Nonces:
    """Nonces that need no table: time and chance under a MAC; those used are remembered as long as they live."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()

    def make(self) -> str:
        """A fresh nonce."""
        head = self._clock.now_ms().to_bytes(_STAMP_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
        return base64.urlsafe_b64encode(head + self._mac(head)).rstrip(b"=").decode()

    def use(self, nonce: str) -> bool:
        """Tell whether the nonce is ours, young and unused; it is used from now on."""
        try:
            raw = base64.urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
        except (binascii.Error, ValueError):
            return False
        head, mac = raw[: _STAMP_BYTES + _RANDOM_BYTES], raw[_STAMP_BYTES + _RANDOM_BYTES :]
        if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, self._mac(head)):
            return False
        now_ms, made_ms = self._clock.now_ms(), int.from_bytes(head[:_STAMP_BYTES], "big")
        if not now_ms - NONCE_LIFE_MS <= made_ms <= now_ms:
            return False
        with self._lock:
            while self._used and (
                next(iter(self._used.values())) < now_ms - NONCE_LIFE_MS or len(self._used) > _MAX_REMEMBERED
            ):
                self._used.popitem(last=False)
            if head in self._used:
                return False
            self._used[head] = made_ms
        return True

    def remembered(self) -> int:
        """How many used nonces are held."""
        return len(self._used)

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._key, b"zhixing/door-nonce\0" + head, "sha256")[:_MAC_BYTES]


class Prover:
    """Checks the token of a request."""

    def __init__(self, gate: Gate, nonces: Nonces, clock: Clock) -> None:
        self._gate = gate
        self._nonces = nonces
        self._clock = clock
        self._shown: OrderedDict[str, x509.Certificate] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, authorization: str, *, method: str, path: str) -> Proof:
        """Return what the token proves; raise ProofError with the one reason otherwise."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_BYTES:
            raise _bad_token("Send Authorization: Bearer with a token signed by the device key.")
        admission = self._admit(token)
        claims = self._read_claims(token, admission)
        kit_id = admission.kit.kit_id
        expected = {"iss": kit_id, "sub": kit_id, "htm": method, "htu": path}
        for name, value in expected.items():
            if claims[name] != value:
                raise _bad_token(f"Claim {name} does not fit this request: sign method, path and kit id as sent.")
        if not self._nonces.use(str(claims["nonce"])):
            raise ProofError(
                401, door_auth.NONCE_EXPIRED, "The nonce is too old, used or not ours: take a fresh one, try again."
            )
        return Proof(admission, str(claims["bh"]))

    def _admit(self, token: str) -> Admission:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != door_auth.TOKEN_TYPE:
                raise _bad_token(f"The token must have typ {door_auth.TOKEN_TYPE} and an x5c chain.")
            certificate = self._find_certificate(header)
        except (jwt.InvalidTokenError, LookupError, TypeError, ValueError, RefusedError) as error:
            raise _bad_token(f"The token or its certificate cannot be read ({error}): make it anew.") from error
        try:
            admission = self._gate.admit(certificate, self._clock.now_ms())
        except RefusedError as refusal:
            if refusal.code in _REVOKED_CODES:
                raise ProofError(403, door_auth.REVOKED, str(refusal)) from refusal
            raise _bad_token(str(refusal)) from refusal
        self._remember(certificate)
        return admission

    def _find_certificate(self, header: dict[str, Any]) -> x509.Certificate:
        """The certificate a token shows, or names after it was shown; it is judged anew each time."""
        if "x5c" not in header:
            with self._lock:
                shown = self._shown.get(str(header[door_auth.THUMBPRINT]))
            if shown is None:
                raise _bad_token("The certificate of this thumbprint is not known here any more: show it (x5c).")
            return shown
        chain = header["x5c"]
        if not isinstance(chain, list):
            raise _bad_token(f"The token must have typ {door_auth.TOKEN_TYPE} and an x5c chain.")
        return load_certificate(base64.b64decode(chain[0], validate=True))

    def learn_certificate(self, certificate: x509.Certificate) -> None:
        """Know a certificate that a kit has shown elsewhere, for tokens that only name it; trusts it with nothing."""
        self._remember(certificate)

    def _remember(self, certificate: x509.Certificate) -> None:
        name = door_auth.thumbprint(certificate.public_bytes(Encoding.DER))
        with self._lock:
            self._shown[name] = certificate
            self._shown.move_to_end(name)
            if len(self._shown) > _MAX_SHOWN:
                self._shown.popitem(last=False)

    def _read_claims(self, token: str, admission: Admission) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                admission.public_key,
                algorithms=[door_auth.ALGORITHM],
                audience=door_auth.AUDIENCE,
                # The nonce, not the kit's clock, says that the token is fresh.
                options={
                    "require": list(door_auth.CLAIMS),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise _bad_token(f"The token does not hold ({error}): sign it with the certificate's key.") from error


def body_matches(proof: Proof, digest: bytes) -> bool:
    """Whether a body of this SHA-256 is the one the token speaks of."""
    return hmac.compare_digest(proof.body_hash.encode(), door_auth.body_hash(digest).encode())


def sha256(data: bytes) -> bytes:
    """Digest of a small body."""
    return hashlib.sha256(data).digest()


def _bad_token(detail: str) -> ProofError:
    return ProofError(401, door_auth.BAD_TOKEN, detail)
