"""The broker asks here who may connect: one judgement per connection, one reason per refusal.

An admitted kit may write its own uplink subjects and read its own commands, over MQTT only, no longer than its
certificate is valid (NATS ADR-26, authorization callout).
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import nkeys
from cryptography import x509

from central.base.clock import Clock
from central.sync.admission import Admission, Gate, RefusedError
from central.sync.broker import KITS_ACCOUNT

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

log = logging.getLogger(__name__)

AUTH_SUBJECT: Final = "$SYS.REQ.USER.AUTH"
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}


class _ServerId(msgspec.Struct, frozen=True):
    id: str


class _ClientInfo(msgspec.Struct, frozen=True):
    id: int
    type: str = ""
    mqtt_id: str = ""
    host: str = ""


class _ClientTls(msgspec.Struct, frozen=True):
    verified_chains: list[list[str]] = []


class _Request(msgspec.Struct, frozen=True):
    server_id: _ServerId
    user_nkey: str
    client_info: _ClientInfo
    client_tls: _ClientTls = _ClientTls()


class _Claims(msgspec.Struct, frozen=True):
    nats: _Request


def read_request(token: bytes) -> _Request:
    """The broker's question; raise RefusedError when it is not one."""
    try:
        body = token.split(b".")[1]
        raw = base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
        return msgspec.json.decode(raw, type=_Claims).nats
    except (IndexError, ValueError, msgspec.MsgspecError) as error:
        raise RefusedError("bad_request", f"The broker's question cannot be read: {error}.") from error


def judge(request: _Request, gate: Gate, now_ms: int) -> Admission:
    """Admit the kit behind a connection; raise RefusedError with the one reason why not."""
    info = request.client_info
    if info.type != "mqtt":
        raise RefusedError("not_mqtt", "Only the centre may use the native port: kits connect to the MQTT port.")
    chains = request.client_tls.verified_chains
    if not chains or not chains[0]:
        raise RefusedError("no_certificate", "No verified client certificate was shown: enrol the kit.")
    try:
        certificate = x509.load_pem_x509_certificate(chains[0][0].encode())
    except ValueError as error:
        raise RefusedError("bad_certificate", f"The client certificate cannot be read: {error}.") from error
    admission = gate.admit(certificate, now_ms)
    if info.mqtt_id != admission.kit.kit_id:
        raise RefusedError(
            "foreign_client_id",
            f"Client id {info.mqtt_id[:64]!r} is not the certificate's kit {admission.kit.kit_id}: use the kit id.",
        )
    return admission


def user_claims(user_nkey: str, admission: Admission) -> dict[str, Any]:
    """What the admitted kit may do: its own subjects, over MQTT, until its certificate ends."""
    kit_id = admission.kit.kit_id
    return {
        "sub": user_nkey,
        "aud": KITS_ACCOUNT,
        "name": kit_id,
        "exp": admission.until_ms // 1000,
        "nats": {
            "type": "user",
            "version": 2,
            "pub": {"allow": [f"kits.{kit_id}.up.>"]},
            # The two $MQTT subjects are the broker's own, for QoS 1 deliveries to this session.
            "sub": {"allow": [f"cmd.{kit_id}.>", "$MQTT.sub.>", "$MQTT.deliver.pubrel.>"]},
            "subs": 20,
            "data": -1,
            "payload": -1,
            "allowed_connection_types": ["MQTT"],
        },
    }


def sign_claims(issuer: nkeys.KeyPair, claims: dict[str, Any], now_ms: int) -> str:
    """A NATS JWT by the account key."""
    full = {**claims, "iss": issuer.public_key.decode(), "iat": now_ms // 1000, "jti": secrets.token_hex(16)}
    body = ".".join(_b64(json.dumps(part, separators=(",", ":")).encode()) for part in (_HEADER, full))
    return f"{body}.{_b64(issuer.sign(body.encode()))}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Callout:
    """Answers the broker; tells who was let in and who was not."""

    def __init__(
        self,
        issuer: nkeys.KeyPair,
        gate: Gate,
        clock: Clock,
        *,
        on_admitted: Callable[[Admission], None],
        on_refused: Callable[[str, RefusedError], None],
    ) -> None:
        self._issuer = issuer
        self._gate = gate
        self._clock = clock
        self._on_admitted = on_admitted
        self._on_refused = on_refused

    async def start(self, client: Client) -> None:
        """Answer on ``client``, the callout's own log-in at the broker."""
        await client.subscribe(AUTH_SUBJECT, queue="zhixing-callout", cb=self._answer)

    async def _answer(self, message: Msg) -> None:
        try:
            request = read_request(message.data)
        except RefusedError as refusal:
            self._on_refused("", refusal)
            return
        await message.respond(self.answer(request).encode())

    def answer(self, request: _Request) -> str:
        """The signed answer to one question."""
        now_ms = self._clock.now_ms()
        verdict: dict[str, Any] = {"type": "authorization_response", "version": 2}
        try:
            admission = judge(request, self._gate, now_ms)
        except RefusedError as refusal:
            verdict["error"] = str(refusal)
            self._on_refused(request.client_info.mqtt_id, refusal)
        else:
            verdict["jwt"] = sign_claims(self._issuer, user_claims(request.user_nkey, admission), now_ms)
            self._on_admitted(admission)
        answer = {"sub": request.user_nkey, "aud": request.server_id.id, "nats": verdict}
        return sign_claims(self._issuer, answer, now_ms)
