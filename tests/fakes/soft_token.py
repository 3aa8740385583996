"""A real PKCS#11 token in software (SoftHSM 2): the same library calls as a smart card, without the card."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from pathlib import Path

import pkcs11
import pytest

from edge.options import KeySettings

PIN = "123456"
LABEL = "kit-token"
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


def find_module() -> str:
    """The library; fails with the remedy when the package is missing."""
    for path in _MODULES:
        if Path(path).exists() and shutil.which("softhsm2-util"):
            return path
    pytest.fail("SoftHSM is missing: run tests/system_packages.sh, or apt install softhsm2")


def make_token(folder: Path, monkeypatch: pytest.MonkeyPatch, *, label: str = LABEL) -> KeySettings:
    """A fresh token in `folder`; this process and its children find it by the environment."""
    module = find_module()
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678"],
        check=True,
        capture_output=True,
        env=os.environ,
    )
    # The library reads its configuration once a process; what an earlier test left open must be gone before.
    gc.collect()
    pkcs11.lib(module).reinitialize()
    (folder / "pin").write_text(f"{PIN}\n")
    (folder / "pin").chmod(0o600)
    return KeySettings(pkcs11_module=module, token_label=label, pin_file=str(folder / "pin"))


def take_out(folder: Path) -> None:
    """The token is gone, as a card pulled from its reader."""
    (folder / "tokens").rename(folder / "pulled")
    (folder / "tokens").mkdir()


def put_in(folder: Path) -> None:
    """It is back."""
    (folder / "tokens").rmdir()
    (folder / "pulled").rename(folder / "tokens")
