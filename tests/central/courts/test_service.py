import pytest

from central.audit import queries as audit
from central.base.errors import ForbiddenError, NotFoundError
from central.courts import places, queries, rules
from central.courts import service as courts
from central.courts.models import Court
from central.courts.permissions import Actor
from central.courts.service import CourtNames

pytestmark = pytest.mark.both_databases

DAY_MS = rules.DAY_MS
RAILWAY = CourtNames(
    "昆明铁路运输中级法院", "Kunming Railway Intermediate Court", "昆铁中院", "Kunming Railway", "530100"
)
WEISHAN = CourtNames("巍山彝族回族自治县人民法院", "Weishan People's Court", "巍山", "Weishan", "532927")


def court_of(store, code) -> Court:
    with store.read() as session:
        return queries.get_court(session, code)


def newest_audit(store):
    with store.read() as session:
        return audit.list_entries(session, court_prefix="云", limit=1)[0]


def move(store, actor, *, to=(25.60, 100.26), from_ms=None, version=1, reason="迁入新址"):
    with store.write() as uow:
        return courts.move_seat(
            uow,
            actor,
            "云2901",
            lat=to[0],
            lon=to[1],
            address="样例路1号",
            from_ms=uow.now_ms if from_ms is None else from_ms,
            reason=reason,
            version=version,
        )


class TestAddCourt:
    def test_a_railway_court_beside_the_prefecture(self, store, keeper, clock):
        with store.write() as uow:
            courts.add_court(
                uow, keeper, " 云71 ", RAILWAY, lat=25.02, lon=102.73, address="样例路2号", basis="样例发1号"
            )
        court = court_of(store, "云71")
        assert (court.level, court.parent_code, court.version) == ("intermediate", "云", 2)
        with store.read() as session:
            assert queries.seat_at(session, "云71", clock.now_ms()).address == "样例路2号"
            assert queries.name_at(session, "云71", clock.now_ms()).name_zh == RAILWAY.name_zh
            assert [unit.kind for unit in queries.list_units(session, keeper, "云71")] == ["command_centre"]
            assert queries.custody_level(session, "A", "云71", clock.now_ms()) == "high"
        entry = newest_audit(store)
        assert (entry.action, entry.subject, entry.purpose) == ("courts:court:add", "云71", "样例发1号")

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("云29", rules.CourtExistsError),
            ("云7101", rules.SuperiorMissingError),
            ("云2", rules.CourtCodeError),
            ("川", ForbiddenError),
        ],
    )
    def test_refusals(self, store, keeper, code, error):
        with pytest.raises(error), store.write() as uow:
            courts.add_court(uow, keeper, code, RAILWAY, lat=25.02, lon=102.73, address="", basis="样例发1号")
        with store.read() as session:
            assert len(queries.list_courts(session, Actor("s", "s", "样例", "president", "最高法"))) == 15

    def test_a_court_in_another_corner_of_the_country_is_implausible(self, store, keeper):
        with pytest.raises(places.SeatTooFarError), store.write() as uow:
            courts.add_court(uow, keeper, "云71", RAILWAY, lat=47.0, lon=132.0, address="", basis="样例发1号")

    def test_a_commander_adds_none(self, store, commander):
        with pytest.raises(ForbiddenError), store.write() as uow:
            courts.add_court(uow, commander, "云2933", RAILWAY, lat=25.6, lon=100.2, address="", basis="样例")


