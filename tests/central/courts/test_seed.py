import pytest
from sqlmodel import select

from central.base.errors import NotFoundError
from central.courts import custody, queries
from central.courts import service as courts
from central.courts.models import CommandUnit, Court, CourtName, CourtSeat, CustodyLevel
from central.courts.seeding import COURTS_FILE
from central.courts.service import CourtNames

pytestmark = pytest.mark.both_databases

TABLES = (Court, CourtSeat, CourtName, CommandUnit, CustodyLevel)


class TestSeed:
    def test_fifteen_courts_with_seats_in_yunnan(self, store):
        with store.read() as session:
            rows = session.exec(select(Court)).all()
        assert len(rows) == 15
        assert [row.level for row in rows].count("basic") == 12
        assert all(25 <= row.lat <= 27 and 99 <= row.lon <= 103 for row in rows if row.code != "最高法")
        by_code = {row.code: row for row in rows}
        assert by_code["云2931"].name_zh == "剑川县人民法院"
        assert by_code["云2931"].name_en == "Jianchuan People's Court"
        assert by_code["云2931"].parent_code == "云29"
        assert by_code["云29"].parent_code == "云"

    def test_repeating_it_changes_nothing(self, store):
        with store.write() as uow:
            assert courts.seed_courts(uow) == 15
        with store.read() as session:
            assert len(session.exec(select(Court)).all()) == 15

    def test_scope_of_the_list(self, store, operator, commander):
        with store.read() as session:
            assert [court.code for court in queries.list_courts(session, operator)] == ["云2901"]
            assert len(queries.list_courts(session, commander)) == 13
            with pytest.raises(NotFoundError):
                queries.get_court(session, "云2999")

    def test_every_court_starts_with_seat_name_and_centre(self, store, clock):
        with store.read() as session:
            for court in session.exec(select(Court)).all():
                seat = queries.seat_at(session, court.code, clock.now_ms())
                name = queries.name_at(session, court.code, 0)
                assert (seat.lat, seat.lon) == (court.lat, court.lon)
                assert (name.name_zh, name.division) == (court.name_zh, court.division)
            units = session.exec(select(CommandUnit)).all()
        assert len(units) == 15
        assert {unit.kind for unit in units} == {"command_centre"}

    def test_repeating_it_adds_no_history(self, store):
        with store.write() as uow:
            before = [len(uow.session.exec(select(table)).all()) for table in TABLES]
            courts.seed_courts(uow)
            assert [len(uow.session.exec(select(table)).all()) for table in TABLES] == before

    def test_what_an_administrator_edited_stays(self, store, keeper, clock):
        names = CourtNames("样例改名法院", "Renamed", "样例", "Renamed", "532927")
        with store.write() as uow:
            courts.rename_court(uow, keeper, "云2927", names, from_ms=None, basis="样例", version=1)
            (centre,) = queries.list_units(uow.session, keeper, "云2901")
        with store.write() as uow:
            uow.session.exec(select(CommandUnit).where(CommandUnit.id == centre.id)).one().until_ms = uow.now_ms
            custody.set_custody_level(uow, keeper, "云", "A", "basic", from_ms=uow.now_ms, basis="样例")
        with store.write() as uow:
            courts.seed_courts(uow)
        with store.read() as session:
            assert queries.get_court(session, "云2927").name_zh == "样例改名法院"
            assert queries.list_units(session, keeper, "云2901") == []
            assert queries.custody_level(session, "A", "云2901", clock.now_ms()) == "basic"

    def test_a_correction_of_the_file_reaches_a_court_nobody_edited(self, store, keeper, tmp_path):
        corrected = tmp_path / "courts.toml"
        text = COURTS_FILE.read_text(encoding="utf-8")
        corrected.write_text(
            text.replace("Weishan People's Court", "Weishan County Court").replace("25.227", "25.228")
        )
        with store.write() as uow:
            courts.seed_courts(uow, corrected)
        with store.read() as session:
            court = queries.get_court(session, "云2927")
            assert (court.name_en, court.lat, court.version) == ("Weishan County Court", 25.228, 1)
            (seat,) = queries.list_seats(session, keeper, "云2927")
            (name,) = queries.list_names(session, keeper, "云2927")
        assert (seat.lat, name.name_en) == (25.228, "Weishan County Court")
