import itertools

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


# What each role may do, written role by role from the description of the offices (docs/roles.md), not from the table:
# a slip in either shows.
EVERYBODY = {"see_courts", "see_roles"}
FIELD = {"see_screen", "see_kits", "see_tasks", "see_incidents", "see_recordings"}
READING_CASES = {"see_work", "search_cases", "see_case"}
EXPECTED = {
    # signs what only the president may, decides on recusal, appoints; does not operate
    "president": EVERYBODY
    | FIELD
    | READING_CASES
    | {"sign_case_act", "set_recusal", "appoint_commander"}
    | {"decide_command", "watch_live", "talk_live"},
    # commands: alarms, kits, recordings, units; marks and shares cases
    "commander": EVERYBODY
    | FIELD
    | READING_CASES
    | {"see_trail", "acknowledge_alarm", "close_incident", "order_recording", "play_recording", "export_recording"}
    | {"lock_kit", "ask_destruction", "confirm_destruction", "assign_tasks"}
    | {"flag_case", "share_case", "manage_units", "see_health"}
    | {"request_command", "decide_command", "start_command", "watch_live", "talk_live", "give_instruction"}
    | {"grant_outlet"},
    # approves and assigns; no evidence beyond its catalogue
    "bureau_chief": EVERYBODY
    | FIELD
    | READING_CASES
    | {"unmask_party", "edit_case", "assign_case", "flag_case", "approve_case_act", "set_recusal", "share_case"}
    | {"export_cases", "import_cases", "release_import", "manage_units"}
    | {"request_command", "watch_live", "talk_live"},
    # own cases; recordings as evidence
    "judge": EVERYBODY
    | READING_CASES
    | {"unmask_party", "edit_case", "record_node", "add_document", "request_case_act"}
    | {"see_recordings", "play_recording"}
    | {"request_command", "join_live"},
    # drafts, enters, serves
    "clerk": EVERYBODY
    | READING_CASES
    | {
        "unmask_party",
        "register_case",
        "edit_case",
        "record_node",
        "add_document",
        "request_case_act",
        "import_cases",
    },
    # in the field with a kit
    "police": EVERYBODY | {"see_kits", "see_tasks", "request_command"},
    # receives, dispatches by plan, logs
    "duty_operator": EVERYBODY
    | FIELD
    | READING_CASES
    | {"see_trail", "acknowledge_alarm", "order_recording", "lock_kit", "play_recording", "see_health"}
    | {"assign_tasks"}
    | {"request_command", "start_command", "watch_live", "talk_live", "give_instruction"},
    # seals what another approved
    "seal_keeper": EVERYBODY,
    # the three administrators
    "system_admin": EVERYBODY
    | {"see_kits", "see_health", "manage_devices", "see_set_aside", "see_users", "manage_users"}
    | {"confirm_destruction", "manage_cameras"}
    | {"manage_courts", "manage_features", "manage_service_accounts", "fetch_logs"},
    "security_admin": EVERYBODY
    | {"see_users", "admit_users", "manage_sessions", "manage_terminals", "admit_service_accounts"},
    "audit_admin": EVERYBODY | {"see_users", "read_audit", "export_audit", "verify_audit"},
    # answers for the own department
    "liaison": EVERYBODY,
    # reads everything in scope, changes nothing
    "supervisor": EVERYBODY
    | FIELD
    | READING_CASES
    | {"see_trail", "play_recording", "unmask_party", "export_cases", "read_audit"}
    | {"watch_live"},
}


@pytest.mark.parametrize("role", rules.ROLES)
def test_each_role_may_what_its_office_is_for_and_nothing_else(role):
    """Both ways: every action of the table, allowed or refused, as the expectation has it."""
    for action in rules.PERMISSIONS:
        expected = action in EXPECTED[role]
        assert rules.may(actor(role), action) is expected, action
        assert rules.may(actor(role), action, "云2901") is expected, action
        if expected:
            rules.check_permission(actor(role), action)
        else:
            with pytest.raises(ForbiddenError) as caught:
                rules.check_permission(actor(role), action)
            assert caught.value.params == {"action": action}
    assert EXPECTED[role] <= set(rules.PERMISSIONS)


def test_no_action_without_a_role_and_no_role_without_expectation():
    assert all(rules.PERMISSIONS.values())
    assert set(EXPECTED) == set(rules.ROLES)


PAIRS_KEPT_APART = [
    ("request_case_act", "approve_case_act"),
    ("request_case_act", "sign_case_act"),
    ("approve_case_act", "sign_case_act"),
    ("manage_users", "admit_users"),
    ("manage_service_accounts", "admit_service_accounts"),
    ("manage_users", "read_audit"),
    ("admit_users", "read_audit"),
    ("manage_users", "appoint_commander"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS_KEPT_APART)
def test_no_role_holds_both_ends(one, other):
    assert not rules.PERMISSIONS[one] & rules.PERMISSIONS[other]


def test_the_three_administrators_share_only_what_everybody_or_they_look_up():
    for one, other in itertools.combinations(sorted(ADMIN_ROLES), 2):
        assert EXPECTED[one] & EXPECTED[other] == EVERYBODY | {"see_users"}


def test_who_only_looks_on_changes_nothing():
    changing = ("manage_", "edit_", "register_", "record_", "add_", "assign_", "sign_", "approve_", "set_", "share_")
    for role in ("supervisor", "audit_admin", "liaison", "seal_keeper"):
        assert not [action for action in EXPECTED[role] if action.startswith(changing)]


def test_nobody_is_anybody_without_a_court():
    assert not rules.may(actor("commander", ""), "see_case", "云2901")
    assert rules.may(actor("commander", "最高法"), "see_case", "云2901")
