"""Kits near a call for help record together, and only what the call started ends with it."""

import msgspec
import pytest
from sqlmodel import col, select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.courts.permissions import Actor
from central.devices import rules as devices_rules
from central.devices import service as devices
from central.devices.models import MailboxEntry
from central.devices.nearby import distance_m, list_nearby, shares_tree
from central.devices.queries import find_kit_ref
from central.flows import acknowledge, together
from central.incidents import queries
from contract.messages import Fix, decode
from contract.orders import RecordOrder
from contract.trust import KitEntry, Registry
from tests.central.flows.conftest import ALARM_ID, FIX

pytestmark = pytest.mark.both_databases

# Degrees of latitude for a metre, near enough.
METRE = 1 / 111_195
COMMANDER = Actor("u1", "zhihui", "样本指挥", "commander", "云29")
OPERATOR = Actor("u2", "zhiban", "样本值班", "duty_operator", "云29")
# Metres from the caller; the last one works under another intermediate court.
CREW = {"dl-2901-01": 0, "dl-2901-02": 200, "yb-2922-01": 290, "dl-2901-03": 310, "km-0101-01": 50}


@pytest.fixture
def crew(store):
    entries = [
        KitEntry(
            kit_id=name,
            court_code=f"云{name[3:7]}",
            label="",
            officer="",
            serials=[f"{number:02x}"],
            revoked_serials=[],
        )
        for number, name in enumerate(CREW, start=1)
    ]
    with store.write() as uow:
        devices.apply_registry(uow, Registry(epoch=1, issued_ms=1, kits=entries))
    with store.read() as session:
        refs = {name: find_kit_ref(session, name) for name in CREW}
    for name, metres in CREW.items():
        place(store, refs[name], metres)
    return refs


def place(store, kit, metres, *, age_s=0, fix_ms=None):
    with store.write() as uow:
        received_ms = uow.now_ms - age_s * 1000
        fix = Fix(lat=FIX.lat + metres * METRE, lon=FIX.lon, fix_ms=received_ms if fix_ms is None else fix_ms)
        row = devices_rules.position_row(
            kit.kit_no, 1, 900 + metres, received_ms, fix, digest=b"x" * 8, received_ms=received_ms
        )
        devices.store_positions(uow, [row])
        devices.save_markers(uow, [row])


def orders(store, kit):
    with store.read() as session:
        query = select(MailboxEntry).where(MailboxEntry.kit_no == kit.kit_no).order_by(col(MailboxEntry.number))
        return [(entry.kind, entry.body.get("for_alarm")) for entry in session.exec(query)]


def told_kits(store, crew, kind):
    return {name for name, kit in crew.items() if any(order[0] == kind for order in orders(store, kit))}


class TestPlaces:
    def test_distance(self):
        assert distance_m(25.6, 100.2, 25.6, 100.2) == 0
        assert distance_m(0, 0, 0, 1) == pytest.approx(111_195, rel=1e-4)
        assert distance_m(39.9042, 116.4074, 31.2304, 121.4737) == pytest.approx(1_067_300, rel=2e-3)

    def test_trees(self):
        assert shares_tree("云2901", "云2922")
        assert shares_tree("云2901", "云29")
        assert shares_tree("云2901", "云")
        assert not shares_tree("云2901", "云0101")
        assert not shares_tree("云2901", "川2901")

    def test_only_fresh_fixes_of_the_own_tree_nearest_first(self, store, clock, crew):
        with store.read() as session:
            found = list_nearby(
                session, crew["dl-2901-01"], lat=FIX.lat, lon=FIX.lon, radius_m=300, now_ms=clock.now_ms()
            )
        assert [(item.kit.kit_id, round(item.distance_m, -1)) for item in found] == [
            ("dl-2901-02", 200),
            ("yb-2922-01", 290),
        ]
        clock.advance(s=61)
        with store.read() as session:
            assert not list_nearby(
                session, crew["dl-2901-01"], lat=FIX.lat, lon=FIX.lon, radius_m=300, now_ms=clock.now_ms()
            )


