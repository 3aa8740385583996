import pytest
from sqlmodel import select

from central.base.errors import NotFoundError
from central.courts import queries
from central.courts import service as courts
from central.courts.models import Court


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
