"""Nudges between the centre's processes. A nudge carries no truth: who misses one finds the row by polling.

Subjects: `central.outbox`, `central.mailbox.<kit>`, and with a payload `central.positions` (live markers),
`central.heard` (signs of life) and `central.live` (id of a session of remote command that changed).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from central.base.settings import Settings, SettingsError

if TYPE_CHECKING:
    from nats.aio.client import Client

OUTBOX_SUBJECT = "central.outbox"
POSITIONS_SUBJECT = "central.positions"
HEARD_SUBJECT = "central.heard"
LIVE_SUBJECT = "central.live"
MAILBOX_SUBJECTS = "central.mailbox.*"


def mailbox_subject(kit_id: str) -> str:
    """Return the subject on which new mailbox entries of `kit_id` are announced."""
    return f"central.mailbox.{kit_id}"


class Bus(Protocol):
    """Whoever can carry a nudge; safe to call from any thread and never raises."""

    def nudge(self, subject: str, payload: bytes = b"") -> None:
        """Tell whoever listens on `subject`; best effort."""
        ...


class SilentBus:
    """Carries nothing: for the command line, where readers find rows by polling."""

    def nudge(self, subject: str, payload: bytes = b"") -> None:
        """Do nothing; pollers find the row within a second."""


@dataclass
class LocalBus:
    """Calls listeners in this process, at once, on the caller's thread."""

    listeners: list[Callable[[str, bytes], None]] = field(default_factory=list)

    def nudge(self, subject: str, payload: bytes = b"") -> None:
        """Call every listener with subject and payload."""
        for listener in self.listeners:
            listener(subject, payload)


class NatsBus:
    """Publishes nudges on a connected NATS client, from any thread."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop
        self._running: set[asyncio.Task[None]] = set()

    def nudge(self, subject: str, payload: bytes = b"") -> None:
        """Schedule a publish; dropped when the connection is down, as pollers will find the row."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: the process is going down
            self._loop.call_soon_threadsafe(self._start, subject, payload)

    def _start(self, subject: str, payload: bytes) -> None:
        task = self._loop.create_task(self._publish(subject, payload))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _publish(self, subject: str, payload: bytes) -> None:
        from nats.errors import Error as NatsError

        with contextlib.suppress(NatsError):
            await self._client.publish(subject, payload)


@dataclass(frozen=True)
class BrokerCredentials:
    """How the centre's own processes log in at the broker's native port."""

    user: str
    password: str


def broker_credentials(settings: Settings) -> BrokerCredentials:
    """Return the centre's broker log-in; with the embedded broker the password is made once, file mode 0600.

    Raises SettingsError when an external broker's password file cannot be read.
    """
    if settings.broker == "external":
        path = Path(settings.broker_password_file)
        try:
            return BrokerCredentials(settings.broker_user, path.read_text().strip())
        except OSError as error:
            raise SettingsError(
                f"Option broker_password_file names {str(path)!r}, which cannot be read ({error.strerror}): "
                "name a readable file holding the external broker's password."
            ) from error
    path = Path(settings.data_dir) / "broker.password"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)  # whole or not there, and the first of several processes wins
        finally:
            draft.unlink()
    return BrokerCredentials(settings.broker_user, path.read_text().strip())


def broker_url(settings: Settings) -> str:
    """Return the broker's native address for the centre's own connections."""
    return (
        settings.broker_url if settings.broker == "external" else f"tls://{settings.nats_host}:{settings.nats_port}"
    )


def broker_tls(settings: Settings) -> ssl.SSLContext | None:
    """Trust for the broker: the services' CA (embedded) or the file named, nothing else; None: nats-py's default.

    Raises SettingsError when broker_ca_file cannot be used.
    """
    external = settings.broker == "external"
    if external and not settings.broker_ca_file:
        return None
    anchor = settings.broker_ca_file if external else str(Path(settings.keys_dir) / "services-ca.crt")
    try:
        context = ssl.create_default_context(cafile=anchor)
    except OSError as error:  # ssl.SSLError is one
        if not external:
            raise
        raise SettingsError(
            f"Option broker_ca_file names {anchor!r}, which cannot be used ({error.strerror or error}): "
            "name a PEM file with the certificate that vouches for the external broker."
        ) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the CA is an intermediate: it is the anchor here
    if settings.role == "zone":
        _show_own_certificate(context, settings)
    return context


def zone_tls(settings: Settings) -> ssl.SSLContext:
    """How the inside talks to the zone: the services' CA alone is trusted, and our own certificate is shown."""
    context = ssl.create_default_context(cafile=str(Path(settings.keys_dir) / "services-ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _show_own_certificate(context, settings)
    return context


def zone_credentials(settings: Settings) -> BrokerCredentials:
    """The log-in at the zone's broker, as handed over; raises SettingsError without it."""
    path = Path(settings.zone_dir) / "broker.password"
    try:
        return BrokerCredentials(settings.broker_user, path.read_text().strip())
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror}): copy broker.password and broker.secrets from the zone's "
            "data folder into zone_dir."
        ) from error


def _show_own_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    keys = Path(settings.keys_dir)
    context.load_cert_chain(keys / "server.crt", keys / "server.key")


async def connect_nats(
    settings: Settings,
    *,
    name: str,
    error_cb: Callable[[Exception], Awaitable[None]] | None = None,
    credentials: BrokerCredentials | None = None,
    to_zone: bool = False,
) -> Client:
    """Connect to the broker, as the centre's own user unless told otherwise, and keep trying for ever.

    `name` shows in the broker's connection list; `error_cb` hears of every failed try. `to_zone`: from the inside
    to the zone's broker instead of our own.
    """
    import nats

    credentials = credentials or (zone_credentials(settings) if to_zone else broker_credentials(settings))
    return await nats.connect(
        settings.zone_broker_url if to_zone else broker_url(settings),
        name=name,
        tls=zone_tls(settings) if to_zone else broker_tls(settings),
        user=credentials.user,
        password=credentials.password,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        allow_reconnect=True,
        error_cb=error_cb,
    )
