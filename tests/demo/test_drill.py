"""The drill itself: a short one for real, and that each kind of loss it looks for would be found."""

import base64
import contextlib
import hashlib
import os
import socket
import sqlite3
import threading
import time
from dataclasses import replace

import pytest
from sqlmodel import delete

from central.base import schema
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.devices.models import Kit, KitSpool, MailboxEntry, MailboxStep, Position, ReceivedItem
from central.devices.rules import digest_fix, digest_item
from central.evidence.models import ChainLink, Recording, SignerCertificate, StoredSegment
from central.incidents.models import AlarmRecord, Incident
from contract import chain
from contract.chain import Kind
from contract.messages import Alarm, ChainItem, Fix, encode
from demo.drill import processes
from demo.drill.count import Count
from demo.drill.faults import Blow
from demo.drill.holes import Hole, count_silent_ends, find_holes
from demo.drill.load import Pressed
from demo.drill.plan import Fault, Means, make_plan
from demo.drill.recovery import Traces, find_recovery_s
from demo.drill.relay import Relay
from demo.drill.report import lay_at_doors
from demo.drill.run import Order, run_drill
from demo.drill.units import Unit
from demo.drill.volume import Volume, can_mount
from demo.drill.witness import Book, KitWitness, Seen, SeenRecord
from edge.spool import open_spool
from tests.mounting import require_right
from tests.waiting import wait_until

KIT = "dl-2901-01"
SPOOL = "5" * 32
SOS, MARK = "a" * 32, "b" * 32


@pytest.mark.journey
@pytest.mark.timeout(600)
def test_a_short_drill_loses_and_doubles_nothing():
    said = []
    found = run_drill(Order(kills=12, minutes=0.5, database="sqlite", seed=4, kits=2), said.append)
    assert found.ok, "\n".join([*said, *(line for tally in found.tallies for line in tally.wrong), str(found)])
    assert found.kills == 12
    assert {tally.what: tally.arrived for tally in found.tallies if not tally.arrived} == {}
    # Of kills of single processes; a kit that is killed as a whole must boot first.
    assert found.longest_hole_s("kill recorder", "nothing of the kit's recorder") <= 5


class TestPlan:
    means = Means(kits=3, has_volumes=True, has_postgresql=True)

    def test_a_seed_gives_one_plan_and_another_seed_another(self):
        assert make_plan(5, 50, 600, self.means) == make_plan(5, 50, 600, self.means)
        assert make_plan(5, 50, 600, self.means) != make_plan(6, 50, 600, self.means)

    def test_as_many_kills_as_ordered_and_everything_gets_its_turn(self):
        plan = make_plan(1, 300, 1500, self.means)
        assert sum(fault.is_kill for fault in plan) == 300
        assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)
        assert {fault.what for fault in plan} == {"kill", "power_cut", "dark", "reset", "slow", "fill"}
        assert {fault.kit for fault in plan} == {-1, 0, 1, 2}

    def test_what_the_machine_does_not_allow_is_not_planned(self):
        plan = make_plan(1, 300, 1500, Means(kits=1, has_volumes=False, has_postgresql=False))
        assert not any(fault.what == "fill" or fault.victim == "postgresql" for fault in plan)


def record(recording, seq, kind, at_ms, *, lasts_ms=0, cause="", previous=None):
    extra = {"kit": KIT, "previous": previous} if kind is Kind.OPEN else {}
    digests = {"cipher_hash": b"c" * 32, "clear_hash": b"d" * 32, "length": 1} if kind is Kind.SEGMENT else {}
    return chain.Record(
        kind=kind,
        recording_id=recording * 16,
        seq=seq,
        prev=b"p" * 32,
        started_ms=at_ms,
        monotonic_ms=at_ms,
        duration_ms=lasts_ms,
        cause=cause,
        extra=extra,
        **digests,
    )


