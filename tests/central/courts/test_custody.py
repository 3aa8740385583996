import pytest

from central.audit import queries as audit
from central.base.errors import ForbiddenError, InvalidInputError
from central.courts import custody, queries, rules

pytestmark = pytest.mark.both_databases

DAY_MS = rules.DAY_MS


def fix(store, actor, level, *, code="云", category="B", days=0):
    with store.write() as uow:
        custody.set_custody_level(
            uow, actor, code, category, level, from_ms=uow.now_ms + days * DAY_MS, basis="样例通知5号"
        )


def route(store, clock, *, category="B", code="云2901", days=0):
    with store.read() as session:
        return queries.route_court(session, category, code, clock.now_ms() + days * DAY_MS)


@pytest.mark.parametrize("category", rules.INQUIRY_CATEGORIES)
def test_the_seed_is_the_founding_plan(store, clock, category):
    """A, C, I, J are asked for by the high court; a county completes each of the others by itself."""
    through_high = category in "ACIJ"
    assert route(store, clock, category=category) == ("云" if through_high else "云2901")
    assert route(store, clock, category=category, code="云29") == ("云" if through_high else "云29")
    with store.read() as session:
        assert queries.find_custody(session, category, "云2901", clock.now_ms()).basis


def test_a_changed_level_reroutes_without_code(store, keeper, clock):
    fix(store, keeper, "high")
    assert route(store, clock) == "云"
    fix(store, keeper, "intermediate", days=5)
    assert [route(store, clock, days=days) for days in (0, 4, 5, 50)] == ["云", "云", "云29", "云29"]
    with store.read() as session:
        entry = audit.list_entries(session, court_prefix="云", limit=1)[0]
    assert (entry.action, entry.subject, entry.purpose) == ("courts:custody:set", "云/B", "样例通知5号")


def test_what_was_asked_earlier_keeps_its_route(store, keeper, clock):
    clock.advance(ms=DAY_MS)
    fix(store, keeper, "high")
    assert route(store, clock, days=-1) == "云2901"


def test_the_nearest_court_decides(store, keeper, administrator, clock):
    fix(store, administrator, "intermediate", code="云29")
    assert route(store, clock) == "云29"
    assert route(store, clock, code="云71") == "云71"
    with store.write() as uow:
        custody.inherit_custody_level(uow, administrator, "云29", "B", from_ms=uow.now_ms + 1, basis="样例")
    clock.advance(ms=1)
    assert route(store, clock) == "云2901"


def test_what_was_planned_gives_way(store, keeper, clock):
    fix(store, keeper, "high", days=9)
    fix(store, keeper, "intermediate", days=5)
    assert [route(store, clock, days=days) for days in (4, 5, 9, 20)] == ["云2901", "云29", "云29", "云29"]
    with store.read() as session:
        (view,) = [
            view for view in queries.list_custody(session, keeper, "云", at_ms=clock.now_ms()) if view.category == "B"
        ]
    assert [(row.level, row.from_ms) for row in view.upcoming] == [("intermediate", clock.now_ms() + 5 * DAY_MS)]
    assert (view.level, view.route) == ("basic", "云")


def test_elsewhere_every_court_asks_for_itself(store, clock):
    assert route(store, clock, code="川1301", category="A") == "川1301"


def test_refusals(store, keeper, administrator, commander):
    with pytest.raises(rules.BackdatedError):
        fix(store, keeper, "high", days=-1)
    with pytest.raises(InvalidInputError, match="A to M"):
        fix(store, keeper, "high", category="Z")
    with pytest.raises(InvalidInputError, match="custody level"):
        fix(store, keeper, "supreme")
    with pytest.raises(ForbiddenError):
        fix(store, administrator, "high", code="云")
    with pytest.raises(ForbiddenError):
        fix(store, commander, "high", code="云29")
