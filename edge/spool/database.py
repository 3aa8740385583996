"""Opening the spool: schema, durability, and what happens when the card has damaged the file."""

import contextlib
import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from edge.spool.card import Trouble, find_trouble, probe
from edge.spool.inbox import Inbox
from edge.spool.instructions import Instructions
from edge.spool.outbox import Outbox
from edge.spool.presses import Presses
from edge.spool.proxies import Proxies
from edge.spool.state import State
from edge.spool.store import ClockMs, Store, read_clock_ms
from edge.spool.tasks import Tasks
from edge.spool.vault import Vault

_SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 3
# What brings a spool of an older release up to date; tables that are new come from schema.sql.
_UPGRADES: dict[int, tuple[str, ...]] = {1: ("ALTER TABLE outbox ADD COLUMN mono_ms INTEGER",), 2: ()}
_TABLES = ("outbox", "inbox", "records", "segments", "state", "tasks", "presses", "proxies", "instructions")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SpoolError(RuntimeError):
    """The spool cannot be opened; the text says why and what to do."""


class SpoolCardError(SpoolError):
    """The card under the spool takes nothing or answers with errors; ``trouble`` as `card.find_trouble` has it."""

    def __init__(self, text: str, trouble: Trouble) -> None:
        super().__init__(text)
        self.trouble = trouble


class SpoolDamagedError(SpoolError):
    """The file is damaged while other processes still use it; the manager restarts them all."""


class Spool:
    """One process's (and one thread's) hold on the spool. Close it, or use it as a context manager."""

    def __init__(self, store: Store, *, spool_id: str, folder: Path, lock: int) -> None:
        self.id = spool_id
        self.boot = store.boot
        self.dir = folder
        self.outbox = Outbox(store)
        self.inbox = Inbox(store)
        self.vault = Vault(store, self.outbox, folder / "vault")
        self.proxies = Proxies(store, folder / "vault")
        self.state = State(store)
        self.tasks = Tasks(store, self.outbox, self.state)
        self.instructions = Instructions(store, self.outbox)
        self.presses = Presses(store)
        self._store = store
        self._lock = lock

    def transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Several writes as one: all durable or none."""
        return self._store.transaction()

    def read_version(self) -> int:
        """A number that changes whenever another hold on the spool has committed something."""
        return int(self._store.value("PRAGMA data_version"))

    def close(self) -> None:
        """Let go of the file."""
        self._store.connection.close()
        os.close(self._lock)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_spool(
    path: Path, *, clock_ms: ClockMs = read_clock_ms, boot: str | None = None, check: bool = True
) -> Spool:
    """Open (or create) the spool at `path` and check it; one hold per process and thread.

    Without `check` only what is damaged at its very head is noticed: for a process whose manager has checked it
    and that must not lose the seconds which reading a large file takes.

    A damaged file is set aside as spool.db.damaged-<time> and what can still be read is carried over into
    a new one with a new spool id; the state "spool_set_aside" then says so.
    Raises SpoolDamagedError when it is damaged but in use elsewhere, SpoolCardError when the card is at fault,
    SpoolError when the folder is unusable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "vault").mkdir(exist_ok=True)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        what = f"{path.parent} cannot hold the spool"
        raise _name_error(error, path.parent, what, "give the kit rights to it") from error
    connection: sqlite3.Connection | None = None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with _one_at_a_time(path):
            connection = _connect_sound(path, lock, check=check)
            store = Store(connection, clock_ms=clock_ms, boot=boot or read_boot_id())
            _prepare(store, path)
        spool_id = str(store.value("SELECT value FROM meta WHERE key = 'spool_id'"))
        return Spool(store, spool_id=spool_id, folder=path.parent, lock=lock)
    except BaseException as error:
        if connection is not None:
            connection.close()
        os.close(lock)
        if isinstance(error, OSError | sqlite3.OperationalError):
            remedy = "check its rights and the free space"
            raise _name_error(error, path.parent, f"{path} cannot be opened", remedy) from error
        raise


def _name_error(error: Exception, folder: Path, what: str, remedy: str) -> SpoolError:
    trouble = find_trouble(error) or probe(folder)
    if trouble in ("read_only", "failing"):
        return SpoolCardError(f"{what} ({error}): the card is at fault; take it out, check or replace it.", trouble)
    return SpoolError(f"{what} ({error}): {remedy}.")


def read_boot_id() -> str:
    """The kernel's id of this boot, 32 hex digits."""
    return _BOOT_ID.read_text().strip().replace("-", "")


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Opening is serial between processes: SQLite does not wait its turn while it turns to WAL."""
    handle = os.open(path.with_suffix(".opening"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 8388608")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_sound(path: Path, lock: int, *, check: bool) -> sqlite3.Connection:
    connection = None
    try:
        connection = _connect(path)
        finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0]) if check else "ok"
    except sqlite3.OperationalError:
        if connection is not None:
            connection.close()
        raise
    except sqlite3.DatabaseError as error:
        finding = str(error)
    if finding == "ok" and connection is not None:
        return connection
    if connection is not None:
        connection.close()
    return _replace_damaged(path, lock, finding)


def _replace_damaged(path: Path, lock: int, finding: str) -> sqlite3.Connection:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SpoolDamagedError(
            f"{path} is damaged ({finding}) and still in use: restart the whole kit so that it can be set aside."
        ) from None
    aside = path.with_name(f"{path.name}.damaged-{read_clock_ms()}")
    # The journal goes first: a new file beside an old journal would be "recovered" into nonsense.
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    connection = _connect(path)
    store = Store(connection, clock_ms=read_clock_ms, boot=read_boot_id())
    _prepare(store, path)
    carried = _carry_over(aside, connection)
    State(store).set("spool_set_aside", {"file": aside.name, "finding": finding, "carried": carried})
    fcntl.flock(lock, fcntl.LOCK_SH)
    return connection


def _prepare(store: Store, path: Path) -> None:
    version = int(store.value("PRAGMA user_version"))
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise SpoolError(f"{path} was written by a newer kit (schema {version}): install that version again.")
    statements = _split_statements(_SCHEMA.read_text(encoding="utf-8"))
    with store.transaction() as db:
        for old in range(version, SCHEMA_VERSION) if version else ():
            for statement in _UPGRADES[old]:
                db.execute(statement)
        for statement in statements:
            db.execute(statement)
        db.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('spool_id', ?)", (uuid.uuid4().hex,))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    path.chmod(0o600)


def _split_statements(script: str) -> list[str]:
    # executescript() would commit the transaction around it.
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def _carry_over(aside: Path, target: sqlite3.Connection) -> dict[str, int]:
    """Copy what is still readable, from both ends of each table, up to the damaged pages."""
    carried: dict[str, int] = {}
    for table in _TABLES:
        before = target.total_changes
        for order in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(_connect(aside)) as source:
                cursor = source.execute(f"SELECT * FROM {table} ORDER BY rowid {order}")  # noqa: S608
                names = [column[0] for column in cursor.description]
                into = f"{table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
                target.execute("BEGIN IMMEDIATE")
                try:
                    for row in cursor:
                        target.execute(f"INSERT OR IGNORE INTO {into}", row)
                finally:
                    target.execute("COMMIT")
        carried[table] = target.total_changes - before
    return carried