FIRST = [
    record(b"a", 0, Kind.OPEN, 0),
    record(b"a", 1, Kind.SEGMENT, 0, lasts_ms=2000),
    record(b"a", 2, Kind.SEGMENT, 2000, lasts_ms=2000),
]
END = [
    record(b"a", 3, Kind.GAP, 4000, lasts_ms=1500, cause="crash"),
    record(b"a", 4, Kind.FINAL, 5500, cause="crash"),
]
SECOND = [
    record(b"b", 0, Kind.OPEN, 5500, previous=[b"a" * 16, b"h" * 32]),
    record(b"b", 1, Kind.SEGMENT, 5600, lasts_ms=2000),
]


class TestHoles:
    def test_a_hole_with_its_signed_cause(self):
        assert find_holes(SECOND + FIRST + END) == [Hole(4000, 5600, "crash")]
        assert count_silent_ends(FIRST + END + SECOND) == 0

    def test_a_hole_nobody_stated(self):
        assert find_holes(FIRST + SECOND) == [Hole(4000, 5600, "")]
        assert count_silent_ends(FIRST + SECOND) == 1

    def test_a_recording_that_does_not_name_the_one_before(self):
        nameless = [record(b"b", 0, Kind.OPEN, 5500), *SECOND[1:]]
        assert count_silent_ends(FIRST + END + nameless) == 1

    def test_a_hole_within_a_recording_is_stated_by_a_gap_before_what_follows(self):
        late = record(b"a", 4, Kind.SEGMENT, 9000, lasts_ms=2000)
        assert find_holes([*FIRST, END[0], late])[0].cause == "crash"
        late_gap = record(b"a", 4, Kind.GAP, 4000, lasts_ms=5000, cause="crash")
        early = record(b"a", 3, Kind.SEGMENT, 9000, lasts_ms=2000)
        assert find_holes([*FIRST, early, late_gap])[0].cause == ""

    def test_it_is_laid_at_the_gravest_door_of_that_kit(self):
        hole = Hole(10_000, 12_000, "crash")
        blows = [
            Blow(Fault(1, "kill", "recorder", 0), mono_ms=11_000),
            Blow(Fault(1, "power_cut", "kit", 0), mono_ms=9_000),
            Blow(Fault(1, "fill", "kit", 1), mono_ms=11_000),
        ]
        assert lay_at_doors([hole], blows, 0) == [("power_cut", hole)]
        assert lay_at_doors([hole], blows[:1], 0) == [("kill recorder", hole)]
        assert lay_at_doors([hole], blows, 2)[0][0].startswith("nothing")


class TestRecovery:
    heard = ([(900, 950), (1500, 4000)], [(1100, 3000)])
    recorded = ([700, 1900], [])

    @pytest.mark.parametrize(
        ("victim", "kit", "seconds"),
        [("recorder", 0, 0.9), ("recorder", 1, None), ("control", 0, 3.0), ("intake", -1, 2.0), ("door", -1, 1.6),
         ("kit", 0, 3.0), ("centre", -1, 2.0)],
    )  # fmt: skip
    def test_until_the_first_work_done_again(self, victim, kit, seconds):
        blow = Blow(Fault(0, "kill", victim, kit), at_ms=1000, mono_ms=1000)
        traces = Traces(heard=list(self.heard), stored=[500, 2600], recorded=list(self.recorded))
        assert find_recovery_s(blow, traces) == seconds


