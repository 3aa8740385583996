"""The centre as a kit sees it over MQTT: hears everything, and receipts only what the test tells it to."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from contract import messages
from contract.names import cmd_topic
from tests.waiting import wait_until


class Heard(msgspec.Struct):
    """One uplink message."""

    kind: str
    message: messages.UpMessage
    qos: int

    @property
    def seqs(self) -> list[int]:
        return [item.seq for item in self.message.items]


class SmallCentre:
    """Connects with a kit-like certificate of its own (`identity` is a kit folder)."""

    def __init__(self, port: int, identity: Path, kit_id: str, *, receipting: bool = True) -> None:
        self.kit_id = kit_id
        self.heard: list[Heard] = []
        self.receipting = receipting
        self.beats = 0
        self._lock = threading.Lock()
        context = ssl.create_default_context(cafile=str(identity / "root.crt"))
        context.load_cert_chain(identity / "device.crt", identity / "device.key")
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=identity.name, protocol=MQTTv311)
        self._client.tls_set_context(context)
        self._client.on_message = self._on_message
        ready = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe("kits/#", 1)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("localhost", port)
        self._client.loop_start()
        assert ready.wait(10), "the small centre could not subscribe"

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        kind = message.topic.rsplit("/", 1)[-1]
        if not message.payload:  # a beat
            with self._lock:
                self.beats += 1
            return
        heard = Heard(kind=kind, message=messages.decode_up(message.payload), qos=message.qos)
        with self._lock:
            self.heard.append(heard)
        if self.receipting and kind not in ("hello", "beat"):
            self.receipt(heard)

    def receipt(self, heard: Heard) -> None:
        told = messages.TelemetryReceipt(spool=heard.message.spool, ranges=[(seq, seq) for seq in heard.seqs])
        self.send("receipt", messages.encode(told))

    def send(self, kind: str, payload: bytes) -> None:
        self._client.publish(cmd_topic(self.kit_id, kind), payload, qos=1)

    def order(self, number: int, kind: str, body: msgspec.Struct, **more: Any) -> None:
        raw = msgspec.Raw(messages.encode(body))
        self.send("directive", messages.encode(messages.Directive(number=number, kind=kind, body=raw, **more)))

    def find(self, kind: str) -> list[Heard]:
        with self._lock:
            return [heard for heard in self.heard if heard.kind == kind]

    def bodies(self, kind: str, shape: type[Any]) -> list[Any]:
        return [messages.decode(item.body, shape) for heard in self.find(kind) for item in heard.message.items]

    def wait_for(self, kind: str, count: int = 1, timeout_s: float = 15.0) -> list[Heard]:
        return wait_until(
            lambda: found if len(found := self.find(kind)) >= count else None, timeout_s, f"{count} x {kind}"
        )

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = None  # breaks the ring of references: its sockets close now, not some time
