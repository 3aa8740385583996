"""The spool: the one durable place where recorder, panel and uplink meet.

Use ``open_spool(path)`` once per process and thread. Whoever commits something that concerns another
process rings its doorbell (``edge.spool.doorbell``).
"""

from edge.spool.database import Spool, SpoolCardError, SpoolDamagedError, SpoolError, open_spool
from edge.spool.doorbell import Doorbell, ring
from edge.spool.heartbeat import Heartbeat
from edge.spool.inbox import Order
from edge.spool.outbox import Entry
from edge.spool.proxies import ProxyRow
from edge.spool.vault import ReceiptRefusedError, RecordRow, SegmentRow

__all__ = [
    "Doorbell",
    "Entry",
    "Heartbeat",
    "Order",
    "ProxyRow",
    "ReceiptRefusedError",
    "RecordRow",
    "SegmentRow",
    "Spool",
    "SpoolCardError",
    "SpoolDamagedError",
    "SpoolError",
    "open_spool",
    "ring",
]
