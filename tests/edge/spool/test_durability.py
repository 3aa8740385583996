"""Nothing acknowledged is lost: kill -9 while writing, damaged files, newer files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.spool import SpoolDamagedError, SpoolError, open_spool
from tests.waiting import wait_until

WRITER = """
import sys
from pathlib import Path
from edge.spool import open_spool

with open_spool(Path(sys.argv[1])) as spool:
    while True:
        seq = spool.outbox.append("position", b'{"n": 1}')
        print(seq, flush=True)
"""


@pytest.mark.parametrize("wanted", [5, 60, 300])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, wanted: int) -> None:
    told = tmp_path / "told"
    with told.open("wb") as out:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "spool.db")], stdout=out)
        wait_until(lambda: told.read_bytes().count(b"\n") >= wanted, 20)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    acknowledged = {int(line) for line in told.read_text().split("\n")[:-1]}
    with open_spool(tmp_path / "spool.db") as spool:
        kept = {entry.seq for entry in spool.outbox.pending(100_000)}
    assert acknowledged <= kept
    assert len(kept) <= len(acknowledged) + 1


def fill(path: Path, count: int) -> str:
    with open_spool(path) as spool:
        with spool.transaction():
            for number in range(count):
                spool.outbox.append("position", b'{"pad":"%s","n":%d}' % (b"x" * 400, number))
            spool.state.set("duty", True)
        return spool.id


def damage(path: Path, offset: int, size: int = 4096) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    handle = os.open(path, os.O_WRONLY)
    os.pwrite(handle, b"\xa5" * size, offset)
    os.close(handle)


def test_damaged_page_is_set_aside_and_the_rest_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    before = fill(path, 400)
    damage(path, path.stat().st_size // 2 // 4096 * 4096)
    with open_spool(path) as spool:
        assert spool.id != before, "numbers may repeat, so the centre must see a new spool"
        told = spool.state.get("spool_set_aside")
        assert (tmp_path / told["file"]).exists()
        assert told["carried"]["outbox"] == spool.outbox.count()
        assert 100 < spool.outbox.count() < 400
        spool.outbox.append("position", b"{}")
    with open_spool(path) as spool:
        assert spool.state.get("spool_set_aside") == told, "once is enough"


def test_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"not a database at all" * 1000)
    with open_spool(path) as spool:
        assert spool.outbox.append("position", b"{}") == 1
        told = spool.state.get("spool_set_aside")
    assert (tmp_path / told["file"]).read_bytes().startswith(b"not a database")


def test_damage_under_another_process_is_left_to_the_manager(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    fill(path, 400)
    with open_spool(path) as user:
        assert user.outbox.count() == 400
        damage(path, path.stat().st_size // 2 // 4096 * 4096)
        with pytest.raises(SpoolDamagedError, match="restart the whole kit"):
            open_spool(path)
    open_spool(path).close()
    assert list(tmp_path.glob("spool.db.damaged-*"))


def test_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    fill(path, 1)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SpoolError, match="newer kit"):
        open_spool(path)


def test_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot hold the spool"):
        open_spool(tmp_path / "file" / "spool.db")


def test_boot_id_is_the_kernels(tmp_path: Path) -> None:
    with open_spool(tmp_path / "spool.db") as spool:
        kernels = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        assert spool.boot == kernels
