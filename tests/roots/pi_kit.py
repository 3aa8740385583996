"""A kit whose recorder runs inside the trixie root on the real picamera2, and is looked at from outside."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import av

from contract import chain
from edge.spool import open_spool
from tests.fakes.kit import make_kit
from tests.roots.entering import enter
from tests.roots.picamera2_root import DMA_HEAP, PYTHON

_PROJECT = Path(__file__).parent.parent.parent
SIZE = (640, 360)
FPS = 25


class PiKit:
    """`work` is all that the root sees of this machine: the project's packages, the stand-ins, the kit's folder."""

    def __init__(self, root: Path, work: Path, **tables: dict) -> None:
        self._root, self._work = root, work
        for package in ("contract", "edge", "tests/roots/pi"):
            folder = work / "project" / package
            if not folder.exists():
                shutil.copytree(_PROJECT / package, folder, ignore=shutil.ignore_patterns("__pycache__"))
        camera = {"kind": "picamera2", "width": SIZE[0], "height": SIZE[1], "fps": FPS, "bitrate_bps": 600_000}
        chosen = {
            "camera": {**camera, "stall_s": 2.0, "audio": False, **tables.pop("camera", {})},
            "segments": {"record_at_start": True, "pre_event_s": 0, **tables.pop("segments", {})},
        }
        self.kit = make_kit(work / "kit", **chosen, **tables)

    def start(self, *, frames: int = 0) -> subprocess.Popen[str]:
        """The recorder process, its camera giving `frames` pictures (0: for ever) and then falling silent."""
        return self.run("tests.roots.pi.recorder", str(frames), "--config", "/srv/kit/kit.toml")

    def run(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """A module of the project on the root's Python."""
        paths = "PYTHONPATH=/srv/project:/srv/project/tests/roots/pi"  # the latter for pykms
        inside = ("/usr/bin/env", f"LD_PRELOAD={DMA_HEAP}", paths, PYTHON, "-m", module, *arguments)
        command = enter(self._root, self._work, *inside)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def encoder(self) -> dict:
        """What the encoder noted: its kind and how many pictures it gave out."""
        return json.loads((self._work / "encoder.json").read_text())

    def stored(self) -> int:
        """How many segments are sealed and entered."""
        with open_spool(self.kit.settings().spool_path) as spool:
            return spool._store.value("SELECT count(*) FROM segments")

    def recordings(self) -> dict[str, list[chain.Record]]:
        """Records of each recording in the order they began, every signature and link checked."""
        with open_spool(self.kit.settings().spool_path) as spool:
            rows = spool._store.rows("SELECT recording_id FROM records WHERE seq = 0 ORDER BY rowid")
            return {row[0]: self.kit.read_chain(spool, row[0]) for row in rows}

    def clear_segments(self, recording_id: str) -> list[bytes]:
        """Every sealed segment, opened with the centre's key."""
        records = self.recordings()[recording_id]
        sealed = [record.seq for record in records if record.kind is chain.Kind.SEGMENT]
        return [self.kit.open_segment(recording_id, seq)[1] for seq in sealed]

    def pictures(self, recording_id: str) -> list[list[av.VideoFrame]]:
        """Decoded pictures of every sealed segment, each read alone."""
        segments = []
        for clear in self.clear_segments(recording_id):
            with av.open(io.BytesIO(clear)) as container:
                segments.append(list(container.decode(video=0)))
        return segments
