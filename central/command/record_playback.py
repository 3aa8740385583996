"""A part of a session's record opened for a person: audited first, checked whole before the first byte leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import record_queries as queries
from central.command import record_rules as rules
from central.command import record_service as service
from central.command.record_clip import make_clip
from central.command.record_files import RecordShelf
from central.courts.permissions import Actor
from contract.session_record import Item, read_items

# A group of pictures is at most a few seconds long: so far back its key frame is looked for.
_BACK_MS = 10_000


@dataclass(frozen=True)
class Part:
    """What of a record is to be seen and heard. `source` empty: voices alone. Times in ms since 1970 UTC."""

    source: str
    stream: int
    from_ms: int

    @property
    def until_ms(self) -> int:
        """Where it ends."""
        return self.from_ms + rules.CLIP_MS


def open_clip(
    store: Store,
    settings: Settings,
    load_identity: Callable[[], X25519PrivateKey],
    actor: Actor,
    *,
    session_id: str,
    part: Part,
    purpose: str,
) -> Iterator[bytes]:
    """Give a part as fragmented MP4, block by block; blocking.

    Raises ForbiddenError, NotFoundError, RecordMissingError, RecordPurposeError, RecordDamagedError, NoPictureError.
    """
    with store.write() as uow:
        service.audit_clip(uow, actor, session_id, source=part.source, from_ms=part.from_ms, purpose=purpose)
    with store.read() as session:
        links = queries.list_segments(session, session_id, from_ms=part.from_ms - _BACK_MS, until_ms=part.until_ms)
    shelf, identity = RecordShelf(Path(settings.data_dir)), load_identity()

    def read() -> Iterator[Item]:
        for link in links:
            yield from read_items(shelf.open_clear(session_id, link.seq, identity, queries.to_record(link))[1])

    return make_clip(read, part.source, part.stream, from_ms=part.from_ms, until_ms=part.until_ms)
