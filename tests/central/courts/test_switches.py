import pytest

from central.audit import queries as audit
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.courts import features, queries, rules, switches
from central.courts.permissions import Actor

pytestmark = pytest.mark.both_databases


def switch(store, actor, code, is_on, feature="inquiry"):
    with store.write() as uow:
        switches.set_feature(uow, actor, code, feature, is_on=is_on, basis="样例批复7号")


def on(store, code, feature="inquiry"):
    with store.read() as session:
        return queries.is_feature_on(session, code, feature)


def test_three_phases_and_every_function_in_one():
    assert {feature.phase for feature in features.FEATURES.values()} == set(features.PHASES)
    assert [code for code, feature in features.FEATURES.items() if feature.is_default] == ["cases", "incidents"]
    assert all(feature.code == code and feature.zh and feature.en for code, feature in features.FEATURES.items())


def test_where_nobody_decided_the_default_holds(store):
    assert on(store, "云2901", "cases")
    assert on(store, "云2901", "incidents")
    assert not any(on(store, "云2901", code) for code in features.FEATURES if code not in ("cases", "incidents"))


def test_the_nearest_court_upwards_decides(store, keeper, administrator):
    switch(store, keeper, "云", True)
    switch(store, administrator, "云2931", False)
    assert [on(store, code) for code in ("云", "云29", "云2901", "云2931", "川1301")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    switch(store, administrator, "云29", False)
    assert [on(store, code) for code in ("云", "云29", "云2901", "云71")] == [True, False, False, True]
    with store.read() as session:
        states = {state.feature.code: state for state in queries.list_features(session, administrator, "云2901")}
        listed = queries.list_features_on(session, administrator)
    assert (states["inquiry"].decided_by, states["inquiry"].basis) == ("云29", "样例批复7号")
    assert states["seals"].decided_by == ""
    assert listed["云2901"] == {"cases", "incidents"}


def test_a_court_gives_its_decision_back(store, administrator):
    switch(store, administrator, "云29", True)
    switch(store, administrator, "云2901", False)
    for _ in range(2):
        with store.write() as uow:
            switches.clear_feature(uow, administrator, "云2901", "inquiry", basis="样例批复8号")
    assert on(store, "云2901")
    with store.read() as session:
        entries = audit.list_entries(session, court_prefix="云2901", action_prefix="courts:feature:")
    assert [(entry.action, entry.purpose) for entry in entries] == [
        ("courts:feature:inherit", "样例批复8号"),
        ("courts:feature:switch", "样例批复7号"),
    ]
    assert entries[1].detail == {"feature": "inquiry", "before": None, "after": False}
    switch(store, administrator, "云2901", True)
    assert on(store, "云2901")


def test_a_function_that_is_off_refuses_in_one_sentence(store):
    with store.read() as session:
        queries.check_feature(session, "云2901", "cases")
        with pytest.raises(rules.FeatureOffError, match="Inquiry and control is not switched on for 云2901"):
            queries.check_feature(session, "云2901", "inquiry")


def test_refusals(store, administrator, commander):
    with pytest.raises(InvalidInputError, match="no function"):
        switch(store, administrator, "云29", True, "teleport")
    with pytest.raises(NotFoundError):
        switch(store, administrator, "云2999", True)
    with pytest.raises(rules.TextLengthError), store.write() as uow:
        switches.set_feature(uow, administrator, "云29", "inquiry", is_on=True, basis="")
    for actor, code in (
        (commander, "云29"),
        (administrator, "云"),
        (Actor("x", "x", "样例", "president", "云"), "云"),
    ):
        with pytest.raises(ForbiddenError):
            switch(store, actor, code, True)