class TestRelay:
    @pytest.fixture
    def echo(self):
        server = socket.create_server(("127.0.0.1", 0))

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), connection:
                    while data := connection.recv(4096):
                        connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        relay = Relay(server.getsockname()[1])
        yield relay
        relay.close()
        server.shutdown(socket.SHUT_RDWR)
        server.close()

    def test_dark_and_mended(self, echo):
        with socket.create_connection(("127.0.0.1", echo.port), timeout=10) as kit:
            kit.sendall(b"one")
            assert kit.recv(10) == b"one"
            echo.go_dark()
            kit.settimeout(0.5)
            kit.sendall(b"two")
            with pytest.raises(TimeoutError):
                kit.recv(10)
            echo.mend()
            kit.settimeout(10)
            assert kit.recv(10) == b"two"

    def test_slow_carries_about_as_much_as_it_says(self, echo):
        echo.slow_down()
        with socket.create_connection(("127.0.0.1", echo.port), timeout=10) as kit:
            began_s = time.monotonic()
            kit.sendall(b"x" * 4000)
            got = 0
            while got < 4000:
                got += len(kit.recv(4096))
            assert time.monotonic() - began_s >= 0.9  # half a second there and half a second back

    def test_reset_breaks_off(self, echo):
        with socket.create_connection(("127.0.0.1", echo.port), timeout=10) as kit:
            kit.sendall(b"one")
            assert kit.recv(10) == b"one"
            echo.reset()
            with pytest.raises(ConnectionError):
                kit.recv(10)


@pytest.mark.system
class TestVolume:
    @pytest.fixture
    def volume(self, tmp_path):
        require_right()
        assert can_mount()
        volume = Volume(tmp_path / "card", tmp_path / "card.img", 16)
        yield volume
        volume.close()

    def test_what_was_not_flushed_is_gone_after_a_cut_and_what_was_is_there(self, volume):
        kept, lost = volume.folder / "kept", volume.folder / "lost"
        with kept.open("wb") as file:
            file.write(b"kept")
            file.flush()
            os.fsync(file.fileno())
        handle = os.open(volume.folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        lost.write_bytes(b"lost")
        volume.cut_power()
        assert kept.read_bytes() == b"kept"
        assert not lost.exists() or lost.read_bytes() == b""

    def test_full_means_full(self, volume):
        ballast = volume.fill()
        with pytest.raises(OSError, match="No space left"), (volume.folder / "more").open("wb") as file:
            file.write(b"x" * 100_000)
        ballast.unlink()
        (volume.folder / "more").write_bytes(b"x" * 100_000)


class TestUnit:
    def test_killed_it_starts_again_and_ended_it_stays_ended(self, tmp_path):
        unit = Unit("sleeper", lambda: ["sh", "-c", "sleep 1000 & wait"], tmp_path, 0.0)
        unit.start()
        first = unit.pid
        child = wait_until(lambda: processes.find_below(first, "1000"), what="the child")
        unit.kill()
        wait_until(lambda: unit.pid is None, what="its end")
        unit.look_after()
        assert unit.pid not in (None, first)
        processes.kill([child])
        below = wait_until(lambda: processes.find_below(unit.pid, "1000"), what="the child")
        unit.kill_tree()
        assert processes.wait_gone([below], 10)
        unit.look_after()
        assert unit.pid is None


def test_the_witness_sees_what_is_committed_and_nothing_else(tmp_path):
    with open_spool(tmp_path / "spool.db") as spool:
        witness = KitWitness(KIT, tmp_path)
        witness.start()
        kept = spool.outbox.append("health", b"{}")
        wait_until(lambda: kept in witness.book.entries, what="the entry")
        with pytest.raises(sqlite3.IntegrityError), spool.transaction() as db:
            spool.outbox.append("health", b"{}")
            db.execute("INSERT INTO meta (key, value) VALUES ('spool_id', 'x')")
        spool.outbox.release([(kept, kept)])
        last = spool.outbox.append("position", b"{}")
        witness.stop()
        assert (witness.book.top, witness.book.held) == (last, {last})
        assert witness.book.entries[kept] == Seen("health", witness.book.entries[kept].at_ms, b"{}")
        assert witness.book.spool_id == spool.id


FIX = Fix(lat=25.0, lon=100.0)
BODY = b'{"sick":true}'
SEGMENT = b"sealed"


@pytest.fixture
def centre(tmp_path):
    """A centre that holds all of `make_book`: two fixes, a report, an SOS, a chain of two with its segment."""
    settings = Settings(data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path), handover_dir=str(tmp_path))
    schema.migrate(settings)
    store = open_store(settings)
    with store.write() as uow:
        add = uow.session.add
        add(Kit(kit_no=1, kit_id=KIT, court_code="云2901", added_ms=1))
        uow.session.flush()
        add(KitSpool(spool_no=1, kit_no=1, spool=SPOOL, first_ms=1))
        add(SignerCertificate(serial="1", kit_no=1, chain_pem=b"", first_ms=1))
        uow.session.flush()
        for seq in (1, 2):
            add(
                Position(
                    kit_no=1,
                    spool_no=1,
                    seq=seq,
                    digest=digest_fix(seq, FIX),
                    trail_ms=1,
                    received_ms=1,
                    at_ms=seq,
                    lat=25.0,
                    lon=100.0,
                    mode=3,
                    source="gpsd",
                    suspect="",
                )
            )
        item = digest_item(b"health:3:" + BODY)
        add(ReceivedItem(kit_no=1, spool_no=1, seq=3, digest=item, kind="health", received_ms=1))
        add(AlarmRecord(kit_no=1, alarm_id=SOS, kind="sos", court_code="", received_ms=1, pressed_ms=1, boot_ms=1))
        add(Incident(kit_no=1, kit_id=KIT, court_code="", kind="sos", alarm_id=SOS, received_ms=1, pressed_ms=1))
        add(
            Recording(
                id="1" * 32,
                kit_no=1,
                kit_id=KIT,
                court_code="",
                serial="1",
                chain_pem=b"",
                received_ms=1,
                last_ms=1,
                started_ms=1,
                head=b"h" * 32,
            )
        )
        uow.session.flush()
        for (recording_id, seq), seen in make_book().records.items():
            add(
                ChainLink(
                    recording_id=recording_id,
                    seq=seq,
                    kind=1,
                    body=seen.body,
                    sig=seen.sig,
                    cipher_hash=b"",
                    length=1,
                    started_ms=1,
                    duration_ms=1,
                    monotonic_ms=1,
                    cause="",
                    received_ms=1,
                )
            )
        digest = hashlib.sha256(SEGMENT).digest()
        add(StoredSegment(recording_id="1" * 32, seq=1, cipher_hash=digest, length=6, stored_ms=1))
        body = {"title": "drill"}
        add(MailboxEntry(kit_no=1, number=1, kind="task", body=body, issued_ms=1, state="done", state_ms=1))
        for state in ("accepted", "done"):
            add(MailboxStep(kit_no=1, number=1, state=state, received_ms=1, kit_at_ms=1))
    folder = tmp_path / "data" / "evidence" / ("1" * 32)
    folder.mkdir(parents=True)
    (folder / "000001.age").write_bytes(SEGMENT)
    yield store, settings, folder / "000001.age"
    store.close()


