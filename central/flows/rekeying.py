"""New keys for sealed fields, while everybody goes on working.

1. Newer keys join the file; every process seals and indexes with them from its next use on and still opens the old.
2. Every sealed column is walked in small transactions: what an older key sealed is sealed anew, its index made anew.
3. After a time in which whatever was sealed before step 1 has been committed, the columns are walked once more.
4. Under the write lock, when nothing of an older key is left, the older keys go.

Killed anywhere, it is simply begun again: newer keys that already are in the file are used, rows already done are
passed over. Until step 4 every value opens and every search finds, by the old index or the new.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, func, select, update

from central.audit import service as audit
from central.base import keyring as keyrings
from central.base.errors import DomainError
from central.base.keyring import Keyring, key_number, load_keyring, seal_prefix
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.cases.models import CaseDocument, Party
from central.cases.rewriting import move_identities
from central.command import foreign_rules
from central.command.foreign_models import Camera, SessionOutlet
from central.imports import files
from central.people.models import Ceremony, User

BITE: Final = 500
SETTLE_S: Final = 60
"""How long a value may wait between its sealing and its commit; an import's batch takes a second."""


class KeysInUseError(DomainError):
    """Something is still sealed with an older key, so it cannot go yet."""

    code: ClassVar[str] = "keys_in_use"


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values: bound to `field` and the row's `key`; `index` holds their blind index, if any."""

    table: Any
    key: str
    column: str
    field: str
    index: str = ""
    moved: Callable[[Connection, Sequence[tuple[Any, bytes | None, bytes]]], None] | None = None
    """Told of the rows whose index is another now: (key, before, now)."""


COLUMNS: Final = (
    SealedColumn(Party, "party_id", "id_cipher", "party.id", "id_index", move_identities),
    SealedColumn(Party, "party_id", "private_cipher", "party.private"),
    SealedColumn(CaseDocument, "id", "key_cipher", "case_document.key_cipher"),
    SealedColumn(User, "id", "totp_cipher", "user_account.totp"),
    SealedColumn(Camera, "id", "address_cipher", foreign_rules.ADDRESS_FIELD),
    SealedColumn(SessionOutlet, "id", "secret_cipher", foreign_rules.SECRET_FIELD),
)


@dataclass(frozen=True)
class Rotation:
    """What was done: values sealed anew, and the numbers of the keys that went."""

    resealed: int
    retired: list[int]


def rotate_keys(
    store: Store,
    settings: Settings,
    *,
    by: str,
    settle_s: float = SETTLE_S,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = lambda _line: None,
) -> Rotation:
    """Replace the keys of sealed fields; blocking, beside a running centre. `by` is how the audit names who asked.

    Raises KeyringError, SealBrokenError for a value that was altered, KeysInUseError when an older key is still in
    use at the end (an upload that has not ended): run it again then.
    """
    keys_dir = Path(settings.keys_dir)
    load_keyring(keys_dir)
    newest = keyrings.add_keys(keys_dir)
    keyring = load_keyring(keys_dir)
    with store.write() as uow:
        _audit(uow, by, "begin", newest)
    tell(f"keys: number {newest} seals from now on")
    resealed = _walk(store, settings, keyring, tell)
    waiting_s = keyrings.rotation_began_s(keys_dir) + settle_s - time.time()
    if waiting_s > 0:
        tell(f"keys: waiting {waiting_s:.0f} s for what was sealed before")
        sleep(waiting_s)
    resealed += _walk(store, settings, keyring, tell)
    with store.write() as uow:
        left = count_old(uow.connection, settings, newest)
        if left:
            raise KeysInUseError(
                f"{left} values are still sealed with an older key: run rotate-keys again when uploads have ended."
            )
        retired = keyrings.retire_keys(keys_dir)
        _audit(uow, by, "finish", newest, resealed=resealed, retired=retired)
    return Rotation(resealed, retired)


