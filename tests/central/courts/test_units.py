import pytest

from central.audit import queries as audit
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.courts import queries, rules, units

pytestmark = pytest.mark.both_databases


def add(store, actor, code="云2901", **values):
    fields = {"kind": "rapid_force", "name": "样例快速反应一队", "phone": "0872-0000000"} | values
    with store.write() as uow:
        return units.add_unit(uow, actor, code, **fields)


def names(store, actor, clock, code="云2901"):
    with store.read() as session:
        return [unit.name for unit in queries.list_units(session, actor, code, at_ms=clock.now_ms())]


def test_a_superior_adds_a_force_below(store, commander, clock):
    unit = add(store, commander)
    assert names(store, commander, clock) == ["大理市人民法院执行指挥中心", "样例快速反应一队"]
    with store.read() as session:
        entry = audit.list_entries(session, court_prefix="云2901", limit=1)[0]
        assert queries.count_units(session, commander, at_ms=clock.now_ms())["云2901", "rapid_force"] == 1
    assert (entry.action, entry.subject) == ("courts:unit:add", unit.id)


def test_a_change_keeps_the_unit_and_the_audit_keeps_what_stood(store, commander):
    unit = add(store, commander)
    with store.write() as uow:
        changed = units.change_unit(uow, commander, unit.id, 1, name="样例二队", phone="", note="夜间")
    assert (changed.id, changed.name, changed.version) == (unit.id, "样例二队", 2)
    with store.read() as session:
        entry = audit.list_entries(session, court_prefix="云2901", limit=1)[0]
    assert entry.detail["before"] == {"name": "样例快速反应一队", "phone": "0872-0000000", "note": ""}


def test_the_second_of_two_editors_sees_the_conflict(store, commander):
    unit = add(store, commander)
    with store.write() as uow:
        units.change_unit(uow, commander, unit.id, 1, name="样例二队", phone="", note="")
    with pytest.raises(rules.UnitChangedError), store.write() as uow:
        units.end_unit(uow, commander, unit.id, 1)


def test_an_ended_unit_serves_no_more_and_is_kept(store, commander, clock):
    unit = add(store, commander)
    clock.advance(ms=rules.DAY_MS)
    with store.write() as uow:
        units.end_unit(uow, commander, unit.id, 1)
    assert "样例快速反应一队" not in names(store, commander, clock)
    with store.read() as session:
        past = queries.list_past_units(session, commander, "云2901", now_ms=clock.now_ms())
    assert [(row.name, row.until_ms) for row in past] == [("样例快速反应一队", clock.now_ms())]
    with pytest.raises(rules.UnitChangedError), store.write() as uow:
        units.change_unit(uow, commander, unit.id, 2, name="样例", phone="", note="")


def test_a_unit_ends_on_a_day_to_come(store, commander, clock):
    unit = add(store, commander)
    with store.write() as uow:
        units.end_unit(uow, commander, unit.id, 1, until_ms=clock.now_ms() + 2 * rules.DAY_MS)
    assert "样例快速反应一队" in names(store, commander, clock)
    clock.advance(ms=2 * rules.DAY_MS)
    assert "样例快速反应一队" not in names(store, commander, clock)


def test_a_court_has_one_centre_at_a_time(store, commander):
    with pytest.raises(rules.CentreTakenError, match="大理市人民法院执行指挥中心"):
        add(store, commander, kind="command_centre", name="样例第二中心")
    with store.read() as session:
        (centre,) = queries.list_units(session, commander, "云2901")
    with store.write() as uow:
        units.end_unit(uow, commander, centre.id, centre.version)
    assert add(store, commander, kind="command_centre", name="样例新中心").name == "样例新中心"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"kind": "army"}, InvalidInputError),
        ({"name": " "}, rules.TextLengthError),
        ({"name": "长" * 101}, rules.TextLengthError),
        ({"phone": "ring"}, rules.PhoneError),
        ({"from_ms": 1}, rules.BackdatedError),
        ({"code": "云2999"}, NotFoundError),
    ],
)
def test_refusals(store, commander, values, error):
    with pytest.raises(error):
        add(store, commander, **values)


def test_a_neighbour_and_an_operator_change_nothing(store, neighbour, operator, commander):
    unit = add(store, commander)
    for actor in (neighbour, operator):
        with pytest.raises(ForbiddenError):
            add(store, actor)
        with pytest.raises(ForbiddenError), store.write() as uow:
            units.end_unit(uow, actor, unit.id, 1)
    with pytest.raises(NotFoundError), store.write() as uow:
        units.end_unit(uow, commander, "0" * 32, 1)
