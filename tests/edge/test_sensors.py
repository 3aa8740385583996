"""The machine's sensors, on folders laid out as the kernel lays them out: no battery, Pi or eMMC was at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.sensors import (
    find_card,
    is_charging,
    read_battery,
    read_memory,
    read_power,
    read_throttle,
    read_wear,
)


def lay(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize(
    ("status", "charging"), [("Charging", True), ("Full", True), ("Discharging", False), ("Not charging", False)]
)
def test_whether_a_battery_is_being_charged(tmp_path: Path, status: str, charging: bool) -> None:
    lay(tmp_path / "BAT0", status=status)
    assert is_charging(tmp_path) is charging


def test_a_sensor_that_talks_nonsense_is_no_sensor(tmp_path: Path) -> None:
    battery = lay(tmp_path / "BAT0")
    (battery / "capacity").write_bytes(b"\xff\xfe")
    assert read_battery(tmp_path) is None
    (battery / "capacity").write_text("250")
    assert read_battery(tmp_path) is None


def test_the_battery_with_the_least_counts_and_that_of_a_mouse_does_not(tmp_path: Path) -> None:
    lay(tmp_path / "BAT0", type="Battery", capacity="81", status="Discharging")
    lay(tmp_path / "ups", type="UPS", capacity="44", status="Discharging")
    lay(tmp_path / "hidpp_battery_0", type="Battery", scope="Device", capacity="3", status="Discharging")
    assert read_battery(tmp_path) == 44


@pytest.mark.parametrize(
    ("supplies", "power"),
    [
        ({}, ""),
        ({"bat": {"type": "Battery", "status": "Discharging"}, "usb": {"type": "USB", "online": "0"}}, "battery"),
        ({"bat": {"type": "Battery", "status": "Charging"}, "usb": {"type": "USB", "online": "1"}}, "charging"),
        ({"bat": {"type": "Battery", "status": "Full"}}, "external"),
        ({"mains": {"type": "Mains", "online": "1"}}, "external"),
        ({"mains": {"type": "Mains", "online": "0"}}, ""),
    ],
)
def test_where_the_power_comes_from(tmp_path: Path, supplies: dict[str, dict[str, str]], power: str) -> None:
    for name, files in supplies.items():
        lay(tmp_path / name, **files)
    assert read_power(tmp_path) == power


def test_memory_in_use_is_what_could_not_be_given_back(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  250 kB\n")
    assert read_memory(file) == 75.0
    file.write_text("MemTotal:  1000 kB\n")
    assert read_memory(file) is None
    here = read_memory()
    assert here is not None and 0 < here < 100


@pytest.mark.parametrize(
    ("files", "wear"),
    [
        ({}, None),  # a common SD card
        ({"life_time": "0x01 0x03", "pre_eol_info": "0x01"}, 30.0),
        ({"life_time": "0x0b 0x01", "pre_eol_info": "0x01"}, 110.0),
        ({"life_time": "0x01 0x01", "pre_eol_info": "0x03"}, 90.0),  # young, but the reserve is nearly spent
        ({"life_time": "0x00 0x00", "pre_eol_info": "0x00"}, None),  # not defined
    ],
)
def test_wear_as_an_emmc_tells_it(tmp_path: Path, files: dict[str, str], wear: float | None) -> None:
    lay(tmp_path / "device", **files)
    assert read_wear(tmp_path) == wear


def test_the_card_is_the_whole_disk_that_the_data_lie_on(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    disk = lay(tmp_path / "mmcblk0" / "device", life_time="0x02 0x01").parent
    partition = lay(disk / "mmcblk0p2", partition="2")
    block = tmp_path / "block"
    assert find_card(tmp_path, block) is None
    block.mkdir()
    (block / f"{os.major(number)}:{os.minor(number)}").symlink_to(partition)
    assert find_card(tmp_path, block) == disk and read_wear(disk) == 20.0
    assert read_wear(find_card(tmp_path / "nowhere", block)) is None


def test_what_a_pi_says_against_its_power_now_and_not_what_was(tmp_path: Path) -> None:
    file = tmp_path / "get_throttled"
    assert read_throttle(file) == []
    file.write_text("50005\n")  # under-voltage and throttling, now and before
    assert read_throttle(file) == ["under_voltage", "throttled"]
    file.write_text("50000\n")
    assert read_throttle(file) == []
