import pytest

from central.base.errors import InvalidInputError
from central.incidents import rules


def test_states_lead_one_way_to_closed():
    seen, state = ["open"], "open"
    while rules.TRANSITIONS[state]:
        (state,) = rules.TRANSITIONS[state].values()
        seen.append(state)
    assert seen == ["open", "acknowledged", "closed"]
    assert set(rules.TRANSITIONS) == set(seen)


@pytest.mark.parametrize(
    ("state", "act", "error"),
    [
        ("closed", "acknowledge", rules.IncidentClosedError),
        ("closed", "close", rules.IncidentClosedError),
        ("acknowledged", "acknowledge", rules.AlreadyAcknowledgedError),
        ("open", "close", rules.NotAcknowledgedError),
    ],
)
def test_refusals_state_the_fact(state, act, error):
    refusal = rules.refuse_act(state, act, "样例值班员")
    assert type(refusal) is error
    assert str(refusal).count(".") == 1


def test_notes():
    assert rules.check_note("  好 ") == "好"
    assert rules.check_note("") == ""
    with pytest.raises(InvalidInputError):
        rules.check_note("x" * 501)
    with pytest.raises(InvalidInputError):
        rules.check_closing_note(" ")


def test_every_sos_stands_for_itself_and_marks_open_nothing():
    assert "sos" not in rules.MERGING_KINDS
    assert "mark" not in rules.OPENING_KINDS
    assert set(rules.OPENING_KINDS) >= rules.URGENT_KINDS
