"""A file system of its own for a kit or for the centre: a real ext4 in an image file, for root.

It can be filled to the last block, and its power can be cut: what the image holds at that moment is all that is left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

_SYS_ADMIN: Final = 21  # capabilities(7)
_TRIES: Final = 20


class VolumeError(RuntimeError):
    """The file system could not be made, mounted or copied; the text says why."""


def can_mount() -> bool:
    """Whether this process may mount and the programs for it are there."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    programs = ("mkfs.ext4", "mount", "umount", "unshare")
    return bool(effective >> _SYS_ADMIN & 1) and all(shutil.which(name) for name in programs)


class Volume:
    """``folder`` is its mount point. Call :meth:`close` at the end."""

    def __init__(self, folder: Path, image: Path, megabytes: int) -> None:
        self.folder = folder
        self._image = self._first_image = image
        self._generation = 0
        folder.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        # As on any real card: with blocks smaller than a page, SQLite's shared memory dies of SIGBUS on a full one.
        _run("mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-E", "nodiscard", str(image))
        self._mount()

    def cut_power(self) -> None:
        """Go on from what the image holds: what the file system had not given to its disk is gone.

        Whoever used it is dead already. The copy is taken until two are alike, so that it is of one moment.
        """
        self._generation += 1
        copy = self._first_image.with_suffix(f".{self._generation}.img")
        again = copy.with_suffix(".again")
        _copy(self._image, copy)
        for _ in range(_TRIES):
            _copy(self._image, again)
            if _is_alike(copy, again):
                break
            again.replace(copy)
        else:
            raise VolumeError(f"{self.folder} is still being written although all of its processes are dead.")
        again.unlink(missing_ok=True)
        self._unmount()
        self._image.unlink()
        self._image = copy
        self._mount()

    def fill(self) -> Path:
        """Leave no block free; deleting the file returned ends it."""
        ballast = self.folder / "drill.ballast"
        step = 1 << 24
        with ballast.open("wb", buffering=0) as file:
            size = 0
            while step >= 1024:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2
        return ballast

    def close(self) -> None:
        """Unmount it; its image stays for whoever wants to look into it."""
        with contextlib.suppress(VolumeError):
            self._unmount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def _unmount(self) -> None:
        # Lazily: another mount namespace of this machine may hold it for a moment longer.
        _run("umount", "--lazy", str(self.folder))


def _copy(source: Path, target: Path) -> None:
    _run("cp", "--sparse=always", str(source), str(target))


def _is_alike(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", "--silent", str(one), str(other)], check=False).returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VolumeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
