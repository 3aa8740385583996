"""What the page of one case is given: the view of the room, put into the reader's words and choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from central.base.unit_of_work import ReadSession
from central.cases import clock
from central.cases.catalogue import Catalogue, get_catalogue
from central.cases.queries import list_timeline
from central.cases.record import BOUND_NODES
from central.cases.recusals import list_recusable
from central.cases.views import CaseView
from central.courts import queries as courts
from central.courts.permissions import Actor, may, sees_court
from central.flows.tasks import list_case_tasks
from central.people import queries as people
from central.web.case_names import Names
from central.web.case_views import Urgency, urgency_of
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.labels import look_up
from central.web.labels.cases import ACTS
from central.web.labels.people import ROLES

TIMELINE_LINES: Final = 30
# Sealed fields of a party, in the order they are shown.
PRIVATE_FIELDS: Final = {
    "id_no": _("证件号码"),
    "phone": _("电话"),
    "address": _("住址"),
    "account": _("账号"),
    "representative": _("法定代表人"),
}
# step, icon, word, look of the button, question before what cannot be taken back.
ACT_STEPS: Final = (
    ("approve", "check", _("同意"), "primary", ""),
    ("sign", "stamp", _("签发"), "primary", _("签发后立即生效，确定签发？")),
    ("refuse", "withdrawn", _("退回"), "danger", ""),
    ("withdraw", "back", _("撤回"), "", ""),
)


@dataclass(frozen=True)
class Function:
    """A function reached from a case. `to` is empty while it cannot be opened; then `why` says so."""

    title: str
    icon: str
    to: str
    why: str = ""


# (feature of courts.features, title, icon, right, path). A path stands once the function has its page.
_FUNCTIONS: Final = (
    ("inquiry", _("查控"), "search", "see_case", ""),
    ("inquiry", _("控制措施"), "lock", "see_case", ""),
    ("directives", _("指令协助"), "megaphone", "see_case", ""),
    ("incidents", _("现场装备"), "device", "see_kits", "/kits"),
    ("incidents", _("突发事件"), "sos", "see_incidents", "/incidents"),
    ("incidents", _("录像证据"), "camera", "see_recordings", "/recordings"),
    ("live", _("远程指挥"), "screen", "watch_live", "/command"),
    ("seals", _("文书签章"), "stamp", "see_case", ""),
    ("disclosure", _("信用惩戒"), "shield", "see_case", ""),
    ("disclosure", _("信息公开"), "eye", "see_case", ""),
    ("supervision", _("执行监督"), "scales", "see_case", ""),
)


def page_values(
    session: ReadSession, actor: Actor, view: CaseView, words: Words, *, now_ms: int, before: int | None
) -> dict[str, Any]:
    """Return what the page shows of the case; `before` pages the timeline."""
    shared = shared_values(session, view, words)
    names, who = shared["names"], shared["who"]
    case, today = view.case, clock.today(now_ms)
    rows = list_timeline(session, actor, case.case_no, now_ms=now_ms, limit=TIMELINE_LINES + 1, before=before)
    lines = [
        Line(row.id or 0, row.kind, row.at_ms, who(row.actor), describe_entry(row.detail, names, words))
        for row in rows[:TIMELINE_LINES]
    ]
    return {
        "view": view,
        "today": today,
        "limit": limit_urgency(view, today),
        "bar": used_part(view),
        "nodes": nodes_with_urgency(view, now_ms),
        "functions": list_functions(session, actor, case.court_code, words),
        "private_fields": [(name, words(label)) for name, label in PRIVATE_FIELDS.items()],
        "act_steps": [(s, i, words(w), tone, words(ask) if ask else "") for s, i, w, tone, ask in ACT_STEPS],
        "timeline": lines,
        "tasks": list_case_tasks(session, actor, case.case_no, now_ms=now_ms),
        "older": lines[-1].entry_id if len(rows) > TIMELINE_LINES else None,
        "is_paged": before is not None,
        **shared,
        **choices_of(session, actor, view, names=names, words=words, catalogue=get_catalogue()),
    }


def shared_values(session: ReadSession, view: CaseView, words: Words) -> dict[str, Any]:
    """Return what every sheet of a case is read with: names of codes and of people."""
    return {"names": Names(words, courts.list_all_courts(session)), "who": People(session, words)}


def list_functions(session: ReadSession, actor: Actor, court_code: str, words: Words) -> list[Function]:
    """Return every function of a case: those that are on and built lead on, the others say why they do not."""
    found = []
    for feature, title, icon, right, path in _FUNCTIONS:
        is_on = courts.is_feature_on(session, court_code, feature)
        why = _("本院尚未启用") if not is_on else _("本版本尚未提供") if not path else ""
        if not why and not may(actor, right):
            why = _("您的角色不使用")
        found.append(Function(words(title), icon, "" if why else path, words(why) if why else ""))
    return found


@dataclass(frozen=True)
class Line:
    """One line of the timeline."""

    entry_id: int
    kind: str
    at_ms: int
    who: str
    told: str


class People:
    """Names of the persons a case mentions by log-in, each looked up once."""

    def __init__(self, session: ReadSession, words: Words) -> None:
        self._session = session
        self._words = words
        self._names: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """Return the name of `user:<login>` or `<login>`; what is no person is told as what it is."""
        kind, colon, rest = text.partition(":")
        if colon and kind == "system":
            return self._words(_("系统"))
        if colon and kind == "service":
            return self._words(_("接口 %(name)s"), name=rest)
        login = rest if colon else text
        if login not in self._names:
            user = people.find_user(self._session, login)
            self._names[login] = user.name if user else login
        return self._names[login]


def limit_urgency(view: CaseView, today: date) -> Urgency:
    """Tell how near the limit of the whole case is."""
    return urgency_of(view.clock.limit_on, today, state=view.case.state, is_paused=view.clock.is_paused)


def used_part(view: CaseView) -> float:
    """Return how much of the whole-case limit is used, 0 to 100, by the net clock."""
    left = view.clock.days_left
    if left is None:
        return 0.0
    if left < 0 or view.case.state == "closed":
        return 100.0
    whole = view.clock.net_days + left
    return round(100 * view.clock.net_days / whole, 1) if whole else 0.0


# Particulars that are shown as they stand.
_PLAIN: Final = (
    "title", "handler", "person", "case_no", "done_on", "from_on", "until_on", "due_on", "doc_no", "note", "reason",
    "basis",
)  # fmt: skip


def describe_entry(detail: Mapping[str, Any], names: Names, words: Words) -> str:
    """Say the particulars of a timeline line in words: codes by their names, the rest as it stands."""
    says: dict[str, Callable[[str], str]] = {
        "node": names.node,
        "pause": names.pause,
        "flag": names.flag,
        "closing": names.closing,
        "document": names.document,
        "court": names.court,
        "act": lambda act: look_up(ACTS, act, words).text,
    }
    told = [say(str(detail[key])) for key, say in says.items() if detail.get(key)]
    told += [str(detail[key]) for key in _PLAIN if detail.get(key)]
    return " · ".join(dict.fromkeys(told))


def choices_of(
    session: ReadSession, actor: Actor, view: CaseView, *, names: Names, words: Words, catalogue: Catalogue
) -> dict[str, Any]:
    """Return what the page's forms offer: only what is possible on this case."""
    case = view.case
    kinds = [kind for kind in catalogue.nodes_of(case.type_code) if _is_by_hand(kind)]
    case_type = catalogue.type(case.type_code)
    left = case_type.extension_max - case.extended_months
    handlers = people.list_handlers(session, case.court_code) if "assign_case" in view.rights else ()
    return {
        "closings": names.options(catalogue.closings_of(case.type_code)),
        "extensions": [(n, words(_("%(n)s 个期次"), n=n)) for n in range(1, left + 1)] if case_type.limit else [],
        "startable": names.options(kinds) if case.state != "closed" else [],
        "pause_kinds": names.options(catalogue.pauses),
        "document_kinds": names.options(catalogue.documents),
        "flag_kinds": _unset_flags(view, names, catalogue),
        "papers": [(paper.id, paper.title) for paper in view.documents if not paper.withdrawn_ms],
        "handlers": [(user.login, user.name) for user in handlers if user.role == "judge"],
        "clerks": [(user.login, user.name) for user in handlers if user.role == "clerk"],
        "handler_login": _login_of(handlers, case.handler_id),
        "clerk_login": _login_of(handlers, case.clerk_id),
        "other_courts": _other_courts(session, case.court_code, words) if "share_case" in view.rights else [],
        "recusable": _recusable(session, actor, view, names, words) if "set_recusal" in view.rights else [],
    }


