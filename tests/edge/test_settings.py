"""Every wrong option stops the start with a sentence that names it and the remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import edge
from edge.settings import SettingsError, build_settings, load_settings

GOOD: dict[str, Any] = {
    "kit": {"id": "dl-2901-01", "court": "云2901"},
    "mqtt": {"host": "centre.example"},
    "door": {"url": "https://centre.example:8443"},
}


def change(section: str, **options: Any) -> dict[str, Any]:
    return {**GOOD, section: {**GOOD.get(section, {}), **options}}


def test_defaults_and_relative_paths() -> None:
    settings = build_settings(
        {**GOOD, "position": {"source": "track", "track": "patrol.nmea"}}, base=Path("/data/kit")
    )
    assert settings.spool_path == Path("/data/kit/spool.db")
    assert settings.position.track == "/data/kit/patrol.nmea"
    assert settings.camera.kind == "synthetic" and settings.mqtt.port == 8883


def test_addresses_of_cameras_stay_as_they_are() -> None:
    rtsp = build_settings(change("camera", kind="pyav", address="rtsp://cam/1"), base=Path("/data"))
    film = build_settings(change("camera", kind="pyav", address="film.mp4"), base=Path("/data"))
    device = build_settings(change("camera", kind="pyav", address="/dev/video0"), base=Path("/data"))
    assert (rtsp.camera.address, film.camera.address) == ("rtsp://cam/1", "/data/film.mp4")
    assert device.camera.address == "/dev/video0"


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        (change("camera", fps=300), ("camera.fps = 300", "from 1 to 60", "correct it")),
        (change("camera", fsp=25), ("camera.fsp", "did you mean 'fps'")),
        (change("camera", width=1281), ("camera.width = 1281", "even")),
        (change("camera", kind="webcam"), ("camera.kind", "'picamera2', 'pyav', 'synthetic'")),
        (change("camera", kind="pyav"), ("camera.address is missing", "/dev/videoN")),
        (change("camera", loop="yes"), ("camera.loop = 'yes'", "true or false")),
        (change("position", source="track"), ("position.track is missing", "NMEA or GPX")),
        (change("position", speed=0), ("position.speed = 0", "from 0.1 to 100")),
        (change("kit", id="dl.*"), ("kit.id = 'dl.*'", "lower-case letters")),
        (change("door", url="http://plain.example"), ("door.url", "https")),
        (change("mqtt", port="8883"), ("mqtt.port = '8883'", "a whole number from 1 to 65535")),
        (change("mqtt", host=""), ("mqtt.host", "1 to 253 characters")),
        ({**GOOD, "camara": {}}, ("camara", "did you mean 'camera'")),
        ({**GOOD, "zzz": 1}, ("zzz", "kit, mqtt, door")),
        ({**GOOD, "camera": 3}, ("camera = 3", "[camera]")),
        ({"kit": GOOD["kit"], "door": GOOD["door"]}, ("mqtt", "missing")),
        (change("segments", seconds=float("nan")), ("segments.seconds", "from 0.5 to 30")),
    ],
)
def test_refusals_name_option_range_and_remedy(table: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        build_settings(table, base=Path("/data"))
    for part in parts:
        assert part in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="zhixing-kit enrol"):
        load_settings(tmp_path / "kit.toml")
    (tmp_path / "kit.toml").write_text("[kit\n")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(tmp_path / "kit.toml")
    (tmp_path / "kit.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "kit.toml")


def test_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert edge.__version__ == project["project"]["version"]
