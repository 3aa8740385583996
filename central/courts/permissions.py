"""Who may do what: roles, the one permission table, and the person acting. Pure.

Source: the roles of an enforcement command centre as docs/roles.md explains them (seed 4, 7, 8, 18, 21). What the
table does not list nobody may do. A right holds in the actor's own court and the courts below it (`sees_court`);
rules that bind an act to more than a role (own case, drafter is not approver, recusal) stand with the act.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args

from central.base.errors import ForbiddenError, InvalidInputError

Role = Literal[
    "president",
    "commander",
    "bureau_chief",
    "judge",
    "clerk",
    "police",
    "duty_operator",
    "seal_keeper",
    "system_admin",
    "security_admin",
    "audit_admin",
    "liaison",
    "supervisor",
]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
# The three administrators are three people: no one holds two of these, nor one of these with any other role.
ADMIN_ROLES: Final = frozenset({"system_admin", "security_admin", "audit_admin"})

_LEADERS: Final = ("president", "commander", "bureau_chief")
_CASE_READERS: Final = (*_LEADERS, "judge", "clerk", "duty_operator", "supervisor")
_FIELD_WATCHERS: Final = (*_LEADERS, "duty_operator", "supervisor")

# The permission table: action -> roles that may.
PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    action: frozenset(roles)
    for action, roles in {
        # the big screen, kits and alarms
        "see_screen": _FIELD_WATCHERS,
        "see_kits": (*_FIELD_WATCHERS, "police", "system_admin"),
        "see_trail": ("commander", "duty_operator", "supervisor"),
        "see_incidents": _FIELD_WATCHERS,
        "acknowledge_alarm": ("commander", "duty_operator"),
        "close_incident": ("commander",),
        "order_recording": ("commander", "duty_operator"),
        # tasks speak of cases: administrators keep the kits and do not read them
        "see_tasks": (*_FIELD_WATCHERS, "police"),
        "assign_tasks": ("commander", "duty_operator"),
        # remote command (seed 13): asked for, decided, begun; watched and spoken in by its courts (command.rules). A
        # duty operator gives numbered orders only in a session that an emergency made him begin.
        "request_command": ("commander", "bureau_chief", "judge", "police", "duty_operator"),
        "decide_command": ("president", "commander"),
        "start_command": ("commander", "duty_operator"),
        "watch_live": _FIELD_WATCHERS,
        "talk_live": (*_LEADERS, "duty_operator"),
        "give_instruction": ("commander", "duty_operator"),
        "join_live": ("judge",),
        "grant_outlet": ("commander",),
        # a lost kit is locked by one person at once; its keys are destroyed by two
        "lock_kit": ("commander", "duty_operator"),
        "ask_destruction": ("commander",),
        "confirm_destruction": ("commander", "system_admin"),
        # evidence: administrators keep the machine and never see its content
        "see_recordings": (*_FIELD_WATCHERS, "judge"),
        "play_recording": ("commander", "duty_operator", "judge", "supervisor"),
        "export_recording": ("commander",),
        # cases: content is for those who handle, lead or supervise them
        "see_work": (*_LEADERS, "judge", "clerk", "duty_operator", "supervisor"),
        "search_cases": _CASE_READERS,
        "see_case": _CASE_READERS,
        "unmask_party": ("bureau_chief", "judge", "clerk", "supervisor"),
        "register_case": ("clerk",),
        "edit_case": ("bureau_chief", "judge", "clerk"),
        "record_node": ("judge", "clerk"),
        "add_document": ("judge", "clerk"),
        "assign_case": ("bureau_chief",),
        "flag_case": ("commander", "bureau_chief"),
        "request_case_act": ("judge", "clerk"),
        "approve_case_act": ("bureau_chief",),
        "sign_case_act": ("president",),
        "set_recusal": ("president", "bureau_chief"),
        "share_case": ("commander", "bureau_chief"),
        "export_cases": ("bureau_chief", "supervisor"),
        "import_cases": ("bureau_chief", "clerk"),
        "release_import": ("bureau_chief",),
        # courts and command units
        "see_courts": ROLES,
        "manage_units": ("commander", "bureau_chief"),
        "appoint_commander": ("president",),
        "manage_courts": ("system_admin",),
        "manage_features": ("system_admin",),
        # keeping the house: accounts of people and systems are proposed by one administrator, admitted by another
        "see_health": ("commander", "duty_operator", "system_admin"),
        "manage_devices": ("system_admin",),
        "manage_cameras": ("system_admin",),
        "fetch_logs": ("system_admin",),
        "see_set_aside": ("system_admin",),
        "see_users": ("system_admin", "security_admin", "audit_admin"),
        "manage_users": ("system_admin",),
        "admit_users": ("security_admin",),
        "manage_sessions": ("security_admin",),
        "manage_terminals": ("security_admin",),
        "manage_service_accounts": ("system_admin",),
        "admit_service_accounts": ("security_admin",),
        "see_roles": ROLES,
        "read_audit": ("audit_admin", "supervisor"),
        "export_audit": ("audit_admin",),
        "verify_audit": ("audit_admin",),
    }.items()
}

# Acts that ask for a fresh proof of the person even within a log-in (`people.rules.REAUTH_MS`).
GRAVE_ACTIONS: Final = frozenset(
    {
        "ask_destruction",
        "confirm_destruction",
        "export_recording",
        "sign_case_act",
        "set_recusal",
        "export_cases",
        "release_import",
        "appoint_commander",
        "manage_courts",
        "manage_features",
        "manage_users",
        "admit_users",
        "manage_sessions",
        "manage_terminals",
        "manage_service_accounts",
        "admit_service_accounts",
        "export_audit",
    }
)


class Viewer(Protocol):
    """Whoever asks: a person (`Actor`) or another system (`people.service_accounts.ServiceActor`).

    What reads or changes on anybody's behalf takes a Viewer; what only a person may do takes an Actor.
    """

    @property
    def user_id(self) -> str:
        """The account's id; no id of a person for a service."""
        ...

    @property
    def name(self) -> str:
        """What people call the person or system."""
        ...

    @property
    def court_code(self) -> str:
        """The own court: rights hold there and below."""
        ...

    @property
    def audit_name(self) -> str:
        """How the audit chain names it."""
        ...

    def has_right(self, action: str) -> bool:
        """Tell whether `action` is among its rights, wherever."""
        ...


