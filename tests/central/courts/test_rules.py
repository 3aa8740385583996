import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.base.errors import InvalidInputError
from central.courts import rules
from central.courts.permissions import SUPREME, sees_court

PROVINCES = st.sampled_from("京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新兵军")
PAIRS = st.integers(0, 99).map("{:02}".format)
CODES = st.one_of(
    st.just(SUPREME),
    PROVINCES,
    st.builds("{}{}".format, PROVINCES, PAIRS),
    st.builds("{}{}{}".format, PROVINCES, PAIRS, PAIRS),
)
MOMENTS = st.integers(0, 50)
TIMES = st.tuples(MOMENTS, st.one_of(st.none(), MOMENTS))


class TestTree:
    @given(CODES)
    def test_every_path_ends_at_the_supreme_court_one_level_at_a_time(self, code):
        path = rules.path_up(code)
        assert path[0] == code
        assert path[-1] == SUPREME
        assert [rules.level_of(court) for court in reversed(path)] == list(rules.LEVELS[: len(path)])
        assert [rules.parent_of(court) for court in path[:-1]] == path[1:]
        assert rules.parent_of(SUPREME) is None

    @given(CODES, CODES)
    def test_the_lowest_common_superior_is_above_both_and_no_lower_court_is(self, one, other):
        common = rules.lowest_common_superior(one, other)
        assert sees_court(common, one)
        assert sees_court(common, other)
        above_both = [court for court in rules.path_up(one) if sees_court(court, other)]
        assert above_both[0] == common
        assert rules.lowest_common_superior(other, one) == common

    @given(CODES, CODES, CODES)
    def test_the_common_superior_of_three_needs_no_order(self, one, two, three):
        superior = rules.lowest_common_superior
        assert superior(superior(one, two), three) == superior(one, superior(two, three))

    @given(CODES, CODES)
    def test_a_court_sees_exactly_those_whose_path_leads_through_it(self, own, other):
        assert sees_court(own, other) is (own in rules.path_up(other))
        if sees_court(own, other):
            assert rules.lowest_common_superior(own, other) == own

    @pytest.mark.parametrize(
        ("one", "other", "common"),
        [
            ("云2901", "云2931", "云29"),
            ("云2901", "云29", "云29"),
            ("云2901", "云2901", "云2901"),
            ("云2901", "云7101", "云"),
            ("云29", "云71", "云"),
            ("云2901", "川1301", SUPREME),
            ("云", "川", SUPREME),
            (SUPREME, "云2901", SUPREME),
        ],
    )
    def test_superiors_by_name(self, one, other, common):
        assert rules.lowest_common_superior(one, other) == common

    @pytest.mark.parametrize(
        "code", ["", "云2", "云290", "云29011", "滇29", "最高", "云2901 ", "yun2901", "云２９", "云29\n"]
    )
    def test_other_forms_are_no_codes(self, code):
        with pytest.raises(rules.CourtCodeError, match="云2901"):
            rules.check_code(code)
        with pytest.raises(rules.CourtCodeError):
            rules.path_up(code)


class TestRouting:
    @pytest.mark.parametrize(
        ("asking", "level", "route"),
        [
            ("云2901", "high", "云"),
            ("云2901", "intermediate", "云29"),
            ("云2901", "basic", "云2901"),
            ("云29", "high", "云"),
            ("云29", "intermediate", "云29"),
            ("云29", "basic", "云29"),
            ("云", "basic", "云"),
            (SUPREME, "high", SUPREME),
        ],
    )
    def test_the_level_of_custody_decides_who_asks(self, asking, level, route):
        assert rules.route_up(asking, level) == route

    @given(CODES, st.sampled_from(rules.CUSTODY_LEVELS))
    def test_the_court_that_asks_is_the_asking_one_or_above_it(self, code, level):
        assert rules.route_up(code, level) in rules.path_up(code)

    def test_an_unknown_level_is_refused(self):
        with pytest.raises(InvalidInputError, match="high, intermediate, basic"):
            rules.route_up("云29", "supreme")


class TestTimes:
    @given(TIMES, TIMES)
    def test_two_times_overlap_when_a_moment_lies_in_both(self, one, other):
        def holds(time, moment):
            return time[0] <= moment and (time[1] is None or moment < time[1])

        shared = any(holds(one, moment) and holds(other, moment) for moment in range(60))
        assert rules.overlaps(one, other) is shared
        assert rules.holds_at(*one, 7) is holds(one, 7)

    def test_today_means_from_now_on(self):
        noon = 20_000 * rules.DAY_MS + rules.DAY_MS // 2
        assert rules.check_start(noon - rules.DAY_MS // 2, noon) == noon
        assert rules.check_start(noon + 5, noon) == noon + 5
        with pytest.raises(rules.BackdatedError, match="past"):
            rules.check_start(noon - rules.DAY_MS, noon)

    def test_an_end_before_the_beginning_is_refused(self):
        rules.check_term(5, None)
        rules.check_term(5, 6)
        with pytest.raises(rules.TermError):
            rules.check_term(5, 5)


class TestTexts:
    def test_names_lose_what_nobody_sees(self):
        assert rules.check_text(" 祥云县\u200b 人民\x00法院\n") == "祥云县 人民法院"

    @pytest.mark.parametrize("text", ["", " \u200b ", "长" * 201])
    def test_empty_and_endless_names_are_refused(self, text):
        with pytest.raises(rules.TextLengthError, match="200"):
            rules.check_text(text)

    @pytest.mark.parametrize("division", ["", "5329", "053290", "53290a", "5329011", "５３２９０１"])
    def test_divisions_have_six_digits(self, division):
        assert rules.check_division("532901") == "532901"
        with pytest.raises(rules.DivisionError):
            rules.check_division(division)

    def test_telephones(self):
        assert rules.check_phone(" 0872-0000000 ") == "0872-0000000"
        assert rules.check_phone("") == ""
        with pytest.raises(rules.PhoneError):
            rules.check_phone("call me")

    @pytest.mark.parametrize("category", ["", "N", "AB", "a"])
    def test_categories_are_a_to_m(self, category):
        assert rules.check_category("M") == "M"
        with pytest.raises(InvalidInputError):
            rules.check_category(category)
