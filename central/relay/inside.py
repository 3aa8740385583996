"""Pictures for the centre's own outlets (`central.relay.outlets`): they look like any viewer, but in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from central.relay.exchange import Exchange
from central.relay.fanout import Viewer
from central.relay.outlets.adapter import NoChannelError, Stop, Take
from central.relay.sources import Looker
from contract.live import Control, End, Watcher, pack_control

log = logging.getLogger(__name__)

SYSTEM: Final = "system:outlet"


class InsidePictures:
    """What the relay lends its outlets (`outlets.adapter.Pictures`)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def watch(self, session_id: str, source: str, stream: int, *, name: str, take: Take) -> Stop:
        """Pass pictures of a source of an open session to `take`, in the loop's thread, until stopped.

        Counts as somebody who watches: the source is wanted, the officer is told `name`, it stands in the record.
        `take` gets a control message `End` when session or source are over. Raises NoChannelError.
        """
        if not self._exchange.is_in(source, session_id):
            raise NoChannelError("This session has no such picture (any more); look at the session's page.")
        line = InsideLine(take)
        viewer = Viewer(session_id, stream, line.stir)
        looker = Looker(source, viewer, line, Watcher(name=name[:100]), f"{SYSTEM}:{name}", SYSTEM)
        line.attach(viewer, lambda: self._exchange.remove_looker(looker))
        self._exchange.add_looker(looker)
        return line.stop


class InsideLine:
    """Stands where a viewer's connection stands; what is taken counts as acknowledged at once."""

    def __init__(self, take: Take) -> None:
        self._loop = asyncio.get_running_loop()
        self._take = take
        self._viewer: Viewer | None = None
        self._forget: Callable[[], None] = lambda: None
        self._is_due = False
        self.is_over = False

    def attach(self, viewer: Viewer, forget: Callable[[], None]) -> None:
        """Carry what waits for this viewer."""
        self._viewer, self._forget = viewer, forget

    def tell(self, message: Control) -> None:
        """Pass a control message on."""
        self.put(pack_control(message))

    def put(self, message: bytes) -> None:
        """Pass a frame on."""
        if not self.is_over:
            self._hand(message)

    def stir(self) -> None:
        """Something waits: taken soon, so that a slow outlet is not met in the middle of a fan-out."""
        if not self._is_due and not self.is_over:
            self._is_due = True
            self._loop.call_soon(self._drain)

    def end(self, _code: int, reason: str) -> None:
        """Say that it is over."""
        self.tell(End(reason=reason))
        self.stop()

    def close(self, _code: int, reason: str = "") -> None:
        """The same: an outlet has no connection of ours that could break."""
        self.end(_code, reason)

    def stop(self) -> None:
        """Look no more; may be called again."""
        if not self.is_over:
            self.is_over = True
            self._forget()

    def _drain(self) -> None:
        self._is_due = False
        viewer = self._viewer
        if viewer is None:
            return
        now_s = self._loop.time()
        while not self.is_over and (message := viewer.outflow.take(now_s)) is not None:
            viewer.outflow.acknowledge(int.from_bytes(message[4:8], "big"), now_s)
            self._hand(message)

    def _hand(self, message: bytes) -> None:
        try:
            self._take(message)
        except Exception:  # an outlet's fault ends that outlet and nothing else
            log.exception("relay: an outlet failed and is ended")
            self.stop()
