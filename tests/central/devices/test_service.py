import pytest
from sqlmodel import select

from central.base.bus import mailbox_subject
from central.base.errors import ForbiddenError, InvalidInputError, NotFoundError
from central.base.outbox import read_outbox
from central.devices import queries, rules
from central.devices import service as devices
from central.devices.models import MailboxEntry, SetAside
from contract.health import Health
from contract.messages import CommandReceipt, Hello

pytestmark = pytest.mark.both_databases

YEAR_MS = 365 * 24 * 3600 * 1000


def health(**changes):
    values = {
        "recording": False,
        "duty": True,
        "queue_outbox": 0,
        "queue_segments": 0,
        "free_bytes": 10**9,
        "vault_bytes": 0,
        "uptime_s": 60,
        "version": "0.1.0",
        "gps": "fix",
    }
    return Health(**{**values, **changes})


def record(store, clock, kit, offset_ms=0, **changes):
    now_ms = clock.now_ms()
    with store.write() as uow:
        devices.record_health(uow, kit, health(**changes), at_ms=now_ms + offset_ms, received_ms=now_ms)


def events(store):
    with store.read() as session:
        return [row.payload for row in read_outbox(session, after_id=0) if row.payload["change"] != "register"]


def view(store, clock, actor, kit):
    with store.read() as session:
        return queries.get_kit(session, actor, kit.kit_id, now_ms=clock.now_ms())


class TestHealth:
    def test_only_news_is_told(self, store, clock, kit, operator):
        record(store, clock, kit)
        record(store, clock, kit, queue_outbox=7, uptime_s=70)
        record(store, clock, kit, recording=True)
        told = events(store)
        assert [(event["change"], event["health"]["recording"]) for event in told] == [
            ("health", False),
            ("health", True),
        ]
        seen = view(store, clock, operator, kit)
        assert (seen.presence.state, seen.state.version, seen.clock_doubt) == ("live", "0.1.0", False)

    def test_a_clock_wrong_by_years_is_told_and_changes_no_order(self, store, clock, kit, operator):
        record(store, clock, kit, offset_ms=-8 * YEAR_MS)
        seen = view(store, clock, operator, kit)
        assert seen.clock_doubt
        assert seen.presence.state == "live"

    def test_hello_notes_what_the_kit_holds(self, store, clock, kit, operator):
        with store.write() as uow:
            hello = Hello(have=4, version="0.2.0")
            devices.record_hello(uow, kit, hello, at_ms=clock.now_ms(), received_ms=clock.now_ms())
        state = view(store, clock, operator, kit).state
        assert (state.mailbox_have, state.version, state.last_heard_ms) == (4, "0.2.0", clock.now_ms())


class TestKits:
    def test_the_list_is_narrowed_by_scope(self, store, clock, kits, operator, commander, administrator):
        with store.read() as session:

            def ids(actor):
                return [view.kit.kit_id for view in queries.list_kits(session, actor, now_ms=clock.now_ms())]

            assert ids(operator) == ["dl-2901-01"]
            assert ids(commander) == ids(administrator) == ["dl-2901-01", "yb-2922-01"]

    def test_another_courts_kit_does_not_exist(self, store, clock, kits, neighbour):
        with pytest.raises(NotFoundError):
            view(store, clock, neighbour, kits["dl-2901-01"])

    def test_certificates_are_for_administrators(self, store, clock, kit, operator, administrator):
        with store.read() as session:
            rows = queries.list_certificates(session, administrator, kit.kit_id, now_ms=0)
            assert [row.serial for row in rows] == ["a1"]
            with pytest.raises(ForbiddenError):
                queries.list_certificates(session, operator, kit.kit_id, now_ms=0)


