import pytest
from sqlmodel import func, select

from central.audit import queries as audit_queries
from central.audit.models import AuditEntry
from central.base.outbox import read_outbox
from central.devices import queries as devices_queries
from central.devices import rules as devices_rules
from central.devices import service as devices
from central.devices.models import Position
from central.devices.rules import ItemKey
from central.flows import sos
from central.incidents import queries
from central.incidents.models import AlarmRecord, Incident
from contract.health import Health
from contract.messages import Alarm, Fix
from tests.central.flows.conftest import ALARM_ID, FIX

pytestmark = pytest.mark.both_databases

YEAR_MS = 365 * 24 * 3600 * 1000


def only_incident(store):
    with store.read() as session:
        return session.exec(select(Incident)).one()


def count(store, table):
    with store.read() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def timeline(store, actor, incident_id):
    with store.read() as session:
        return [(entry.kind, entry.actor) for entry in queries.list_timeline(session, actor, incident_id)]


def told(store, name):
    with store.read() as session:
        return [row for row in read_outbox(session, after_id=0) if row.kind == name]


def save_fix(store, kit, fix, received_ms):
    row = devices_rules.position_row(kit.kit_no, 1, 900, received_ms, fix, digest=b"x" * 8, received_ms=received_ms)
    with store.write() as uow:
        devices.store_positions(uow, [row])
        devices.save_markers(uow, [row])


class TestSos:
    def test_incident_position_audit_and_event_in_one_commit(self, store, clock, bus, kit, operator, raise_alarm):
        nudges = []
        bus.listeners.append(lambda subject, _payload: nudges.append((subject, count(store, Incident))))
        outcome = raise_alarm(note="被围", recording_id="b" * 32)
        assert outcome.fresh
        assert nudges == [("central.outbox", 1)]
        incident = only_incident(store)
        assert (incident.id, incident.state, incident.kind) == (outcome.incident_id, "open", "sos")
        assert (incident.lat, incident.lon, incident.position_source) == (FIX.lat, FIX.lon, "alarm")
        assert (incident.received_ms, incident.pressed_ms) == (clock.now_ms(), clock.now_ms() - 300)
        assert (incident.clock_doubt, incident.recording_id, incident.note) == (False, "b" * 32, "被围")
        assert timeline(store, operator, incident.id) == [("opened", "kit:dl-2901-01")]
        with store.read() as session:
            position = session.exec(select(Position)).one()
            assert (position.lat, position.kit_no) == (FIX.lat, kit.kit_no)
            assert devices_queries.find_state(session, kit.kit_no).lat == FIX.lat
            audit = session.exec(select(AuditEntry).where(AuditEntry.action == "incidents:alarm:sos")).one()
            assert (audit.actor, audit.subject) == ("kit:dl-2901-01", incident.id)
            assert audit_queries.verify_chain(session)[0] == 2
        (event,) = told(store, "incident_opened")
        assert event.court_code == "云2901"
        assert (event.payload["id"], event.payload["lat"]) == (incident.id, FIX.lat)

    def test_nothing_of_it_stays_when_the_transaction_fails(self, store, clock, kit):
        alarm = Alarm(alarm_id=ALARM_ID, kind="sos", pressed_ms=clock.now_ms(), fix=FIX)
        with pytest.raises(RuntimeError), store.write() as uow:
            sos.receive_alarm(uow, kit, alarm, key=ItemKey(kit.kit_no, 1, 1), digest=b"d" * 8, at_ms=1, received_ms=1)
            raise RuntimeError
        assert [count(store, table) for table in (Incident, AlarmRecord, Position)] == [0, 0, 0]
        assert told(store, "incident_opened") == []

    def test_repeats_change_nothing(self, store, raise_alarm):
        first = raise_alarm()
        again = raise_alarm()  # resent under another number until somebody answers
        assert (first.fresh, again.fresh) == (True, False)
        assert again.incident_id == first.incident_id
        assert (count(store, Incident), len(told(store, "incident_opened"))) == (1, 1)

    def test_one_from_a_kits_memory_tells_its_place_and_the_stored_one_joins_the_trail(
        self, store, clock, kit, raise_alarm
    ):
        save_fix(store, kit, Fix(lat=25.0, lon=100.0), clock.now_ms())
        raise_alarm(unstored=True)
        incident = only_incident(store)
        assert (incident.lat, incident.lon, incident.position_source) == (FIX.lat, FIX.lon, "alarm")
        assert count(store, Position) == 1, "a spool that lives in memory leaves no trail"
        assert not raise_alarm().fresh
        assert (count(store, Incident), count(store, Position)) == (1, 2)

    def test_every_sos_stands_for_itself(self, store, raise_alarm):
        raise_alarm()
        raise_alarm(alarm_id="c" * 32)
        assert count(store, Incident) == 2

    def test_two_kits_may_use_the_same_alarm_id(self, store, kits, raise_alarm):
        first, second = kits.values()
        assert raise_alarm(of=first).incident_id != raise_alarm(of=second).incident_id

    def test_without_a_fix_the_last_known_place_is_used_and_said(self, store, clock, kit, raise_alarm):
        save_fix(store, kit, Fix(lat=25.5, lon=100.1, fix_ms=clock.now_ms()), clock.now_ms())
        clock.advance(s=90)
        raise_alarm(fix=None)
        incident = only_incident(store)
        assert (incident.lat, incident.position_source, incident.position_age_ms) == (25.5, "last_known", 90_000)

    def test_without_any_place_it_opens_all_the_same(self, store, operator, raise_alarm):
        outcome = raise_alarm(fix=None)
        incident = only_incident(store)
        assert (incident.lat, incident.lon, incident.position_source) == (None, None, "none")
        with store.read() as session:
            entry = queries.list_timeline(session, operator, outcome.incident_id)[0]
        assert entry.detail["position_source"] == "none"

    @pytest.mark.parametrize("years", [-8, 8], ids=["behind", "ahead"])
    def test_a_clock_wrong_by_years_is_flagged_and_orders_nothing(self, store, clock, operator, raise_alarm, years):
        wrong_ms = clock.now_ms() + years * YEAR_MS
        raise_alarm(pressed_ms=wrong_ms, at_ms=wrong_ms)
        clock.advance(s=10)
        raise_alarm(alarm_id="c" * 32)
        with store.read() as session:
            rows = queries.list_incidents(session, operator)
        assert [(row.alarm_id[0], row.clock_doubt) for row in rows] == [("c", False), ("a", True)]
        assert rows[1].pressed_ms == wrong_ms

    def test_a_clock_known_from_health_to_be_an_hour_off_is_flagged(self, store, clock, kit, raise_alarm):
        wrong_ms = clock.now_ms() - 3_600_000
        body = Health(
            recording=False,
            duty=True,
            queue_outbox=0,
            queue_segments=0,
            free_bytes=0,
            vault_bytes=0,
            uptime_s=1,
            version="1",
        )
        with store.write() as uow:
            devices.record_health(uow, kit, body, at_ms=wrong_ms, received_ms=clock.now_ms())
        raise_alarm(pressed_ms=wrong_ms, at_ms=wrong_ms)
        assert only_incident(store).clock_doubt

    def test_an_alarm_from_a_day_offline_is_late_not_doubtful(self, store, clock, raise_alarm):
        pressed_ms = clock.now_ms() - 24 * 3_600_000
        raise_alarm(pressed_ms=pressed_ms, at_ms=pressed_ms)
        assert not only_incident(store).clock_doubt


