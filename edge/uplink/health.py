"""How the kit is, from real sources: disk, heat, battery, queues, clock and what its processes say."""

import shutil
import time
from collections.abc import Sequence
from typing import Any

from contract.health import Health
from edge import __version__
from edge.sensors import read_battery, read_temperature
from edge.spool import Spool
from edge.uplink.clock_watch import find_belief
from edge.uplink.trusted_time import TrustedTime


def build_health(spool: Spool, trusted_time: TrustedTime, *, source: str, notes: Sequence[str] = ()) -> Health:
    """The present report; sizes in bytes."""
    recorder = spool.state.get("recorder_status")
    facts: dict[str, Any] = recorder if isinstance(recorder, dict) else {}
    recording_id = facts.get("recording_id")
    return Health(
        recording=bool(facts.get("recording", False)),
        recording_id=recording_id if isinstance(recording_id, str) and recording_id else None,
        duty=bool(spool.state.get("duty", False)),
        queue_outbox=spool.outbox.count(),
        queue_segments=spool.vault.count_pending(),
        free_bytes=shutil.disk_usage(spool.dir).free,
        vault_bytes=spool.vault.total_bytes(),
        uptime_s=int(time.clock_gettime(time.CLOCK_BOOTTIME)),
        version=__version__,
        source=str(facts.get("source") or source)[:64],
        gps=str(spool.state.get("gps_status", ""))[:64],
        clock=trusted_time.describe()[:64],
        **find_belief(spool),
        temp_c=read_temperature(),
        battery_pct=read_battery(),
        note="; ".join([*notes, *_list_notes(spool, facts)])[:500],
    )


def _list_notes(spool: Spool, recorder: dict[str, Any]) -> list[str]:
    notes = [str(recorder["note"])] if recorder.get("note") else []
    faults = spool.vault.list_faults()
    if faults:
        notes.append(f"{len(faults)} segments no longer equal what was signed")
    upload = spool.state.get("upload_status")
    if isinstance(upload, dict) and upload.get("trouble"):
        notes.append(f"upload: {upload['trouble']}")
    children = spool.state.get("children")
    if isinstance(children, dict):
        notes += [f"{name} restarted {told['restarts']} times" for name, told in children.items() if told["restarts"]]
    if spool.state.get("spool_set_aside"):
        notes.append("the spool was damaged and set aside")
    return notes
