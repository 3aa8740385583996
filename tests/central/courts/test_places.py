import math

import pytest

from central.courts import places


@pytest.mark.parametrize("text", ["", "abc", "25,592", "nan", "inf", "25°", "1e999"])
def test_what_is_no_number_is_told(text):
    with pytest.raises(places.CoordinateFormatError, match=r"25\.592"):
        places.parse_degrees(text)


def test_degrees_are_read():
    assert places.parse_degrees(" 25.592 ") == 25.592


def test_a_seat_is_rounded_to_decimetres():
    assert places.check_seat(25.59200049, 100.2300009) == (25.592, 100.230001)


@pytest.mark.parametrize("place", [(100.23, 25.592), (116.407, 39.904)])
def test_exchanged_coordinates_are_seen(place):
    with pytest.raises(places.SeatSwappedError, match="latitude comes first"):
        places.check_seat(*place)


@pytest.mark.parametrize("place", [(0, 0), (48.85, 2.35), (-25.592, 100.23), (25.592, -100.23), (91, 100), (25, 200)])
def test_places_abroad_are_refused(place):
    with pytest.raises(places.SeatOutsideError, match="outside China"):
        places.check_seat(*place)


def test_no_number_is_no_place():
    with pytest.raises(places.CoordinateFormatError):
        places.check_seat(math.nan, 100.0)


def test_distance_of_two_seats():
    """Dali to Jianchuan is 110 km, as the table of courts has it."""
    assert places.distance_km((25.592, 100.230), (26.537, 99.905)) == pytest.approx(110, abs=1)
    assert places.distance_km((25.592, 100.230), (25.592, 100.230)) == 0


def test_too_far_is_told_in_kilometres():
    places.check_distance((25.592, 100.230), (25.67, 99.958), 30)
    with pytest.raises(places.SeatTooFarError, match="110 km") as caught:
        places.check_distance((25.592, 100.230), (26.537, 99.905), 100)
    assert caught.value.params == {"km": 110, "limit": 100}
