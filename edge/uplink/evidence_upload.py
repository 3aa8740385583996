"""Brings sealed segments to the centre: chain records first, then each file by its digest.

Rule 3 of evidence: only a receipt signed by a trusted key, naming the very digest the kit signed, lets a file
go. Every other answer (401, 403, 404, 409, 412, 413, 5xx, 507, a time-out, a receipt of someone else) means
"still ours"; it only decides when the kit tries again and what it does before.
"""

import hashlib
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from contract import door_auth, messages, trust
from contract.signing import BadSignatureError, CodecError, Signed, dumps
from edge.options import StorageSettings
from edge.spool import ReceiptRefusedError, SegmentRow, Spool
from edge.spool.vault import RecordRow
from edge.uplink.backoff import Backoff
from edge.uplink.door import Answer, Door, DoorUnreachableError
from edge.uplink.trust_keeper import TrustKeeper

log = logging.getLogger("zhixing.upload")

IDLE_S = 15.0
# While the link stands, the chain record travels over it; only after this long it goes over the door.
RECORD_WAIT_S = 2.0
RECORDS_AT_ONCE = 100
REVOKED_WAIT_S = 300.0
STORE_FULL_WAIT_S = 60.0
TOO_LARGE_WAIT_S = 6 * 3600.0
FOREIGN_WAIT_S = 3600.0
TRUST_EVERY_S = 6 * 3600.0


class _Deferred(msgspec.Struct):
    until_s: float
    backoff: Backoff


