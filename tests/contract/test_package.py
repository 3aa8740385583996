"""The package as a file: deterministic, streamed, and refused when two readers could read it differently."""

import io
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from contract import archive, package
from contract.package import CHAIN, Disclosure, PackageError, Reader, Source
from tests.contract.package_case import World, export, read_files, record, write_files


@pytest.fixture
def genuine(tmp_path: Path) -> Path:
    world = World()
    return export(tmp_path, world, record(world), disclose=(1,))


def refuse(path: Path) -> str:
    """The sentence with which the reader refuses the file."""
    with pytest.raises(PackageError) as refusal, Reader(path) as reader:
        reader.read_contents()
    sentence = str(refusal.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


class TestWriter:
    def test_equal_content_gives_equal_bytes(self, tmp_path: Path) -> None:
        world = World()
        made = record(world)
        first = export(tmp_path, world, made, name="a.zip", disclose=(1, 2)).read_bytes()
        # Ed25519 is deterministic, the trust list's ECDSA is not: give both exports the same one.
        trust = read_files(tmp_path / "a.zip")[package.TRUST]
        sealed = tmp_path / "a.zip.sealed"
        source = Source(
            chain=made.signed,
            certificates=world.certificates(),
            head=world.head(made.signed),
            trust=trust,
            segments={seq: sealed / f"{seq}.age" for seq in sorted(made.sealed, reverse=True)},
            disclosures=(Disclosure(seq, *made.clear[seq]) for seq in (1, 2)),
            notes={"exported_by": "样例书记员乙"},
        )
        package.write_package(tmp_path / "b.zip", source)
        assert (tmp_path / "b.zip").read_bytes() == first

    def test_never_overwrites(self, tmp_path: Path, genuine: Path) -> None:
        before = genuine.read_bytes()
        world = World()
        (tmp_path / "more").mkdir()
        with pytest.raises(PackageError, match="exists already"):
            package.write_package(
                genuine,
                Source(
                    chain=record(world).signed,
                    certificates=b"",
                    head=b"",
                    trust=b"",
                    segments={},
                ),
            )
        assert genuine.read_bytes() == before

    def test_a_failed_export_leaves_nothing(self, tmp_path: Path) -> None:
        world = World()
        made = record(world)
        source = Source(
            chain=made.signed,
            certificates=world.certificates(),
            head=world.head(made.signed),
            trust=world.trust(),
            segments={1: tmp_path / "absent.age"},
        )
        with pytest.raises(FileNotFoundError):
            package.write_package(tmp_path / "x.zip", source)
        assert list(tmp_path.iterdir()) == []

    def test_any_zip_program_reads_it(self, genuine: Path) -> None:
        with zipfile.ZipFile(genuine) as opened:
            assert opened.testzip() is None
            assert all(info.compress_type == zipfile.ZIP_STORED for info in opened.infolist())
        if shutil.which("unzip"):
            assert subprocess.run(["unzip", "-tq", genuine], capture_output=True, check=False).returncode == 0


class TestReader:
    def test_contents(self, genuine: Path) -> None:
        with Reader(genuine) as reader:
            contents = reader.read_contents()
        assert set(contents.files) == {CHAIN, package.CERTIFICATES, package.HEAD, package.TRUST, package.MANIFEST}
        assert sorted(contents.segments) == [1, 2, 3, 5, 6, 7, 8, 9]
        assert list(contents.disclosed) == [1]
        assert (list(contents.damaged), list(contents.foreign)) == ([], [])

    @pytest.mark.parametrize(
        "name",
        [
            "../escape",
            "/etc/passwd",
            "segments/../../x",
            "segments\\000001.age",
            "..",
            "a/b/c",
            "segments/.hidden",
            "nul\0name",
            "线索.txt",
            "x" * 300,
        ],
    )
    def test_names_that_could_leave_a_folder(self, genuine: Path, name: str) -> None:
        refuse(_with_raw_entry(genuine, name.encode()))

    def test_duplicates(self, genuine: Path) -> None:
        with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(genuine, "a") as opened:
            opened.writestr("segments/000001.age", b"other")
        assert "twice" in refuse(genuine)

    def test_compressed_bomb(self, tmp_path: Path, genuine: Path) -> None:
        files = read_files(genuine)
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for name, data in files.items():
                opened.writestr(name, data)
            opened.writestr("segments/000099.age", bytes(50_000_000))
        assert "compressed" in refuse(tmp_path / "bomb.zip")

    @pytest.mark.parametrize(
        ("name", "size"),
        [("head.cbor", 5_000), ("certificates.pem", 70_000), ("disclosure/000001.salt", 33)],
    )
    def test_file_too_large(self, tmp_path: Path, genuine: Path, name: str, size: int) -> None:
        path = write_files(tmp_path / "large.zip", read_files(genuine) | {name: bytes(size)})
        assert f"{name} is larger than" in refuse(path)

    def test_something_else_in_zip(self, tmp_path: Path) -> None:
        assert "nothing of an evidence package" in refuse(write_files(tmp_path / "x.zip", {"a.txt": b"a"}))
        assert refuse(write_files(tmp_path / "y.zip", {}))

    def test_comment_and_prefix_and_suffix(self, tmp_path: Path, genuine: Path) -> None:
        data = genuine.read_bytes()
        for changed in (b"prefix" + data, data + b"suffix", data[:-2] + b"\x04\0note"):
            (tmp_path / "x.zip").write_bytes(changed)
            refuse(tmp_path / "x.zip")

    def test_every_truncation_is_refused(self, tmp_path: Path, genuine: Path) -> None:
        data = genuine.read_bytes()
        for size in range(0, len(data), 97):
            (tmp_path / "x.zip").write_bytes(data[:size])
            refuse(tmp_path / "x.zip")

    def test_local_header_that_contradicts_the_directory(self, tmp_path: Path, genuine: Path) -> None:
        data = genuine.read_bytes()
        at = data.index(b"\x13\0\0\0segments/000002.age") + 4
        for changed in (
            data[:at] + b"segments/000003.age" + data[at + 19 :],
            data[: at - 8] + struct.pack("<L", 7) + data[at - 4 :],
            data[: at - 30] + b"PK\x03\x05" + data[at - 26 :],
        ):
            (tmp_path / "x.zip").write_bytes(changed)
            refuse(tmp_path / "x.zip")

    def test_overlapping_entries(self, tmp_path: Path, genuine: Path) -> None:
        # Two directory lines that point at one and the same entry: the seed of a zip bomb.
        data = genuine.read_bytes()
        directory = data.index(b"PK\x01\x02")
        line_end = data.index(b"PK\x01\x02", directory + 4)
        doubled = data[:line_end] + data[directory:line_end] + data[line_end:]
        end = bytearray(doubled[-22:])
        count, size = struct.unpack_from("<H", end, 8)[0] + 1, len(doubled) - 22 - directory
        struct.pack_into("<HHL", end, 8, count, count, size)
        (tmp_path / "x.zip").write_bytes(doubled[:-22] + end)
        assert "overlaps" in refuse(tmp_path / "x.zip")

    def test_bytes_hidden_between_entries(self, tmp_path: Path, genuine: Path) -> None:
        data = genuine.read_bytes()
        directory = data.index(b"PK\x01\x02")
        end = bytearray(data[-22:])
        struct.pack_into("<L", end, 16, directory + 100)
        (tmp_path / "x.zip").write_bytes(data[:directory] + bytes(100) + data[directory:-22] + end)
        assert "hidden" in refuse(tmp_path / "x.zip")

    def test_directory_entries_of_zip_programs_are_ignored(self, tmp_path: Path, genuine: Path) -> None:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as opened:
            opened.mkdir("segments")
            for name, data in read_files(genuine).items():
                opened.writestr(name, data)
        with Reader(path) as reader:
            assert list(reader.read_contents().foreign) == []

    def test_streamed_zip_with_data_descriptors(self, tmp_path: Path, genuine: Path) -> None:
        class Pipe(io.RawIOBase):
            def __init__(self) -> None:
                self.data = bytearray()

            def writable(self) -> bool:
                return True

            def write(self, data: object) -> int:
                self.data += bytes(data)  # type: ignore[call-overload]
                return len(bytes(data))  # type: ignore[call-overload]

        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w") as opened:
            for name, data in read_files(genuine).items():
                opened.writestr(name, data)
        (tmp_path / "x.zip").write_bytes(pipe.data)
        with Reader(tmp_path / "x.zip") as reader:
            assert sorted(reader.read_contents().segments) == [1, 2, 3, 5, 6, 7, 8, 9]


class TestLargeArchives:
    def test_more_than_65535_entries(self, tmp_path: Path) -> None:
        path = tmp_path / "many.zip"
        with zipfile.ZipFile(path, "w") as opened:
            for number in range(66_000):
                opened.writestr(f"segments/{number:06d}.age", b"")
        with path.open("rb") as file:
            assert len(archive.read_directory(file)) == 66_000

    def test_offsets_beyond_4_gib(self, tmp_path: Path) -> None:
        # A sparse file: 4 GiB of holes as stored entries, without writing them.
        path = tmp_path / "long.zip"
        size = 1 << 30
        with path.open("wb") as file:
            directory = b""
            for number in range(5):
                name = b"segments/%06d.age" % number
                offset = file.tell()
                file.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, size, size, len(name), 0) + name)
                file.seek(size, 1)
                far = offset > 0xFFFFFFFF
                extra = struct.pack("<2HQ", 1, 8, offset) if far else b""
                directory += struct.pack(
                    "<4s6H3L5H2L",
                    b"PK\1\2", 45, 20, 0, 0, 0, 33, 0, size, size,
                    len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF if far else offset,
                ) + name + extra  # fmt: skip
            start = file.tell()
            file.write(directory)
            end64 = file.tell()
            file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 5, 5, len(directory), start))
            file.write(struct.pack("<4sLQL", b"PK\6\7", 0, end64, 1))
            file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 5, 5, len(directory), 0xFFFFFFFF, 0))
        with zipfile.ZipFile(path) as opened:
            assert len(opened.namelist()) == 5
        with path.open("rb") as file:
            entries = archive.read_directory(file)
            last = entries["segments/000004.age"]
            assert (last.start, last.size) == (4 * (size + 30 + 19) + 30 + 19, size)


def _with_raw_entry(path: Path, name: bytes) -> Path:
    """Append an entry of any name, which zip libraries would clean up, keeping the archive well-formed."""
    data = path.read_bytes()
    end = bytearray(data[-22:])
    start = struct.unpack_from("<L", end, 16)[0]
    entry = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0) + name
    line = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, start
    ) + name  # fmt: skip
    directory = data[start:-22] + line
    count = struct.unpack_from("<H", end, 8)[0] + 1
    struct.pack_into("<HHLL", end, 8, count, count, len(directory), start + len(entry))
    target = path.with_name("named.zip")
    target.write_bytes(data[:start] + entry + directory + end)
    return target
