"""The intake's three log-ins at the broker: the centre's own, the callout's, the system's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from central.base.bus import BrokerCredentials, connect_nats
from central.base.settings import Settings
from central.sync.broker import SECRETS_FILE, BrokerSecrets, broker_secrets

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger(__name__)


@dataclass
class Links:
    """Connected clients. Callout and system are None with an external broker whose secrets are not given."""

    centre: Client
    callout: Client | None
    system: Client | None
    secrets: BrokerSecrets | None


@contextlib.asynccontextmanager
async def open_links(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Links | None]:
    """Connect, waiting for the broker as long as it takes; None when ``stop`` comes first. Closes on leaving."""
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
            stack.push_async_callback(client.close)
            clients.append(client)
        callout, system = clients[1:] if secrets is not None else (None, None)
        yield Links(clients[0], callout, system, secrets)


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
    settings: Settings, name: str, credentials: BrokerCredentials | None, stop: asyncio.Event
) -> Client | None:
    loop = asyncio.get_running_loop()
    connecting = loop.create_task(
        connect_nats(settings, name=f"zhixing-{name}", error_cb=_log_error, credentials=credentials)
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
