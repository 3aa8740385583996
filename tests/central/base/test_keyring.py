"""Sealed fields and their blind indexes; keys that rotate under running processes."""

from __future__ import annotations

import json
import multiprocessing
import stat

import pytest

from central.base import keyring as keyrings
from central.base.keyring import INDEX_BYTES, KeyringError, SealBrokenError, key_number, load_keyring

FIELD, ROW, VALUE = "party.id", 7, "999999199001010014"


@pytest.fixture
def keys_dir(tmp_path):
    return tmp_path / "keys"


def test_what_was_sealed_opens_for_its_row_and_field_only(keys_dir):
    keyring = load_keyring(keys_dir)
    sealed = keyring.seal(FIELD, ROW, VALUE)
    assert keyring.open(FIELD, ROW, sealed) == VALUE
    assert VALUE.encode() not in sealed
    assert keyring.seal(FIELD, ROW, VALUE) != sealed
    for field, row in ((FIELD, 8), ("party.private", ROW)):
        with pytest.raises(SealBrokenError, match="was altered"):
            keyring.open(field, row, sealed)
    for position in range(5, len(sealed)):
        broken = bytearray(sealed)
        broken[position] ^= 1
        with pytest.raises(SealBrokenError):
            keyring.open(FIELD, ROW, bytes(broken))
    for other in (b"", b"\x02" + sealed[1:], sealed[:16]):
        with pytest.raises(SealBrokenError, match="does not read as one"):
            key_number(other)


def test_an_index_finds_the_same_value_of_the_same_kind_only(keys_dir):
    keyring = load_keyring(keys_dir)
    index = keyring.blind_index(FIELD, VALUE)
    assert len(index) == INDEX_BYTES
    assert keyring.blind_indexes(FIELD, VALUE) == [index]
    assert load_keyring(keys_dir).blind_index(FIELD, VALUE) == index
    assert index not in {keyring.blind_index("other", VALUE), keyring.blind_index(FIELD, VALUE[:-1])}


def test_the_file_is_made_once_and_for_its_owner_only(keys_dir):
    load_keyring(keys_dir)
    first = (keys_dir / "fields.json").read_bytes()
    load_keyring(keys_dir)
    assert (keys_dir / "fields.json").read_bytes() == first
    assert stat.S_IMODE((keys_dir / "fields.json").stat().st_mode) == 0o600
    assert [path.name for path in keys_dir.iterdir()] == ["fields.json"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"sealing": {}, "index": {}}', '{"sealing": {"1": "AAAA"}, "index": {"1": "AAAA"}}',
     '{"sealing": {"x": "AAAA"}, "index": {"1": "AAAA"}}', '{"sealing": {"1": "!"}, "index": {"1": "AAAA"}}'],
)  # fmt: skip
def test_a_file_that_holds_no_keys_is_refused_with_the_remedy(keys_dir, content):
    keys_dir.mkdir()
    (keys_dir / "fields.json").write_text(content)
    with pytest.raises(KeyringError, match="backup"):
        load_keyring(keys_dir)


class TestRotation:
    def test_a_running_process_takes_up_newer_keys_and_still_opens_the_old(self, keys_dir):
        running = load_keyring(keys_dir)
        old, old_index = running.seal(FIELD, ROW, VALUE), running.blind_index(FIELD, VALUE)
        assert keyrings.add_keys(keys_dir) == 2
        new = running.seal(FIELD, ROW, VALUE)
        assert (key_number(old), key_number(new), running.newest, running.newest_index) == (1, 2, 2, 2)
        assert running.open(FIELD, ROW, old) == running.open(FIELD, ROW, new) == VALUE
        assert running.blind_index(FIELD, VALUE) != old_index
        assert running.blind_indexes(FIELD, VALUE) == [old_index, running.blind_index(FIELD, VALUE)]
        assert running.sealing_numbers == [1, 2]

    def test_keys_retired_elsewhere_are_forgotten_here(self, keys_dir):
        running = load_keyring(keys_dir)
        old = running.seal(FIELD, ROW, VALUE)
        keyrings.add_keys(keys_dir)
        assert keyrings.retire_keys(keys_dir) == [1]
        assert len(running.blind_indexes(FIELD, VALUE)) == 1
        with pytest.raises(KeyringError, match="Field key 1 is missing"):
            running.open(FIELD, ROW, old)

    def test_a_rotation_under_way_is_gone_on_with(self, keys_dir):
        load_keyring(keys_dir)
        assert [keyrings.add_keys(keys_dir), keyrings.add_keys(keys_dir)] == [2, 2]
        assert keyrings.retire_keys(keys_dir) == [1]
        assert keyrings.retire_keys(keys_dir) == []
        assert keyrings.add_keys(keys_dir) == 3

    def test_a_file_that_cannot_be_read_just_now_leaves_the_known_keys(self, keys_dir):
        running = load_keyring(keys_dir)
        sealed = running.seal(FIELD, ROW, VALUE)
        (keys_dir / "fields.json").write_text("{")
        assert running.open(FIELD, ROW, sealed) == VALUE
        (keys_dir / "fields.json").unlink()
        assert running.open(FIELD, ROW, sealed) == VALUE

    def test_what_a_killed_process_left_is_cleared_away(self, keys_dir):
        load_keyring(keys_dir)
        (keys_dir / ".fields.json.99.abcd").write_text("half")
        keyrings.add_keys(keys_dir)
        names = {path.name for path in keys_dir.iterdir()}
        assert names == {"fields.json", ".fields.json.lock"}
        assert stat.S_IMODE((keys_dir / "fields.json").stat().st_mode) == 0o600

    def test_processes_beginning_together_add_one_key(self, keys_dir):
        load_keyring(keys_dir)
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=keyrings.add_keys, args=(keys_dir,)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert sorted(json.loads((keys_dir / "fields.json").read_text())["sealing"]) == ["1", "2"]
