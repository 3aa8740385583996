"""A memory card that can be slow, fail, and lose power: a block device of our own, with a real ext4 on top.

`BadCard` is what tests use. Behind it a process of its own (``python -m tests.fakes.bad_card``) serves one file over
FUSE (linux/fuse.h, protocol 7.31); a loop device makes that file a disk, so that every delay, every EIO and every
cache flush passes through the kernel's own block layer and file system. The stand-in is the card alone.

The card has a volatile cache, as real ones do: what was written counts as kept only from the next flush on. A cut of
its power keeps everything that was flushed and, of the rest, any part.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests import mounting

_IN = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, padding
_OUT = struct.Struct("<IiQ")  # length, error, unique
_ATTR = struct.Struct("<6Q10I")
_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS = 1, 2, 3, 4, 14, 15, 16, 17
_RELEASE, _FSYNC, _FLUSH, _INIT, _INTERRUPT, _DESTROY, _BATCH_FORGET = 18, 20, 25, 26, 36, 38, 42
_MAX_WRITE = 131072
_DIRECT_IO = 1
_FILE_NODE = 2
FILE_NAME = "card.img"


class BadCard:
    """An ext4 of ``megabytes`` on a card that misbehaves on order; its files lie under `folder`."""

    def __init__(self, work: Path, *, megabytes: int = 48, options: str = "") -> None:
        mounting.require_right()
        assert Path("/dev/fuse").exists(), "the bad card needs /dev/fuse: give the machine its kernel's fuse"
        # Shared, so that what is unmounted here goes from namespaces too that were made in the meantime.
        self._work = work
        work.mkdir(parents=True, exist_ok=True)
        mounting.mount("--bind", work, work)
        mounting.mount("--make-shared", work)
        self.folder = work / "card"
        self._image, self._served = work / "backing.img", work / "served"
        for folder in (self.folder, self._served):
            folder.mkdir()
        with self._image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,nodiscard", self._image], check=True)
        command = [sys.executable, "-m", "tests.fakes.bad_card", str(self._image), str(self._served)]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read_answer()
        self._options = options or "defaults"
        self._loops: list[str] = []
        self._mount()

    def be_slow(self, *, write_s: float = 0.0, flush_s: float = 0.0) -> None:
        """From now on each write and each flush takes this much longer."""
        self._order(f"slow {write_s} {flush_s}")

    def fail(self, *, writes: bool = True, reads: bool = False) -> None:
        """From now on the card answers with EIO."""
        self._order(f"fail {int(writes)} {int(reads)}")

    def mend(self) -> None:
        """A good card again. A file system that has turned read-only stays so until it is mounted anew."""
        self._order("mend")

    def cut(self, copy: Path, *, seed: int = 0) -> Path:
        """The power goes now: what the card would hold afterwards, as the image `copy`; the live card goes on."""
        self._order(f"cut {seed} {copy}")
        return copy

    def remount(self, options: str) -> None:
        """``ro``, ``rw``, ... as mount(8) has it."""
        mounting.mount("-o", f"remount,{options}", self.folder)

    def mount_anew(self) -> None:
        """Take the card out and put it in again. Whoever still has files open there keeps a dead file system."""
        subprocess.run(["umount", "--lazy", self.folder], check=True)
        self._mount()

    def close(self) -> None:
        """Take everything down again."""
        if self._server.poll() is None:
            self.mend()
        for folder in (self.folder, self._served, self._work):
            while subprocess.run(["umount", folder], capture_output=True, check=False).returncode == 0:
                continue
            subprocess.run(["umount", "--lazy", folder], capture_output=True, check=False)
        for device in self._loops:
            subprocess.run(["losetup", "--detach", device], capture_output=True, check=False)
        self._server.kill()
        self._server.communicate()

    def _mount(self) -> None:
        # A device of its own each time: mount(8) would find the dead file system of the one before and give that.
        find = ["losetup", "--find", "--show", str(self._served / FILE_NAME)]
        device = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
        self._loops.append(device)
        mounting.mount("-o", self._options, device, self.folder)

    def _order(self, line: str) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
        self._read_answer()

    def _read_answer(self) -> None:
        assert self._server.stdout is not None
        answer = self._server.stdout.readline()
        assert answer == "ok\n", f"the card's process answered {answer!r}"


class _Server:
    """Serves one file. ``live`` is what a running machine sees, ``kept`` what outlives a loss of power."""

    def __init__(self, image: Path, channel: int) -> None:
        self._channel = channel
        self._live = os.open(image, os.O_RDWR)
        self._kept_path = image.with_suffix(".kept")
        shutil.copyfile(image, self._kept_path)
        self._kept = os.open(self._kept_path, os.O_RDWR)
        self._unflushed: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()
        self._write_s = self._flush_s = 0.0
        self._fails_writes = self._fails_reads = False

    def obey(self) -> None:
        """Take orders, one a line, from standard input."""
        for line in sys.stdin:
            with self._lock:
                self._carry_out(*line.split())
            print("ok", flush=True)

    def serve(self) -> None:
        """Answer the kernel until it unmounts."""
        while True:
            try:
                request = os.read(self._channel, _MAX_WRITE + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                raise
            _, opcode, unique, node, *_ = _IN.unpack_from(request)
            if opcode in (_FORGET, _BATCH_FORGET, _INTERRUPT):
                continue
            try:
                number, answer = 0, self._answer(opcode, node, request[_IN.size :])
            except OSError as error:
                number, answer = -(error.errno or errno.EIO), b""
            os.write(self._channel, _OUT.pack(_OUT.size + len(answer), number, unique) + answer)

    def _carry_out(self, order: str, *values: str) -> None:
        if order == "slow":
            self._write_s, self._flush_s = map(float, values)
        elif order == "fail":
            self._fails_writes, self._fails_reads = (bool(int(value)) for value in values)
        elif order == "mend":
            self._write_s = self._flush_s = 0.0
            self._fails_writes = self._fails_reads = False
        elif order == "cut":
            self._cut(int(values[0]), Path(values[1]))

    def _cut(self, seed: int, copy: Path) -> None:
        shutil.copyfile(self._kept_path, copy)
        lucky = random.Random(seed)  # which writes of its cache a dying card still made
        with copy.open("r+b") as file:
            for offset, data in self._unflushed:
                if lucky.random() < 0.5:
                    file.seek(offset)
                    file.write(data)

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes:
        if opcode == _INIT:
            major, minor, ahead, _flags = struct.unpack_from("<4I", body)
            return struct.pack("<4I2H2I2HI28x", major, min(minor, 31), ahead, 0, 12, 9, _MAX_WRITE, 1, 0, 0, 0)
        if opcode == _LOOKUP:
            if body.rstrip(b"\0") != FILE_NAME.encode():
                raise OSError(errno.ENOENT, "no such file")
            return struct.pack("<4Q2I", _FILE_NODE, 0, 3600, 3600, 0, 0) + self._attributes(_FILE_NODE)
        if opcode in (_GETATTR, _SETATTR):
            return struct.pack("<QII", 3600, 0, 0) + self._attributes(node)
        if opcode == _OPEN:
            return struct.pack("<QII", 1, _DIRECT_IO, 0)
        if opcode == _READ:
            return self._read(*struct.unpack_from("<QQI", body)[1:])
        if opcode == _WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._write(offset, body[40 : 40 + size])
        if opcode == _FSYNC:
            return self._flush()
        if opcode in (_RELEASE, _FLUSH, _DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "not needed here")

    def _attributes(self, node: int) -> bytes:
        size = os.fstat(self._live).st_size if node == _FILE_NODE else 0
        mode = 0o100600 if node == _FILE_NODE else 0o040700
        return _ATTR.pack(node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _read(self, offset: int, size: int) -> bytes:
        if self._fails_reads:
            raise OSError(errno.EIO, "the card cannot be read")
        return os.pread(self._live, size, offset)

    def _write(self, offset: int, data: bytes) -> bytes:
        time.sleep(self._write_s)
        if self._fails_writes:
            raise OSError(errno.EIO, "the card cannot be written")
        with self._lock:
            os.pwrite(self._live, data, offset)
            self._unflushed.append((offset, data))
        return struct.pack("<II", len(data), 0)

    def _flush(self) -> bytes:
        time.sleep(self._flush_s)
        if self._fails_writes:
            raise OSError(errno.EIO, "the card cannot be written")
        with self._lock:
            for offset, data in self._unflushed:
                os.pwrite(self._kept, data, offset)
            self._unflushed.clear()
        return b""


def main() -> None:
    """``python -m tests.fakes.bad_card IMAGE MOUNTPOINT``: serves until unmounted or killed."""
    image, place = Path(sys.argv[1]), sys.argv[2]
    channel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"badcard", place.encode(), b"fuse", 6, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"{place} could not be mounted")
    server = _Server(image, channel)
    threading.Thread(target=server.obey, daemon=True).start()
    print("ok", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
