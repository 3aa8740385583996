"""Looks at what the centre's screens say of a kit, twice a second, beside what is true of it.

The hub is the one of the pages, on the real broker and database, in a thread inside the centre's namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass

from central.base.bus import broker_credentials, connect_nats
from central.base.settings import load_settings
from central.live.hub import Hub
from demo.stand import Stand
from tests.network.namespaces import Namespace

SAMPLE_S = 0.5


@dataclass(frozen=True)
class Sample:
    """What was said of the kit at a moment (monotonic s), and how old its marker was (s; None without one)."""

    at_s: float
    presence: str
    reason: str
    fix_age_s: float | None


class PresenceWatch:
    """Samples from `start` to `stop`; the test tells the truth with `tell` as it makes it."""

    def __init__(self, stand: Stand, centre: Namespace, kit_id: str) -> None:
        self.samples: list[Sample] = []
        self.truth: list[tuple[float, bool]] = []
        self._stand, self._centre, self._kit_id = stand, centre, kit_id
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> PresenceWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(20)
        if self._failure is not None:
            raise self._failure

    def tell(self, *, can_be_heard: bool) -> None:
        """Say that from now on something the kit says can (or can not) come through."""
        self.truth.append((time.monotonic(), can_be_heard))

    @property
    def now(self) -> Sample:
        """The newest sample."""
        if self._failure is not None:
            raise self._failure
        return self.samples[-1] if self.samples else Sample(0.0, "", "", None)

    def longest_wrong_s(self) -> float:
        """How long at most the screens said live of a kit that could not be heard, or not live of one that could.

        A change of the truth begins anew: nobody can know of it at once.
        """
        longest, began = 0.0, None
        for sample in self.samples:
            told = [(at_s, heard) for at_s, heard in self.truth if at_s <= sample.at_s]
            if not told:
                continue
            changed_s, heard = told[-1]
            if (sample.presence == "live") == heard:
                began = None
                continue
            began = max(changed_s, changed_s if began is None else began)
            longest = max(longest, sample.at_s - began)
        return longest

    def _run(self) -> None:
        try:
            with self._centre.inside():
                asyncio.run(self._follow())
        except BaseException as error:  # told to the test, which must not go on without eyes
            self._failure = error

    async def _follow(self) -> None:
        settings = load_settings(self._stand.stage.centre_config, environ={})
        hub = Hub(self._stand.store)
        client = await connect_nats(
            settings, name="test-watch", error_cb=_ignore, credentials=broker_credentials(settings)
        )
        await hub.attach(client)
        task = asyncio.create_task(hub.run())
        try:
            await hub.ready.wait()
            while not self._stopping.is_set():
                await asyncio.sleep(SAMPLE_S)
                self._take_sample(hub)
                if task.done():
                    task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await client.close()

    def _take_sample(self, hub: Hub) -> None:
        card = hub._cards.get(self._kit_id)  # what every snapshot and event is made of
        if card is None:
            return
        age_s = None if card.fix_ms is None else time.time() - card.fix_ms / 1000
        self.samples.append(Sample(time.monotonic(), card.presence, card.reason, age_s))


async def _ignore(_error: Exception) -> None:
    """The broker's fall is what the tests cause."""
