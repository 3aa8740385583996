"""What any way out of the relay, or into it, has in common: catalogue, invite, stop (decision 0039).

`Pictures` is what the relay lends its outlets. `Adapter` is what a foreign system looks like from inside: RTSP
cameras answer to it today, GB/T 28181 platforms can (its catalogue query, INVITE and BYE are these three acts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from central.base.errors import ConflictError

Take = Callable[[bytes], None]
"""Takes one message (`contract.live`): INIT, VIDEO from a key frame on, CONTROL. Never waits."""
Stop = Callable[[], None]
"""Ends what was begun; may be called again."""

SOURCE_OF_CAMERA: Final = "c:"


class NoChannelError(ConflictError):
    """A foreign system does not offer this channel (any more)."""

    code: ClassVar[str] = "live_no_channel"


@dataclass(frozen=True)
class Channel:
    """One picture a foreign system offers. `id` is its own (GB/T 28181: 20 digits), `name` what people call it."""

    id: str
    name: str
    is_on: bool = True


class Pictures(Protocol):
    """The relay, as its outlets see it."""

    def watch(self, session_id: str, source: str, stream: int, *, name: str, take: Take) -> Stop:
        """Pass pictures of a source of an open session to `take`, in the loop's thread, until stopped.

        Counts as somebody who watches: the source is wanted, the officer is told `name`, it stands in the record.
        The relay calls `take` with a control message `End` when session or source are over. Raises NoChannelError.
        """
        ...


class Adapter(Protocol):
    """A foreign system that gives pictures."""

    async def catalogue(self) -> Sequence[Channel]:
        """What it offers now (GB/T 28181: MESSAGE Catalog)."""
        ...

    async def invite(self, channel: str, stream: int, take: Take) -> None:
        """Have it send a channel's pictures until `stop` (INVITE, ACK); raises NoChannelError."""
        ...

    async def stop(self, channel: str) -> None:
        """Have it stop sending a channel (BYE); nothing when it does not send."""
        ...
