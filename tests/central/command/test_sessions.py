"""No session without decision; who begins, joins, ends; every step on record (seed 13)."""

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from central.audit.models import AuditEntry
from central.base.bus import LIVE_SUBJECT
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.base.outbox import SESSION_CHANGED, read_outbox
from central.command import queries, rules, service, session_rights
from central.command.models import CommandDecision, CommandSession, SessionEntry, SessionKit
from central.courts.permissions import Actor
from central.devices import queries as devices
from central.devices import service as device_service
from central.devices.models import KitLoss, MailboxEntry
from central.people.models import User
from contract.trust import KitEntry, Registry
from tests.central.command.conftest import URL

pytestmark = pytest.mark.both_databases
FOREIGN = Actor("u9", "waisheng", "样例外地指挥长", "commander", "云7101")


def entries(store, session_id):
    with store.read() as session:
        return queries.list_entries(session, session_id)


def directives(store, kit):
    with store.read() as session:
        query = select(MailboxEntry).where(col(MailboxEntry.kit_no) == kit.kit_no).order_by(col(MailboxEntry.number))
        return list(session.execute(query).scalars())


def test_a_county_asks_its_superior_decides_and_the_kit_is_called(store, ask, commander, kit, bus, clock):
    heard = []
    bus.listeners.append(lambda subject, payload: heard.append((subject, payload)))
    request = ask()
    with store.write() as uow:
        service.grant_request(uow, commander, request.id, service.Terms(minutes=30, voice="duplex"))
    with store.write() as uow:
        session = service.begin_session(uow, commander, request.id, url=URL)
    [order] = directives(store, kit)
    assert (order.kind, order.expires_ms) == ("live", clock.now_ms() + 60_000)
    assert order.body == {
        "session": session.id, "on": True, "url": URL, "until_ms": clock.now_ms() + 1_800_000, "by": "样例指挥长",
        "court": "云南省大理白族自治州中级人民法院", "purpose": "样例：强制腾退现场", "voice": "duplex",
    }  # fmt: skip
    lines = entries(store, session.id)
    assert [line.kind for line in lines] == ["requested", "decided", "begun", "kit_joined"]
    assert lines[0].actor == "样例局长"
    assert lines[0].detail["court"] == "云2901"
    assert lines[1].detail["court"] == "云29"
    assert (LIVE_SUBJECT, session.id.encode()) in heard
    with store.read() as reading:
        told = [(row.court_code, row.payload["change"]) for row in read_outbox(reading, after_id=0)
                if row.kind == SESSION_CHANGED]  # fmt: skip
        audited = reading.execute(select(AuditEntry.action).order_by(col(AuditEntry.seq))).scalars().all()
        open_ = queries.find_open(reading, session.id)
        assert queries.list_open(reading) == [open_]
    assert told[-2:] == [("云29", "begun"), ("云2901", "begun")]
    assert audited[1:] == ["command:request:ask", "command:decision:grant", "command:session:begin"]
    assert open_ == session_rights.OpenSession(
        session.id, "云29", ("云2901",), ("dl-2901-01",), session.until_ms, "duplex", purpose="样例：强制腾退现场"
    )


def test_no_session_without_decision_not_even_by_the_database(store, ask, commander, second):
    request = ask()
    with pytest.raises(rules.DecisionError), store.write() as uow:
        service.begin_session(uow, commander, request.id, url=URL)
    row = {
        "id": "s" * 32, "decision_id": "d" * 32, "verdict": "granted", "court_code": "云29",
        "requesting_court": "云2901", "purpose": "x", "voice": "ptt", "begun_ms": 1, "begun_by": "x", "until_ms": 2,
        "ended_by": "", "end_reason": "",
    }  # fmt: skip
    with pytest.raises(IntegrityError), store.write() as uow:
        uow.session.execute(insert(CommandSession).values(**row))
    with store.write() as uow:
        decision = service.refuse_request(uow, second, request.id, reason="样例：情况不明")
    for verdict in ("granted", "refused"):  # a refusal carries no session, whatever the row claims
        with pytest.raises(IntegrityError), store.write() as uow:
            uow.session.execute(
                insert(CommandSession).values(**row | {"decision_id": decision.id, "verdict": verdict})
            )
    with pytest.raises(rules.DecisionError), store.write() as uow:
        service.begin_session(uow, commander, request.id, url=URL)


