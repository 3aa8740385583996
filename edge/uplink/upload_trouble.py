"""What is wrong with the upload, told to the officer's page, the log and, where it matters, the centre."""

import logging
import time
import uuid

from contract import messages
from edge.spool import Spool

log = logging.getLogger("zhixing.upload")


class Trouble:
    """Writes the state `upload_status` {trouble}, once for each change."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        status = spool.state.get("upload_status")
        self._told = str(status.get("trouble", "")) if isinstance(status, dict) else ""

    def tell(self, trouble: str) -> None:
        """One sentence; empty: it works again."""
        if trouble[:200] == self._told:
            return
        if trouble:
            log.warning("upload: %s", trouble)
        else:
            log.info("upload: working again")
        self._told = trouble[:200]
        self._spool.state.set("upload_status", {"trouble": trouble[:200]})

    def raise_alarm(self, note: str) -> None:
        """A fault that a person at the centre must hear of."""
        alarm = messages.Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="fault",
            pressed_ms=time.time_ns() // 1_000_000,
            boot_ms=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
            note=note[:500],
        )
        self._spool.outbox.append("alarm", messages.encode(alarm))
