"""The kit's MQTT connection: mutual TLS, clean session, back-off with jitter. It promises nothing durable.

A PUBACK of the broker is not a receipt of the centre (see `telemetry`); here only bytes are moved.
"""

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract.channel import ChannelError, KitChannel
from contract.names import CMD_KINDS, cmd_topic, up_topic
from edge.options import MqttSettings
from edge.reach import tcp
from edge.reach.backoff import Backoff
from edge.reach.identity import Identity, IdentityError
from edge.reach.trusted_time import TrustedTime
from edge.uplink.link_failures import describe_failure, is_darkness

log = logging.getLogger("zhixing.link")
# A broker refuses a kit that is revoked or unknown, and just so any kit while the centre's intake, which it asks, is
# being started again. So the pauses are short at first and grow to what a revoked kit may cost.
REFUSED_FIRST_WAIT_S = 1.0
REFUSED_WAIT_CAP_S = 60.0
REFUSED_URGENT_WAIT_S = 10.0
URGENT_WAIT_S = 2.0
# A call into the dark costs two packets a second and is repeated for ever: the light is found at once when it comes.
CONNECT_TIMEOUT_S = 5.0
DARK_WAIT_CAP_S = 0.5
CLOSED_WAIT_CAP_S = 10.0
# From the first packet to the broker's answer to the subscription; a link that loses every third packet needs some.
SETTLE_TIMEOUT_S = 25.0


class Connected(msgspec.Struct, frozen=True):
    """The session stands and the orders' topics are subscribed."""


class Disconnected(msgspec.Struct, frozen=True):
    """The session is gone; `reason` is one line for the officer's page."""

    reason: str


class Received(msgspec.Struct, frozen=True):
    """A message under ``cmd/<kit>/<kind>``."""

    kind: str
    payload: bytes


Event = Connected | Disconnected | Received


