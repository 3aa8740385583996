"""What a test with a Debian root of its own needs of the machine."""

import os
import platform
import shutil

import pytest

_REMEDY = "run the tests as root, after `apt-get install --no-install-recommends debootstrap qemu-user-static`"


def require_root_tools(*programs: str) -> None:
    """Skip where the machine can have no root of its own; where it can, nothing is a reason to skip."""
    missing = [program for program in programs if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.insert(0, "root's rights")
    if platform.machine() != "x86_64":
        missing.insert(0, "an x86-64 machine")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: {_REMEDY}")