def count_old(connection: Connection, settings: Settings, newest: int) -> int:
    """Return how many values an older key than `newest` sealed."""
    total = 0
    prefix = seal_prefix(newest)
    for place in COLUMNS:
        column = getattr(place.table, place.column)
        query = select(func.count()).where(column.is_not(None), func.substr(column, 1, len(prefix)) != prefix)
        total += connection.execute(query).scalar_one()
    total += sum(1 for _id, sealed in _sealed_ceremonies(connection) if key_number(sealed) != newest)
    return total + sum(1 for path in files.list_uploads(settings) if files.head_key(path) not in {None, newest})


def _walk(store: Store, settings: Settings, keyring: Keyring, tell: Callable[[str], None]) -> int:
    total = 0
    for place in COLUMNS:
        done = sum(_walk_column(store, keyring, place))
        tell(f"keys: {place.field}: {done} sealed anew")
        total += done
    with store.write() as uow:
        total += _reseal_ceremonies(uow, keyring)
    return total + sum(files.reseal_head(path, keyring) for path in files.list_uploads(settings))


def _walk_column(store: Store, keyring: Keyring, place: SealedColumn) -> Iterator[int]:
    """Yield how many values of each bite were sealed anew; bites without any take no write lock."""
    last: Any = None
    while True:
        with store.read() as session:
            rows = _read_bite(session.connection(), place, last)
        if not rows:
            return
        if any(_is_due(keyring, place, row) for row in rows):
            with store.write() as uow:
                # Read again behind the lock: a row may have changed or gone meanwhile.
                yield _reseal(uow.connection, keyring, place, _read_bite(uow.connection, place, last))
        last = rows[-1][0]


def _read_bite(connection: Connection, place: SealedColumn, last: Any) -> list[Any]:
    key, column = getattr(place.table, place.key), getattr(place.table, place.column)
    columns = [key, column, *([getattr(place.table, place.index)] if place.index else [])]
    query = select(*columns).where(column.is_not(None)).order_by(key).limit(BITE)
    if last is not None:
        query = query.where(key > last)
    return list(connection.execute(query))


def _is_due(keyring: Keyring, place: SealedColumn, row: Any) -> bool:
    if key_number(row[1]) != keyring.newest:
        return True
    return bool(place.index) and row[2] != _index_of(keyring, place, keyring.open(place.field, row[0], row[1]))


def _reseal(connection: Connection, keyring: Keyring, place: SealedColumn, rows: list[Any]) -> int:
    count = 0
    moves = []
    for row in rows:
        if not _is_due(keyring, place, row):
            continue
        clear = keyring.open(place.field, row[0], row[1])
        values = {place.column: keyring.seal(place.field, row[0], clear)}
        if place.index:
            values[place.index] = _index_of(keyring, place, clear)
            moves.append((row[0], row[2], values[place.index]))
        connection.execute(update(place.table).where(getattr(place.table, place.key) == row[0]).values(values))
        count += 1
    if place.moved is not None and moves:
        place.moved(connection, moves)
    return count


def _index_of(keyring: Keyring, place: SealedColumn, clear: str) -> bytes:
    return keyring.blind_index(place.field, clear)


def _sealed_ceremonies(connection: Connection) -> list[tuple[str, bytes]]:
    """Exchanges under way that hold a TOTP secret not yet confirmed (people/second.py)."""
    states = connection.execute(select(Ceremony.id, Ceremony.state))  # type: ignore[call-overload]
    return [(row.id, base64.b64decode(row.state["sealed"])) for row in states if "sealed" in row.state]


def _reseal_ceremonies(uow: UnitOfWork, keyring: Keyring) -> int:
    count = 0
    for ceremony_id, sealed in _sealed_ceremonies(uow.connection):
        ceremony = uow.session.get(Ceremony, ceremony_id)
        if ceremony is None or ceremony.user_id is None or key_number(sealed) == keyring.newest:
            continue
        clear = keyring.open("user_account.totp", ceremony.user_id, sealed)
        anew = keyring.seal("user_account.totp", ceremony.user_id, clear)
        ceremony.state = {**ceremony.state, "sealed": base64.b64encode(anew).decode()}
        count += 1
    return count


def _audit(uow: UnitOfWork, by: str, verb: str, newest: int, **more: Any) -> None:
    audit.append(
        uow,
        actor=by,
        court_code="",
        action=f"base:keyring:{verb}",
        subject="keys/fields.json",
        detail={"newest": newest, **more},
    )
