"""Small facts the processes of a kit share, as JSON by name.

Names in use: recording_wanted {on, cause, by}; duty (bool); recorder_status; link_status; gps_status;
last_fix; sos {alarm_id, pressed_ms, receipted, acked, withdrawn}; children; spool_set_aside; screen_http {port,
address}; felt [{pattern, at_ms}]; task_current {number, title, case_no, category, officer}; category {code, at_ms};
quiet (bool); metered_officer {on (None: as the kit judges by itself), at_ms};
live_sessions [{session, number, on_ms, until_ms, url, by, court, purpose, voice}]; live_status {connected, since_ms,
reason, watchers [{name, court}], kbps, note}; voice_status {connected, mode, reason, talking, hears [names]};
talk (edge.spool.talk); talk_to {id}; watch_me {alarm_id, at_ms, seq, taken {session, by, court}};
live_felt {session: number of the order that the officer has felt};
clock_status, clock_fault, clock_step (edge.uplink.clock_watch); gps_clock (edge.spool.gps_time).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from edge.spool.store import Store


class State:
    """Key and value; durable like the rest of the spool."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str, default: Any = None) -> Any:
        """The value set last, or `default`."""
        text = self._store.value("SELECT value FROM state WHERE key = ?", key)
        return default if text is None else msgspec.json.decode(text)

    def set(self, key: str, value: Any) -> None:
        """Replace the value (anything JSON can carry); writes nothing when it is the same as before."""
        text = msgspec.json.encode(value).decode()
        if self._store.value("SELECT value FROM state WHERE key = ?", key) == text:
            return
        with self._store.transaction() as db:
            db.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (key, text))

    def change(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Replace the value by `change(old value or None)` in one transaction; returns the new value."""
        with self._store.transaction():
            value = change(self.get(key))
            self.set(key, value)
        return value
