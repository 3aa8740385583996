"""Kits' renewals at the devices' door: judged as every request here, then carried to the device authority.

The authority's keys are not here and not in a zone: the kit's statement (`contract.renewal`) goes to the authority's
own server as it came, which checks it itself, and its answer goes back. It is trusted by the root in keys_dir.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
from anyio import to_thread
from cryptography.hazmat.primitives.serialization import pkcs7
from fastapi import FastAPI, Request, Response

from central.sync.incoming import check_body, read_small_body
from central.sync.problems import ProblemError
from central.sync.proof import Proof, sha256
from contract import door_auth, renewal
from contract.signing import CodecError

if TYPE_CHECKING:
    from central.sync.door import Door

log = logging.getLogger(__name__)

CARRIED_PATH: Final = "/zhixing/renewal"
NOT_CARRIED: Final = door_auth.PROBLEM_PREFIX + "renewal-not-carried"
AUTHORITY_AWAY: Final = door_auth.PROBLEM_PREFIX + "authority-away"
# Shorter than a zone keeps a kit waiting.
TIMEOUT_S: Final = 4.0
# An authority that does not answer holds up no more of what comes after.
QUIET_S: Final = 30.0
RETRY_S: Final = 600
# The authority hands the register over before it answers; here it is in force half a second later.
KNOWN_S: Final = 2.0
_LOOK_S: Final = 0.02


class AuthorityCaller:
    """Asks the authority, and leaves it alone for a while after it did not answer. Safe on several threads."""

    def __init__(self, url: str, root: Path) -> None:
        self._url = url.rstrip("/")
        self._root = root
        self._quiet_until_s = 0.0
        self._lock = threading.Lock()

    def renew(self, statement: bytes) -> bytes:
        """The answer of RFC 7030 4.2.3 (base64 PKCS#7); raises ProblemError (404, 409, 424)."""
        if not self._url:
            text = "This centre carries no renewals (authority_url): renew at the device authority."
            raise ProblemError(404, NOT_CARRIED, text)
        with self._lock:
            if time.monotonic() < self._quiet_until_s:
                raise _away()
            answer = self._post(statement)
        if answer.status_code == 200:
            return answer.content
        if answer.status_code >= 500:
            log.warning("door: the device authority answered %d: %s", answer.status_code, answer.text[:200])
            raise _away()
        raise ProblemError(409, door_auth.RENEWAL_REFUSED, answer.text.strip()[:300])

    def _post(self, statement: bytes) -> httpx.Response:
        headers = {"Content-Type": renewal.MEDIA_TYPE}
        try:
            context = ssl.create_default_context(cafile=str(self._root))
            with httpx.Client(verify=context, timeout=TIMEOUT_S, trust_env=False) as client:
                return client.post(self._url + CARRIED_PATH, content=statement, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            self._quiet_until_s = time.monotonic() + QUIET_S
            log.warning("door: the device authority does not answer at %s: %s", self._url, error)
            raise _away() from error


def _away() -> ProblemError:
    # Not a 5xx: the inside would hold it in the zone and ask again and again; the kit comes again by itself.
    text = "The device authority does not answer the centre: the certificate stays as it is, ask again later."
    return ProblemError(424, AUTHORITY_AWAY, text, retry_after_s=RETRY_S)


def add_renewal_route(app: FastAPI, door: Door) -> None:
    """POST brings a kit's statement; the answer is the authority's, a refusal of its is a problem."""
    caller = AuthorityCaller(door.settings.authority_url, Path(door.settings.keys_dir) / "root.crt")

    @app.post(door_auth.RENEWAL_PATH)
    async def renew(request: Request) -> Response:
        proof = await door.prove(request)
        body = await read_small_body(request, renewal.MAX_BYTES)
        check_body(request, proof, sha256(body))
        _check_own(proof, body)
        answer = await to_thread.run_sync(caller.renew, body)
        await _wait_known(door, answer)
        return Response(answer, media_type="application/pkcs7-mime")


def _check_own(proof: Proof, body: bytes) -> None:
    try:
        asked = renewal.read_request(body)
    except CodecError as error:
        raise ProblemError(400, door_auth.BAD_REQUEST, f"{error} Let the kit ask anew.") from error
    if asked.kit_id != proof.admission.kit.kit_id:
        raise ProblemError(403, door_auth.RENEWAL_REFUSED, "A kit asks for its own certificate alone.")


async def _wait_known(door: Door, answer: bytes) -> None:
    """Until a kit that shows its new certificate is let in here; not for ever, the register may come by hand."""
    try:
        serials = [f"{leaf.serial_number:x}" for leaf in pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))]
    except (ValueError, binascii.Error) as error:
        log.warning("door: the device authority's answer is no certificate: %s", error)
        raise _away() from error
    until_s = time.monotonic() + KNOWN_S
    while time.monotonic() < until_s and any(door.gate.directory.find_by_serial(one) is None for one in serials):
        await asyncio.sleep(_LOOK_S)
