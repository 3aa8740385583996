"""No process of the centre outlives the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """Ask the kernel to send `signal_number` to this process when its parent ends (Linux; elsewhere nothing).

    Call it first thing in a child, or as `preexec_fn`. The parent must start children from its main thread,
    because Linux counts the thread that forked as the parent.
    """
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal_number)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def end_if_orphaned(parent_pid: int) -> None:
    """End this process when its parent is already another: it died before `die_with_parent` took hold."""
    if os.getppid() != parent_pid:
        sys.exit(0)
