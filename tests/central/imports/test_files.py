"""Uploads sealed while they arrive."""

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.imports import files
from central.imports.files import CHUNK_BYTES, UploadWriter, open_sealed, receive
from central.imports.rules import ImportFileGoneError, ImportStoreFullError, ImportTooLargeError
from tests.central.imports.sheets import person_id


@pytest.fixture
def place(tmp_path):
    return Settings(data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path / "keys"))


@pytest.fixture
def keyring(place):
    return load_keyring(Path(place.keys_dir))


def names(place):
    return sorted(path.name for path in files.folder(place).iterdir())


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES])
def test_what_went_in_comes_out_at_any_place(place, keyring, size):
    content = os.urandom(size)
    upload = receive(place, keyring, [content[:7], content[7:]])
    assert (upload.size_bytes, upload.sha256) == (size, hashlib.sha256(content).hexdigest())
    with io.BufferedReader(open_sealed(place, keyring, upload.file_id)) as stream:
        assert stream.read() == content
        for offset in (0, size // 2, max(0, size - 3)):
            stream.seek(offset)
            assert stream.read(10) == content[offset : offset + 10]
        assert stream.seek(0, os.SEEK_END) == size


def test_nothing_lies_in_the_clear(place, keyring):
    number = person_id(1).encode()
    upload = receive(place, keyring, [number * 50_000])
    path = files.folder(place) / upload.file_id
    sealed = path.read_bytes()
    assert number not in sealed
    assert number[:10] not in sealed
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["flip", "cut", "cut chunk", "swap", "head"])
def test_an_altered_file_is_not_read(place, keyring, harm):
    upload = receive(place, keyring, [os.urandom(3 * CHUNK_BYTES + 5)])
    path = files.folder(place) / upload.file_id
    data = bytearray(path.read_bytes())
    sealed = CHUNK_BYTES + 16
    start = len(data) - (3 * sealed + 5 + 16)
    if harm == "flip":
        data[start + 100] ^= 1
    elif harm == "cut":
        del data[-3:]
    elif harm == "cut chunk":
        del data[-21:]
    elif harm == "swap":
        data[start : start + sealed], data[start + sealed : start + 2 * sealed] = (
            data[start + sealed : start + 2 * sealed], data[start : start + sealed],
        )  # fmt: skip
    else:
        data[0] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImportFileGoneError), io.BufferedReader(open_sealed(place, keyring, upload.file_id)) as stream:
        stream.read()


def test_a_file_cannot_stand_for_another(place, keyring):
    first, second = (receive(place, keyring, [b"x" * 10]) for _ in range(2))
    (files.folder(place) / second.file_id).replace(files.folder(place) / first.file_id)
    with pytest.raises(Exception, match="altered"):
        open_sealed(place, keyring, first.file_id)


def test_a_missing_file(place, keyring):
    with pytest.raises(ImportFileGoneError, match="upload it again"):
        open_sealed(place, keyring, "0" * 32)


def test_the_limit_leaves_nothing_behind(place, keyring):
    small = Settings(data_dir=place.data_dir, keys_dir=place.keys_dir, import_max_bytes=1024)
    with pytest.raises(ImportTooLargeError, match="1024 bytes"):
        receive(small, keyring, [b"x" * 1000, b"x" * 25])
    assert names(place) == []


def test_a_full_disk_is_told_and_leaves_nothing_behind(place, keyring, monkeypatch):
    writer = UploadWriter(place, keyring)

    def full(_data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer._file.close()
    monkeypatch.setattr(
        writer, "_file", type("Full", (), {"write": staticmethod(full), "close": lambda self: None})()
    )
    with pytest.raises(ImportStoreFullError, match="free some space"):
        writer.write(b"x" * (2 * CHUNK_BYTES))
    assert names(place) == []


def test_a_nearly_full_disk_takes_no_file(place, keyring, monkeypatch):
    monkeypatch.setattr(files, "MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(ImportStoreFullError):
        receive(place, keyring, [b"x"])


def test_a_stream_that_breaks_leaves_nothing_behind(place, keyring):
    def broken():
        yield b"x"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        receive(place, keyring, broken())
    assert names(place) == []
