"""A Debian trixie root for 64-bit Arm with the kit's pinned packages, run through qemu-aarch64-static.

Debian's packages are unpacked, not installed: Python needs no more. The wheels are those that pip takes for a Pi with
trixie; this machine's pip is told so, for the emulated one needs minutes.
"""

import re
import shutil
import sys
from pathlib import Path

from packaging.requirements import Requirement

from tests.roots.debian import bootstrap, run, run_inside
from tests.roots.keeping import keep

_HERE = Path(__file__).parent
_KIT_LOCK = _HERE.parent.parent / "locks/kit.txt"
QEMU = "/usr/bin/qemu-aarch64-static"
PYTHON = "/usr/bin/python3"
PACKAGES = "/opt/kit"
_MARKERS = {
    "python_full_version": "3.13.5",
    "python_version": "3.13",
    "platform_machine": "aarch64",
    "sys_platform": "linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
_TAGS = ("--platform", "manylinux_2_28_aarch64", "--platform", "manylinux2014_aarch64", "--python-version", "3.13")
# The check of Requires-Python would look at this machine's Python; the tags above have chosen already.
_FOR_ANOTHER = (*_TAGS, "--ignore-requires-python", "--only-binary", ":all:")
# Imported once while the root may still be written, so that their bytecode is kept: compiling is slow when emulated.
_WARM = """
import argparse, asyncio, ctypes, email, html, http.client, http.server, json, logging, sqlite3, ssl, subprocess
import tomllib, unittest.mock, urllib.request, uuid, xml.etree.ElementTree, zipfile
import av, av.bitstream, cbor2, gpiozero, gpiozero.pins.mock, gpsd, jwt, msgspec, paho.mqtt.client, segno
from cryptography import x509
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf, scrypt
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
"""
# Pure Python that its authors publish as source alone: the wheel is built here and serves any processor.
_SOURCE_ONLY = frozenset({"gpsd-py3"})


def keep_arm64_root() -> Path:
    """The root, made on first use (about a minute, 0.4 GB) and kept under a key of its recipe."""
    return keep("arm64", [Path(__file__), _HERE / "debian.py", _KIT_LOCK], _build)


def _build(root: Path) -> None:
    bootstrap(root, "trixie", packages=["python3", "ca-certificates"], architecture="arm64")
    for folder in ("opt", "srv", "tmp", "proc"):
        (root / folder).mkdir(exist_ok=True)
    for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
        if not (root / "dev" / name).exists():
            run("mknod", "-m", "666", root / "dev" / name, "c", "1", str(minor))
    emulator = shutil.which("qemu-aarch64-static")
    assert emulator is not None, "qemu-aarch64-static is missing: apt-get install qemu-user-static"
    run("install", emulator, root / QEMU.removeprefix("/"))
    _add_kit_packages(root)
    run_inside(root, QEMU, "-E", f"PYTHONPATH={PACKAGES}", PYTHON, "-c", _WARM)


def _add_kit_packages(root: Path) -> None:
    pip, hashed = (sys.executable, "-m", "pip"), ("-q", "--no-cache-dir", "--no-deps", "--require-hashes")
    target = root / PACKAGES.removeprefix("/")
    wheels, lock = root / "opt/wheels", root / "opt/lock.txt"
    pinned = _read_lock()
    lock.write_text("".join(text for name, text in pinned.items() if name not in _SOURCE_ONLY))
    run(*pip, "install", *hashed, *_FOR_ANOTHER, "--target", target, "-r", lock)
    lock.write_text("".join(pinned[name] for name in sorted(_SOURCE_ONLY)))
    run(*pip, "wheel", *hashed, "--wheel-dir", wheels, "-r", lock)
    for wheel in wheels.glob("*.whl"):
        assert wheel.name.endswith("-none-any.whl"), f"{wheel.name} is not for every processor"
        run(*pip, "install", "-q", "--no-deps", "--no-index", "--target", target, wheel)


def _read_lock() -> dict[str, str]:
    """Requirements that hold on a Pi, hashes kept, markers taken off: pip would judge them by this machine."""
    kept = {}
    for text in re.split(r"\n(?=\S)", _KIT_LOCK.read_text()):
        line, _, hashes = text.partition("\\\n")
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate(_MARKERS):
            kept[requirement.name] = f"{requirement.name}{requirement.specifier} \\\n{hashes.rstrip()}\n"
    return kept
