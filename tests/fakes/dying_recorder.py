"""Run as a process: records three segments, and dies without a word right before its n-th durable step.

Arguments: kit.toml, recording id, n, and optionally `trace` to print the steps instead. Durable steps are what
must reach the card: fsync of a file or folder, rename, commit.
"""

import os
import pathlib
import sys

from contract import chain
from edge.recorder.keys import RecipientBook, load_device_key
from edge.recorder.moment import Moment
from edge.recorder.recording import Recording
from edge.recorder.segmenter import Segmenter
from edge.settings import load_settings
from edge.spool import open_spool
from tests.fakes.camera import FPS, real_frames


class Fate:
    def __init__(self, die_at: int, folder: pathlib.Path) -> None:
        self.count, self.die_at, self.folder = 0, die_at, folder
        self.steps: list[str] = []

    def meet(self, step: str) -> None:
        self.count += 1
        self.steps.append(step)
        if self.count == self.die_at:
            os._exit(9)

    def name(self, path: str | pathlib.Path) -> str:
        path = pathlib.Path(path)
        return path.name if path.is_relative_to(self.folder) else "?"


def main() -> None:
    config, recording_id, die_at = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    settings = load_settings(config)
    fate = Fate(die_at, settings.data_dir)
    key, recipients = load_device_key(settings.data_dir), RecipientBook(settings.data_dir).current()
    segments = cut()
    with open_spool(settings.spool_path) as spool:
        arm(fate, spool)
        at = Moment(1_760_000_000_000, 50_000)
        recording = Recording.begin(
            spool, recording_id, lambda body: chain.sign(key, body), recipients, kit_id=settings.kit.id, at=at
        )
        for clear in segments:
            recording.add_segment(clear, fix=None, priority=0)
        recording.close("officer", at)
    if sys.argv[4:] == ["trace"]:
        print("\n".join(fate.steps))


def cut():
    segmenter = Segmenter(target_s=1, fps=FPS, audio=None)
    finished = [segmenter.feed(frame, Moment(1_760_000_000_000, 50_000)) for frame in real_frames(75)]
    return [clear for clear in [*finished, segmenter.flush()] if clear is not None]


def arm(fate: Fate, spool) -> None:
    fsync, rename = os.fsync, pathlib.Path.rename

    def watched_fsync(handle: int) -> None:
        fate.meet(f"fsync {fate.name(pathlib.Path(f'/proc/self/fd/{handle}').readlink())}")
        fsync(handle)

    def watched_rename(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        fate.meet(f"rename {fate.name(target)}")
        return rename(path, target)

    def watched_sql(statement: str) -> None:
        if statement == "COMMIT":
            fate.meet("commit")

    os.fsync, pathlib.Path.rename = watched_fsync, watched_rename
    spool._store.connection.set_trace_callback(watched_sql)


if __name__ == "__main__":
    main()