class Uploader:
    """One thread's worker: `turn()` does one thing and says how long to rest."""

    def __init__(
        self,
        spool: Spool,
        door: Door,
        keeper: TrustKeeper,
        storage: StorageSettings,
        *,
        is_link_up: Callable[[], bool],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._door = door
        self._keeper = keeper
        self._keep_receipted_s = storage.keep_receipted_s
        self._is_link_up = is_link_up
        self._monotonic_s = monotonic_s
        self._backoff = Backoff(first_s=2.0, cap_s=120.0)
        self._deferred: dict[tuple[str, int], _Deferred] = {}
        self._seen: dict[str, float] = {}
        self._posted: dict[str, int] = {}
        self._trust_due_s = 0.0
        self._rest_until_s = -1.0
        self._unreachable = False
        self._was_link_up = False
        status = spool.state.get("upload_status")
        self._told = str(status.get("trouble", "")) if isinstance(status, dict) else ""

    def turn(self) -> float:
        """Send the most urgent segment there is; returns seconds until the next turn is worth it."""
        rest_s = self._rest_until_s - self._monotonic_s()
        if rest_s > 0 and not self._is_just_back():
            return rest_s
        try:
            return self._work()
        except sqlite3.OperationalError as error:
            # A full card passes; whoever gave up here would never make room on it again.
            log.warning("upload: the spool cannot be written (%s)", error)
            return self._back_off()

    def _is_just_back(self) -> bool:
        """The link came up while the door was out of reach: it will be within reach again, too."""
        was_up, self._was_link_up = self._was_link_up, self._is_link_up()
        if not (self._unreachable and self._was_link_up and not was_up):
            return False
        self._backoff.reset()
        return True

    def _work(self) -> float:
        self._unreachable = False
        try:
            self._refresh_trust()
            self._spool.vault.delete_receipted(older_than_s=self._keep_receipted_s)
            segment = self._choose()
            return self._find_rest() if segment is None else self._send(segment)
        except DoorUnreachableError as error:
            self._unreachable = True
            self._tell(str(error))
            return self._back_off()

    def _refresh_trust(self) -> None:
        now = self._monotonic_s()
        if now < self._trust_due_s and self._keeper.receipt_keys():
            return
        self._spool.vault.drop_old_records()
        answer = self._door.get("/v1/trust")
        self._trust_due_s = now + TRUST_EVERY_S
        if answer.status == 200:
            try:
                self._keeper.accept(answer.body)
            except (CodecError, BadSignatureError, trust.StaleListError) as error:
                self._tell(f"the centre offers a trust list that is not the authority's ({error})")

    def _choose(self) -> SegmentRow | None:
        now = self._monotonic_s()
        for segment in self._spool.vault.pending_segments(32 + len(self._deferred)):
            held = self._deferred.get((segment.recording_id, segment.seq))
            if held is None or held.until_s <= now:
                return segment
        return None

    def _find_rest(self) -> float:
        now = self._monotonic_s()
        waits = [held.until_s - now for held in self._deferred.values()]
        return max(0.1, min([IDLE_S, *waits]))

    def _send(self, segment: SegmentRow) -> float:
        if not self._keeper.receipt_keys():
            self._tell(self._keeper.trouble)
            return self._back_off(at_least_s=5.0)
        path = self._spool.vault.segment_path(segment.recording_id, segment.seq)
        fault = _find_fault(path, segment)
        if fault:
            self._state_fault(segment, fault)
            return 0.0
        wait_s = self._bring_records(segment)
        if wait_s is not None:
            return wait_s
        answer = self._put(segment, path)
        if answer.problem == door_auth.CHAIN_RECORD_MISSING:
            refused = self._post_records(segment.recording_id, self._spool.vault.list_records(segment.recording_id))
            answer = refused or self._put(segment, path)
        return self._judge(segment, answer)

    def _put(self, segment: SegmentRow, path: Path) -> Answer:
        where = door_auth.segment_path(bytes.fromhex(segment.recording_id), segment.seq)
        return self._door.put_file(where, path, segment.cipher_hash)

    def _bring_records(self, segment: SegmentRow) -> float | None:
        """Chain first: None when the segment may go, else seconds until the next turn."""
        vault, rid = self._spool.vault, segment.recording_id
        waiting = vault.list_unreceipted_records(rid, RECORDS_AT_ONCE)
        waiting = [record for record in waiting if record.seq > self._posted.get(rid, -1)]
        if not waiting or waiting[0].seq > segment.seq:
            self._seen.pop(rid, None)
            return None
        now = self._monotonic_s()
        since_s = self._seen.setdefault(rid, now)
        if self._is_link_up() and now - since_s < RECORD_WAIT_S:
            return 0.25
        refused = self._post_records(rid, waiting)
        return None if refused is None else self._judge(segment, refused)

    def _post_records(self, recording_id: str, records: list[RecordRow]) -> Answer | None:
        """Bring signed records over the door; None when the centre took them, else its refusal."""
        for start in range(0, len(records), RECORDS_AT_ONCE):
            part = records[start : start + RECORDS_AT_ONCE]
            body = dumps([list(Signed(record.body, record.sig)) for record in part])
            answer = self._door.post(door_auth.chain_path(bytes.fromhex(recording_id)), body, "application/cbor")
            if answer.status not in (200, 201, 204):
                return answer
            self._posted[recording_id] = max(self._posted.get(recording_id, -1), part[-1].seq)
        return None

    def _judge(self, segment: SegmentRow, answer: Answer) -> float:
        status, told = answer.status, f"segment {segment.seq}: {answer.describe()}"
        if status in (200, 201) and answer.media_type == "application/cbor":
            return self._take_receipt(segment, answer)
        self._tell(told)
        if status == 403 and answer.problem != door_auth.FOREIGN_RECORDING:
            return self._back_off(at_least_s=max(REVOKED_WAIT_S, answer.retry_after_s))
        if status == 507:
            return self._back_off(at_least_s=max(STORE_FULL_WAIT_S, answer.retry_after_s))
        if status in (401, 429) or status >= 500:
            return self._back_off(at_least_s=answer.retry_after_s)
        at_least_s = {403: FOREIGN_WAIT_S, 413: TOO_LARGE_WAIT_S}.get(status, answer.retry_after_s)
        if status == 413 and (segment.recording_id, segment.seq) not in self._deferred:
            self._raise_alarm(f"segment {segment.seq} is too large for the centre's door and stays on the kit")
        self._defer(segment, at_least_s)
        return 0.0

    def _take_receipt(self, segment: SegmentRow, answer: Answer) -> float:
        key = (segment.recording_id, segment.seq)
        try:
            self._spool.vault.set_receipt(*key, answer.body, self._keeper.receipt_keys())
        except ReceiptRefusedError as error:
            self._tell(f"segment {segment.seq}: {error}")
            self._defer(segment, 0.0)
            return 0.0
        self._spool.vault.delete_receipted(older_than_s=self._keep_receipted_s)
        self._deferred.pop(key, None)
        self._backoff.reset()
        self._tell("")
        return 0.0

    def _back_off(self, *, at_least_s: float = 0.0) -> float:
        """All wait: whom the door turned away, or who did not reach it, does not hammer on it."""
        wait_s = self._backoff.next_s(at_least_s=at_least_s)
        self._rest_until_s = self._monotonic_s() + wait_s
        return wait_s

    def _defer(self, segment: SegmentRow, at_least_s: float) -> None:
        """This one waits, the others go on."""
        key = (segment.recording_id, segment.seq)
        held = self._deferred.setdefault(key, _Deferred(0.0, Backoff(first_s=10.0, cap_s=1800.0)))
        held.until_s = self._monotonic_s() + held.backoff.next_s(at_least_s=at_least_s)

    def _state_fault(self, segment: SegmentRow, fault: str) -> None:
        with self._spool.transaction():
            self._spool.vault.set_fault(segment.recording_id, segment.seq, fault)
            self._raise_alarm(f"segment {segment.seq} of {segment.recording_id}: {fault}")
        self._tell(f"segment {segment.seq}: {fault}")

    def _raise_alarm(self, note: str) -> None:
        alarm = messages.Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="fault",
            pressed_ms=time.time_ns() // 1_000_000,
            boot_ms=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
            note=note[:500],
        )
        self._spool.outbox.append("alarm", messages.encode(alarm))

    def _tell(self, trouble: str) -> None:
        if trouble[:200] != self._told:
            if trouble:
                log.warning("upload: %s", trouble)
            else:
                log.info("upload: working again")
            self._told = trouble[:200]
            self._spool.state.set("upload_status", {"trouble": trouble[:200]})


def _find_fault(path: Path, segment: SegmentRow) -> str:
    """Why the file is not what was signed, or ""."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(256 * 1024):
                digest.update(block)
    except FileNotFoundError:
        return "the sealed file is missing on the card"
    except OSError as error:
        return f"the sealed file cannot be read ({error.strerror})"
    return "" if digest.digest() == segment.cipher_hash else "the sealed file was changed on the card"


def run_uploader(
    uploader: Uploader,
    *,
    stopping: threading.Event,
    bell: threading.Event,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Turn until stopped; `bell` says that there may be something new to send, `between` runs while it rests."""
    while not stopping.is_set():
        wait_s = uploader.turn()
        if wait_s <= 0:
            continue
        between()
        bell.wait(wait_s)
        bell.clear()