def _is_by_hand(kind: Any) -> bool:
    return not kind.is_whole_case and kind.kind not in BOUND_NODES and kind.starts != "closing"


def _unset_flags(view: CaseView, names: Names, catalogue: Catalogue) -> list[tuple[str, str]]:
    standing = {flag.flag for flag in view.flags}
    return [option for option in names.options(catalogue.flags) if option[0] not in standing]


def _login_of(users: Iterable[Any], user_id: str | None) -> str:
    return next((user.login for user in users if user.id == user_id), "")


def _recusable(
    session: ReadSession, actor: Actor, view: CaseView, names: Names, words: Words
) -> list[tuple[str, str]]:
    standing = {row.login for row in view.recusals if row.recusal.ended_ms is None} | {actor.login}
    return [
        (user.login, f"{user.name} · {names.court(user.court_code)} · {look_up(ROLES, user.role, words).text}")
        for user in list_recusable(session, view.case.court_code)
        if user.login not in standing
    ]


def _other_courts(session: ReadSession, court_code: str, words: Words) -> list[tuple[str, str]]:
    found: Sequence[Any] = courts.list_all_courts(session)
    return [
        (court.code, words.choose(court.name_zh, court.name_en))
        for court in found
        if not sees_court(court.code, court_code)
    ]


def nodes_with_urgency(view: CaseView, now_ms: int) -> list[tuple[Any, Urgency]]:
    """Return the nodes with how near each is; one without a day while the clock stands is paused."""
    today, stands = clock.today(now_ms), view.clock.is_paused
    return [(node, urgency_of(node.due_on, today, is_paused=stands and not node.due_on)) for node in view.nodes]
