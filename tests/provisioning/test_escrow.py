"""The escrow file opens with Debian's age and with pyrage, and never lies beside the data."""

import os
import pty
import stat
import subprocess
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import envelope
from provisioning import escrow
from provisioning.escrow import EscrowPlaceError, WeakPassphraseError
from provisioning.files import FileExistsAlreadyError

PASSPHRASE = "口令 correct horse battery"
KEY = X25519PrivateKey.generate()


def read_identity(text: bytes) -> X25519PrivateKey:
    (identity,) = envelope.identities_from_file_text(text.decode())
    return identity


class TestFormat:
    def test_pyrage_opens_it(self) -> None:
        sealed = escrow.seal_identity(KEY, PASSPHRASE, work_factor=10)
        text = pyrage.passphrase.decrypt(sealed, PASSPHRASE)
        assert read_identity(text).private_bytes_raw() == KEY.private_bytes_raw()
        with pytest.raises(pyrage.DecryptError):
            pyrage.passphrase.decrypt(sealed, PASSPHRASE + "x")

    @pytest.mark.system
    def test_debians_age_opens_it_and_what_it_keeps(self, tmp_path: Path) -> None:
        file, key_file = tmp_path / "escrow.age", tmp_path / "escrow.key"
        escrow.write_escrow(file, escrow.seal_identity(KEY, "correct horse battery"), [])
        open_with_age(file, key_file, "correct horse battery")
        assert read_identity(key_file.read_bytes()).private_bytes_raw() == KEY.private_bytes_raw()
        sealed = envelope.seal(b"picture", [KEY.public_key()])
        done = subprocess.run(["age", "-d", "-i", key_file], input=sealed, capture_output=True, check=True)
        assert done.stdout == b"picture"

    def test_work_factor_is_ages_own(self) -> None:
        sealed = escrow.seal_identity(KEY, PASSPHRASE)
        assert sealed.split(b"\n")[1].split(b" ")[3] == b"18"

    @pytest.mark.parametrize("passphrase", ["", "short", "elevenchars"])
    def test_weak_passphrase(self, passphrase: str) -> None:
        with pytest.raises(WeakPassphraseError, match="longer"):
            escrow.seal_identity(KEY, passphrase, work_factor=10)


class TestPlace:
    def test_is_written_once_and_private(self, tmp_path: Path) -> None:
        path = tmp_path / "stick" / "escrow.age"
        escrow.write_escrow(path, b"sealed", [tmp_path / "data"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(FileExistsAlreadyError):
            escrow.write_escrow(path, b"other", [tmp_path / "data"])
        assert path.read_bytes() == b"sealed"

    @pytest.mark.parametrize("place", ["escrow.age", "deep/er/escrow.age", "../data/escrow.age"])
    def test_never_inside_a_data_folder(self, tmp_path: Path, place: str) -> None:
        data = tmp_path / "data"
        data.mkdir()
        with pytest.raises(EscrowPlaceError, match="outside"):
            escrow.write_escrow(data / place, b"sealed", [data])
        assert list(data.iterdir()) == []

    def test_a_link_into_a_data_folder_does_not_help(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "data")
        with pytest.raises(EscrowPlaceError):
            escrow.write_escrow(tmp_path / "link" / "escrow.age", b"sealed", [tmp_path / "data"])

    @pytest.mark.parametrize("mark", ["state.db", "spool.db", "central.db", "handover"])
    def test_a_folder_that_looks_like_data_is_one(self, tmp_path: Path, mark: str) -> None:
        (tmp_path / mark).touch()
        with pytest.raises(EscrowPlaceError):
            escrow.write_escrow(tmp_path / "sub" / "escrow.age", b"sealed", [])


def open_with_age(file: Path, target: Path, passphrase: str) -> None:
    """Type the passphrase at a terminal, the only place where age takes it."""
    master, slave = pty.openpty()
    try:
        script = 'exec 0<>"$1" 1>&0 2>&0; exec age -d -o "$2" "$3"'
        command = ["sh", "-c", script, "sh", os.ttyname(slave), target, file]
        # In a session of its own, the first terminal opened becomes the controlling one.
        child = subprocess.Popen(command, start_new_session=True)
        shown = b""
        while b"passphrase" not in shown:
            shown += os.read(master, 1000)
        os.write(master, passphrase.encode() + b"\n")
        assert child.wait(60) == 0, shown
    finally:
        os.close(master)
        os.close(slave)
