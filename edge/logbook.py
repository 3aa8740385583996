"""What the kit's processes say, on standard error and for a while on the card: ``logs/NAME.log`` and pieces before.

A line is handed to a thread of its own, because a slow or dying card must hold up neither a picture nor a button;
what the card refuses is dropped. Files are opened for each handful of lines and never kept open, so that a card that
was changed or a process in reserve needs no care. The folder never outgrows `MOST_BYTES` for each process.

Nothing secret and nobody's data may stand in a line: what processes log are codes, numbers, names of files, of kits
and of centres, never keys, tokens, PINs, positions or the words of a task.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final

FOLDER: Final = "logs"
PIECE_BYTES: Final = 512 * 1024
PIECES: Final = 4
MOST_BYTES: Final = PIECE_BYTES * PIECES
# A process that says the same a thousand times a second wears no card out.
LINES_KEPT: Final = 400
REST_S: Final = 1.0
LAST_S: Final = 0.5
_LINE_CHARS: Final = 4000
_FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"


class Logbook(logging.Handler):
    """Keeps lines in ``folder/name.log``; the oldest piece goes when there are too many.

    With ``threaded`` a thread writes; without, whoever calls `flush`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        threaded: bool = True,
        piece_bytes: int = PIECE_BYTES,
        rest_s: float = REST_S,
    ) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._path = folder / f"{name}.log"
        self._threaded = threaded
        self._piece_bytes = piece_bytes
        self._rest_s = rest_s
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._dropped = 0
        self._there, self._hurry, self._written = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; never waits for the card."""
        if len(self._lines) == LINES_KEPT:
            self._dropped += 1
        self._written.clear()
        self._lines.append(self.format(record)[:_LINE_CHARS])
        if self._threaded and self._thread is None:
            # Begun late, so that a process may still fork before it says anything.
            self._thread = threading.Thread(target=self._run, name="logbook", daemon=True)
            self._thread.start()
        self._there.set()

    def flush(self) -> None:
        """See what waits written, unless the card holds that up for longer than `LAST_S`."""
        if not self._threaded:
            self._write()
        elif self._thread is not None and self._lines:
            self._hurry.set()
            self._written.wait(LAST_S)

    def _run(self) -> None:
        while True:
            self._there.wait()
            self._there.clear()
            self._write()
            if not self._lines:
                self._written.set()
            self._hurry.wait(self._rest_s)

    def _write(self) -> None:
        lines: list[str] = []
        while self._lines:
            lines.append(self._lines.popleft())
        if self._dropped:
            lines.append(f"({self._dropped} lines before these came too fast and were dropped)")
            self._dropped = 0
        if not lines:
            return
        try:
            self._append("".join(f"{line}\n" for line in lines).encode(errors="replace"))
        except OSError:
            return  # the card's trouble is told elsewhere; standard error has had the lines

    def _append(self, data: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        size = self._path.stat().st_size if self._path.exists() else 0
        if size and size + len(data) > self._piece_bytes:
            self._turn_over()
        with self._path.open("ab") as file:
            file.write(data)

    def _turn_over(self) -> None:
        for number in range(PIECES - 2, 0, -1):
            if self._piece(number).exists():
                self._piece(number).replace(self._piece(number + 1))
        self._path.replace(self._piece(1))

    def _piece(self, number: int) -> Path:
        return self._path.with_suffix(f".log.{number}")


def log_to_stderr() -> None:
    """One line an event on standard error, as journald and a terminal like it."""
    logging.basicConfig(level=logging.INFO, format=_FORMAT, stream=sys.stderr)


def keep_log(name: str, folder: Path, *, threaded: bool = True) -> Logbook:
    """Keep from now on what this process says in the logs below ``folder``, the kit's data.

    What ends a process or a thread unforeseen is kept, too, before it ends. `logging.shutdown` writes what waits.
    """
    book = Logbook(folder / FOLDER, name, threaded=threaded)
    logging.getLogger().addHandler(book)

    def keep_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        logging.critical("%s ends by an error nobody foresaw", name, exc_info=(kind, error, trace))
        book.flush()

    def keep_thread_crash(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
            keep_crash(told.exc_type, told.exc_value, told.exc_traceback)

    sys.excepthook = keep_crash
    threading.excepthook = keep_thread_crash
    return book


def list_pieces(folder: Path, *, since_s: float = 0.0) -> list[Path]:
    """The files of a kit's logs that were written to since ``since_s`` (epoch), oldest first."""
    found = []
    for path in (folder / FOLDER).glob("*.log*"):
        try:
            changed_s = path.stat().st_mtime
        except OSError:
            continue  # turned over meanwhile
        if changed_s >= since_s:
            found.append((changed_s, path))
    return [path for _, path in sorted(found)]
