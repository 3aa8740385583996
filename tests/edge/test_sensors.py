import pytest

from edge.sensors import is_charging, read_battery


@pytest.mark.parametrize(
    ("status", "charging"), [("Charging", True), ("Full", True), ("Discharging", False), ("Not charging", False)]
)
def test_whether_a_battery_is_being_charged(tmp_path, status, charging):
    battery = tmp_path / "BAT0"
    battery.mkdir()
    (battery / "status").write_text(f"{status}\n")
    assert is_charging(tmp_path) is charging


def test_a_sensor_that_talks_nonsense_is_no_sensor(tmp_path):
    battery = tmp_path / "BAT0"
    battery.mkdir()
    (battery / "capacity").write_bytes(b"\xff\xfe")
    assert read_battery(tmp_path) is None
    (battery / "capacity").write_text("250")
    assert read_battery(tmp_path) is None