def test_a_decision_carries_one_session_and_not_for_ever(store, ask, begin, commander, clock):
    begin()
    with store.read() as session:
        used = session.execute(select(CommandDecision.request_id)).scalar_one()
    with pytest.raises(rules.DecisionError), store.write() as uow:
        service.begin_session(uow, commander, used, url=URL)
    late = ask()
    with store.write() as uow:
        service.grant_request(uow, commander, late.id, service.Terms())
    clock.advance(ms=rules.START_WITHIN_MS)
    with pytest.raises(rules.DecisionError), store.write() as uow:
        service.begin_session(uow, commander, late.id, url=URL)


def test_only_the_commanding_court_begins_and_ends(store, ask, commander, second, leader, neighbour, operator, begin):
    request = ask()
    with store.write() as uow:
        service.grant_request(uow, commander, request.id, service.Terms())
    for stranger, error in ((leader, ForbiddenError), (operator, ForbiddenError), (neighbour, NotFoundError)):
        with pytest.raises(error), store.write() as uow:
            service.begin_session(uow, stranger, request.id, url=URL)
    with pytest.raises(ForbiddenError), store.write() as uow:  # he decides; beginning is not his
        service.begin_session(uow, second, request.id, url=URL)
    session = begin()
    with pytest.raises(ForbiddenError), store.write() as uow:
        service.end_session(uow, leader, session.id)
    watch = Actor("u12", "zhiban29", "样例中院值班员", "duty_operator", "云29")
    with store.write() as uow:
        service.end_session(uow, watch, session.id, "样例：处置完毕")
    with pytest.raises(rules.SessionEndedError), store.write() as uow:
        service.end_session(uow, commander, session.id)


def test_an_end_reaches_kit_relay_and_record(store, begin, commander, kit, bus):
    session = begin()
    heard = []
    bus.listeners.append(lambda subject, payload: heard.append((subject, payload)))
    with store.write() as uow:
        service.end_session(uow, commander, session.id, "样例：处置完毕")
    call, end = directives(store, kit)
    assert (call.state, call.expires_ms) == ("expired", 0)
    assert (end.kind, end.body["on"], end.body["session"], end.expires_ms) == ("live", False, session.id, None)
    assert (LIVE_SUBJECT, session.id.encode()) in heard
    with store.read() as reading:
        assert queries.list_open(reading) == []
        assert queries.find_open(reading, session.id) is None
        head = queries.verify_entries(reading, session.id)
        last = reading.execute(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).scalar_one()
    assert [line.kind for line in entries(store, session.id)][-2:] == ["kit_left", "ended"]
    assert last.action == "command:session:end"
    assert last.detail == {"entries": 6, "head": head.hex()}


def test_a_session_ends_by_the_clock(store, begin, clock, kit):
    session = begin(minutes=10)
    clock.advance(ms=599_999)
    with store.write() as uow:
        assert service.expire_sessions(uow) == 0
    clock.advance(ms=1)
    with store.read() as reading:  # the relay does not wait for the housekeeping
        assert queries.list_open(reading, now_ms=clock.now_ms()) == []
        assert [open_.id for open_ in queries.list_open(reading)] == [session.id]
    with store.write() as uow:
        assert service.expire_sessions(uow) == 1
        assert service.expire_sessions(uow) == 0
    assert directives(store, kit)[-1].body["on"] is False


