"""Chain records before their segments: over the link while it stands, over the door when that takes too long."""

import time
from collections.abc import Callable

from contract import door_auth
from contract.signing import Signed, dumps
from edge.spool import Spool
from edge.spool.vault import RecordRow
from edge.uplink.door import Door
from edge.uplink.door_answers import Answer

# While the link stands, the chain record travels over it; only after this long it goes over the door.
RECORD_WAIT_S = 2.0
RECORDS_AT_ONCE = 100
# Over the door go those that a segment needs and a few more: the link brings the others meanwhile.
RECORDS_AHEAD = 4


class RecordBringer:
    """Knows of each recording how far its records were brought over the door."""

    def __init__(
        self,
        spool: Spool,
        door: Door,
        *,
        is_link_up: Callable[[], bool],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._door = door
        self._is_link_up = is_link_up
        self._monotonic_s = monotonic_s
        self._seen: dict[str, float] = {}
        self._posted: dict[str, int] = {}

    def find_due(self, recording_id: str, seq: int) -> list[RecordRow] | None:
        """Records to bring before segment `seq` may go: none when it may, None while the link still brings them."""
        waiting = self._spool.vault.list_unreceipted_records(recording_id, RECORDS_AT_ONCE)
        waiting = [record for record in waiting if record.seq > self._posted.get(recording_id, -1)]
        if not waiting or waiting[0].seq > seq:
            self._seen.pop(recording_id, None)
            return []
        now = self._monotonic_s()
        since_s = self._seen.setdefault(recording_id, now)
        if self._is_link_up() and now - since_s < RECORD_WAIT_S:
            return None
        return [record for record in waiting if record.seq <= seq + RECORDS_AHEAD]

    def bring_all(self, recording_id: str) -> Answer | None:
        """Bring every record of a recording, whatever the centre receipted before; as `bring`."""
        return self.bring(recording_id, self._spool.vault.list_records(recording_id))

    def bring_ahead(self, recording_id: str, records: list[RecordRow]) -> bool:
        """Bring a few records ahead of their segment without waiting; False when they must be brought by `bring`.

        What becomes of them shows in the answer to the segment. Raises DoorUnreachableError.
        """
        if len(records) > 2 * RECORDS_AHEAD or not self._door.post_ahead(*_pack(recording_id, records)):
            return False
        self._posted[recording_id] = max(self._posted.get(recording_id, -1), records[-1].seq)
        return True

    def forget(self) -> None:
        """The connection ended: what was brought ahead may not have arrived."""
        self._posted.clear()

    def bring(self, recording_id: str, records: list[RecordRow]) -> Answer | None:
        """Bring signed records over the door; None when the centre took them, else its refusal.

        Raises DoorUnreachableError.
        """
        for start in range(0, len(records), RECORDS_AT_ONCE):
            part = records[start : start + RECORDS_AT_ONCE]
            answer = self._door.post(*_pack(recording_id, part))
            if answer.status not in (200, 201, 202, 204):
                return answer
            self._posted[recording_id] = max(self._posted.get(recording_id, -1), part[-1].seq)
        return None


def _pack(recording_id: str, records: list[RecordRow]) -> tuple[str, bytes, str]:
    """Path, body and media type of the request that brings these."""
    body = dumps([list(Signed(record.body, record.sig)) for record in records])
    return door_auth.chain_path(bytes.fromhex(recording_id)), body, "application/cbor"