class PatientClient(Client):
    """Paho's client over a socket that is stubborn from its first packet; paho offers no other place for it."""

    def __init__(self, on_answer: Callable[[], None], *arguments: Any, is_dark: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_answer = on_answer
        self._is_dark = is_dark

    def _create_socket_connection(self) -> socket.socket:
        connection = tcp.connect(self.host, self.port, CONNECT_TIMEOUT_S, is_dark=self._is_dark)
        self._on_answer()
        return connection


class Link:
    """Keeps one session up in a thread of its own; events arrive in `events` and `wake` is called."""

    def __init__(
        self,
        settings: MqttSettings,
        identity: Identity,
        trusted_time: TrustedTime,
        wake: Callable[[], None],
        *,
        make_channel: Callable[[], KitChannel] | None = None,
        note_reach: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """``make_channel``: seals all that is said on one connection, both ways; nothing open is then said or heard.

        It may raise IdentityError: without the centre's key there is no connection. ``note_reach`` is told, in the
        link's thread, when the other side has answered at all (true) and when the connection is gone (false): some
        round trips before the session stands.
        """
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._settings = settings
        self._identity = identity
        self._trusted_time = trusted_time
        self._wake = wake
        self._make_channel = make_channel
        self._note_reach = note_reach
        self._channel: KitChannel | None = None
        self._stopping = threading.Event()
        self._urgent = threading.Event()
        self._lost = threading.Event()
        self._client: Client | None = None
        self._reason = ""
        self._refused = False
        self._up = False
        self._told = ""
        self._backoff = Backoff(cap_s=CLOSED_WAIT_CAP_S)
        self._refused_backoff = Backoff(first_s=REFUSED_FIRST_WAIT_S, cap_s=REFUSED_WAIT_CAP_S)
        self._dark_backoff = Backoff(first_s=0.25, cap_s=DARK_WAIT_CAP_S)
        self._is_dark = False
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Begin connecting."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Disconnect and end the thread; one that hangs in connecting is left to the end of the process."""
        self._stopping.set()
        self._urgent.set()
        self._lost.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._thread.join(timeout_s)

    def set_urgent(self, urgent: bool) -> None:
        """While an SOS waits, the pauses between attempts are short, however often they failed before."""
        if urgent:
            self._urgent.set()
        elif not self._stopping.is_set():
            self._urgent.clear()

    def publish(self, kind: str, payload: bytes, *, qos: int) -> bool:
        """Hand a message to the session; False when there is none."""
        client = self._client
        if client is None or not self._up:
            return False
        if self._channel is not None:
            payload = self._channel.seal(kind, payload)
        info = client.publish(up_topic(self._identity.kit_id, kind), payload, qos=qos)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def unacknowledged_bytes(self) -> int:
        """What was handed over and has not arrived yet, as far as the kernel knows."""
        return tcp.unacknowledged_bytes(self._find_socket())

    def round_trip_ms(self) -> int | None:
        """The kernel's measure of the way to the broker and back."""
        return tcp.round_trip_ms(self._find_socket())

    def _find_socket(self) -> socket.socket | None:
        client = self._client
        found = None if client is None else client.socket()
        return found if isinstance(found, socket.socket) else None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._connect_once()
            if self._stopping.is_set():
                return
            backoff = self._dark_backoff if self._is_dark else self._backoff
            self._pause((self._refused_backoff if self._refused else backoff).next_s())

    def _pause(self, wait_s: float) -> None:
        began_s = time.monotonic()
        if self._urgent.wait(wait_s):
            least_s = REFUSED_URGENT_WAIT_S if self._refused else URGENT_WAIT_S
            self._stopping.wait(max(0.0, began_s + min(wait_s, least_s) - time.monotonic()))

    def _connect_once(self) -> None:
        self._lost.clear()
        was_dark = self._is_dark
        self._reason, self._refused, self._is_dark = "", False, False
        try:
            self._channel = self._make_channel() if self._make_channel else None
            client = self._make_client(is_dark=was_dark)
            client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        except IdentityError as error:
            self._tell_lost(str(error))
            return
        except (OSError, ValueError) as error:
            self._is_dark = is_darkness(error)
            self._tell_lost(describe_failure(error, f"{self._settings.host}:{self._settings.port}"))
            return
        self._client = client
        client.loop_start()
        if not self._lost.wait(SETTLE_TIMEOUT_S) and self._up:
            self._lost.wait()
        self._is_dark = not self._refused
        self._up = False
        self._client = None
        with contextlib.suppress(OSError, ValueError):
            client.disconnect()
        client.loop_stop()
        self._tell_lost(self._reason or "the connection to the broker was lost")

    def _make_client(self, *, is_dark: bool) -> Client:
        client = PatientClient(
            lambda: self._note_reach(True),
            CallbackAPIVersion.VERSION2,
            is_dark=is_dark,
            client_id=self._identity.kit_id,
            clean_session=True,
            protocol=MQTTv311,
            # Reconnecting is done above, with jitter and a fresh client: nothing unreceipted hides in it.
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)  # no alarm waits for the broker's answers to what went before it
        client.tls_set_context(self._identity.make_tls_context(self._trusted_time))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        if code.is_failure:
            self._refused = True
            self._reason = f"the broker refuses this kit ({code}): ask the device authority whether it is revoked"
            self._lost.set()
            return
        client.subscribe([(cmd_topic(self._identity.kit_id, kind), 1) for kind in CMD_KINDS])

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._refused = True
            self._reason = "the broker refuses the orders' topics to this kit: tell the centre"
            self._lost.set()
            return
        for backoff in (self._backoff, self._dark_backoff, self._refused_backoff):
            backoff.reset()
        self._up = True
        self._put(Connected())

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _more: Properties | None,
    ) -> None:
        self._up = False
        self._reason = self._reason or f"the connection to the broker was lost ({code})"
        self._lost.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        kind, payload = message.topic.rsplit("/", 1)[-1], bytes(message.payload)
        if self._channel is not None:
            try:
                opened = self._channel.open(kind, payload)
            except ChannelError as error:
                log.warning("link: a message that is not the centre's was left aside: %s", error)
                return
            if opened is None:
                return
            payload = opened
        self._put(Received(kind=kind, payload=payload))

    def _tell_lost(self, reason: str) -> None:
        # One line when it fails and one when it works again, not one for every attempt.
        if reason != self._told and not self._stopping.is_set():
            log.warning("link: %s", reason)
        self._told = reason
        self._note_reach(False)
        self._put(Disconnected(reason=reason))

    def _put(self, event: Event) -> None:
        if isinstance(event, Connected):
            log.info("link: connected to %s:%d", self._settings.host, self._settings.port)
            self._told = ""
        self.events.put(event)
        self._wake()
