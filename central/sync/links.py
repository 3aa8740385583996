"""The intake's three log-ins at the broker: the centre's own, the callout's, the system's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nats.errors import Error as NatsError

from central.base.bus import BrokerCredentials, connect_nats
from central.base.settings import Settings
from central.sync.broker import SECRETS_FILE, BrokerSecrets, broker_secrets, read_zone_secrets

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger(__name__)

LAST_WORDS_S: Final = 2
CLOSING_S: Final = 1


@dataclass
class Links:
    """Connected clients. Callout and system are None with an external broker whose secrets are not given.

    ``bus`` carries nudges between the centre's own processes: the same as ``centre``, but inside of two networks,
    where ``centre`` and ``system`` are the zone's and only the bus is our own; the zone admits kits by itself.
    """

    centre: Client
    bus: Client
    callout: Client | None
    system: Client | None
    secrets: BrokerSecrets | None


@contextlib.asynccontextmanager
async def open_links(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Links | None]:
    """Connect, waiting for the broker as long as it takes; None when ``stop`` comes first. Closes on leaving."""
    if settings.role == "inside":
        async with _open_links_to_zone(settings, stop) as links:
            yield links
        return
    secrets = _secrets(settings)
    wanted: list[tuple[str, BrokerCredentials | None]] = [("intake", None)]
    if secrets is not None:
        wanted += [
            ("callout", BrokerCredentials("auth", secrets.auth)),
            ("sessions", BrokerCredentials("sys", secrets.sys)),
        ]
    async with contextlib.AsyncExitStack() as stack:
        clients: list[Client] = []
        for name, credentials in wanted:
            client = await _connect(settings, name, credentials, stop)
            if client is None:
                yield None
                return
            stack.push_async_callback(_close, client)
            clients.append(client)
        callout, system = clients[1:] if secrets is not None else (None, None)
        yield Links(clients[0], clients[0], callout, system, secrets)


@contextlib.asynccontextmanager
async def _open_links_to_zone(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Links | None]:
    secrets = read_zone_secrets(settings)
    system = BrokerCredentials("sys", secrets.sys)
    async with contextlib.AsyncExitStack() as stack:
        clients: list[Client] = []
        for name, credentials, to_zone in (("bus", None, False), ("intake", None, True), ("sessions", system, True)):
            client = await _connect(settings, name, credentials, stop, to_zone=to_zone)
            if client is None:
                yield None
                return
            stack.push_async_callback(_close, client)
            clients.append(client)
        yield Links(clients[1], clients[0], None, clients[2], None)


def _secrets(settings: Settings) -> BrokerSecrets | None:
    if settings.broker == "embedded":
        return broker_secrets(settings)
    if (Path(settings.data_dir) / SECRETS_FILE).exists():
        return broker_secrets(settings)
    log.warning(
        "intake: the external broker admits kits by its own rules; with %s in the data folder the centre judges",
        SECRETS_FILE,
    )
    return None


async def _connect(
    settings: Settings,
    name: str,
    credentials: BrokerCredentials | None,
    stop: asyncio.Event,
    *,
    to_zone: bool = False,
) -> Client | None:
    loop = asyncio.get_running_loop()
    connecting = loop.create_task(
        connect_nats(settings, name=f"zhixing-{name}", error_cb=_log_error, credentials=credentials, to_zone=to_zone)
    )
    stopping = loop.create_task(stop.wait())
    await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connecting.done():
        return connecting.result()
    connecting.cancel()
    return None


async def _log_error(error: Exception) -> None:
    log.warning("intake: broker connection: %s", error or type(error).__name__)


async def say_last_words(client: Client) -> None:
    """Let leave what was sent. A broker that ended first takes none: then kits send again what has no receipt."""
    try:
        await client.flush(LAST_WORDS_S)
    except NatsError as error:
        log.warning("intake: the broker took no last receipts (%s); kits send again what they cover", error)


async def _close(client: Client) -> None:
    """Close; a broker that hangs would not answer the end of TLS for half a minute."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            await client.close()
