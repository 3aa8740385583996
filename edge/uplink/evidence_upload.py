"""Brings sealed segments to the centre: chain records first, then each file by its digest.

Rule 3 of evidence: only a receipt signed by a trusted key, naming the very digest the kit signed, lets a file
go. Every other answer (401, 403, 404, 409, 412, 413, 5xx, 507, a time-out, a receipt of someone else) means
"still ours"; it only decides when the kit tries again and what it does before.
"""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from contract import door_auth, trust
from contract.signing import BadSignatureError, CodecError
from edge.options import LinkSettings, StorageSettings
from edge.reach.backoff import Backoff
from edge.spool import ReceiptRefusedError, RecordRow, Spool
from edge.uplink.chain_records import RecordBringer
from edge.uplink.door import Door, DoorClosedError, DoorUnreachableError
from edge.uplink.door_answers import Answer
from edge.uplink.link_policy import LinkPolicy
from edge.uplink.parcels import Key, Parcel, Shelf, find_fault
from edge.uplink.refusals import SECOND_CHANCES, find_pause
from edge.uplink.send_watch import SendWatch, read_begun
from edge.uplink.trust_keeper import TrustKeeper
from edge.uplink.upload_trouble import Trouble
from edge.uplink.wire import StoppedError

log = logging.getLogger("zhixing.upload")

IDLE_S = 15.0
# One is being sent while the answer to the one before is on its way: the link is never empty for a round trip.
IN_FLIGHT = 2
REFUSED_WITHIN_S = 0.25
HELD_WAIT_S = 15.0
TRUST_EVERY_S = 6 * 3600.0


