"""``python -m edge.spool.checking FILE``: read the whole spool through once, beside those who already work on it.

At a start a large file takes seconds to read from a card, and a recording does not wait for it. The status says the
result: 0 sound, 65 (EX_DATAERR) damaged, 74 (EX_IOERR) it could not be read.
"""

import contextlib
import sqlite3
import sys
from pathlib import Path

SOUND, DAMAGED, UNREADABLE = 0, 65, 74


def check(path: Path) -> int:
    """The status for the spool at ``path``; changes nothing."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            finding = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        return UNREADABLE
    except sqlite3.DatabaseError:
        return DAMAGED
    return SOUND if finding == "ok" else DAMAGED


if __name__ == "__main__":
    sys.exit(check(Path(sys.argv[1])))
