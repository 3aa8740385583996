"""Asked, decided, withdrawn, lapsed, ratified: one decision each, by whom it is to be made."""

import pytest
from sqlalchemy import select
from sqlmodel import col

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, NotFoundError
from central.command import queries, rules, service
from central.command.models import CommandRequest
from central.courts.permissions import Actor
from central.devices import lost

pytestmark = pytest.mark.both_databases


def state_of(store, request):
    with store.read() as session:
        return session.get(CommandRequest, request.id).state


def test_who_asked_does_not_decide_but_a_commander_of_his_court(store, ask, leader, commander, operator):
    own = ask(actor=leader, court="云2901")
    with store.write() as uow:
        assert service.grant_request(uow, leader, own.id, service.Terms()).kind == "own_motion"
    above = ask(actor=leader, court="云29")
    for stranger in (leader, operator):
        with pytest.raises(ForbiddenError), store.write() as uow:
            service.grant_request(uow, stranger, above.id, service.Terms())
    acting = Actor("u5", "juzhang", "样例局长", "bureau_chief", "云2901", frozenset({"commander"}))
    chiefs = ask(court="云2901")
    with store.write() as uow:
        assert service.grant_request(uow, acting, chiefs.id, service.Terms()).kind == "own_motion"
    with store.write() as uow:
        assert service.grant_request(uow, commander, above.id, service.Terms()).kind == "ordinary"


def test_one_decision_each(store, ask, commander, second, chief):
    request = ask()
    with store.write() as uow:
        decision = service.refuse_request(uow, second, request.id, reason="样例：由本院处置")
    assert (decision.verdict, decision.reason) == ("refused", "样例：由本院处置")
    for act in (
        lambda uow: service.grant_request(uow, commander, request.id, service.Terms()),
        lambda uow: service.refuse_request(uow, commander, request.id, reason="x"),
        lambda uow: service.withdraw_request(uow, chief, request.id),
    ):
        with pytest.raises(rules.RequestStateError), store.write() as uow:
            act(uow)
    assert state_of(store, request) == "refused"


def test_a_refusal_says_why(store, ask, commander):
    request = ask()
    with pytest.raises(rules.CommandDraftError), store.write() as uow:
        service.refuse_request(uow, commander, request.id, reason=" ")
    assert state_of(store, request) == "asked"


def test_withdrawn_by_who_asked_and_by_nobody_else(store, ask, chief, operator):
    request = ask()
    with pytest.raises(ForbiddenError), store.write() as uow:
        service.withdraw_request(uow, operator, request.id)
    with store.write() as uow:
        service.withdraw_request(uow, chief, request.id)
    assert state_of(store, request) == "withdrawn"


def test_what_nobody_decides_lapses_after_a_day(store, ask, clock):
    request = ask()
    clock.advance(ms=rules.ASKED_MS)
    with store.write() as uow:
        assert service.lapse_requests(uow) == 0
    clock.advance(ms=1)
    with store.write() as uow:
        assert service.lapse_requests(uow) == 1
    assert state_of(store, request) == "lapsed"


def test_a_lost_kit_is_not_called(store, ask, leader):
    with store.write() as uow:
        lost.lock_kit(uow, leader, "dl-2901-01", reason="样例：遗落")
    with pytest.raises(rules.CommandKitError):
        ask()


@pytest.mark.parametrize("role", ["president", "clerk", "supervisor", "system_admin", "liaison"])
def test_who_may_not_ask(ask, role):
    with pytest.raises(ForbiddenError):
        ask(actor=Actor("u", "x", "样例", role, "云2901"))


def test_a_judge_sees_what_he_asked_and_no_more(store, ask, judge, neighbour):
    own, other = ask(actor=judge), ask()
    with store.read() as session:
        assert [view.request.id for view in queries.list_requests(session, judge)] == [own.id]
        with pytest.raises(NotFoundError):
            queries.get_request(session, judge, other.id)
        assert queries.list_requests(session, neighbour) == []
        with pytest.raises(ForbiddenError):
            queries.list_requests(session, Actor("u", "x", "样例", "clerk", "云29"))


def emergency(store, ask, actor):
    request = ask(actor=actor, court=actor.court_code)
    with store.write() as uow:
        request = uow.session.get(CommandRequest, request.id)
        service.decide(
            uow, request, actor, kind="emergency", verdict="granted", terms=service.Terms(), tied=request.kits
        )
    return request


def test_an_emergency_names_no_kit_that_it_is_not_about(store, ask, operator):
    request = ask(actor=operator, court=operator.court_code)
    with pytest.raises(rules.EmergencyKitError) as told, store.write() as uow:
        found = uow.session.get(CommandRequest, request.id)
        service.decide(uow, found, operator, kind="emergency", verdict="granted", terms=service.Terms())
    assert "dl-2901-01" in str(told.value)
    assert state_of(store, request) == "asked"


def test_an_emergency_is_ratified_once_by_another(store, ask, operator, leader, second, clock):
    request = emergency(store, ask, operator)
    with pytest.raises(ForbiddenError), store.write() as uow:
        service.ratify(uow, operator, request.id, verdict="confirmed", reason="")
    with pytest.raises(ForbiddenError), store.write() as uow:  # a superior does not decide for the county
        service.ratify(uow, second, request.id, verdict="confirmed", reason="")
    with pytest.raises(rules.CommandDraftError), store.write() as uow:
        service.ratify(uow, leader, request.id, verdict="disapproved", reason="")
    with store.write() as uow:
        service.ratify(uow, leader, request.id, verdict="confirmed", reason="")
    with pytest.raises(rules.RatifiedError), store.write() as uow:
        service.ratify(uow, leader, request.id, verdict="confirmed", reason="")
    clock.advance(ms=2 * rules.RATIFY_WITHIN_MS)
    with store.write() as uow:
        assert service.note_overdue(uow) == 0


def test_who_began_it_does_not_ratify_it_even_when_he_commands_now(store, ask, operator):
    request = emergency(store, ask, operator)
    acting = Actor(operator.user_id, "zhiban", "样例值班员", "duty_operator", "云2901", frozenset({"commander"}))
    with pytest.raises(rules.OwnRequestError), store.write() as uow:
        service.ratify(uow, acting, request.id, verdict="confirmed", reason="")


def test_what_nobody_ratifies_is_on_record_once(store, ask, operator, leader, clock):
    request = emergency(store, ask, operator)
    clock.advance(ms=rules.RATIFY_WITHIN_MS)
    with store.read() as session:
        assert queries.get_request(session, leader, request.id).is_overdue(clock.now_ms())
        assert queries.count_to_decide(session, leader) == 1
        assert queries.count_to_decide(session, operator) == 0
    for expected in (1, 0):
        with store.write() as uow:
            assert service.note_overdue(uow) == expected
    with store.read() as session:
        rows = session.execute(select(AuditEntry).where(col(AuditEntry.action) == "command:decision:overdue"))
        assert len(rows.scalars().all()) == 1