class TestWithdrawal:
    def test_it_marks_and_never_erases(self, store, clock, operator, raise_alarm):
        opened = raise_alarm()
        clock.advance(s=5)
        outcome = raise_alarm("sos_withdrawn")
        assert (outcome.fresh, outcome.incident_id) == (True, opened.incident_id)
        incident = only_incident(store)
        assert (incident.state, incident.withdrawn_ms) == ("open", clock.now_ms())
        assert [kind for kind, _ in timeline(store, operator, incident.id)] == ["opened", "withdrawn"]
        assert told(store, "incident_changed")[0].payload["withdrawn_ms"] == clock.now_ms()
        assert not raise_alarm("sos_withdrawn").fresh
        assert len(timeline(store, operator, incident.id)) == 2

    def test_one_that_overtook_its_sos_marks_it_on_arrival(self, store, operator, raise_alarm):
        assert raise_alarm("sos_withdrawn").incident_id is None
        raise_alarm()
        incident = only_incident(store)
        assert (incident.state, incident.withdrawn_ms is not None) == ("open", True)
        assert [kind for kind, _ in timeline(store, operator, incident.id)] == ["opened", "withdrawn"]

    def test_a_kit_cannot_withdraw_anothers_alarm(self, store, kits, raise_alarm):
        raise_alarm()
        outcome = raise_alarm("sos_withdrawn", of=kits["yb-2922-01"])
        assert outcome.incident_id is None
        assert only_incident(store).withdrawn_ms is None


class TestOtherKinds:
    def test_a_mark_is_kept_and_told_but_opens_nothing(self, store, operator, raise_alarm):
        raise_alarm("mark", recording_id="b" * 32)
        assert count(store, Incident) == 0
        assert [row.payload["change"] for row in told(store, "kit_changed")][-1] == "mark"
        with store.read() as session:
            assert [row.kind for row in queries.list_recording_alarms(session, operator, "b" * 32)] == ["mark"]
            assert [row.kind for row in queries.list_kit_alarms(session, operator, "dl-2901-01")] == ["mark"]

    @pytest.mark.parametrize("kind", ["fault", "tamper"])
    def test_faults_and_tampering_gather_in_one_incident(self, store, operator, raise_alarm, kind):
        first = raise_alarm(kind, note="摄像头无画面")
        second = raise_alarm(kind, alarm_id="c" * 32, note="仍无画面")
        assert second.incident_id == first.incident_id
        assert (only_incident(store).kind, count(store, AlarmRecord)) == (kind, 2)
        assert [name for name, _ in timeline(store, operator, first.incident_id)] == ["opened", "repeated"]

    def test_an_sos_never_merges_into_a_fault(self, store, raise_alarm):
        raise_alarm("fault")
        raise_alarm("sos", alarm_id="c" * 32)
        assert count(store, Incident) == 2
