"""What happened during a segment, stated in its signed record's ``extra`` under ``notes``: a list of small maps.

Each has ``what`` and ``at_ms`` (the kit's wall clock), and by its kind:

- ``mark``: the officer pressed the mark button; ``category`` and ``task`` as they stood.
- ``category``: the wheel was turned; ``category`` (``contract.categories``, empty for none).
- ``task``: another task is being done; ``task`` (number of the directive) or None.
- ``wish``: the recording is wanted for another cause from now on; ``cause``.
- ``stop``: the end was asked for; ``cause``; what follows is recorded after the event.
- ``hold``: the officer asked for the end while his call for help stood unanswered; the recording goes on.
- ``sound``: the microphone went silent or came back; ``sound`` (``lost`` or ``on``).

Nothing here names a person or a case: records are read on the way. A verifier of before this was written checks
such a record as any other.
"""

from __future__ import annotations

from typing import Any, Final

NOTES: Final = "notes"
# A record has 4 KiB; more than this many in two seconds wait for the next one.
MAX_NOTES: Final = 16
WHATS: Final = ("mark", "category", "task", "wish", "stop", "hold", "sound")


def read_notes(extra: dict[str, Any]) -> list[dict[str, Any]]:
    """The notes of a signed record; what has not their shape is left out, for a newer kit may say more."""
    told = extra.get(NOTES)
    if not isinstance(told, list):
        return []
    return [
        note
        for note in told[:MAX_NOTES]
        if isinstance(note, dict) and note.get("what") in WHATS and type(note.get("at_ms")) is int
    ]