class TestSos:
    def call(self, raise_alarm, crew, **more):
        return raise_alarm(of=crew["dl-2901-01"], radius_m=300, **more)

    def test_neighbours_are_ordered_in_the_same_commit_and_audited(self, store, crew, raise_alarm):
        outcome = self.call(raise_alarm, crew)
        assert told_kits(store, crew, "record_start") == {"dl-2901-02", "yb-2922-01"}
        with store.read() as session:
            entry = session.get(MailboxEntry, (crew["yb-2922-01"].kit_no, 1))
            body = decode(msgspec.json.encode(entry.body), RecordOrder)
            assert body.for_alarm == ALARM_ID
            assert entry.expires_ms == entry.issued_ms + together.EXPIRY_MS
            rows = session.exec(select(AuditEntry).where(AuditEntry.action == "devices:recording:together")).all()
            assert {(row.subject, row.court_code) for row in rows} == {
                ("dl-2901-02", "云2901"), ("yb-2922-01", "云2922"),
            }  # fmt: skip
            timeline = queries.list_timeline(session, COMMANDER, outcome.incident_id)
        assert [entry.detail["kits"] for entry in timeline if entry.kind == "together"] == [
            ["dl-2901-02", "yb-2922-01"]
        ]

    def test_a_repeat_orders_nothing_again(self, store, crew, raise_alarm):
        self.call(raise_alarm, crew)
        self.call(raise_alarm, crew)
        assert len(orders(store, crew["dl-2901-02"])) == 1

    @pytest.mark.parametrize("kind", ["tamper", "fault", "mark"])
    def test_no_other_alarm_does(self, store, crew, raise_alarm, kind):
        self.call(raise_alarm, crew, kind=kind)
        assert told_kits(store, crew, "record_start") == set()

    def test_with_radius_0_nobody_is_ordered(self, store, crew, raise_alarm):
        raise_alarm(of=crew["dl-2901-01"], radius_m=0)
        assert told_kits(store, crew, "record_start") == set()

    def test_a_call_out_of_hours_of_darkness_does_not(self, store, clock, crew, raise_alarm):
        self.call(raise_alarm, crew, pressed_ms=clock.now_ms() - together.LATE_MS - 1000)
        assert told_kits(store, crew, "record_start") == set()

    def test_a_backlog_received_just_now_is_no_place(self, store, clock, crew, raise_alarm):
        clock.advance(s=70)
        kit = crew["dl-2901-02"]
        place(store, kit, 201, fix_ms=clock.now_ms() - 65_000)
        self.call(raise_alarm, crew)
        assert told_kits(store, crew, "record_start") == set()

    @pytest.mark.parametrize(
        ("suspect", "age_s", "called"),
        [
            ("", 5, True),
            ("90 s old", 90, True),
            ("18000 s old", 18_000, False),
            ("known before the kit's restart", 20, True),
            ("known before the kit's restart", None, False),
            ("receiver_time_behind", 7 * 86_400, True),  # of the satellites' time only the place is to be trusted
        ],
    )
    def test_a_fix_of_hours_ago_is_no_place_either(self, store, clock, crew, raise_alarm, suspect, age_s, called):
        """The kit sends what it knows last, and says how old that is: out of a cellar it may be of this morning."""
        fix_ms = None if age_s is None else clock.now_ms() - age_s * 1000
        self.call(raise_alarm, crew, fix=msgspec.structs.replace(FIX, suspect=suspect, fix_ms=fix_ms))
        assert bool(told_kits(store, crew, "record_start")) is called

    def test_a_kit_in_wrong_hands_does_not_set_every_camera_running(self, store, clock, crew, raise_alarm):
        for number in range(together.MAX_CALLS + 3):
            assert self.call(raise_alarm, crew, alarm_id=f"{number:032x}").incident_id is not None
        assert len(orders(store, crew["dl-2901-02"])) == together.MAX_CALLS
        clock.advance(s=together.LATE_MS // 1000 + 1)
        place(store, crew["dl-2901-02"], 202)
        self.call(raise_alarm, crew, alarm_id="e" * 32)
        assert len(orders(store, crew["dl-2901-02"])) == together.MAX_CALLS + 1, (
            "an officer in distress is heard again"
        )

    def test_one_withdrawn_before_it_came_orders_nobody(self, store, crew, raise_alarm):
        self.call(raise_alarm, crew, kind="sos_withdrawn")
        self.call(raise_alarm, crew)
        assert told_kits(store, crew, "record_start") == set()

    def test_a_withdrawal_ends_it_for_the_neighbours_alone(self, store, crew, raise_alarm):
        self.call(raise_alarm, crew)
        self.call(raise_alarm, crew, kind="sos_withdrawn")
        assert orders(store, crew["dl-2901-02"])[-1] == ("record_stop", ALARM_ID)
        assert told_kits(store, crew, "record_stop") == {"dl-2901-02", "yb-2922-01"}

    def test_closing_ends_it_once_and_for_the_caller_too(self, store, crew, raise_alarm):
        outcome = self.call(raise_alarm, crew)
        with store.write() as uow:
            acknowledge.acknowledge_incident(uow, COMMANDER, outcome.incident_id)
        with store.write() as uow:
            acknowledge.close_incident(uow, COMMANDER, outcome.incident_id, "现场已控制")
        assert told_kits(store, crew, "record_stop") == {"dl-2901-01", "dl-2901-02", "yb-2922-01"}
        self.call(raise_alarm, crew, kind="sos_withdrawn")
        assert orders(store, crew["dl-2901-02"]) == [("record_start", ALARM_ID), ("record_stop", ALARM_ID)]


class TestByHand:
    def test_a_kit_and_those_near_it(self, store, crew):
        with store.write() as uow:
            ordered = together.order_together(uow, OPERATOR, "dl-2901-01", cause="共同执行", radius_m=300)
        assert ordered == ["dl-2901-01", "dl-2901-02", "yb-2922-01"]
        (started,) = orders(store, crew["dl-2901-01"])
        with store.write() as uow:
            ended = together.end_together(uow, OPERATOR, "dl-2901-01", cause="行动结束")
        assert ended == ordered
        assert orders(store, crew["yb-2922-01"]) == [started, ("record_stop", started[1])]
        with store.write() as uow:
            assert together.end_together(uow, OPERATOR, "dl-2901-01", cause="行动结束") == []

    def test_nobody_reaches_beyond_his_courts(self, store, crew):
        local = Actor("u3", "bendi", "样本值班", "duty_operator", "云2901")
        with store.write() as uow:
            ordered = together.order_together(uow, local, "dl-2901-01", cause="共同执行", radius_m=300)
        assert ordered == ["dl-2901-01", "dl-2901-02"]
        with pytest.raises(NotFoundError), store.write() as uow:
            together.order_together(uow, local, "yb-2922-01", cause="共同执行", radius_m=300)

    def test_it_takes_the_right_and_a_reason(self, store, crew):
        judge = Actor("u4", "faguan", "样本法官", "judge", "云29")
        with pytest.raises(ForbiddenError), store.write() as uow:
            together.order_together(uow, judge, "dl-2901-01", cause="共同执行", radius_m=300)
        with pytest.raises(InvalidInputError), store.write() as uow:
            together.order_together(uow, OPERATOR, "dl-2901-01", cause=" ", radius_m=300)
