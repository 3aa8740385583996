"""Mounting in tests: only the kernel can give the right to, so only its lack is a reason to skip."""

import subprocess
from pathlib import Path

import pytest

_SYS_ADMIN = 21  # capabilities(7)


def require_right() -> None:
    """Skip the test of whoever lacks CAP_SYS_ADMIN."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    if not effective >> _SYS_ADMIN & 1:
        pytest.skip("mounting needs CAP_SYS_ADMIN: run the tests as root, in a container with --privileged")


def mount(*arguments: object) -> None:
    """Call mount(8). Whoever lacks CAP_SYS_ADMIN skips the test; for whoever has it, a refusal is a failure."""
    require_right()
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"mount was refused ({done.stderr.strip()}): give the machine tmpfs and loop devices"
