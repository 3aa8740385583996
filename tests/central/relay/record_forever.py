"""A process that records a session until it is killed: numbered frames, some hundred a second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from central.base import db
from central.base.clock import SystemClock
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.relay.record import SessionRecorder
from contract.live import Type, pack


def main() -> None:
    """Record `argv`: database, folder, session."""
    database, folder, session_id = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    folders = {f"{name}_dir": str(folder / name) for name in ("data", "keys", "handover")}
    settings = Settings(**folders, evidence_min_free_bytes=0)
    store = Store(db.create_engine(f"sqlite:///{database}"), SystemClock())
    recorder = SessionRecorder(store, settings, segment_ms=200)
    recorder.start()
    number = 0
    while True:
        body = number.to_bytes(4, "big") * 200
        recorder.frame(session_id, "dl-2901-01", pack(Type.VIDEO, body, flags=1, seq=number))
        number += 1
        time.sleep(0.005)


if __name__ == "__main__":
    main()
