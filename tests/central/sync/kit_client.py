"""A kit's side of the wire for tests: paho-mqtt over mutual TLS, stdlib HTTPS with signed requests."""

from __future__ import annotations

import hashlib
import http.client
import secrets
import ssl
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import msgspec
import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.serialization import Encoding

from contract import door_auth
from contract.messages import Directive, TelemetryReceipt
from contract.names import cmd_topic, up_topic
from tests.central.sync.pki import Holder, Pki
from tests.waiting import wait_until

BOOT = "b" * 32


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class MqttKit:
    """A connected kit; what the centre sends is collected."""

    def __init__(
        self, pki: Pki, holder: Holder, kit_id: str, folder: Path, port: int, *, client_id: str | None = None
    ) -> None:
        self.kit_id = kit_id
        self.spool = secrets.token_hex(16)
        self.receipted: dict[str, set[int]] = {}
        self.directives: list[Directive] = []
        self.subscribe_codes: dict[str, list[Any]] = {}
        self.connected = threading.Event()
        self.refused = threading.Event()
        self.lost = threading.Event()
        self._mids: dict[int | None, str] = {}
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id or kit_id, protocol=mqtt.MQTTv311
        )
        self.client.tls_set_context(pki.kit_context(holder, folder / f"kit-{secrets.token_hex(4)}"))
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self.refused.set()
            return
        for kind in ("receipt", "directive"):
            client.subscribe(cmd_topic(self.kit_id, kind), 0)
        self.connected.set()

    def _on_disconnect(self, *_: Any) -> None:
        self.lost.set()

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, codes: list[Any], _properties: Any) -> None:
        self.subscribe_codes[self._mids.get(mid, "")] = codes

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("/receipt"):
            receipt = msgspec.json.decode(message.payload, type=TelemetryReceipt)
            held = self.receipted.setdefault(receipt.spool, set())
            for low, high in receipt.ranges:
                held.update(range(low, high + 1))
        else:
            self.directives.append(msgspec.json.decode(message.payload, type=Directive))

    def wait_connected(self) -> MqttKit:
        assert self.connected.wait(15), f"{self.kit_id} was not let in"
        return self

    def subscribe(self, topic: str) -> None:
        _, mid = self.client.subscribe(topic, 0)
        self._mids[mid] = topic

    def send(self, kind: str, items: list[dict[str, Any]], *, qos: int = 1, spool: str | None = None) -> None:
        body = {"v": 1, "spool": spool or self.spool, "boot": BOOT, "items": items}
        self.send_raw(kind, msgspec.json.encode(body), qos=qos)

    def send_raw(self, kind: str, payload: bytes, *, qos: int = 1, kit_id: str | None = None) -> None:
        self.client.publish(up_topic(kit_id or self.kit_id, kind), payload, qos=qos)

    def wait_receipted(self, *seqs: int, spool: str | None = None, timeout_s: float = 10) -> None:
        wanted = set(seqs)
        wait_until(lambda: wanted <= self.receipted.get(spool or self.spool, set()), timeout_s, f"receipts of {seqs}")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        if (left := self.client.socket()) is not None:
            left.close()  # the loop may end before it has seen the broker's end of the connection
        # Without the ring of references the client goes at once and closes its inner pair of sockets in order.
        self.client.on_connect = self.client.on_disconnect = None
        self.client.on_message = self.client.on_subscribe = None


def fix_item(seq: int, lat: float = 25.6, lon: float = 100.2, **extra: Any) -> dict[str, Any]:
    at_ms = now_ms()
    return {"seq": seq, "at_ms": at_ms, "body": {"lat": lat, "lon": lon, "fix_ms": at_ms, **extra}}


@dataclass
class Answer:
    """A response of the door."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"].startswith("application/problem+json"), self.headers
        return dict(msgspec.json.decode(self.body))


class DoorKit:
    """A kit at the devices' HTTP door."""

    def __init__(self, pki: Pki, holder: Holder, kit_id: str, port: int) -> None:
        self.kit_id = kit_id
        self.holder = holder
        self.port = port
        self._context = ssl.create_default_context(cadata=pki.root.cert_pem().decode())
        self._issuer = pki.kits_ca
        self.nonce = ""

    def fetch_nonce(self) -> str:
        answer = self.send("GET", "/v1/nonce")
        self.nonce = msgspec.json.decode(answer.body)["nonce"]
        return self.nonce

    def token(self, method: str, path: str, body: bytes, **changed: Any) -> str:
        claims: dict[str, Any] = dict(
            door_auth.claims(
                self.kit_id,
                method=method,
                path=path,
                body_digest=hashlib.sha256(body).digest(),
                nonce=self.nonce or self.fetch_nonce(),
                jti=secrets.token_hex(16),
            )
        )
        claims.update(changed)
        chain = [self.holder.cert, self._issuer.cert]
        headers = {
            "typ": door_auth.TOKEN_TYPE,
            "x5c": [b64encode(cert.public_bytes(Encoding.DER)).decode() for cert in chain],
        }
        return jwt.encode(claims, self.holder.key, algorithm=door_auth.ALGORITHM, headers=headers)

    def request(self, method: str, path: str, body: bytes = b"", **changed: Any) -> Answer:
        """A signed request; ``changed`` replaces claims."""
        headers = {"Authorization": f"Bearer {self.token(method, path, body, **changed)}"}
        if body:
            headers["Content-Digest"] = door_auth.content_digest(hashlib.sha256(body).digest())
        return self.send(method, path, body, headers)

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._context, timeout=20)
        try:
            connection.request(method, path, body or None, headers or {})
            response = connection.getresponse()
            answer = Answer(
                response.status, response.read(), {key.lower(): value for key, value in response.getheaders()}
            )
        finally:
            connection.close()
        self.nonce = answer.headers.get(door_auth.NONCE_HEADER.lower(), self.nonce)
        return answer


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
