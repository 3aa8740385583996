"""Packages that are written for one download and go with its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from central.base.ids import new_id
from central.base.settings import Settings


def make_package(settings: Settings, write: Callable[[Path], object]) -> Path:
    """Have a package written under a name of our own; nothing is left of one that failed."""
    folder = Path(settings.data_dir) / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{new_id()}.zip"
    try:
        write(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def hand_over(target: Path, name: str) -> FileResponse:
    """Give the package to the browser as ``name``; the file goes when the download ends.

    A path of our own and a task of Starlette's: a download of gigabytes never lies in memory.
    """
    return FileResponse(target, filename=name, media_type="application/zip", background=BackgroundTask(target.unlink))