class TestMailbox:
    def put(self, store, kit, kind="record_start", **options):
        with store.write() as uow:
            return devices.put_directive(uow, kit, kind=kind, body={"cause": "x"}, **options)

    def receipt(self, store, kit, number, state):
        with store.write() as uow:
            return devices.apply_receipt(uow, kit, CommandReceipt(number=number, state=state, at_ms=5))

    def test_numbers_count_from_one_per_kit_without_holes(self, store, kits):
        first, second = kits.values()
        assert [self.put(store, first).number for _ in range(3)] == [1, 2, 3]
        assert self.put(store, second).number == 1
        with pytest.raises(RuntimeError), store.write() as uow:
            devices.put_directive(uow, first, kind="record_stop", body={})
            raise RuntimeError
        assert self.put(store, first).number == 4

    def test_the_sender_is_nudged_after_the_commit(self, store, bus, kit):
        heard = []
        bus.listeners.append(lambda subject, _payload: heard.append(subject))
        self.put(store, kit)
        assert heard == [mailbox_subject("dl-2901-01")]

    def test_what_a_kit_must_still_get(self, store, kit):
        for _ in range(3):
            self.put(store, kit)
        self.receipt(store, kit, 1, "received")
        with store.read() as session:
            assert [row.number for row in devices.list_undelivered(session, kit, have=1)] == [2, 3]
            assert [row.number for row in devices.list_waiting(session, kit)] == [2, 3]
            assert [row.number for row in devices.list_undelivered(session, kit, have=0)] == [1, 2, 3]

    def test_receipts_out_of_order_and_repeated(self, store, kit):
        self.put(store, kit)
        assert self.receipt(store, kit, 1, "felt")[1]
        assert not self.receipt(store, kit, 1, "received")[1]
        assert not self.receipt(store, kit, 1, "felt")[1]
        assert self.receipt(store, kit, 1, "done")[1]
        assert self.receipt(store, kit, 9, "done") == (None, False)

    def test_expired_directives_keep_their_number(self, store, clock, kit):
        self.put(store, kit, expires_ms=clock.now_ms() + 1000)
        self.put(store, kit)
        clock.advance(s=1)
        with store.write() as uow:
            assert devices.expire_directives(uow) == 1
        with store.read() as session:
            states = {row.number: row.state for row in session.exec(select(MailboxEntry))}
            assert states == {1: "expired", 2: "waiting"}
            assert [row.number for row in devices.list_undelivered(session, kit, have=0)] == [1, 2]

    def test_an_unknown_directive_is_refused(self, store, kit):
        with pytest.raises(InvalidInputError):
            self.put(store, kit, kind="reboot_now")

    def test_people_see_what_became_of_directives(self, store, clock, kit, operator, neighbour):
        self.put(store, kit)
        with store.read() as session:
            rows = queries.list_directives(session, operator, kit.kit_id, now_ms=clock.now_ms())
            assert [(row.number, row.state) for row in rows] == [(1, "waiting")]
            with pytest.raises(NotFoundError):
                queries.list_directives(session, neighbour, kit.kit_id, now_ms=clock.now_ms())


class TestSetAside:
    def keep(self, store, kit_id, reason="unparsable", payload=b"{", limit=10_000):
        with store.write() as uow:
            devices.keep_aside(
                uow,
                kit_id=kit_id,
                source="kits.x.up.position",
                reason=reason,
                detail="d",
                payload=payload,
                limit=limit,
            )

    def test_kept_with_reason_cut_and_counted(self, store, kit, administrator, operator):
        self.keep(store, kit.kit_id, payload=b"x" * 300_000)
        self.keep(store, kit.kit_id, "number_reused")
        self.keep(store, kit.kit_id, "number_reused")
        with store.read() as session:
            rows = queries.list_set_aside(session, administrator)
            assert [(row.reason, row.size_bytes, len(row.payload)) for row in rows] == [
                ("number_reused", 1, 1),
                ("number_reused", 1, 1),
                ("unparsable", 300_000, rules.PAYLOAD_KEPT_BYTES),
            ]
            assert queries.list_counters(session) == {"set_aside.number_reused": 2, "set_aside.unparsable": 1}
            with pytest.raises(ForbiddenError):
                queries.list_set_aside(session, operator)

    def test_a_flood_keeps_the_newest_and_counts_all(self, store, kit):
        with store.write() as uow:
            for number in range(400):
                devices.keep_aside(
                    uow, kit_id="", source="s", reason="oversize", detail=str(number), payload=b"", limit=150
                )
        with store.read() as session:
            rows = session.exec(select(SetAside).order_by(SetAside.id)).all()
            assert (len(rows), rows[-1].detail) == (150, "399")
            assert queries.list_counters(session) == {"set_aside.oversize": 400}
