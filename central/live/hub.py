"""The event hub of a pages process: outbox rows and live positions out to the screens, narrowed by scope.

Incidents go out at once, positions gathered to a few batches a second, presence as it changes with time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from central.base.bus import HEARD_SUBJECT, OUTBOX_SUBJECT, POSITIONS_SUBJECT
from central.base.outbox import KIT_CHANGED, OutboxEntry, last_outbox_id, read_outbox
from central.base.unit_of_work import Store
from central.courts.permissions import Actor, check_permission, sees_court
from central.devices.feed import Heard, LivePosition, decode_heard, decode_positions
from central.incidents import queries as incidents_queries
from central.live.cards import KitCard, load_cards
from central.live.subscription import POSITIONS, SNAPSHOT, Event, Subscription

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

_LOG = logging.getLogger(__name__)
_ENCODER = msgspec.json.Encoder()
DEAF_MS = 4_000


class Hub:
    """Create one per pages process, run `run()` as a task, `attach()` a NATS client, `subscribe()` per screen.

    Everything but `wake` belongs to the event loop's thread; the database is read in worker threads.
    """

    def __init__(
        self,
        store: Store,
        *,
        tick_s: float = 0.25,
        poll_s: float = 1.0,
        refresh_s: float = 5.0,
        recheck_s: float = 30.0,
        queue_limit: int = 400,
    ) -> None:
        self._store = store
        self._tick_s, self._poll_s = tick_s, poll_s
        self._refresh_s, self._recheck_s = refresh_s, recheck_s
        self._queue_limit = queue_limit
        self._subscriptions: set[Subscription] = set()
        self._cards: dict[str, KitCard] = {}
        self._moved: dict[str, LivePosition] = {}
        self._intake_heard_ms: int | None = None
        self._last_id = 0
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failing = False
        self.ready = asyncio.Event()

    @property
    def subscriber_count(self) -> int:
        """How many screens listen."""
        return len(self._subscriptions)

    def subscribe(self, actor: Actor, recheck: Callable[[], Actor | None]) -> Subscription:
        """Open a screen's stream. `recheck` says, from a worker thread, who holds the log-in now (None: nobody).

        Raises ForbiddenError without `see_screen`.
        """
        check_permission(actor, "see_screen")
        subscription = Subscription(
            actor, recheck, self._take_snapshot, self._subscriptions.discard, self._queue_limit
        )
        self._subscriptions.add(subscription)
        return subscription

    async def attach(self, client: Client) -> None:
        """Listen for nudges and live positions on a connected NATS client."""

        async def on_outbox(_message: Msg) -> None:
            self._woken.set()

        async def on_positions(message: Msg) -> None:
            self.take_payload(message.data)

        async def on_heard(message: Msg) -> None:
            self.take_heard_payload(message.data)

        await client.subscribe(OUTBOX_SUBJECT, cb=on_outbox)
        await client.subscribe(HEARD_SUBJECT, cb=on_heard)
        await client.subscribe(POSITIONS_SUBJECT, cb=on_positions)

    def listen(self, subject: str, payload: bytes) -> None:
        """Take a nudge from a LocalBus, from any thread."""
        if self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            if subject == POSITIONS_SUBJECT:
                self._loop.call_soon_threadsafe(self.take_payload, payload)
            elif subject == HEARD_SUBJECT:
                self._loop.call_soon_threadsafe(self.take_heard_payload, payload)
            else:
                self._loop.call_soon_threadsafe(self._woken.set)

    def take_payload(self, payload: bytes) -> None:
        """Take a message of `central.positions`; a malformed one is logged and dropped."""
        try:
            positions = decode_positions(payload)
        except msgspec.MsgspecError as error:
            _LOG.warning("Dropped a message on %s: %s", POSITIONS_SUBJECT, error)
            return
        self.take_positions(positions)

    def take_heard_payload(self, payload: bytes) -> None:
        """Take a message of `central.heard`; a malformed one is logged and dropped."""
        try:
            self.take_heard(decode_heard(payload))
        except msgspec.MsgspecError as error:
            _LOG.warning("Dropped a message on %s: %s", HEARD_SUBJECT, error)

    def take_heard(self, heard: Heard) -> None:
        """Note signs of life; screens hear of a changed presence within a second."""
        self._intake_heard_ms = max(self._intake_heard_ms or 0, heard.now_ms)
        for kit_id, at_ms in heard.kits.items():
            card = self._cards.get(kit_id)
            if card is not None:
                card.last_heard_ms = max(at_ms, card.last_heard_ms or 0)

    def take_positions(self, positions: Sequence[LivePosition]) -> None:
        """Move markers; screens hear of it at the next tick."""
        for position in positions:
            card = self._cards.get(position.kit_id)
            if card is not None and not card.revoked:
                card.move(position)
            self._moved[position.kit_id] = position

    async def run(self) -> None:
        """Serve until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._last_id = await self._read(lambda: self._with_session(last_outbox_id)) or 0
        await self._refresh()
        self.ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump_outbox())
            group.create_task(self._repeat(self._tick_s, self._send_positions))
            group.create_task(self._repeat(min(1.0, self._refresh_s), self._watch_presence))
            group.create_task(self._repeat(self._refresh_s, self._refresh))
            group.create_task(self._repeat(self._recheck_s, self._recheck))

    async def _repeat(self, every_s: float, act: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await act()

    async def _pump_outbox(self) -> None:
        while True:
            # Not wait_for: up to Python 3.11 it swallows a cancellation that meets the event, and we would never end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._woken.wait()
            self._woken.clear()
            after_id = self._last_id
            entries = await self._read(lambda: self._with_session(read_outbox, after_id=after_id)) or []  # noqa: B023
            kits = {str(entry.payload.get("kit_id", "")) for entry in entries if entry.kind == KIT_CHANGED}
            if kits:  # one read for all, so that a storm of reconnecting kits holds no alarm up
                await self._refresh(sorted(kits))
            for entry in entries:
                self._send_entry(entry)
            if entries:
                self._woken.set()  # there may be more than one read gave

    def _send_entry(self, entry: OutboxEntry) -> None:
        self._last_id = entry.id or self._last_id
        payload: dict[str, Any] = dict(entry.payload)
        card = self._cards.get(str(payload.get("kit_id", ""))) if entry.kind == KIT_CHANGED else None
        if card is not None:
            now_ms = self._store.clock.now_ms()
            card.judge(now_ms, is_deaf=self._is_deaf(now_ms))
            payload["kit"] = card
        self._send(entry.court_code, Event(entry.kind, _text(payload), entry.id))

    def _send(self, court_code: str, event: Event) -> None:
        for subscription in self._subscriptions:
            if sees_court(subscription.actor.court_code, court_code):
                subscription.put(event)

    async def _send_positions(self) -> None:
        if not self._moved:
            return
        moved, self._moved = self._moved, {}
        texts: dict[str, Event] = {}  # one encoding per scope, not per screen
        for subscription in self._subscriptions:
            scope = subscription.actor.court_code
            if scope not in texts:
                seen = [position for position in moved.values() if sees_court(scope, position.court_code)]
                texts[scope] = Event(POSITIONS, _text({"positions": seen}) if seen else "")
            if texts[scope].data:
                subscription.put(texts[scope])

    async def _watch_presence(self) -> None:
        now_ms = self._store.clock.now_ms()
        for card in self._cards.values():
            if card.judge(now_ms, is_deaf=self._is_deaf(now_ms)):
                payload = {"kit_id": card.kit_id, "change": "presence", "kit": card}
                self._send(card.court_code, Event(KIT_CHANGED, _text(payload)))

    def _is_deaf(self, now_ms: int) -> bool:
        """Whether the intake, which says something every half second, has fallen silent."""
        return self._intake_heard_ms is not None and now_ms - self._intake_heard_ms > DEAF_MS

    async def _refresh(self, kit_ids: Sequence[str] | None = None) -> None:
        now_ms = self._store.clock.now_ms()
        cards = await self._read(lambda: self._with_session(load_cards, now_ms=now_ms, kit_ids=kit_ids))
        for kit_id, card in (cards or {}).items():
            held = self._cards.get(kit_id)
            if held is not None:
                _keep_newer(held, card)
            self._cards[kit_id] = card

    async def _recheck(self) -> None:
        for subscription in list(self._subscriptions):
            actor = await asyncio.to_thread(subscription.recheck)
            if actor is None:
                subscription.close("session_ended")
            elif actor != subscription.actor:
                subscription.close("rights_changed")

    async def _take_snapshot(self, actor: Actor) -> Event:
        last_id = self._last_id
        incidents = await asyncio.to_thread(self._with_session, incidents_queries.list_incidents, actor=actor)
        kits = [card for card in self._cards.values() if sees_court(actor.court_code, card.court_code)]
        snapshot = {
            "now_ms": self._store.clock.now_ms(),
            "kits": kits,
            "incidents": [incidents_queries.describe(incident) for incident in incidents],
        }
        return Event(SNAPSHOT, _text(snapshot), last_id)

    def _with_session(self, query: Callable[..., Any], **arguments: Any) -> Any:
        with self._store.read() as session:
            return query(session, **arguments)

    async def _read(self, read: Callable[[], Any]) -> Any:
        """Read in a worker thread; a failing database is told once, and its recovery once."""
        try:
            found = await asyncio.to_thread(read)
        except SQLAlchemyError as error:
            if not self._failing:
                _LOG.error("The hub cannot read the database, screens show the last known state: %s", error)
            self._failing = True
            return None
        if self._failing:
            _LOG.info("The hub reads the database again.")
        self._failing = False
        return found


def _keep_newer(held: KitCard, card: KitCard) -> None:
    """Let a card read from the database not move the marker behind what came live since."""
    if (held.fix_received_ms or 0) > (card.fix_received_ms or 0):
        for name in ("lat", "lon", "fix_ms", "fix_received_ms", "mode", "speed_mps", "course_deg", "suspect"):
            setattr(card, name, getattr(held, name))
    if (held.last_heard_ms or 0) > (card.last_heard_ms or 0):
        card.last_heard_ms = held.last_heard_ms
    card.presence, card.reason = held.presence, held.reason


def _text(value: Any) -> str:
    return _ENCODER.encode(value).decode()
