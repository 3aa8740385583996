"""What was pressed on the officer's page, on its way to the panel, and the panel's answer.

Each press has a key of its own: pressing again under the same key (a page that heard no answer) is the same press.
"""

from typing import Any, Final

import msgspec

from edge.spool.store import Store, read_boot_ms

# What the page may press; the panel carries out these and no others.
ACTS: Final = ("sos", "withdraw", "record", "mark", "duty", "quiet", "category", "metered", "watch_me")
# The word by which an SOS rings the panel when the card takes no press.
SOS_WORD: Final = b"sos"
# What panel and control say to each other by doorbell while the card takes nothing: an SOS as JSON, and the id of one
# that the centre has.
UNSTORED_WORD: Final = b"unstored "
RECEIPTED_WORD: Final = b"receipted "
ANSWERED_KEPT: Final = 100


class Press(msgspec.Struct, frozen=True):
    """One press: `act` of ACTS, `value` as on, off or a category's code; times in ms, `boot` 32 hex."""

    number: int
    act: str
    value: str
    at_ms: int
    mono_ms: int
    boot: str


class Presses:
    """Durable, each key once, answered by the panel in the transaction in which it carries the press out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, key: str, act: str, value: str = "") -> bool:
        """Keep a press; False when this key is already here. Raises ValueError for an unknown act."""
        if act not in ACTS:
            raise ValueError(f"{act!r} is no button of the page: use one of {', '.join(ACTS)}")
        store = self._store
        with store.transaction() as db:
            put = db.execute(
                "INSERT OR IGNORE INTO presses (key, act, value, at_ms, mono_ms, boot) VALUES (?, ?, ?, ?, ?, ?)",
                (key, act, value, store.clock_ms(), read_boot_ms(), store.boot),
            ).rowcount
        return put == 1

    def waiting(self) -> list[Press]:
        """Presses nobody has answered, in their order."""
        rows = self._store.rows(
            "SELECT number, act, value, at_ms, mono_ms, boot FROM presses WHERE answer IS NULL ORDER BY number"
        )
        return [Press(*row) for row in rows]

    def answer(self, number: int, answer: dict[str, Any]) -> None:
        """Note what became of a press; old answered ones go."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE presses SET answer = ? WHERE number = ?", (msgspec.json.encode(answer).decode(), number)
            )
            db.execute("DELETE FROM presses WHERE answer IS NOT NULL AND number <= ?", (number - ANSWERED_KEPT,))

    def find_answer(self, key: str) -> dict[str, Any] | None:
        """What became of the press of this key; None while the panel has not answered."""
        text = self._store.value("SELECT answer FROM presses WHERE key = ?", key)
        if text is None:
            return None
        answer: dict[str, Any] = msgspec.json.decode(text)
        return answer