def make_book():
    opening = record(b"\x11", 0, Kind.OPEN, 0)
    segment = replace(record(b"\x11", 1, Kind.SEGMENT, 0), cipher_hash=hashlib.sha256(SEGMENT).digest())
    return Book(
        KIT,
        spool_id=SPOOL,
        top=3,
        entries={1: Seen("position", 1, encode(FIX)), 3: Seen("health", 3, BODY)},
        records={("1" * 32, each.seq): SeenRecord(chain.encode(each), b"s" * 64, 1) for each in (opening, segment)},
        files={("1" * 32, 1): {hashlib.sha256(SEGMENT).digest()}},
    )


def tally(centre, book=None, *, pressed=None, given=((KIT, 1),)):
    store, settings, _ = centre
    told = Pressed(alarms={"sos": {SOS: 1}, "mark": {}}) if pressed is None else pressed
    count = Count()
    with store.read() as session:
        count.add_kit(session, settings, book or make_book(), told)
        count.add_centre(session, list(given))
    return {each.what: (each.lost, each.doubled, each.changed) for each in count.tallies if each.wrong}


class TestCount:
    def test_a_whole_centre_has_nothing_wrong(self, centre):
        assert tally(centre) == {}

    @pytest.mark.parametrize(
        ("table", "what"),
        [
            (Position, {"messages by number": (2, 0, 0), "fixes": (1, 0, 0)}),
            (ReceivedItem, {"messages by number": (1, 0, 0)}),
            (AlarmRecord, {"SOS pressed": (1, 0, 0)}),
            (Incident, {"SOS pressed": (1, 0, 0)}),
            (ChainLink, {"chain records": (2, 0, 0)}),
            (StoredSegment, {"segments": (1, 0, 0)}),
            (MailboxEntry, {"orders of the centre": (1, 0, 0)}),
            (MailboxStep, {"tasks given and done": (1, 0, 0)}),
        ],
    )
    def test_what_is_missing_is_lost(self, centre, table, what):
        with centre[0].write() as uow:
            uow.connection.execute(delete(table))
        assert tally(centre) == what

    def test_what_is_still_at_the_kit_is_not_lost(self, centre):
        with centre[0].write() as uow:
            uow.connection.execute(delete(Position))
        book = replace(make_book(), held={1, 2})
        assert tally(centre, book) == {}

    def test_an_alarm_and_a_record_that_are_still_at_the_kit_are_not_lost(self, centre):
        book, told = make_book(), Pressed(alarms={"sos": {SOS: 1}, "mark": {MARK: 1}})
        late = record(b"\x11", 2, Kind.GAP, 0, cause="crash")
        book.records["1" * 32, 2] = SeenRecord(chain.encode(late), b"s" * 64, 1)
        assert tally(centre, book, pressed=told) == {"chain records": (1, 0, 0), "marks pressed": (1, 0, 0)}
        text = base64.urlsafe_b64encode(chain.encode(late)).rstrip(b"=").decode()
        book.entries[4] = Seen("chain", 1, encode(ChainItem(record=text, sig="")))
        book.entries[5] = Seen("alarm", 1, encode(Alarm(alarm_id=MARK, kind="mark", pressed_ms=1)))
        assert tally(centre, replace(book, top=5, held={4, 5}), pressed=told) == {}

    def test_a_segment_whose_file_is_another_or_gone(self, centre):
        centre[2].write_bytes(b"SEALED")
        assert tally(centre) == {"segments": (0, 0, 1)}
        centre[2].unlink()
        assert tally(centre) == {"segments": (0, 0, 1)}

    def test_another_content_under_a_number(self, centre):
        book = make_book()
        book.entries[3] = Seen("health", 3, b"{}")
        book.entries[1] = Seen("position", 1, encode(Fix(lat=26.0, lon=100.0)))
        assert tally(centre, book) == {"messages by number": (0, 0, 1), "fixes": (0, 0, 1)}

    def test_a_number_the_kit_never_gave(self, centre):
        assert tally(centre, replace(make_book(), top=2))["messages by number"] == (0, 0, 1)

    def test_an_alarm_that_nobody_pressed_or_that_opened_two_incidents(self, centre):
        assert tally(centre, pressed=Pressed())["SOS pressed"] == (0, 1, 0)
        with centre[0].write() as uow:
            uow.session.add(
                Incident(kit_no=1, kit_id=KIT, court_code="", kind="sos", alarm_id=SOS, received_ms=1, pressed_ms=1)
            )
        assert tally(centre)["SOS pressed"] == (0, 1, 0)

    def test_a_press_that_was_felt_and_never_came(self, centre):
        told = Pressed(alarms={"sos": {SOS: 1}, "mark": {MARK: 1}})
        assert tally(centre, pressed=told) == {"marks pressed": (1, 0, 0)}

    def test_an_answer_that_was_taken_twice(self, centre):
        with centre[0].write() as uow:
            uow.session.add(MailboxStep(kit_no=1, number=1, state="done", received_ms=2, kit_at_ms=1))
        assert tally(centre) == {"tasks given and done": (0, 1, 0)}

    def test_an_order_that_was_given_and_is_not_there(self, centre):
        assert tally(centre, given=((KIT, 1), (KIT, 2))) == {"orders of the centre": (1, 0, 0)}
