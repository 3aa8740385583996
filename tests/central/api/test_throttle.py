"""Buckets of requests, and places for those who wait."""

import pytest

from central.api.throttle import MAX_CALLERS, Places, Throttle
from central.base.errors import InvalidInputError
from central.people.scopes import SCOPES, SERVICE_RIGHTS, ServiceActor, check_scopes
from tests.fakes.clocks import FakeClock


class TestThrottle:
    @pytest.fixture
    def clock(self):
        return FakeClock()

    def test_a_burst_then_the_rate(self, clock):
        throttle = Throttle(2, 4, clock)
        assert [throttle.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
        clock.advance(s=0.25)
        assert throttle.take("a") == 0.25
        clock.advance(s=0.25)
        assert [throttle.take("a"), throttle.take("a")] == [0, 0.5]

    def test_a_bucket_holds_no_more_than_the_burst(self, clock):
        throttle = Throttle(1, 2, clock)
        throttle.take("a")
        clock.advance(s=3600)
        assert [throttle.take("a") > 0 for _ in range(3)] == [False, False, True]

    def test_callers_do_not_pay_for_each_other(self, clock):
        throttle = Throttle(1, 1, clock)
        assert [throttle.take(name) for name in ("a", "b", "a")] == [0, 0, 1]

    def test_its_memory_is_bounded(self, clock):
        throttle = Throttle(1, 1, clock)
        for number in range(MAX_CALLERS):
            throttle.take(str(number))
        clock.advance(s=1)
        throttle.take("late")
        assert len(throttle._buckets) == 1
        for number in range(3 * MAX_CALLERS):
            throttle.take(str(number))
        assert len(throttle._buckets) <= MAX_CALLERS


def test_places_are_given_back():
    places = Places(2)
    with places.hold("a") as first, places.hold("a") as second, places.hold("a") as third, places.hold("b") as other:
        assert (first, second, third, other) == (True, True, False, True)
    assert not places._taken
    with pytest.raises(RuntimeError), places.hold("a"):
        raise RuntimeError
    assert not places._taken


class TestScopes:
    def test_each_right_comes_from_its_scope_alone(self):
        for scope, actions in SERVICE_RIGHTS.items():
            service = ServiceActor("x", "云29", frozenset({scope}))
            every = {action for others in SERVICE_RIGHTS.values() for action in others}
            assert {action for action in every if service.has_right(action)} == actions
            assert not service.has_right("manage_users")

    def test_a_scope_of_another_release_allows_nothing(self):
        assert not ServiceActor("x", "云29", frozenset({"cases:burn"})).has_right("see_case")

    def test_scopes_are_checked_and_ordered(self):
        assert check_scopes(["cases:write", "courts:read", "cases:write"]) == ["courts:read", "cases:write"]
        assert check_scopes(SCOPES) == list(SCOPES)
        for wrong in ([], ["cases:burn"], [""]):
            with pytest.raises(InvalidInputError):
                check_scopes(wrong)
