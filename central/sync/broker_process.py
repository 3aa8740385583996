"""The process that keeps the embedded broker: starts it, reads its log, ends with it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from sqlalchemy.exc import OperationalError

from central.base import lifeline
from central.base.bus import broker_credentials
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.devices import service as devices
from central.sync.broker import (
    STORE_KEY,
    Refusal,
    broker_config,
    broker_secrets,
    find_program,
    read_refusal,
    write_config,
    write_private,
)
from central.sync.broker_store import StoreWatch

log = logging.getLogger(__name__)

FLUSH_S: Final = 0.5
END_S: Final = 4.0
# More different refusals than this between two flushes are only counted.
MAX_KEPT: Final = 200


def main(settings: Settings) -> int:
    """Run the embedded broker until it ends or this process is told to end; returns an exit status."""
    if settings.broker == "external":
        log.info("broker: an external broker is set, nothing to start")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        return 0
    book = RefusalLog() if settings.role == "zone" else RefusalBook(open_store(settings))
    child = start_broker(settings)
    told = threading.Event()

    def end(*_: object) -> None:
        told.set()
        end_child(child)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        watch_log(child.stderr, book, StoreWatch(Path(settings.data_dir) / "broker", lambda: end_child(child)))
        status = child.wait()
    finally:
        end_child(child)
        book.close()
    return 0 if told.is_set() else status or 1


def start_broker(settings: Settings) -> subprocess.Popen[bytes]:
    """Write the configuration (mode 0600: it holds passwords) and start the broker as a child."""
    path = Path(settings.data_dir) / "broker.json"
    config = broker_config(settings, broker_credentials(settings), broker_secrets(settings))
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    write_private(draft, write_config(config))
    draft.rename(path)
    environment = dict(os.environ)
    if settings.role == "zone":
        # A key that dies with the broker: nothing of it is needed later, and nobody shall read it then.
        shutil.rmtree(Path(settings.data_dir) / "broker", ignore_errors=True)
        environment[STORE_KEY] = f"k{secrets.token_hex(32)}"  # begins with a letter: it is read as a word
    return subprocess.Popen(
        [find_program(), "-c", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        process_group=0,  # Ctrl-C reaches the parent, which ends the child in order
        preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 -- no thread runs yet
    )


def end_child(child: subprocess.Popen[bytes]) -> None:
    """End the broker: politely, then for certain."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


class RefusalLog:
    """In a zone, which has no database: what the broker refused stands in the log alone."""

    def write(self, found: Counter[Refusal]) -> None:
        """Log each kind of refusal with its count."""
        for refusal, count in found.most_common(MAX_KEPT):
            log.warning("broker: refused %s of %r, %d times: %s", refusal.code, refusal.kit_id, count, refusal.text)

    def close(self) -> None:
        """Nothing is open."""


class RefusalBook:
    """Counts what the broker refused and keeps each kind of it aside once per flush."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def write(self, found: Counter[Refusal]) -> None:
        """Write what was found since the last flush in one transaction."""
        with self._store.write() as uow:
            for refusal, count in found.most_common(MAX_KEPT):
                devices.keep_aside(
                    uow,
                    kit_id=refusal.kit_id,
                    source=refusal.source,
                    reason=refusal.code,
                    detail=f"{refusal.text} ({count} times)",
                    payload=b"",
                )
            totals: Counter[str] = Counter()
            for refusal, count in found.items():
                totals[refusal.code] += count
            for code, count in totals.items():
                devices.add_to_counter(uow, f"broker.{code}", count)


def watch_log(
    stream: IO[bytes] | None, book: RefusalBook | RefusalLog, store_watch: StoreWatch | None = None
) -> None:
    """Read the broker's log until it closes; refusals go to `book`, warnings to our own log."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read_lines, args=(stream, lines.put), daemon=True)
    reader.start()
    found: Counter[Refusal] = Counter()
    ended = False
    while not ended:
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=FLUSH_S)
            while line is not None:
                _note_line(line, found)
                if store_watch is not None:
                    store_watch.note(line)
                line = lines.get_nowait()
            ended = True
        if found:
            _flush(found, book)
        if store_watch is not None:
            store_watch.look()
    reader.join()


def _read_lines(stream: IO[bytes] | None, put: Callable[[str | None], None]) -> None:
    for raw in stream or ():
        put(raw.decode("utf-8", "replace").rstrip())
    put(None)


def _note_line(line: str, found: Counter[Refusal]) -> None:
    refusal = read_refusal(line)
    if refusal is not None:
        found[refusal] += 1
    elif "[ERR]" in line or "[FTL]" in line:
        log.warning("broker: %s", line[:300])


def _flush(found: Counter[Refusal], book: RefusalBook | RefusalLog) -> None:
    try:
        book.write(found)
    except OperationalError as error:
        log.warning("broker: counts not written yet (%s), trying again", error.orig)
        return
    found.clear()