def test_kits_come_and_go(store, begin, commander, kits):
    session = begin()
    with store.write() as uow:
        service.add_kit(uow, commander, session.id, "yb-2922-01", url=URL)
    with pytest.raises(rules.InSessionError), store.write() as uow:
        service.add_kit(uow, commander, session.id, "yb-2922-01", url=URL)
    with store.read() as reading:
        assert queries.find_open(reading, session.id).kits == ("dl-2901-01", "yb-2922-01")
        assert queries.find_open(reading, session.id).other_courts == ("云2901", "云2922")
    with store.write() as uow:
        service.remove_kit(uow, commander, session.id, "dl-2901-01")
    with store.write() as uow:  # and back again
        service.add_kit(uow, commander, session.id, "dl-2901-01", url=URL)
    with store.write() as uow:
        service.call_again(uow, commander, session.id, "yb-2922-01", url=URL)
    assert [line.kind for line in entries(store, session.id)][3:] == [
        "kit_joined", "kit_joined", "kit_left", "kit_joined", "called_again",
    ]  # fmt: skip
    assert [row.body["on"] for row in directives(store, kits["yb-2922-01"])] == [True, True]


def test_beyond_the_decision_only_who_decides_goes(store, begin, commander, kits):
    session = begin()
    duty = Actor("u10", "zhiban29", "样例中院值班员", "duty_operator", "云29")
    with pytest.raises(rules.DecisionError), store.write() as uow:
        service.add_kit(uow, duty, session.id, "yb-2922-01", url=URL)
    with pytest.raises(rules.DecisionError), store.write() as uow:
        service.set_voice(uow, duty, session.id, "duplex")
    with store.write() as uow:  # within it he leads
        service.set_voice(uow, duty, session.id, "off")
        service.set_voice(uow, duty, session.id, "ptt")
        service.remove_kit(uow, duty, session.id, "dl-2901-01")
        service.add_kit(uow, duty, session.id, "dl-2901-01", url=URL)
        service.set_voice(uow, commander, session.id, "duplex")


def test_a_kit_locked_as_lost_is_in_no_session_until_it_is_found(store, begin, commander, kit):
    session = begin()
    with store.write() as uow:
        uow.session.add(KitLoss(kit_no=kit.kit_no, state="locked", reason="样例", locked_by="x", locked_ms=1))
    with store.read() as reading:
        assert queries.find_open(reading, session.id).kits == ()
    with store.write() as uow:
        uow.session.execute(update(KitLoss).values(state="unlocked"))
    with store.read() as reading:
        assert queries.find_open(reading, session.id).kits == ("dl-2901-01",)


def test_who_was_taken_out_sees_no_more_of_it_and_who_stayed_sees_its_record(store, begin, commander, judge):
    left, stayed = begin(), begin()
    with store.write() as uow:
        uow.session.add(
            User(id=judge.user_id, login=judge.login, name=judge.name, role="judge", court_code=judge.court_code,
                 password_hash="", created_ms=1)
        )  # fmt: skip
    with store.write() as uow:
        guest = service.invite(uow, commander, left.id, "person", judge.login)
        service.invite(uow, commander, stayed.id, "person", judge.login)
        service.uninvite(uow, commander, left.id, guest.id)
    for _ in range(2):
        with store.read() as reading:
            assert [view.session.id for view in queries.list_sessions(reading, judge)] == [stayed.id]
            with pytest.raises(NotFoundError):
                queries.get_session(reading, judge, left.id)
        if is_open(store, left.id):
            store.clock.advance(ms=1000)
            with store.write() as uow:
                service.end_session(uow, commander, left.id)
                service.end_session(uow, commander, stayed.id)


def is_open(store, session_id):
    with store.read() as reading:
        return queries.find_open(reading, session_id) is not None


def test_two_sessions_may_have_one_kit_and_each_ends_alone(store, begin, commander, kit):
    one, two = begin(), begin()
    with store.write() as uow:
        service.end_session(uow, commander, one.id)
    assert [row.body for row in directives(store, kit)][-1] == {"session": one.id, "on": False, "by": "样例指挥长"}
    with store.read() as reading:
        assert [open_.id for open_ in queries.list_open(reading)] == [two.id]