class Uploader:
    """One thread's worker: `turn()` does one thing and says how long to rest."""

    def __init__(
        self,
        spool: Spool,
        door: Door,
        keeper: TrustKeeper,
        storage: StorageSettings,
        *,
        link: LinkSettings | None = None,
        is_link_up: Callable[[], bool],
        is_in_reach: Callable[[], bool] = lambda: False,
        is_stopping: Callable[[], bool] = lambda: False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._door = door
        self._keeper = keeper
        self._keep_receipted_s = storage.keep_receipted_s
        self._is_back: Callable[[], bool] = lambda: is_link_up() or is_in_reach()
        self._is_stopping = is_stopping
        self._monotonic_s = monotonic_s
        self._policy = LinkPolicy(spool, link or LinkSettings(), door.speed, monotonic_s=monotonic_s)
        self._shelf = Shelf(spool, self._policy, monotonic_s=monotonic_s)
        self._records = RecordBringer(spool, door, is_link_up=is_link_up, monotonic_s=monotonic_s)
        self._backoff = Backoff(first_s=2.0, cap_s=60.0)
        self._sent: deque[Parcel] = deque()  # their answers come in this order
        self._window = 1  # how many may be in flight: a door that refuses is asked one by one
        self._begun = read_begun(spool)  # of these the door may hold a part
        self._second_chances: set[tuple[Key, str]] = set()
        self._trust_due_s = 0.0
        self._rest_until_s = -1.0
        self._unreachable = False
        self._was_closed = False
        self._was_back = False
        self._trouble = Trouble(spool)

    def turn(self) -> float:
        """Do the most urgent thing there is; returns seconds until the next turn is worth it."""
        rest_s = self._rest_until_s - self._monotonic_s()
        if rest_s > 0 and not self._is_just_back():
            return rest_s
        try:
            return self._work()
        except sqlite3.OperationalError as error:
            # A full card passes; whoever gave up here would never make room on it again.
            log.warning("upload: the spool cannot be written (%s)", error)
            self._door.close()
            self._note_cut()
            return self._back_off()

    def _is_just_back(self) -> bool:
        """The broker answers while the door was out of reach: it will be within reach again, too."""
        was_back, self._was_back = self._was_back, self._is_back()
        if not (self._unreachable and self._was_back and not was_back):
            return False
        self._backoff.reset()
        self._rest_until_s = -1.0  # else the old rest would begin again after the first parcel
        return True

    def _work(self) -> float:
        self._unreachable = False
        try:
            if self._sent and not self._door.can_send:
                return self._settle_one()
            if not self._sent:
                self._refresh_trust()
                self._spool.vault.delete_receipted(older_than_s=self._keep_receipted_s)
            parcel = self._shelf.choose([sent.key for sent in self._sent])
            if parcel is not None:
                return self._bring(parcel)
            return self._settle_one() if self._sent else self._find_rest()
        except DoorClosedError as error:
            # Once is no failure: the door may let go of a connection at any time.
            if self._note_cut() and not self._was_closed:
                self._was_closed = True
                return 0.0
            return self._note_unreachable(error)
        except DoorUnreachableError as error:
            self._note_cut()
            return self._note_unreachable(error)

    def _note_unreachable(self, error: DoorUnreachableError) -> float:
        self._unreachable = True
        if error.had_answered:
            self._backoff.reset()  # the path comes and goes: be there when it comes
        self._trouble.tell(str(error))
        return self._back_off()

    def _note_cut(self) -> bool:
        """Whatever was in flight may have come through in whole, in part or not at all."""
        had = bool(self._sent)
        self._begun.update(parcel.key for parcel in self._sent)
        self._sent.clear()
        self._records.forget()
        return had

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
                self._trouble.tell(f"the centre offers a trust list that is not the authority's ({error})")

    def _find_rest(self) -> float:
        due_s = self._shelf.next_due_s()
        return IDLE_S if due_s is None else max(0.1, min(IDLE_S, due_s))

    def _bring(self, parcel: Parcel) -> float:
        if not self._keeper.receipt_keys():
            self._trouble.tell(self._keeper.trouble)
            return self._back_off(at_least_s=5.0)
        records = self._records.find_due(parcel.recording_id, parcel.seq)
        if records is None:  # before the file is read: the next turn would read it once more
            return self._settle_one() if self._sent else 0.25
        path = self._shelf.find_file(parcel)
        fault = find_fault(path, parcel.digest)
        if fault:
            self._state_fault(parcel, fault)
            return 0.0
        return self._bring_whole(parcel, path, records)

    def _bring_whole(self, parcel: Parcel, path: Path, records: list[RecordRow]) -> float:
        is_begun = parcel.key in self._begun and not parcel.is_proxy
        takes = self._window == IN_FLIGHT  # else the segment should not go before its records' answer
        if takes and records and not is_begun and self._records.bring_ahead(parcel.recording_id, records):
            records = []
        # Whatever is a request of its own waits for the answers before it.
        if self._sent and (records or is_begun):
            return self._settle_one()
        if records:
            refused = self._records.bring(parcel.recording_id, records)
            return 0.0 if refused is None else self._judge(parcel, refused)
        asked = self._door.head(parcel.where) if is_begun else None
        if asked is not None and asked.status >= 500:
            return self._judge(parcel, asked)  # to begin anew would throw away what came of it
        self._send(parcel, path, offset=0 if asked is None else min(asked.offset, parcel.length))
        return self._settle_one() if len(self._sent) >= self._window else 0.0

    def _send(self, parcel: Parcel, path: Path, *, offset: int) -> None:
        self._sent.append(parcel)
        began_s = self._monotonic_s()
        watch = SendWatch(self._spool, self._shelf, parcel, self._is_stopping)
        try:
            self._door.send_file(parcel.where, path, parcel.digest, offset=offset, should_stop=watch.should_stop)
        except StoppedError:
            self._note_cut()
            return
        # What the door refuses it refuses at the head; of so long a body it would have said so by now.
        if self._door.can_send and self._monotonic_s() - began_s > REFUSED_WITHIN_S + 2 * self._door.speed.round_s:
            self._window = IN_FLIGHT

    def _settle_one(self) -> float:
        """Take the oldest answer that is due, and act on it."""
        answer = self._door.take_answer()
        parcel = self._sent.popleft()
        self._was_closed = False
        self._begun.discard(parcel.key)
        if self._sent and not self._door.in_flight:
            self._note_cut()  # the connection ended with this answer; the others' will not come
        if answer.problem in SECOND_CHANCES and (parcel.key, answer.problem) not in self._second_chances:
            self._second_chances.add((parcel.key, answer.problem))
            return self._try_again(parcel, answer)
        return self._judge(parcel, answer)

    def _try_again(self, parcel: Parcel, answer: Answer) -> float:
        """What the kit can put right itself; then the parcel is simply due again."""
        while self._sent:
            self._settle_one()
        if answer.problem == door_auth.CHAIN_RECORD_MISSING:
            refused = self._records.bring_all(parcel.recording_id)
            return 0.0 if refused is None else self._judge(parcel, refused)
        if answer.problem == door_auth.OFFSET_MISMATCH:
            self._begun.add(parcel.key)
        else:
            self._door.forget_nonces()
        return 0.0

    def _judge(self, parcel: Parcel, answer: Answer) -> float:
        status = answer.status
        if parcel.is_proxy and status in (200, 201, 204):
            self._spool.proxies.drop(parcel.recording_id, parcel.seq)
            return self._note_success(parcel)
        if not parcel.is_proxy and status in (200, 201) and answer.media_type == "application/cbor":
            return self._take_receipt(parcel, answer)
        if status == 202 and answer.problem == door_auth.HELD:
            return self._note_held(parcel, answer)
        return self._take_refusal(parcel, answer)

    def _take_refusal(self, parcel: Parcel, answer: Answer) -> float:
        self._trouble.tell(f"{parcel}: {answer.describe()}")
        self._window = 1
        pause = find_pause(answer)
        if answer.status == 401:
            self._door.forget_nonces()  # else each of those at hand would be tried, ever more slowly
        if pause.is_for_all:
            return self._back_off(at_least_s=pause.at_least_s)
        if answer.status == 413 and not self._shelf.is_deferred(parcel):
            self._trouble.raise_alarm(f"{parcel} is too large for the centre's door and stays on the kit")
        self._shelf.defer(parcel, pause.at_least_s)
        return 0.0

    def _note_held(self, parcel: Parcel, answer: Answer) -> float:
        """A zone between the networks has it whole: still ours, but only the receipt is asked for later."""
        self._begun.add(parcel.key)
        self._shelf.hold(parcel, answer.retry_after_s or HELD_WAIT_S)
        self._backoff.reset()
        self._window = IN_FLIGHT
        self._trouble.tell("")
        return 0.0

    def _take_receipt(self, parcel: Parcel, answer: Answer) -> float:
        try:
            keys = self._keeper.receipt_keys()
            self._spool.vault.set_receipt(parcel.recording_id, parcel.seq, answer.body, keys)
        except ReceiptRefusedError as error:
            self._trouble.tell(f"{parcel}: {error}")
            self._shelf.defer(parcel, 0.0)
            return 0.0
        self._spool.vault.delete_receipted(older_than_s=self._keep_receipted_s)
        return self._note_success(parcel)

    def _note_success(self, parcel: Parcel) -> float:
        self._shelf.forget(parcel)
        self._second_chances = {chance for chance in self._second_chances if chance[0] != parcel.key}
        self._backoff.reset()
        self._window = IN_FLIGHT
        self._trouble.tell("")
        return 0.0

    def _back_off(self, *, at_least_s: float = 0.0) -> float:
        """All wait: whom the door turned away, or who did not reach it, does not hammer on it."""
        if self._sent:
            self._door.close()
            self._note_cut()
        wait_s = self._backoff.next_s(at_least_s=at_least_s)
        self._rest_until_s = self._monotonic_s() + wait_s
        return wait_s

    def _state_fault(self, parcel: Parcel, fault: str) -> None:
        if parcel.is_proxy:  # a power cut may have halved it; nothing is lost with it
            self._spool.proxies.drop(parcel.recording_id, parcel.seq)
            return
        with self._spool.transaction():
            self._spool.vault.set_fault(parcel.recording_id, parcel.seq, fault)
            self._trouble.raise_alarm(f"{parcel} of {parcel.recording_id}: {fault}")
        self._trouble.tell(f"{parcel}: {fault}")
