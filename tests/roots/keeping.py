"""Keeps what takes minutes to make (a Debian root) for later runs, under a key of everything that goes into it."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_UNUSED_S = 30 * 86_400


def cache_folder() -> Path:
    """Where roots are kept between runs: `$XDG_CACHE_HOME/zhixing/roots`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zhixing" / "roots"


def keep(name: str, ingredients: Iterable[Path | str], build: Callable[[Path], None]) -> Path:
    """The folder that `build` makes of `ingredients` (files by content, texts as they are), made at most once.

    A second process waits for the first. A folder whose making was broken off is never taken: it gets its name
    only when it is complete.
    """
    digest = hashlib.sha256()
    for one in ingredients:
        data = one.read_bytes() if isinstance(one, Path) else one.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    store = cache_folder()
    store.mkdir(parents=True, exist_ok=True)
    kept = store / f"{name}-{digest.hexdigest()[:16]}"
    with (store / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            for broken_off in store.glob(f"{name}-*.part"):
                shutil.rmtree(broken_off)
            part = kept.with_suffix(".part")
            build(part)
            os.sync()
            part.rename(kept)
        os.utime(kept)
        _forget_unused(store, name)
    return kept


def _forget_unused(store: Path, name: str) -> None:
    for old in store.glob(f"{name}-*"):
        if time.time() - old.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(old, ignore_errors=True)
