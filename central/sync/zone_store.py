"""What a zone holds for the inside: kits' proven requests, whole, until the inside has answered them.

Below ``<data>/zone``: ``incoming`` (parts), ``held`` (``<id>.body`` after ``<id>.json``, both durable before anybody
is told), ``answers`` (``<place>.json``, the newest one) and ``aside`` (of kits that were revoked before the inside
came). A request's id is made of kit, method, path and digest: a repeat is the same request. Nothing here is a promise
to a kit; it keeps what it sent until the inside's receipt.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from central.evidence.rules import STORE_FULL_TEXT, StoreFullError
from central.evidence.vault import Draft
from central.sync.registry import replace_durably

WARN_SHARE: Final = 0.8
_BLOCK_BYTES: Final = 1024 * 1024


class Held(msgspec.Struct, frozen=True):
    """A request as it came: ``token`` is the kit's proof, which the inside checks once more.

    ``certificate`` (DER) is the one the token was judged by; ``held_ms`` is by the zone's clock.
    """

    id: str
    number: int
    kit_id: str
    method: str
    path: str
    token: str
    certificate: bytes
    media_type: str
    digest: str
    length: int
    held_ms: int


class Verdict(msgspec.Struct, frozen=True):
    """The inside's answer to the held request ``id`` of ``length`` bytes, to be handed to the kit as it is."""

    id: str
    length: int
    status: int
    media_type: str
    body: bytes
    retry_after: str = ""


def name_request(kit_id: str, method: str, path: str, digest: bytes) -> str:
    """The id of a request: the place it is for (32 hex digits), a hyphen, its digest."""
    return f"{name_place(kit_id, method, path)}-{digest.hex()}"


def name_place(kit_id: str, method: str, path: str) -> str:
    """What all requests of a kit to one path have in common."""
    return hashlib.sha256("\0".join((kit_id, method, path)).encode()).hexdigest()[:32]