class TestRename:
    def rename(self, store, actor, *, from_ms=None, version=1, names=WEISHAN, code="云2927"):
        with store.write() as uow:
            courts.rename_court(uow, actor, code, names, from_ms=from_ms, basis="样例批复3号", version=version)

    def test_a_new_name_leaves_the_old_one_in_history(self, store, keeper, clock):
        names = CourtNames("巍山县人民法院", "Weishan County Court", "巍山", "Weishan", "532927")
        at_ms = clock.now_ms()
        self.rename(store, keeper, from_ms=at_ms, names=names)
        court = court_of(store, "云2927")
        assert (court.name_zh, court.version) == ("巍山县人民法院", 2)
        with store.read() as session:
            assert queries.name_at(session, "云2927", at_ms - 1).name_zh == WEISHAN.name_zh
            assert queries.name_at(session, "云2927", at_ms).name_zh == "巍山县人民法院"
            assert len(queries.list_names(session, keeper, "云2927")) == 2
        assert newest_audit(store).detail["before"]["name"] == WEISHAN.name_zh

    def test_a_slip_is_put_right_without_a_line(self, store, keeper):
        names = CourtNames("巍山县法院", "Weishan", "巍", "W", "532927")
        self.rename(store, keeper, names=names)
        assert court_of(store, "云2927").short_zh == "巍"
        with store.read() as session:
            assert len(queries.list_names(session, keeper, "云2927")) == 1
        assert newest_audit(store).action == "courts:court:correct"

    def test_the_second_of_two_editors_sees_the_conflict(self, store, keeper):
        self.rename(store, keeper, names=CourtNames("甲", "A", "甲", "A", "532927"))
        with pytest.raises(rules.CourtChangedError, match="meanwhile") as caught:
            self.rename(store, keeper, names=CourtNames("乙", "B", "乙", "B", "532927"))
        assert caught.value.params == {"current": 2}
        assert court_of(store, "云2927").name_zh == "甲"

    def test_history_is_written_forwards(self, store, keeper, clock):
        self.rename(store, keeper, from_ms=clock.now_ms())
        with pytest.raises(rules.LaterChangeError):
            self.rename(store, keeper, from_ms=clock.now_ms() - DAY_MS, version=2)

    @pytest.mark.parametrize("field", ["name_zh", "name_en", "short_zh", "short_en", "division"])
    def test_nothing_may_be_empty(self, store, keeper, field):
        from dataclasses import replace

        with pytest.raises((rules.TextLengthError, rules.DivisionError)):
            self.rename(store, keeper, names=replace(WEISHAN, **{field: " "}))
        assert court_of(store, "云2927").version == 1

    def test_an_unknown_court(self, store, keeper):
        with pytest.raises(NotFoundError):
            self.rename(store, keeper, code="云2999")

    def test_an_administrator_of_one_court_changes_no_other(self, store):
        own = Actor("x", "x", "样例", "system_admin", "云2901")
        with pytest.raises(ForbiddenError):
            self.rename(store, own)