def test_a_revoked_kit_is_in_no_session(store, begin, commander):
    session = begin()
    entry = KitEntry(
        kit_id="dl-2901-01", court_code="云2901", label="单兵", officer="样例警官甲", serials=["a1"],
        revoked_serials=["a1"], revoked=True,
    )  # fmt: skip
    with store.write() as uow:
        device_service.apply_registry(uow, Registry(epoch=2, issued_ms=2, kits=[entry]))
    with store.read() as reading:
        assert devices.find_kit_ref(reading, "dl-2901-01")
        assert queries.find_open(reading, session.id).kits == ()
    with pytest.raises(rules.CommandKitError), store.write() as uow:
        service.call_again(uow, commander, session.id, "dl-2901-01", url=URL)


def test_a_foreign_county_s_kit_is_not_to_command(store, ask, chief, kits):
    with pytest.raises(rules.CommandKitError):
        ask(kits=("yb-2922-01",))
    with pytest.raises(rules.CommandDraftError):
        ask(court="云2922")
    with pytest.raises(rules.CommandDraftError):
        ask(kits=())


def test_halls_and_people_are_invited(store, begin, commander, neighbour, judge, camera_id):
    session = begin()
    with store.read() as reading, pytest.raises(NotFoundError):
        queries.get_session(reading, neighbour, session.id)
    with store.write() as uow:
        hall = service.invite(uow, commander, session.id, "court", "云2922")
        camera = service.invite(uow, commander, session.id, "camera", camera_id)
    with pytest.raises(rules.InSessionError), store.write() as uow:
        service.invite(uow, commander, session.id, "court", "云2922")
    with pytest.raises(NotFoundError), store.write() as uow:
        service.invite(uow, commander, session.id, "person", "nobody")
    with store.read() as reading:
        assert queries.get_session(reading, neighbour, session.id).session.id == session.id
        open_ = queries.find_open(reading, session.id)
        assert session_rights.may_watch(neighbour, open_)
        assert session_rights.may_talk(neighbour, open_)
    assert open_.cameras == (camera_id,)
    with store.write() as uow:
        service.uninvite(uow, commander, session.id, hall.id)
        service.uninvite(uow, commander, session.id, camera.id)
    with store.read() as reading:
        assert not session_rights.may_watch(neighbour, queries.find_open(reading, session.id))
    assert FOREIGN.court_code not in open_.courts


def test_the_record_tells_of_any_change(store, begin, commander):
    session = begin()
    with store.write() as uow:
        service.add_entry(
            uow, session.id, "watch_begun", "样例值班员", {"source": "dl-2901-01", "who": "user:zhiban"}
        )
        service.set_voice(uow, commander, session.id, "off")
    with store.read() as reading:
        assert len(queries.verify_entries(reading, session.id)) == 32
        watched = reading.execute(select(AuditEntry).where(col(AuditEntry.action) == "command:picture:watch"))
        assert watched.scalar_one().actor == "user:zhiban"
    for change in ("actor = '样例别人'", "at_ms = at_ms + 1", "detail = '{}'"):
        with store.write() as uow:
            uow.session.execute(text(f"UPDATE session_entry SET {change} WHERE no = 5"))
            with pytest.raises(rules.EntryChainError) as caught:
                queries.verify_entries(uow.session, session.id)
            assert caught.value.params == {"seq": 5}
            uow.session.rollback()
            uow.session.connection()
    with store.write() as uow:
        uow.session.execute(update(SessionEntry).where(col(SessionEntry.no) == 6).values(no=7))
        with pytest.raises(rules.EntryChainError):
            queries.verify_entries(uow.session, session.id)


def test_an_unknown_line_is_refused(store, begin):
    session = begin()
    with pytest.raises(InvalidInputError), store.write() as uow:
        service.add_entry(uow, session.id, "danced", "x", {})
    with pytest.raises(NotFoundError), store.write() as uow:
        service.add_entry(uow, "0" * 32, "told", "x", {})


def test_the_database_keeps_a_kit_once_in_a_session(store, begin):
    session = begin()
    with store.read() as reading:
        row = reading.execute(select(SessionKit).where(col(SessionKit.session_id) == session.id)).scalar_one()
    again = row.model_dump(exclude={"id"})
    with pytest.raises(IntegrityError), store.write() as uow:
        uow.session.execute(insert(SessionKit).values(**again))
