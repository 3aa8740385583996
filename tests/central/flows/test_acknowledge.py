import threading

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from central.base.outbox import read_outbox
from central.devices.models import MailboxEntry
from central.flows import acknowledge, felt, recording
from central.incidents import queries, rules
from contract.messages import CommandReceipt
from tests.central.flows.conftest import ALARM_ID


def act(store, function, *arguments, **options):
    with store.write() as uow:
        return function(uow, *arguments, **options)


def acknowledge_it(store, actor, incident_id, note=""):
    return act(store, acknowledge.acknowledge_incident, actor, incident_id, note)


def receipt(store, kit, state, number=1):
    return act(
        store, felt.receive_command_receipt, kit, CommandReceipt(number=number, state=state, at_ms=7, note="振动")
    )


def mail(store):
    with store.read() as session:
        return session.exec(select(MailboxEntry).order_by(MailboxEntry.number)).all()


def incident(store, actor, incident_id):
    with store.read() as session:
        return queries.get_incident(session, actor, incident_id)


def kinds(store, actor, incident_id):
    with store.read() as session:
        return [entry.kind for entry in queries.list_timeline(session, actor, incident_id)]


@pytest.fixture
def incident_id(raise_alarm):
    return raise_alarm().incident_id


class TestAcknowledge:
    def test_incident_mailbox_audit_and_event_in_one_commit(self, store, clock, bus, kit, operator, incident_id):
        nudges = []
        bus.listeners.append(lambda subject, _payload: nudges.append(subject))
        done = acknowledge_it(store, operator, incident_id, " 已派增援 ")
        assert (done.state, done.acknowledged_by, done.acknowledged_ms) == (
            "acknowledged",
            "样例值班员",
            clock.now_ms(),
        )
        assert sorted(nudges) == ["central.mailbox.dl-2901-01", "central.outbox"]
        (letter,) = mail(store)
        assert (letter.kind, letter.number) == ("sos_ack", 1)
        assert letter.body == {
            "alarm_id": ALARM_ID,
            "by": "样例值班员",
            "at_ms": clock.now_ms(),
            "note": "已派增援",
        }
        assert kinds(store, operator, incident_id) == ["opened", "acknowledged"]
        with store.read() as session:
            audit = session.exec(select(AuditEntry).where(AuditEntry.action == "incidents:alarm:acknowledge")).one()
            assert (audit.actor, audit.subject, audit.purpose) == ("user:zhiban", incident_id, "已派增援")
            assert read_outbox(session, after_id=0)[-1].payload["state"] == "acknowledged"

    def test_the_second_is_told_who_was_first(self, store, operator, commander, incident_id):
        acknowledge_it(store, commander, incident_id)
        with pytest.raises(rules.AlreadyAcknowledgedError, match="样例指挥长 has already acknowledged"):
            acknowledge_it(store, operator, incident_id)
        assert len(mail(store)) == 1

    def test_of_many_at_once_one_wins(self, store, operator, incident_id):
        results = []

        def attempt():
            try:
                acknowledge_it(store, operator, incident_id)
                results.append("won")
            except ConflictError:
                results.append("lost")

        threads = [threading.Thread(target=attempt) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["lost"] * 5 + ["won"]
        assert len(mail(store)) == 1

    def test_who_may(self, store, neighbour, administrator, operator, incident_id):
        with pytest.raises(NotFoundError):
            acknowledge_it(store, neighbour, incident_id)
        with pytest.raises(ForbiddenError):
            acknowledge_it(store, administrator, incident_id)
        with pytest.raises(NotFoundError):
            acknowledge_it(store, operator, "f" * 32)
        with pytest.raises(InvalidInputError):
            acknowledge_it(store, operator, incident_id, "长" * 501)
        assert incident(store, operator, incident_id).state == "open"


class TestClose:
    def test_only_after_acknowledgement_with_a_note_by_a_commander(self, store, operator, commander, incident_id):
        def close(actor, note):
            return act(store, acknowledge.close_incident, actor, incident_id, note)

        with pytest.raises(rules.NotAcknowledgedError):
            close(commander, "结束")
        acknowledge_it(store, operator, incident_id)
        with pytest.raises(ForbiddenError):
            close(operator, "结束")
        with pytest.raises(InvalidInputError):
            close(commander, "  ")
        done = close(commander, "人员安全撤离")
        assert (done.state, done.closed_by) == ("closed", "样例指挥长")
        with pytest.raises(rules.IncidentClosedError):
            close(commander, "再次")
        with pytest.raises(rules.IncidentClosedError):
            acknowledge_it(store, operator, incident_id)
        assert kinds(store, operator, incident_id) == ["opened", "acknowledged", "closed"]
        with store.read() as session:
            assert queries.list_incidents(session, commander) == []
            assert len(queries.list_incidents(session, commander, states=["closed"])) == 1
            assert queries.count_by_state(session, commander) == {"closed": 1}

    def test_notes_join_the_timeline(self, store, operator, neighbour, incident_id):
        act(store, acknowledge.add_note, operator, incident_id, "已通知派出所")
        with store.read() as session:
            entry = queries.list_timeline(session, operator, incident_id)[-1]
        assert (entry.kind, entry.actor, entry.detail) == ("note", "样例值班员", {"note": "已通知派出所"})
        with pytest.raises(NotFoundError):
            act(store, acknowledge.add_note, neighbour, incident_id, "x")


class TestFelt:
    def test_the_officer_felt_it(self, store, clock, kit, operator, incident_id):
        acknowledge_it(store, operator, incident_id)
        assert receipt(store, kit, "received")
        assert incident(store, operator, incident_id).felt_ms is None
        clock.advance(s=2)
        assert receipt(store, kit, "felt")
        assert incident(store, operator, incident_id).felt_ms == clock.now_ms()
        assert kinds(store, operator, incident_id) == ["opened", "acknowledged", "felt"]
        clock.advance(s=2)
        assert receipt(store, kit, "felt")
        assert receipt(store, kit, "done")
        assert incident(store, operator, incident_id).felt_ms == clock.now_ms() - 2000
        assert kinds(store, operator, incident_id) == ["opened", "acknowledged", "felt"]
        with store.read() as session:
            audits = session.exec(
                select(AuditEntry).where(AuditEntry.action == "incidents:acknowledgement:feel")
            ).all()
            assert [audit.actor for audit in audits] == ["kit:dl-2901-01"]

    def test_a_failed_feedback_is_said(self, store, kit, operator, incident_id):
        acknowledge_it(store, operator, incident_id)
        receipt(store, kit, "failed")
        assert kinds(store, operator, incident_id)[-1] == "ack_failed"

    def test_a_receipt_for_a_directive_that_never_was(self, store, kits, operator, incident_id):
        acknowledge_it(store, operator, incident_id)
        assert not receipt(store, kits["dl-2901-01"], "felt", number=2)
        assert not receipt(store, kits["yb-2922-01"], "felt")  # the number is another kit's
        assert incident(store, operator, incident_id).felt_ms is None


class TestOrderRecording:
    def test_goes_to_the_mailbox_with_its_cause(self, store, kit, operator):
        act(store, recording.order_recording, operator, kit.kit_id, wanted=True, cause="现场取证")
        act(store, recording.order_recording, operator, kit.kit_id, wanted=False, cause="结束")
        assert [(letter.kind, letter.body["cause"]) for letter in mail(store)] == [
            ("record_start", "现场取证"),
            ("record_stop", "结束"),
        ]

    def test_who_may(self, store, kit, neighbour, administrator, operator):
        for actor, error in ((neighbour, NotFoundError), (administrator, ForbiddenError)):
            with pytest.raises(error):
                act(store, recording.order_recording, actor, kit.kit_id, wanted=True, cause="x")
        with pytest.raises(InvalidInputError):
            act(store, recording.order_recording, operator, kit.kit_id, wanted=True, cause=" ")
        assert mail(store) == []
