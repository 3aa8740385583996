"""Searches compared with a plain reading of the same cases, on both databases and on every path."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import select

from central.base.errors import ForbiddenError
from central.base.keyring import load_keyring
from central.cases import looking, searches
from central.cases.catalogue import load_catalogue
from central.cases.drafts import CaseDraft
from central.cases.models import CaseFlag, CaseRecusal, CaseShare, EnforcementCase
from central.cases.names import search_form
from central.cases.numbers import parse_case_no
from central.cases.parties import PartyDraft, check_party
from central.cases.search import CaseFilter, CursorError, search_cases
from central.cases.writer import store_cases
from central.courts.permissions import Actor, sees_court
from central.people.models import User
from demo.fiction import make_cases
from tests.fakes.clocks import START_MS

pytestmark = pytest.mark.both_databases

OPERATOR = Actor("u-duty", "duty", "样例值班员", "duty_operator", "云29")
CLERK = Actor("u-clerk", "clerk", "样例书记员", "clerk", "云2901")
SMALL = Actor("u-small", "small", "样例书记员乙", "clerk", "云2926")
COUNT = 500
LAST_DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def drafts():
    # Not in the order of their days, as imports court by court would bring them.
    cases = [replace(case, handler_login="") for case in make_cases(COUNT, LAST_DAY)]
    return [case for start in range(7) for case in cases[start::7]]


@pytest.fixture
def keyring(tmp_path):
    return load_keyring(tmp_path / "keys")


@pytest.fixture
def filled(store, keyring, drafts, monkeypatch):
    """A store with the cases, in small blocks so that there are several."""
    monkeypatch.setattr("central.cases.terms.BLOCK_BITS", 7)
    monkeypatch.setattr("central.cases.looking.BLOCK_BITS", 7)
    for start in range(0, COUNT, 250):
        with store.write() as uow:
            store_cases(uow, keyring, load_catalogue(), drafts[start : start + 250], source="s", actor="user:x")
    return store


@pytest.fixture
def look(filled, keyring):
    def run(actor=OPERATOR, *, limit=50, after="", now_ms=START_MS, **wanted):
        with filled.read() as session:
            wanted = CaseFilter(**wanted)
            return search_cases(session, actor, keyring, wanted, now_ms=now_ms, after=after, limit=limit)

    return run


def read_all(look, actor=OPERATOR, *, limit=50, **wanted):
    """Turn every page and return the case numbers."""
    numbers, after, pages = [], "", 0
    while True:
        page = look(actor, limit=limit, after=after, **wanted)
        numbers += [row.case_no for row in page.rows]
        pages += 1
        assert pages < 500
        if page.next is None:
            return numbers
        assert page.next != after
        after = page.next


def order_of(drafts):
    """The order of every list: newest day first, then the number given last."""
    places = {draft.number.text: at for at, draft in enumerate(drafts)}
    return lambda draft: (-draft.filed_on.toordinal(), -places[draft.number.text])


def expect(drafts, actor, accepts):
    seen = [draft for draft in drafts if sees_court(actor.court_code, draft.number.court_code) and accepts(draft)]
    return [draft.number.text for draft in sorted(seen, key=order_of(drafts))]


def by_name(text):
    form = search_form(text)
    return lambda draft: any(
        search_form(party.name).startswith(form) if len(form) == 1 else form in search_form(party.name)
        for party in draft.parties
    )


NAMES = (
    "张伟",
    "秀英",
    "王",
    "阿",
    "公司",
    "有限公司",
    "大理",
    "苍山",
    "农村信用合作联社",
    "王秀英",
    "（样例）",
    "不存在的",
    "Q",
)


@pytest.mark.parametrize("actor", [OPERATOR, CLERK, SMALL], ids=lambda actor: actor.login)
def test_names_by_entries(look, drafts, actor):
    for text in NAMES:
        assert read_all(look, actor, text=text, limit=20) == expect(drafts, actor, by_name(text)), text


@pytest.mark.parametrize("actor", [OPERATOR, SMALL], ids=lambda actor: actor.login)
def test_names_by_walking(look, drafts, actor, monkeypatch):
    monkeypatch.setattr(searches, "MANY", 3)
    monkeypatch.setattr(searches, "_FIRST_SIZE", 5)
    monkeypatch.setattr(searches, "_FIRST_STEP", 20)
    monkeypatch.setattr(searches, "_MAX_JUDGED_WALK", 150)
    for text in NAMES:
        assert read_all(look, actor, text=text, limit=7) == expect(drafts, actor, by_name(text)), text


def test_a_long_walk_ends_early_and_goes_on(look, monkeypatch):
    monkeypatch.setattr(searches, "MANY", 0)
    monkeypatch.setattr(searches, "_MAX_JUDGED_WALK", 100)
    page = look(text="公司", limit=200)
    assert page.hint == "more"
    assert page.next
    assert len(page.rows) < 200


FILTERS = (
    {},
    {"state": "active"},
    {"state": "closed", "type_code": "执异"},
    {"type_code": "执恢"},
    {"state": "active", "type_code": "执"},
    {"state": "nothing"},
    {"court_code": "云2923"},
    {"court_code": "云29", "state": "active"},
    {"court_code": "云"},
    {"court_code": "川"},
    {"filed_from": date(2020, 1, 1), "filed_until": date(2020, 12, 31)},
    {"filed_from": date(2021, 6, 1), "type_code": "执保"},
)


def by_filter(wanted):
    def accepts(draft):
        return (
            wanted.get("state", draft.state) == draft.state
            and wanted.get("type_code", draft.number.type_code) == draft.number.type_code
            and draft.number.court_code.startswith(wanted.get("court_code", ""))
            and wanted.get("filed_from", draft.filed_on)
            <= draft.filed_on
            <= wanted.get("filed_until", draft.filed_on)
        )

    return accepts


@pytest.mark.parametrize("actor", [OPERATOR, CLERK], ids=lambda actor: actor.login)
def test_filters(look, drafts, actor):
    for wanted in FILTERS:
        assert read_all(look, actor, limit=40, **wanted) == expect(drafts, actor, by_filter(wanted)), wanted


def test_names_within_filters(look, drafts, monkeypatch):
    for _ in ("entries", "walking"):
        for text in ("张伟", "王", "公司"):
            for wanted in FILTERS:
                both = expect(drafts, OPERATOR, lambda d, t=text, w=wanted: by_name(t)(d) and by_filter(w)(d))
                assert read_all(look, text=text, limit=15, **wanted) == both, (text, wanted)
        monkeypatch.setattr(searches, "MANY", 3)
        monkeypatch.setattr(searches, "_MAX_JUDGED_WALK", 300)


NUMBERS = {
    "7": lambda n: n.seq == 7,
    "执3": lambda n: n.seq == 3 and n.type_code == "执",
    "2021执4号": lambda n: n.seq == 4 and n.type_code == "执" and n.year == 2021,
    "云2901执恢2": lambda n: (n.court_code, n.type_code, n.seq) == ("云2901", "执恢", 2),
    "2923执5": lambda n: (n.court_code, n.type_code, n.seq) == ("云2923", "执", 5),
    "云29执1": lambda n: (n.court_code, n.type_code, n.seq) == ("云29", "执", 1),
    "（2020）云2923": lambda n: (n.year, n.court_code) == (2020, "云2923"),
    "2020年": lambda n: n.year == 2020,
    "执恢": lambda n: n.type_code == "执恢",
    "99999": lambda n: False,
}


@pytest.mark.parametrize("actor", [OPERATOR, SMALL], ids=lambda actor: actor.login)
def test_parts_of_numbers(look, drafts, actor):
    for text, accepts in NUMBERS.items():
        assert look(actor, text=text).how == "number"
        found = read_all(look, actor, text=text, limit=30)
        assert found == expect(drafts, actor, lambda draft, fits=accepts: fits(draft.number)), text


def test_whole_numbers(look, drafts):
    number = next(d.number for d in drafts if d.number.court_code == "云2901")
    for text in (number.text, number.text.replace("（", "(").replace("）", ") "), f"{number.text}之一"):
        assert [row.case_no for row in look(CLERK, text=text).rows] == [number.text]
        assert look(SMALL, text=text).rows == []


def test_old_numbers(look, filled, keyring, drafts):
    old = replace(drafts[0], number=parse_case_no("（2012）大执字第123号", legacy_court="云2901"))
    with filled.write() as uow:
        store_cases(uow, keyring, load_catalogue(), [old], source="s", actor="user:x")
    for text in ("（2012）大执字第123号", "大执字第123号", "[2012] 大执字第123号"):
        assert [row.case_no for row in look(text=text).rows] == ["（2012）大执字第123号"]
        assert look(SMALL, text=text).rows == []


def test_identity_numbers(look, drafts, monkeypatch):
    persons = [party for draft in drafts for party in draft.parties if party.id_kind == "resident_id"][:3]
    lender = next(party for d in drafts for party in d.parties if party.name == "大理农村信用合作联社（样例）")
    for _ in ("entries", "walking"):
        for party in (*persons, lender):
            for text in (party.id_no, party.id_no.lower(), f" {party.id_no[:6]} {party.id_no[6:]}"):
                page = look(text=text, limit=200)
                assert (page.how, page.hint) == ("identity", "")
                bears = expect(drafts, OPERATOR, lambda d, no=party.id_no: any(p.id_no == no for p in d.parties))
                assert [row.case_no for row in page.rows] == bears
                assert {row.matched for row in page.rows} == {party.name}
        monkeypatch.setattr(searches, "MANY", 0)


def test_the_number_of_15_digits_finds_the_person_of_18(look, filled, keyring, drafts):
    old = check_party(PartyDraft("executee", "natural", "样例老证", "old_resident_id", "999999700101001"))
    case = CaseDraft(parse_case_no("（2026）云2901执70001号"), date(2026, 11, 1), (old,))
    with filled.write() as uow:
        store_cases(uow, keyring, load_catalogue(), [case], source="s", actor="user:x")
    page = look(text="99999919700101001" + "9")  # its right last character is another
    assert page.hint == "id_check_digit"
    from stdnum.cn import ric

    right = "99999919700101001" + ric.calc_check_digit("999999197001010010")
    for text in (right, "999999700101001"):
        assert [row.matched for row in look(text=text).rows] == ["样例老证"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("999999199001010015", "id_check_digit"),
        ("999999199002300019", "id_birth_date"),
        ("91999999MA0000007Y", "uscc_check_digit"),
        ("99999919900101001", "id_form"),
        ("9999991990010100166", "id_form"),
    ],
)
def test_a_wrong_identity_number_is_told(look, text, hint):
    page = look(text=text)
    assert (page.how, page.hint, page.rows) == ("identity", hint, [])


def test_after_a_change_of_index_keys_numbers_are_still_found(filled, drafts, keyring):
    class TwoKeys:
        """The keyring of the time of rotation: searches ask under the old key and the new one."""

        def blind_indexes(self, kind, value):
            return [b"\x00" * 16, keyring.blind_index(kind, value)]

    number = next(party.id_no for draft in drafts for party in draft.parties if party.id_kind == "resident_id")
    with filled.read() as session:
        page = search_cases(session, OPERATOR, TwoKeys(), CaseFilter(text=number), now_ms=START_MS)
    assert page.rows


def test_due_days_handlers_and_flags(look, filled, drafts):
    with filled.write() as uow:
        user = {"role": "judge", "password_hash": "", "created_ms": 1}
        uow.session.add(User(id="h1", login="h1", name="样例法官", court_code="云2901", **user))
        uow.session.flush()
        own = uow.session.exec(select(EnforcementCase).where(EnforcementCase.court_code == "云2901")).all()
        for case in own[:40]:
            case.handler_id = "h1"
        for case in own[:5]:
            case.is_flagged = True
            uow.session.add(CaseFlag(case_id=case.case_id, flag="amount", set_by="x", set_ms=1))
        handled = {case.case_no for case in own[:40]}
        flagged = {case.case_no for case in own[:5]}
    with filled.read() as session:
        cases = session.exec(select(EnforcementCase)).all()
    assert set(read_all(look, handler_id="h1", limit=15)) == handled
    assert set(read_all(look, flagged=True, limit=2)) == flagged
    assert set(read_all(look, flagged=True, state="closed")) == {
        case.case_no for case in cases if case.is_flagged and case.state == "closed"
    }
    for few in (searches.FEW, 2):
        searches_few, searches.FEW = searches.FEW, few
        try:
            for first, last in (
                (date(2026, 11, 1), date(2026, 11, 30)),
                (None, date(2026, 11, 24)),
                (LAST_DAY, None),
            ):
                due = {
                    case.case_no
                    for case in cases
                    if case.due_on and (not first or case.due_on >= first) and (not last or case.due_on <= last)
                }
                assert due
                assert set(read_all(look, due_from=first, due_until=last, limit=30)) == due
        finally:
            searches.FEW = searches_few


def test_a_recused_person_does_not_find_the_case(look, filled):
    everything = read_all(look, text="公司")
    with filled.write() as uow:
        uow.session.add(
            User(id="u-duty", login="d", name="n", role="judge", court_code="云29", password_hash="", created_ms=1)
        )
        uow.session.flush()
        hidden = uow.session.exec(select(EnforcementCase).where(EnforcementCase.case_no == everything[3])).one()
        mine = {"case_id": hidden.case_id, "user_id": "u-duty", "reason": "亲属", "set_by": "x", "set_ms": 1}
        uow.session.add(CaseRecusal(**mine))
    assert read_all(look, text="公司") == [number for number in everything if number != everything[3]]
    assert look(text=everything[3]).rows == []
    assert everything[3] in read_all(look, replace(OPERATOR, user_id="u-other"), text="公司")


def test_a_shared_case_is_found_by_the_other_court_while_it_is_shared(look, filled, drafts):
    other = next(d for d in drafts if d.number.court_code == "云2923" and len(d.parties) > 1)
    with filled.write() as uow:
        case = uow.session.exec(select(EnforcementCase).where(EnforcementCase.case_no == other.number.text)).one()
        share = {"court_code": "云2926", "basis": "协助执行函", "set_by": "x"}
        uow.session.add(CaseShare(case_id=case.case_id, from_ms=START_MS, until_ms=START_MS + 1000, **share))
    name, seq = other.parties[-1].name, str(other.number.seq)
    id_no = next(party.id_no for party in other.parties)
    for text in (other.number.text, name, seq, id_no, ""):
        assert other.number.text in read_all(look, SMALL, text=text, limit=9), text
        assert other.number.text not in [row.case_no for row in look(SMALL, text=text, now_ms=START_MS + 1000).rows]
    assert other.number.text not in read_all(look, SMALL, text="不存在的")
    assert other.number.text not in read_all(look, SMALL, text=f"{seq}1")
    assert read_all(look, SMALL, court_code="云2923") == [other.number.text]
    assert other.number.text not in read_all(look, SMALL, court_code="云2926")
    ordered = [row.filed_on for row in look(SMALL, limit=200).rows]
    assert ordered == sorted(ordered, reverse=True)


def test_rows_show_names_and_nothing_more_of_a_person(look, drafts):
    draft = next(d for d in drafts if len(d.parties) > 1 and any(p.phone for p in d.parties))
    (row,) = look(text=draft.number.text).rows
    assert row.applicants == "、".join(p.name for p in draft.parties if p.role == "applicant")
    assert row.executees == "、".join(p.name for p in draft.parties if p.role == "executee")
    for party in draft.parties:
        for secret in (party.id_no, party.phone, party.address, party.account, party.representative):
            assert not secret or secret not in repr(row)


def test_many_names_are_cut(look, filled, keyring):
    names = [f"样例众人{letter}" for letter in "甲乙丙丁戊"]
    parties = tuple(check_party(PartyDraft("executee", "natural", name)) for name in names)
    with filled.write() as uow:
        case = CaseDraft(parse_case_no("（2026）云2901执70002号"), date(2026, 11, 1), parties)
        store_cases(uow, keyring, load_catalogue(), [case], source="s", actor="user:x")
    (row,) = look(text="众人戊").rows
    assert (row.executees, row.matched) == ("样例众人甲、样例众人乙、样例众人丙…", "样例众人戊")


def test_what_hints_tell(look):
    assert look(text="王").hint == "begins_with"
    assert look(text="——").hint == "no_letters"
    assert look(text="秀英").hint == ""


def test_who_may_not_search_and_what_is_no_cursor(look):
    with pytest.raises(ForbiddenError):
        look(Actor("a", "a", "样例管理员", "system_admin", "云29"))
    for cursor in ("x", "1", "1-", "1-2-3", "9" * 40, "-1-2", "739000-1 OR 1"):
        with pytest.raises(CursorError):
            look(after=cursor)


def test_any_text_is_answered(look):
    for text in ("%", "_", "'", "\\", "a" * 5000, "\x00", "🙂", "执" * 50, "（", "9" * 8, "𠮷野", ":court_0", "%s"):
        page = look(text=text)
        assert page.how in ("number", "name", "identity", "filter")


def test_many_courts_are_walked_in_parts(look, drafts, monkeypatch):
    monkeypatch.setattr(looking, "_MAX_ARMS", 3)
    assert read_all(look, state="active") == expect(drafts, OPERATOR, lambda draft: draft.state == "active")


def test_pages_do_not_shift_when_newer_cases_come(look, filled, keyring, drafts):
    first = look(text="公司", limit=10)
    late = replace(drafts[0], number=parse_case_no("（2026）云2901执70003号"), filed_on=LAST_DAY + timedelta(days=1))
    with filled.write() as uow:
        store_cases(uow, keyring, load_catalogue(), [late], source="s", actor="user:x")
    second = look(text="公司", limit=10, after=first.next)
    shown = [row.case_no for row in (*first.rows, *second.rows)]
    assert shown == expect(drafts, OPERATOR, by_name("公司"))[:20]
