import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from contract.chain import Kind
from edge.spool import open_spool, ring
from tests.fakes.cutting import decode_times_s
from tests.fakes.films import make_film
from tests.fakes.kit import make_kit
from tests.fakes.streams import FilmServer
from tests.mounting import mount
from tests.waiting import wait_until


class Running:
    """The real recorder process, and the spool seen by another one."""

    def __init__(self, kit, **options):
        self.kit = kit
        self.spool = open_spool(kit.folder / "spool.db")
        self._options = options
        self.start()

    def start(self):
        command = [sys.executable, "-m", "edge.recorder.main", "--config", str(self.kit.config)]
        self.spool.state.set("recorder_status", {})
        self.process = subprocess.Popen(command, **self._options)
        wait_until(lambda: self.state() or self.process.poll() is not None, 20)

    def state(self):
        return (self.spool.state.get("recorder_status") or {}).get("state")

    def want(self, on):
        self.spool.state.set("recording_wanted", {"on": on, "cause": "officer", "by": "button"})
        ring(self.kit.folder, "recorder")

    def segments(self):
        return self.spool._store.value("SELECT COUNT(*) FROM segments")

    def recordings(self):
        rows = self.spool._store.rows("SELECT recording_id FROM records GROUP BY recording_id ORDER BY MIN(rowid)")
        return [row[0] for row in rows]

    def chain(self, recording_id):
        return self.kit.read_chain(self.spool, recording_id)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        if self.spool is not None:
            self.spool.close()
        self.spool = None


@pytest.fixture
def run():
    started = []

    def make(kit, **options):
        started.append(Running(kit, **options))
        return started[-1]

    yield make
    for running in started:
        running.close()


FAST = {"segments": {"seconds": 1, "pre_event_s": 0}}


