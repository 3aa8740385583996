import pytest

from edge.options import KitSettings
from edge.recorder.legend import Legend
from edge.spool import open_spool

# 2026-11-26 10:02:03.9 in China
NOW_S = 1_795_658_523.9


class Desk:
    def __init__(self, spool, officer_no="530123"):
        self.spool, self.now_s, self.boot_ms = spool, NOW_S, 50_000
        kit = KitSettings(id="dl-2901-01", officer_no=officer_no)
        self.legend = Legend(kit, spool, now_s=lambda: self.now_s, boot_ms=lambda: self.boot_ms)

    def put_fix(self, **facts):
        fix = {"lat": 25.038921, "lon": 102.718324, "monotonic_ms": self.boot_ms, "boot": self.spool.boot, **facts}
        self.spool.state.set("last_fix", fix)

    def lines(self):
        self.boot_ms += 1_000
        self.legend.refresh()
        return self.legend.lines()


@pytest.fixture
def desk(tmp_path):
    with open_spool(tmp_path / "spool.db") as spool:
        yield Desk(spool)


def test_kit_officer_time_and_zone_without_a_fix(desk):
    assert desk.lines() == ("DL-2901-01 NO.530123", "2026-11-26 10:02:03 +08:00", "NO FIX")


def test_without_an_officers_number_the_kit_alone(desk):
    assert Desk(desk.spool, officer_no="").lines()[0] == "DL-2901-01"


def test_a_position_with_its_accuracy(desk):
    desk.put_fix(accuracy_m=4.6)
    assert desk.lines()[2] == "N25.03892 E102.71832 +-5 M"


def test_south_and_west(desk):
    desk.put_fix(lat=-1.5, lon=-2.25)
    assert desk.lines()[2] == "S1.50000 W2.25000"


def test_an_old_position_says_how_old_it_is(desk):
    desk.put_fix()
    desk.boot_ms += 41_000
    assert desk.lines()[2] == "N25.03892 E102.71832 42 S OLD"


def test_its_age_goes_on_between_two_looks_at_the_spool(desk):
    desk.put_fix()
    desk.lines()
    desk.boot_ms += 60_000
    assert desk.legend.lines()[2].endswith("61 S OLD")


def test_a_position_of_before_the_restart_is_not_passed_off_as_fresh(desk):
    desk.put_fix(boot="another")
    assert desk.lines()[2] == "N25.03892 E102.71832 BEFORE RESTART"


def test_a_clock_that_nothing_vouches_for_is_not_passed_off_as_right(desk):
    desk.spool.state.set("clock_status", {"source": "none", "error_ms": None})
    assert desk.lines()[1] == "2026-11-26 10:02:03 +08:00 CLOCK NOT SET"
    desk.spool.state.set("clock_status", {"source": "gps", "error_ms": 40})
    assert desk.lines()[1] == "2026-11-26 10:02:03 +08:00"


def test_the_spool_is_asked_once_a_second(desk):
    desk.lines()
    desk.put_fix()
    desk.legend.refresh()
    assert desk.legend.lines()[2] == "NO FIX"


def test_a_fix_that_makes_no_sense_is_none(desk):
    desk.put_fix(lat=123)
    assert desk.lines()[2] == "NO FIX"
