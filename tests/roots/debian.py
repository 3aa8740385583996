"""Making Debian roots by debootstrap; whatever needs /proc meanwhile gets mounts that die with it."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def find_mirror() -> str:
    """The Debian mirror of this machine's own sources list; raises AssertionError when it names none."""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            found = re.match(r"(?:URIs:|deb)\s+(?:\[[^]]*\]\s+)?(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return found[1]
    raise AssertionError("This machine's apt sources name no Debian mirror: add one, the roots are made from it.")


def bootstrap(root: Path, suite: str, *, packages: Sequence[str], architecture: str = "") -> None:
    """A minimal root of `suite`, able to reach the same mirror and indexes as this machine.

    One of a foreign `architecture` is only unpacked: no package's own script ran in it.
    """
    own_mounts = ["unshare", "--mount", "--propagation", "private"]
    foreign = ["--foreign", f"--arch={architecture}"] if architecture else []
    options = ["--variant=minbase", f"--include={','.join(packages)}", *foreign]
    run(*own_mounts, "debootstrap", *options, suite, root, find_mirror())
    if architecture:
        for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
            run("dpkg", "-x", package, root)
            package.unlink()
    for folder in ("etc/apt/apt.conf.d", "etc/ssl/certs"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path in Path("/etc/apt/apt.conf.d").glob("99*"):
        shutil.copy(path, root / "etc/apt/apt.conf.d")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    if _CERTIFICATES.exists():
        shutil.copy(_CERTIFICATES, root / "etc/ssl/certs/ca-certificates.crt")


def run_inside(root: Path, *command: str | Path) -> None:
    """Run a command of the root while it is being made (it may write)."""
    run("chroot", root, *command)


def run(*command: str | Path) -> None:
    """Run to the end with a plain environment; raises AssertionError with what the command said."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, check=False, text=True, env=_environment()
    )
    said = f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}"


def _environment() -> dict[str, str]:
    # Wheel folders of this machine are not inside a root; its proxies and indexes are reached as from here.
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.lower().endswith("_proxy") or (name.startswith("PIP_") and name not in _LOCAL_PIP)
    }
    return {"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **passed}


_LOCAL_PIP = {"PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_CONFIG_FILE", "PIP_NO_INDEX"}