def test_no_clear_picture_touches_the_card_not_even_when_killed(tmp_path, run):
    running = run(make_kit(tmp_path, **FAST))
    running.want(True)
    wait_until(lambda: running.segments() >= 2, 20)
    running.process.kill()
    running.process.wait(5)
    (recording_id,) = running.recordings()
    seqs = [record.seq for record in running.chain(recording_id) if record.kind is Kind.SEGMENT]
    pictures = [running.kit.open_segment(recording_id, seq)[1] for seq in seqs]
    needles = [b"moof", b"mdat", b"avcC", *(picture[len(picture) // 2 :][:32] for picture in pictures)]
    files = [path for path in running.kit.folder.rglob("*") if path.is_file()]
    assert {"spool.db", "000001.age"} <= {path.name for path in files}
    for path in files:
        assert not [needle for needle in needles if needle in path.read_bytes()], path


def test_killed_in_the_middle_it_loses_no_stored_segment_and_states_the_gap(tmp_path, run):
    running = run(make_kit(tmp_path, **FAST))
    running.want(True)
    wait_until(lambda: running.segments() >= 2, 20)
    running.process.kill()
    running.process.wait(5)
    stored = running.segments()
    running.start()
    wait_until(lambda: len(running.recordings()) == 2 and running.segments() > stored, 20)
    assert running.stop() == 0
    first, second = running.recordings()
    kinds = [record.kind for record in running.chain(first)]
    assert kinds[-2:] == [Kind.GAP, Kind.FINAL]
    assert running.chain(first)[-2].cause == "crash"
    assert running.chain(second)[0].extra["previous"][0] == bytes.fromhex(first)
    assert running.chain(second)[-1].cause == "shutdown"
    for recording_id in (first, second):
        for record in running.chain(recording_id):
            if record.kind is Kind.SEGMENT:
                assert decode_times_s(running.kit.open_segment(recording_id, record.seq)[1])


def test_no_clear_picture_is_on_the_card(tmp_path, run):
    running = run(make_kit(tmp_path, camera={"audio": True}, **FAST))
    running.want(True)
    wait_until(lambda: running.segments() >= 2, 20)
    assert running.stop() == 0
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"ftyp" not in data, path
            assert b"moof" not in data, path


def test_a_camera_that_falls_silent_ends_the_process_with_a_stated_gap(tmp_path, run):
    film = make_film(tmp_path / "film.ts", seconds=9)
    server = FilmServer(film, silent_after=film.stat().st_size * 3 // 4)
    camera = {"kind": "pyav", "address": server.address, "stall_s": 1}
    running = run(make_kit(tmp_path / "kit", **{**FAST, "camera": camera}))
    running.want(True)
    assert running.process.wait(20) == 75
    (recording_id,) = running.recordings()
    records = running.chain(recording_id)
    assert [record.cause for record in records[-2:]] == ["camera_stall"] * 2
    assert running.segments() >= 3
    assert running.state() == "camera_fault"
    server.close()


def test_a_film_is_recorded_to_its_end(tmp_path, run):
    film = make_film(tmp_path / "film.mp4", seconds=5, sound="aac", b_frames=2)
    camera = {"kind": "pyav", "address": str(film), "realtime": False, "audio": True}
    running = run(make_kit(tmp_path / "kit", camera=camera))
    running.want(True)
    wait_until(lambda: running.state() == "idle" and running.recordings(), 20)
    (recording_id,) = running.recordings()
    records = running.chain(recording_id)
    assert records[-1].cause == "source_ended"
    seconds = [record for record in records if record.kind is Kind.SEGMENT]
    assert sum(record.duration_ms for record in seconds) == pytest.approx(5000, abs=5)
    starts = [record.started_ms for record in seconds]
    assert [start - starts[0] for start in starts] == [0, 2000, 4000]
    opened = [running.kit.open_segment(recording_id, record.seq) for record in seconds]
    assert sum(len(decode_times_s(data)) for _, data in opened) == 125
    assert all("mp4a.40.2" in header.mime for header, _ in opened)
    assert running.stop() == 0


def test_a_card_that_is_really_full(tmp_path, run):
    """A file system of a few MB, as the kernel fills it; needs the right to mount."""
    card = tmp_path / "card"
    card.mkdir()
    mount("-t", "tmpfs", "-o", "size=12m", "none", card)
    try:
        kit = make_kit(card, **FAST)
        running = run(kit)
        running.want(True)
        wait_until(lambda: running.segments() >= 2, 20)
        fill(card)
        wait_until(lambda: running.state() == "storage_full", 20)
        (recording_id,) = running.recordings()
        records = running.chain(recording_id)
        assert [record.cause for record in records[-2:]] == ["storage_full"] * 2
        alarms = [entry.body for entry in running.spool.outbox.pending(9, ["alarm"])]
        assert len([alarm for alarm in alarms if b"storage_full" in alarm]) == 1
        held = {path.name for path in kit.vault.rglob("*.age")}
        assert held == {f"{record.seq:06d}.age" for record in records if record.kind is Kind.SEGMENT}
        (card / "filler").unlink()
        wait_until(lambda: len(running.recordings()) == 2 and running.state() == "recording", 20)
        assert running.stop() == 0
        running.close()
    finally:
        subprocess.run(["umount", "--lazy", str(card)], check=False)


def fill(card: Path) -> None:
    """Take every byte that is left, so that not even the reserve is there."""
    with (card / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(65536))
        except OSError:
            return


def test_memory_at_720p25_with_sound(tmp_path, run):
    camera = {"width": 1280, "height": 720, "fps": 25, "bitrate_bps": 2_000_000, "audio": True}
    running = run(make_kit(tmp_path, camera=camera, segments={"seconds": 2}))
    running.want(True)
    wait_until(lambda: running.segments() >= 2, 30)
    assert psutil.Process(running.process.pid).memory_info().rss < 150 * 2**20
    assert running.stop() == 0


def use_foreign_trust(kit):
    shutil.copy(make_kit(kit.folder / "stranger").folder / "trust.cbor", kit.folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda kit: (kit.folder / "trust.cbor").write_bytes(b"nonsense"), "trust.cbor cannot be trusted"),
        (lambda kit: (kit.folder / "device.key").unlink(), "device.key cannot be used"),
        (lambda kit: kit.config.write_text(kit.config.read_text().replace("fps = 25", "fps = 0")), "camera.fps"),
        (use_foreign_trust, "trust.cbor cannot be trusted"),
    ],
)  # fmt: skip
def test_it_does_not_start_with_what_it_cannot_trust(tmp_path, spoil, said):
    kit = make_kit(tmp_path)
    spoil(kit)
    command = [sys.executable, "-m", "edge.recorder.main", "--config", str(kit.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 78
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
