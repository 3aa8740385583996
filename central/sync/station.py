"""The intake on its event loop: messages in, batches to the writer's thread, receipts and mail out.

The loop does nothing but move bytes; reading, checking and committing happen on one writer thread, reads of the
mailbox on another. A message costs the loop one append.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy.exc import OperationalError

from central.base.bus import HEARD_SUBJECT, MAILBOX_SUBJECTS, POSITIONS_SUBJECT, NatsBus
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.devices.feed import Heard, LivePosition, encode_heard, encode_positions
from central.devices.service import KitDirectory
from central.sync.admission import Admission, Gate, RefusedError, read_certificate
from central.sync.batch import Batch, LinkChange, Outcome
from central.sync.callout import Callout
from central.sync.channels import open_channels
from central.sync.decoding import Reject
from central.sync.intake import Intake
from central.sync.links import Links, open_links, say_last_words
from central.sync.mailbox import SWEEP_S, Letter, MailCarrier
from central.sync.receipts import ReceiptBook
from central.sync.registry import RegistryWatch
from central.sync.sessions import Sessions
from contract.channel import FRAME_STARTS

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = logging.getLogger(__name__)

UP_SUBJECTS: Final = "kits.*.up.*"
RECEIPT_EVERY_S: Final = 0.9
POSITIONS_EVERY_S: Final = 0.25
HEARD_EVERY_S: Final = 0.5
MARKERS_EVERY_S: Final = 1.0
REGISTRY_EVERY_S: Final = 0.05  # a look at one file; a revocation waits no longer
REGISTER_RETRY_S: Final = 0.25
RECONCILE_S: Final = 10.0
RETRY_S: Final = 0.3
# Beyond this, positions are dropped unread (their kits send them again); other kinds never are.
MAX_WAITING: Final = 100_000
# Up to so many messages a batch the window is the setting's; above it grows with them, so many times at most.
CALM_MESSAGES: Final = 100
MAX_STRETCH: Final = 8.0
# The client's own queue is emptied at once by our callback; its limits must not drop what we would count.
_CLIENT_QUEUE: Final = 1_000_000
_Result = TypeVar("_Result")


class Station:
    """One intake. ``run`` returns when told to stop; it raises when one of its works fails."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._directory = KitDirectory()
        self._watch = RegistryWatch(settings, store, self._directory)
        self._gate = Gate(read_certificate(Path(settings.keys_dir) / "kits-ca.crt"), self._directory)
        self._intake = Intake(
            store,
            self._directory,
            gate=self._gate,
            set_aside_max=settings.set_aside_max,
            neighbour_radius_m=settings.neighbour_radius_m,
        )
        self._channels = open_channels(
            settings,
            self._gate,
            store.clock,
            on_admitted=self._admitted,
            on_reject=self._note_reject,
            send=self._send,
        )
        self._carrier = MailCarrier(store, self._directory)
        self._sessions = Sessions(self._link_changed)
        self._book = ReceiptBook()
        self._batch = Batch()
        self._moved: dict[str, LivePosition] = {}
        self._heard: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._batch_s = self._window_s = settings.intake_batch_ms / 1000
        self._admitted_with: dict[str, str] = {}
        self._dropped = 0
        self._failing = False
        self._writer = ThreadPoolExecutor(1, "intake-writer")
        self._reader = ThreadPoolExecutor(1, "intake-reader")
        self._links: Links
        self._errands: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Connect and work until ``stop``; then commit and receipt what is at hand."""
        once_revoked = await self._in_thread(self._writer, self._watch.poll)
        await self._in_thread(self._writer, self._intake.repair)
        async with open_links(self._settings, stop) as links:
            if links is None:
                return
            self._links = links
            self._store.bus = NatsBus(links.bus, asyncio.get_running_loop())
            await self._listen(links)
            for kit_id in once_revoked:  # a session may stand since before with a certificate that is revoked now
                await self._end_session(kit_id)
            log.info("intake: ready")
            async with asyncio.TaskGroup() as group:
                works = [
                    group.create_task(self._commit_forever()),
                    group.create_task(self._every(RECEIPT_EVERY_S, self._send_receipts)),
                    group.create_task(self._every(POSITIONS_EVERY_S, self._send_positions)),
                    group.create_task(self._every(HEARD_EVERY_S, self._send_heard)),
                    group.create_task(self._every(MARKERS_EVERY_S, self._ask_for_markers)),
                    group.create_task(self._every(REGISTRY_EVERY_S, self._follow_registry)),
                    group.create_task(self._every(REGISTER_RETRY_S, self._write_registry)),
                    group.create_task(self._every(SWEEP_S, self._sweep_mail)),
                    group.create_task(self._every(RECONCILE_S, self._sessions.reconcile)),
                ]
                await stop.wait()
                for work in works:
                    work.cancel()
            self._ask_for_markers_now()
            await self._commit_once()
            await self._send_receipts()
            await say_last_words(links.centre)

    async def _listen(self, links: Links) -> None:
        if links.callout is not None and links.secrets is not None:
            callout = Callout(
                links.secrets.issuer(),
                self._gate,
                self._store.clock,
                on_admitted=self._admitted,
                on_refused=self._refused,
            )
            await callout.start(links.callout)
        if links.system is not None:
            await self._sessions.start(links.system)
        await links.centre.subscribe(
            UP_SUBJECTS, cb=self._receive, pending_msgs_limit=_CLIENT_QUEUE, pending_bytes_limit=0
        )
        await links.bus.subscribe(MAILBOX_SUBJECTS, cb=self._mail_nudged)

    # What comes in -------------------------------------------------------------------------------------------

    async def _receive(self, message: Msg) -> None:
        subject, data, waiting = message.subject, message.data, self._batch.messages
        channels = self._channels
        if channels is not None and (channels.minds_open or data[:1] in FRAME_STARTS):
            opened = channels.hear(subject, data)
            if opened is None:
                return
            data = opened
        self._heard[subject] = self._store.clock.now_ms()
        if not data and subject.endswith(".beat"):
            return
        if len(waiting) >= MAX_WAITING and subject.endswith(".position"):
            self._dropped += 1
            return
        waiting.append((subject, data))
        if subject.endswith(".alarm"):
            self._wake.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._window_s, self._wake.set)

    def _admitted(self, admission: Admission) -> None:
        self._batch.signers.append((admission, admission.chain_pem(self._gate.kits_ca)))
        self._admitted_with[admission.kit.kit_id] = admission.serial
        self._wake.set()

    def _refused(self, client_id: str, refusal: RefusedError) -> None:
        self._note_reject(Reject(client_id[:64], "connect", refusal.code, str(refusal), b""))

    def _note_reject(self, reject: Reject) -> None:
        self._batch.refusals.append(reject)
        self._wake_later()

    def _link_changed(self, kit_id: str, connected: bool, reason: str) -> None:
        kit = self._directory.find(kit_id)
        serial = self._admitted_with.get(kit_id)
        if connected and (kit is None or (serial and self._directory.find_by_serial(serial) is None)):
            self._run_errand(self._end_session(kit_id))  # it was let in while its revocation was on the way
        if kit is None:
            return
        self._batch.links.append(LinkChange(kit, connected, reason))
        self._wake_later()

    def _wake_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._window_s, self._wake.set)

    # Commit --------------------------------------------------------------------------------------------------

    async def _commit_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self._commit_once():
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def _commit_once(self) -> bool:
        """Commit what has come; false when the database could not, and then it is kept for the next try."""
        batch, self._batch = self._batch, Batch()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Under load a longer window lets rows of one kit share a page: fewer bytes to the disk for each of them.
        stretch = min(MAX_STRETCH, len(batch.messages) / CALM_MESSAGES)
        self._window_s = self._batch_s * max(1.0, stretch)
        limit = self._settings.intake_batch_max
        if len(batch.messages) > limit:
            self._batch.messages = batch.messages[limit:]
            del batch.messages[limit:]
            self._wake.set()
        try:
            outcome = await self._in_thread(self._writer, self._intake.commit, batch)
        except OperationalError as error:
            self._batch.take_back(batch)
            if not self._failing:
                log.error("intake: the database cannot commit (%s); nothing is receipted until it can", error.orig)
            self._failing = True
            return False
        if self._failing:
            log.warning("intake: the database commits again")
        self._failing = False
        await self._act_on(outcome)
        return True

    async def _act_on(self, outcome: Outcome) -> None:
        for key, seqs in outcome.receipts.items():
            self._book.note(key, seqs)
        if outcome.urgent:
            await self._publish(self._book.take(outcome.urgent, now_ms=self._store.clock.now_ms()))
        for marker in outcome.moved:
            self._moved[marker.kit_id] = marker
        for kit, have in outcome.hellos:
            self._run_errand(self._send_mail(kit.kit_id, have))

    # What goes out -------------------------------------------------------------------------------------------

    async def _publish(self, letters: Iterable[Letter]) -> None:
        for subject, payload in letters:
            sealed = payload if self._channels is None else self._channels.seal(subject, payload)
            if sealed is not None:
                await self._links.centre.publish(subject, sealed)

    async def _send_receipts(self) -> None:
        if self._links.centre.is_connected:  # else they are gathered on until the broker is back
            await self._publish(self._book.take(now_ms=self._store.clock.now_ms()))

    async def _send_positions(self) -> None:
        if self._moved:
            moved, self._moved = self._moved, {}
            self._store.bus.nudge(POSITIONS_SUBJECT, encode_positions(moved.values()))

    async def _send_heard(self) -> None:
        # Said also when nobody was heard: screens then know that it is not the intake that is silent.
        subjects, self._heard = self._heard, {}
        heard = {subject.split(".", 2)[1]: at_ms for subject, at_ms in subjects.items()}
        self._batch.heard.update(heard)
        self._store.bus.nudge(HEARD_SUBJECT, encode_heard(Heard(self._store.clock.now_ms(), heard)))

    async def _ask_for_markers(self) -> None:
        self._ask_for_markers_now()
        if self._dropped:
            log.warning("intake: %d positions dropped unread; their kits will send them again", self._dropped)
            self._dropped = 0

    def _ask_for_markers_now(self) -> None:
        self._batch.flush_markers = True
        self._wake.set()

    async def _mail_nudged(self, message: Msg) -> None:
        self._run_errand(self._send_mail(message.subject.rpartition(".")[2], None))

    async def _send_mail(self, kit_id: str, have: int | None) -> None:
        await self._publish(await self._in_thread(self._reader, self._carrier.letters_for, kit_id, have))

    async def _sweep_mail(self) -> None:
        connected = self._sessions.connected()
        await self._publish(await self._in_thread(self._reader, self._carrier.sweep, connected))

    # Revocation ----------------------------------------------------------------------------------------------

    async def _follow_registry(self) -> None:
        """End the sessions of whoever was revoked; neither database nor the writer's queue is waited for."""
        if not self._watch.has_changed():
            return
        try:
            gone = await asyncio.to_thread(self._watch.look)
        except OSError as error:
            log.error("intake: the register cannot be read: %s", error)
            return
        if self._channels is not None:
            self._channels.forget(gone)
        await asyncio.gather(*(self._end_session(kit_id) for kit_id in gone))

    async def _write_registry(self) -> None:
        if self._watch.is_due:
            await self._in_thread(self._writer, self._watch.apply)

    async def _end_session(self, kit_id: str) -> None:
        if count := await self._sessions.end(kit_id):
            log.info("intake: %d sessions of %s ended", count, kit_id)

    # Works ---------------------------------------------------------------------------------------------------

    async def _every(self, period_s: float, work: Callable[[], Coroutine[None, None, None]]) -> None:
        while True:
            await asyncio.sleep(period_s)
            await work()

    def _send(self, subject: str, payload: bytes) -> None:
        self._run_errand(self._links.centre.publish(subject, payload))

    def _run_errand(self, errand: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _in_thread(self, pool: ThreadPoolExecutor, work: Callable[..., _Result], *given: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *given)
