import pytest

from central.base.errors import ForbiddenError, InvalidInputError
from central.courts import permissions as rules
from central.courts.permissions import ADMIN_ROLES, GRAVE_ACTIONS, Actor


def actor(role, court="云2901"):
    return Actor("u", "login", "样例", role, court)


@pytest.mark.parametrize(
    ("own", "other", "sees"),
    [
        ("云2901", "云2901", True),
        ("云2901", "云2922", False),
        ("云2901", "云29", False),
        ("云29", "云2931", True),
        ("云", "云29", True),
        ("云", "云7101", True),
        ("云29", "云7101", False),
        ("", "云2901", False),
    ],
)
def test_a_court_sees_itself_and_below(own, other, sees):
    assert rules.sees_court(own, other) is sees


CONTENT = {action for action in rules.PERMISSIONS if action.partition("_")[2] in {
    "recordings", "recording", "trail", "incidents", "case", "cases", "party", "work"
}}  # fmt: skip


@pytest.mark.parametrize("role", sorted(ADMIN_ROLES))
def test_administrators_keep_the_house_and_never_see_its_content(role):
    assert len(CONTENT) >= 12
    assert not any(rules.may(actor(role), action) for action in CONTENT)


def test_each_administrator_has_its_own_part():
    """Who proposes an account cannot admit it, who admits cannot propose, who audits changes nothing."""
    own = {role: {action for action in rules.PERMISSIONS if rules.may(actor(role), action)} for role in ADMIN_ROLES}
    shared = {"see_courts", "see_roles", "see_users"}
    for role, rights in own.items():
        others = set().union(*(own[other] for other in ADMIN_ROLES - {role}))
        assert rights & others == shared
    assert {"manage_users", "manage_courts"} <= own["system_admin"]
    assert {"admit_users", "manage_sessions"} <= own["security_admin"]
    assert own["audit_admin"] - shared == {"read_audit", "export_audit", "verify_audit"}


def test_a_post_adds_its_rights():
    acting = Actor("u", "login", "样例", "judge", "云2901", posts=frozenset({"commander"}))
    assert rules.may(acting, "close_incident")
    assert rules.may(acting, "record_node")
    assert not rules.may(actor("judge"), "close_incident")


def test_grave_acts_stand_in_the_table():
    assert set(rules.PERMISSIONS) >= GRAVE_ACTIONS


@pytest.mark.parametrize(
    ("role", "action", "allowed"),
    [
        ("duty_operator", "acknowledge_alarm", True),
        ("duty_operator", "play_recording", True),
        ("duty_operator", "export_recording", False),
        ("duty_operator", "close_incident", False),
        ("duty_operator", "read_audit", False),
        ("commander", "close_incident", True),
        ("commander", "export_recording", True),
        ("commander", "manage_devices", False),
        ("commander", "fly_helicopter", False),
    ],
)
def test_the_table_decides(role, action, allowed):
    assert rules.may(actor(role), action) is allowed
    if not allowed:
        with pytest.raises(ForbiddenError):
            rules.check_permission(actor(role), action)


def test_a_right_ends_at_the_own_court():
    assert rules.may(actor("commander"), "play_recording", "云2901")
    assert not rules.may(actor("commander"), "play_recording", "云2922")
    assert rules.may(actor("commander", "云29"), "play_recording", "云2922")


def test_every_role_of_the_table_exists():
    assert {role for roles in rules.PERMISSIONS.values() for role in roles} == set(rules.ROLES)


def test_an_unknown_role_is_refused():
    with pytest.raises(InvalidInputError, match="president, commander, bureau_chief"):
        rules.check_role("root")