class ZoneStore:
    """Safe to use from several threads; ``hold`` and ``settle`` block on the disk."""

    def __init__(self, data_dir: Path, *, max_bytes: int, min_free_bytes: int) -> None:
        self._root = data_dir / "zone"
        folders = [self._root / name for name in ("incoming", "held", "answers", "aside")]
        self._incoming, self._held, self._answers, self._aside = folders
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._lock = threading.Lock()
        # What is held in the order it came, and what is asked of it for each request, kept rather than counted.
        self._waiting: dict[str, Held] = {}
        self._at_place: dict[str, dict[str, Held]] = {}
        self._of_kit: Counter[str] = Counter()
        self._bytes = 0
        for held in self._read_held():
            self._enter(held)
        self._number = max((held.number for held in self._waiting.values()), default=0)

    # Parts ---------------------------------------------------------------------------------------------------

    def measure_part(self, name: str) -> int:
        """How many bytes of a request's body came so far."""
        try:
            return (self._incoming / name).stat().st_size
        except FileNotFoundError:
            return 0

    def find_part(self, place: str) -> str:
        """The newest part of a request to this place; "" when there is none."""
        parts = sorted(self._incoming.glob(f"{place}-*"), key=lambda path: path.stat().st_mtime)
        return parts[-1].name if parts else ""

    def open_draft(self, name: str, *, resume: bool) -> Draft:
        """Begin a request's body, or take up what came of it."""
        path = self._incoming / name
        draft = Draft(path, path.open("a+b" if resume else "wb", buffering=0), hashlib.sha256())
        if resume:
            draft.file.seek(0)
            while block := draft.file.read(_BLOCK_BYTES):
                draft.digest.update(block)
                draft.length += len(block)
        return draft

    def check_room(self, size_bytes: int) -> None:
        """Raise StoreFullError when the zone could not hold so many bytes more."""
        free = shutil.disk_usage(self._root).free
        if self.held_bytes + size_bytes > self._max_bytes or free - size_bytes < self._min_free_bytes:
            raise StoreFullError(STORE_FULL_TEXT)

    # Held ----------------------------------------------------------------------------------------------------

    def hold(self, draft: Draft, held: Held) -> None:
        """Keep a whole request durably: what it is first, then its body, whose rename makes it held."""
        with self._lock:
            self._number += 1
            held = msgspec.structs.replace(held, number=self._number)
        draft.file.flush()
        os.fsync(draft.file.fileno())
        draft.file.close()
        replace_durably(self._held / f"{held.id}.json", msgspec.json.encode(held))
        draft.path.rename(self._held / f"{held.id}.body")
        _sync_folder(self._held)
        with self._lock:
            self._enter(held)

    def find_held(self, name: str) -> Held | None:
        """A request that is held."""
        return self._waiting.get(name)

    def find_waiting(self, place: str) -> Held | None:
        """The newest held request to a place."""
        with self._lock:
            return max(self._at_place.get(place, {}).values(), key=lambda held: held.number, default=None)

    def list_held(self, *, after: int, count: int) -> list[Held]:
        """Held requests with a greater number, oldest first."""
        with self._lock:
            return list(islice((held for held in self._waiting.values() if held.number > after), count))

    def read_body(self, name: str) -> bytes:
        """The body of a held request; raises FileNotFoundError."""
        return (self._held / f"{name}.body").read_bytes()

    @property
    def held_bytes(self) -> int:
        """How much is held."""
        return self._bytes

    @property
    def held_count(self) -> int:
        """How many requests are held."""
        return len(self._waiting)

    def count_of(self, kit_id: str) -> int:
        """How many requests of one kit are held."""
        return self._of_kit[kit_id]

    @property
    def is_nearly_full(self) -> bool:
        """Whether somebody should look why the inside does not fetch."""
        free = shutil.disk_usage(self._root).free
        return self.held_bytes > WARN_SHARE * self._max_bytes or free < 2 * self._min_free_bytes

    # Answers -------------------------------------------------------------------------------------------------

    def settle(self, name: str, verdict: Verdict) -> bool:
        """Keep the inside's answer, then give the body's room back; false when nothing of that name is held."""
        with self._lock:
            known = name in self._waiting
        if not known:
            return False
        replace_durably(self._path_of_answer(name), msgspec.json.encode(verdict))
        with self._lock:
            self._leave(name)
        (self._held / f"{name}.body").unlink(missing_ok=True)
        (self._held / f"{name}.json").unlink(missing_ok=True)
        return True

    def set_aside(self, name: str) -> bool:
        """Keep what the inside would not take for good where nobody fetches it; false when it is not held."""
        with self._lock:
            known = self._leave(name)
        for suffix in (".json", ".body"):
            if known:
                (self._held / f"{name}{suffix}").rename(self._aside / f"{name}{suffix}")
        return known

    def has_answer(self, name: str) -> bool:
        """Whether the inside has answered this request."""
        return self._read_answer(name) is not None

    def find_answer(self, name: str, *, lasts: bool) -> Verdict | None:
        """The inside's answer. A receipt ``lasts`` and is given as often as it is asked for, all else once.

        A kit acts on a refusal and sends anew; and what it posts a second time, the inside is to hear again.
        """
        verdict = self._read_answer(name)
        if verdict is not None and not (lasts and verdict.status < 300):
            self._path_of_answer(name).unlink(missing_ok=True)
        return verdict

    def find_answered_length(self, place: str) -> int:
        """Length of the newest request to a place that the inside has answered; 0 when there is none."""
        verdict = self._read_answer(place)
        return verdict.length if verdict else 0

    def _read_answer(self, name: str) -> Verdict | None:
        try:
            verdict = msgspec.json.decode(self._path_of_answer(name).read_bytes(), type=Verdict)
        except FileNotFoundError:
            return None
        return verdict if verdict.id.startswith(name) else None

    def _path_of_answer(self, name: str) -> Path:
        return self._answers / f"{name.partition('-')[0]}.json"

    def drop_old(self, *, before_s: float) -> int:
        """Remove parts and answers nobody has come back for since then (epoch); returns how many."""
        old = [
            path
            for folder in (self._incoming, self._answers)
            for path in folder.iterdir()
            if path.stat().st_mtime < before_s
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _enter(self, held: Held) -> None:
        self._waiting[held.id] = held
        self._at_place.setdefault(held.id.partition("-")[0], {})[held.id] = held
        self._of_kit[held.kit_id] += 1
        self._bytes += held.length

    def _leave(self, name: str) -> bool:
        held = self._waiting.pop(name, None)
        if held is None:
            return False
        place = name.partition("-")[0]
        self._at_place[place].pop(name)
        if not self._at_place[place]:
            del self._at_place[place]
        self._of_kit[held.kit_id] -= 1
        if not self._of_kit[held.kit_id]:
            del self._of_kit[held.kit_id]
        self._bytes -= held.length
        return True

    def _read_held(self) -> list[Held]:
        """What was held before, as it came; a description whose body never came, or that is broken, is removed."""
        found: list[Held] = []
        for path in self._held.glob("*.json"):
            with contextlib.suppress(msgspec.MsgspecError):
                held = msgspec.json.decode(path.read_bytes(), type=Held)
                if path.with_suffix(".body").exists():
                    found.append(held)
                    continue
            path.unlink(missing_ok=True)
        return sorted(found, key=lambda held: held.number)


def now_ms() -> int:
    """The zone's wall clock; only people read it."""
    return time.time_ns() // 1_000_000


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
