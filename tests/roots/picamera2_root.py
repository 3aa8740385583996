"""A Debian trixie root in which the unmodified picamera2 runs on libcamera's virtual camera, no Pi needed.

What stands in for a Pi's hardware is in `tests/roots/pi/`, each piece with its reason.
"""

from pathlib import Path

from tests.roots.debian import bootstrap, find_mirror, run, run_inside
from tests.roots.keeping import keep

_HERE = Path(__file__).parent
_PROJECT = _HERE.parent.parent
_KIT_LOCK = _PROJECT / "locks/kit.txt"
_PINS = _HERE / "picamera2.txt"
_STAND_INS = [_HERE / "pi/virtual.yaml", _HERE / "pi/dma_heap.c"]
# trixie's own libcamera 0.4 stamps no frame of its virtual camera; the one of backports does. Only libcamera comes
# from there: `-t trixie-backports` for everything conflicts over mesa.
_LIBCAMERA = "python3-libcamera/trixie-backports"
_PACKAGES = (
    *("python3-venv", "python3-prctl", "python3-numpy", "python3-pil", "python3-piexif"),
    *("gcc", "libc6-dev", "python3-dev"),
)
PYTHON = "/opt/kit/bin/python"
DMA_HEAP = "/opt/dma_heap.so"


def keep_picamera2_root() -> Path:
    """The root, made on first use (some minutes, 0.9 GB) and kept under a key of its recipe."""
    code = [Path(__file__), _HERE / "debian.py"]
    return keep("picamera2", [*code, *_STAND_INS, _PINS, _KIT_LOCK], _build)


def _build(root: Path) -> None:
    bootstrap(root, "trixie", packages=["ca-certificates"])
    with (root / "etc/apt/sources.list").open("a") as sources:
        sources.write(f"deb {find_mirror()} trixie-backports main\n")
    install = ("apt-get", "install", "-y", "--no-install-recommends")
    run_inside(root, "apt-get", "update")
    run_inside(root, *install, _LIBCAMERA)
    run_inside(root, *install, *_PACKAGES)
    _add_python_packages(root)
    virtual, heap = _STAND_INS
    run("install", "-D", virtual, root / "usr/share/libcamera/pipeline/virtual/virtual.yaml")
    run("install", heap, root / "opt/dma_heap.c")
    run_inside(root, "gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", DMA_HEAP, "/opt/dma_heap.c", "-ldl")
    run_inside(root, "apt-get", "clean")
    run("find", root / "var/lib/apt/lists", "-type", "f", "-delete")


def _add_python_packages(root: Path) -> None:
    """The kit's own pinned set, and picamera2 with what it needs beside Debian's numpy, Pillow and prctl."""
    run_inside(root, "python3", "-m", "venv", "--system-site-packages", "/opt/kit")
    pip = (PYTHON, "-m", "pip", "install", "-q", "--no-cache-dir", "--no-deps", "--require-hashes", "-r")
    for lock in (_KIT_LOCK, _PINS):
        run("install", lock, root / "opt/lock.txt")
        run_inside(root, *pip, "/opt/lock.txt")