@dataclass(frozen=True)
class Actor:
    """The person acting: passed to every query and service.

    `role` is the own role, `posts` are roles held by a dated appointment that runs now (acting commander).
    """

    user_id: str
    login: str
    name: str
    role: Role
    court_code: str
    posts: frozenset[str] = frozenset()

    @property
    def roles(self) -> frozenset[str]:
        """Own role and posts."""
        return self.posts | {self.role}

    @property
    def audit_name(self) -> str:
        """How the audit chain names this person."""
        return f"user:{self.login}"

    def has_right(self, action: str) -> bool:
        """Tell whether one of the roles has `action` in the permission table."""
        return not self.roles.isdisjoint(PERMISSIONS.get(action, frozenset()))


def may(actor: Viewer, action: str, court_code: str | None = None) -> bool:
    """Tell whether `action` is among the actor's rights and, when given, whether `court_code` is in scope."""
    return actor.has_right(action) and (court_code is None or sees_court(actor.court_code, court_code))


def may_any(actor: Viewer, actions: Iterable[str]) -> bool:
    """Tell whether the actor may do at least one of `actions`."""
    return any(may(actor, action) for action in actions)


def check_permission(actor: Viewer, action: str, court_code: str | None = None) -> None:
    """Raise ForbiddenError unless `may(actor, action, court_code)`."""
    if not may(actor, action, court_code):
        raise ForbiddenError(
            "Your role or court does not allow this; ask the administrator of your court.", action=action
        )


def sees_court(own_code: str, court_code: str) -> bool:
    """Tell whether `court_code` is the own court or below: codes are prefixes of the codes below them.

    The Supreme People's Court has the code 最高法 and sees every court.
    """
    if own_code == SUPREME:
        return True
    return bool(own_code) and court_code.startswith(own_code)


def check_role(role: str) -> Role:
    """Return `role` when it is one of ROLES; raises InvalidInputError otherwise."""
    for known in ROLES:
        if role == known:
            return known
    raise InvalidInputError(f"There is no role {role!r}: use one of {', '.join(ROLES)}.")


SUPREME: Final = "最高法"
