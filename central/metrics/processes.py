"""What each of the centre's processes takes, read from the kernel (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
# Fields of stat after the name in brackets, counted from 0 there: pgrp, utime, stime, rss.
_PGRP, _UTIME, _STIME, _RSS = 2, 11, 12, 21


class Usage(NamedTuple):
    """Memory in RAM now and CPU time since its start, of a process and those it started itself."""

    resident_bytes: int
    cpu_s: float


def measure_processes(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Return the usage of each process group by the name of its leader; one that has ended has none."""
    names = {pid: name for name, pid in pids.items()}
    found: dict[str, Usage] = {}
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # ended meanwhile
        # The supervisor leads no group of its own when a shell started it: it counts by itself.
        pid = int(folder.name)
        name = names.get(pid) or names.get(int(fields[_PGRP]))
        if name is None:
            continue
        before = found.get(name, Usage(0, 0.0))
        cpu_s = (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S
        found[name] = Usage(before.resident_bytes + int(fields[_RSS]) * _PAGE_BYTES, before.cpu_s + cpu_s)
    return found
