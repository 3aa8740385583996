"""What can be looked at and who looks, as the exchange holds them, and how a source stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from central.relay import bounds
from central.relay.fanout import Channel, Viewer
from contract.live import LOW, MAIN, Control, Frame, LiveError, State, Watcher

PERSON: Final = "p:"
CAMERA: Final = "c:"


class Wire(Protocol):
    """A connection as the exchange uses it (`central.relay.line.Line`); nothing of it waits."""

    def tell(self, message: Control) -> None:
        """Queue a control message."""
        ...

    def put(self, message: bytes) -> None:
        """Queue a frame that is not dropped."""
        ...

    def end(self, code: int, reason: str) -> None:
        """Say that it is over, then close."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close."""
        ...


@dataclass(eq=False)
class Looker:
    """A viewer with his connection, and as whom the officer sees him."""

    source_id: str
    viewer: Viewer
    line: Wire
    person: Watcher
    user_id: str = ""
    audit_name: str = ""
    told_state: State | None = None


@dataclass(eq=False)
class Source:
    """Something that can be looked at: a kit, a person's camera, an external camera."""

    id: str
    line: Wire | None = None
    session_id: str = ""
    """The one session a person's camera is shown in; "" where sessions name the source themselves."""
    channels: dict[int, Channel] = field(default_factory=lambda: {MAIN: Channel(), LOW: Channel()})
    lookers: set[Looker] = field(default_factory=set)
    told: bytes | None = None
    was_here: bool = False
    gone_reason: str = ""
    asked: frozenset[int] = frozenset()
    needed_s: dict[int, float] = field(default_factory=dict)
    key_asked_s: float = float("-inf")
    watchers: tuple[Watcher, ...] = ()

    @property
    def has_one_stream(self) -> bool:
        """Whether there is only the main stream, whatever is asked for."""
        return self.id.startswith((PERSON, CAMERA))

    def pick(self, stream: int) -> int:
        """The stream that a viewer gets who asks for this one."""
        return MAIN if self.has_one_stream else stream


def judge(source: Source, viewer: Viewer, now_s: float) -> State:
    """How a source stands for one of its viewers."""
    if source.line is None:
        return State(state="gone", reason=source.gone_reason) if source.was_here else State(state="waiting")
    if viewer.showing is None:
        return State(state="waiting", reason="paused")
    channel = source.channels[viewer.showing]
    missing_s = channel.key_missing_since_s
    if missing_s is not None and now_s - missing_s > bounds.KEY_WAIT_S:
        return State(state="stale", reason="no_key_frame")
    if channel.last_s is None:
        return State(state="waiting")
    return State(state="live") if now_s - channel.last_s <= bounds.STALE_S else State(state="stale")


def waits_for_switch(source: Source, stream: int) -> bool:
    """Whether somebody is to go over to this stream and cannot before its key frame."""
    return any(looker.viewer.target == stream and looker.viewer.showing != stream for looker in source.lookers)


def channel_of(source: Source, frame: Frame) -> Channel:
    """The stream a frame belongs to; raises LiveError."""
    channel = source.channels.get(frame.stream)
    if channel is None or (source.has_one_stream and frame.stream != MAIN):
        raise LiveError(f"Source {source.id} has no stream {frame.stream}.")
    return channel
