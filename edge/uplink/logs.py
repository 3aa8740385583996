"""Brings the kit's logs to the centre on its order: gathered, sealed to the centre, sent when there is a link.

The order stays in the inbox until the centre has the file, so it outlives restarts and darkness; the sealed file is
made once and goes on from where a cut left it. The thread lives only while there is something to bring, on a
connection of its own, so that no picture waits behind a log.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from contract import door_auth, envelope, messages, orders
from edge.logbook import FOLDER, list_pieces
from edge.reach.backoff import Backoff
from edge.reach.identity import Identity, IdentityError
from edge.reach.trusted_time import TrustedTime
from edge.settings import Settings
from edge.spool import Order, Spool, open_spool
from edge.status import list_facts
from edge.uplink.door import Door, DoorUnreachableError
from edge.uplink.door_answers import Answer
from edge.uplink.wire import StoppedError

log = logging.getLogger("zhixing.logs")

KIND: Final = "logs"
# The door says so of an order that is not its own, was answered before, or whose file it will never take.
_FINAL: Final = (400, 404, 409, 410, 413)
_AGAIN: Final = (door_auth.OFFSET_MISMATCH, door_auth.NONCE_EXPIRED, door_auth.BAD_TOKEN)


class LogBringer:
    """Obeys ``logs`` orders for the control process."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        trusted_time: TrustedTime,
        *,
        ring: Callable[[], object],
        stopping: threading.Event,
        backoff: Backoff | None = None,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._time = trusted_time
        self._ring = ring
        self._stopping = stopping
        self._backoff = backoff or Backoff(first_s=2.0, cap_s=60.0)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def obey(self, order: Order) -> None:
        """Begin to bring what the order asks for; the thread answers it. Raises contract.messages.MessageError."""
        messages.decode(order.body, orders.LogRequest)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        with open_spool(self._settings.spool_path, check=False) as spool:
            door = Door(self._settings.door, self._identity, self._time)
            try:
                while not self._stopping.is_set():
                    with self._lock:
                        waiting = spool.inbox.unhandled(KIND)
                        if not waiting:
                            drop_leftovers(self._settings.data_dir)
                            self._thread = None
                            return
                    self._bring(spool, door, waiting[0])
            finally:
                door.close()

    def _bring(self, spool: Spool, door: Door, order: Order) -> None:
        """One try, and the rest after one that failed."""
        file = self._settings.data_dir / FOLDER / f"order-{order.number}.age"
        try:
            if not file.exists():
                self._gather(spool, order, file)
            answer = self._send(door, file, order.number)
        except (DoorUnreachableError, StoppedError, IdentityError, OSError) as error:
            log.info("logs: order %d waits: %s", order.number, error)
            self._stopping.wait(self._backoff.next_s())
            return
        if answer.status in (200, 201):
            self._finish(spool, order, file, "done", f"{file.stat().st_size} bytes sealed")
        elif answer.status in _FINAL:
            self._finish(spool, order, file, "failed", answer.describe())
        else:
            log.warning("logs: order %d: %s", order.number, answer.describe())
            self._stopping.wait(self._backoff.next_s(at_least_s=answer.retry_after_s))

    def _gather(self, spool: Spool, order: Order, file: Path) -> None:
        hours = messages.decode(order.body, orders.LogRequest).hours
        recipients = self._identity.load_trust(not_before_epoch=0).recipient_keys()
        packed = pack_logs(self._settings, spool, since_s=time.time() - hours * 3600)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = file.with_suffix(".tmp")
        with fresh.open("wb") as out:
            sealer = envelope.Sealer(recipients, out.write)
            sealer.write(packed)
            sealer.close()
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)

    def _send(self, door: Door, file: Path, number: int) -> Answer:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").digest()
        where = door_auth.log_path(number, digest)
        answer = self._try_once(door, where, file, digest)
        if answer.problem in _AGAIN:
            door.forget_nonces()
            answer = self._try_once(door, where, file, digest)
        return answer

    def _try_once(self, door: Door, where: str, file: Path, digest: bytes) -> Answer:
        told = door.head(where)
        if told.status != 200:
            return told
        offset = min(file.stat().st_size, told.offset)
        door.send_file(where, file, digest, offset=offset, should_stop=self._stopping.is_set)
        return door.take_answer()

    def _finish(self, spool: Spool, order: Order, file: Path, state: Literal["done", "failed"], note: str) -> None:
        receipt = messages.CommandReceipt(
            number=order.number, state=state, at_ms=time.time_ns() // 1_000_000, note=note[:500]
        )
        with spool.transaction():
            spool.outbox.append("receipt", messages.encode(receipt))
            spool.inbox.mark_handled(order.number)
        file.unlink(missing_ok=True)
        self._backoff.reset()
        self._ring()


def pack_logs(settings: Settings, spool: Spool, *, since_s: float) -> bytes:
    """A ZIP of the status and of the pieces written to since then (epoch), newest first up to the limit."""
    import zipfile  # only when somebody asks

    packed, left = io.BytesIO(), door_auth.MAX_LOG_CLEAR_BYTES
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        facts = {name: str(value) for name, value in list_facts(settings, spool).items()}
        archive.writestr("status.json", json.dumps(facts, ensure_ascii=False, indent=1))
        for piece in reversed(list_pieces(settings.data_dir, since_s=since_s)):
            try:
                data = piece.read_bytes()
            except OSError:
                continue  # turned over meanwhile, or unreadable: the others may tell why
            if len(data) > left:
                break
            left -= len(data)
            archive.writestr(piece.name, data)
    return packed.getvalue()


def drop_leftovers(folder: Path) -> None:
    """Remove sealed files whose order was finished elsewhere; called while no order waits."""
    for path in (folder / FOLDER).glob("order-*"):
        path.unlink(missing_ok=True)