class TestSeat:
    def test_a_centre_moves_and_its_history_stays(self, store, keeper, clock):
        before_ms = clock.now_ms()
        clock.advance(ms=DAY_MS)
        move(store, keeper)
        court = court_of(store, "云2901")
        assert (court.lat, court.lon, court.version) == (25.60, 100.26, 2)
        with store.read() as session:
            assert queries.seat_at(session, "云2901", before_ms).lat == 25.592
            assert queries.seat_at(session, "云2901", clock.now_ms()).address == "样例路1号"
            assert [seat.lat for seat in queries.list_seats(session, keeper, "云2901")] == [25.60, 25.592]
        entry = newest_audit(store)
        assert (entry.action, entry.purpose) == ("courts:seat:move", "迁入新址")
        assert entry.detail["before"] == [25.592, 100.23]

    def test_a_move_entered_ahead_takes_effect_on_its_day(self, store, keeper, clock):
        day_ms = clock.now_ms() + 3 * DAY_MS
        move(store, keeper, from_ms=day_ms)
        assert court_of(store, "云2901").lat == 25.592
        with store.write() as uow:
            assert courts.settle_courts(uow) == 0
        clock.advance(ms=3 * DAY_MS)
        with store.write() as uow:
            assert courts.settle_courts(uow) == 1
        assert court_of(store, "云2901").lat == 25.60

    def test_a_planned_move_gives_way_to_the_next_entry(self, store, keeper, clock):
        move(store, keeper, from_ms=clock.now_ms() + 9 * DAY_MS)
        move(store, keeper, to=(25.61, 100.27), from_ms=clock.now_ms() + 3 * DAY_MS, version=2)
        with store.read() as session:
            for days, lat in ((0, 25.592), (2, 25.592), (3, 25.61), (10, 25.61)):
                assert queries.seat_at(session, "云2901", clock.now_ms() + days * DAY_MS).lat == lat

    def test_a_planned_move_is_taken_back(self, store, keeper, clock):
        move(store, keeper, from_ms=clock.now_ms() + 9 * DAY_MS)
        with store.write() as uow:
            assert courts.cancel_planned(uow, keeper, "云2901", "计划取消", 2) == 1
        with store.read() as session:
            assert queries.seat_at(session, "云2901", clock.now_ms() + 20 * DAY_MS).lat == 25.592
        assert newest_audit(store).action == "courts:court:cancel"

    def test_a_wrong_record_is_put_right_in_place(self, store, keeper, clock):
        with store.write() as uow:
            courts.correct_seat(
                uow, keeper, "云2901", lat=25.593, lon=100.231, address="样例路9号", reason="测绘更正", version=1
            )
        assert court_of(store, "云2901").lon == 100.231
        with store.read() as session:
            assert len(queries.list_seats(session, keeper, "云2901")) == 1
        assert newest_audit(store).detail["before"] == [25.592, 100.23, ""]

    def test_what_is_put_right_is_the_present_record_and_not_the_plan(self, store, keeper, clock):
        move(store, keeper, from_ms=clock.now_ms() + 9 * DAY_MS)
        with store.write() as uow:
            courts.correct_seat(
                uow, keeper, "云2901", lat=25.593, lon=100.231, address="样例路9号", reason="测绘更正", version=2
            )
        with store.read() as session:
            assert queries.seat_at(session, "云2901", clock.now_ms()).lat == 25.593
            assert queries.seat_at(session, "云2901", clock.now_ms() + 9 * DAY_MS).lat == 25.60

    @pytest.mark.parametrize(
        ("to", "error"),
        [
            ((100.23, 25.59), places.SeatSwappedError),
            ((35.0, 10.0), places.SeatOutsideError),
            ((25.04, 102.71), places.SeatTooFarError),
        ],
    )
    def test_implausible_places_are_refused_and_change_nothing(self, store, keeper, to, error):
        with pytest.raises(error):
            move(store, keeper, to=to)
        assert court_of(store, "云2901").version == 1

    def test_the_second_of_two_editors_sees_the_conflict(self, store, keeper):
        move(store, keeper)
        with pytest.raises(rules.CourtChangedError):
            move(store, keeper, to=(25.61, 100.27))
        assert court_of(store, "云2901").lat == 25.60

    def test_no_move_into_the_time_before_the_last(self, store, keeper, clock):
        move(store, keeper)
        with pytest.raises(rules.LaterChangeError):
            move(store, keeper, to=(25.61, 100.27), from_ms=clock.now_ms() - 1, version=2)

    def test_a_move_needs_a_reason(self, store, keeper):
        with pytest.raises(rules.TextLengthError):
            move(store, keeper, reason=" ")

    @pytest.mark.parametrize("role", ["president", "commander", "security_admin", "audit_admin"])
    def test_nobody_else_moves_a_court(self, store, role):
        with pytest.raises(ForbiddenError):
            move(store, Actor("x", "x", "样例", role, "云29"))

    def test_nothing_is_known_of_a_court_before_it_was(self, store, keeper):
        with store.read() as session, pytest.raises(NotFoundError):
            queries.seat_at(session, "云2901", -1)


class TestScope:
    SUPREME = Actor("s", "s", "样例", "president", "最高法")

    def test_the_supreme_court_sees_every_court_and_itself_first(self, store):
        with store.read() as session:
            codes = [court.code for court in queries.list_courts(session, self.SUPREME)]
        assert codes[:3] == ["最高法", "云", "云29"]
        assert len(codes) == 15

    def test_a_county_looks_up_its_own_court_alone(self, store, operator):
        with store.read() as session:
            assert queries.view_court(session, operator, "云2901").code == "云2901"
            for other in ("云2922", "云29", "最高法", "云2999"):
                with pytest.raises(NotFoundError):
                    queries.view_court(session, operator, other)
            for read in (queries.list_seats, queries.list_names, queries.list_units, queries.list_features):
                with pytest.raises(NotFoundError):
                    read(session, operator, "云2922")
