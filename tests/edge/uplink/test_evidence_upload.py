"""Rule 3: whatever the door says, a segment leaves the kit only on the centre's own, fitting receipt."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import chain, door_auth, messages
from contract.signing import loads
from edge.options import DoorSettings, StorageSettings
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.spool import RecordRow, SegmentRow, Spool, open_spool
from edge.uplink.chain_records import RECORD_WAIT_S, RECORDS_AHEAD
from edge.uplink.door import Door
from edge.uplink.evidence_upload import Uploader
from edge.uplink.trust_keeper import TrustKeeper
from edge.uplink.upload_loop import run_uploader
from tests.fakes.rude_door import Reply, Request, RudeDoor, problem
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_broker import find_free_port
from tests.waiting import wait_until

A = "a" * 32
STRANGER = Ed25519PrivateKey.generate()


class Kit:
    """An uploader on a clock that the test turns."""

    def __init__(self, spool: Spool, door: Door, keeper: TrustKeeper) -> None:
        self.spool = spool
        self.now_s = 0.0
        self.link_up = self.in_reach = False
        self.uploader = Uploader(
            spool,
            door,
            keeper,
            StorageSettings(),
            is_link_up=lambda: self.link_up,
            is_in_reach=lambda: self.in_reach,
            monotonic_s=lambda: self.now_s,
        )

    def add(self, seq: int, *, priority: int = 0, data: bytes = b"sealed", recording_id: str = A) -> Path:
        vault = self.spool.vault
        path = vault.segment_path(recording_id, seq)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        path.with_suffix(".rec").write_bytes(b"rec")
        row = SegmentRow(recording_id, seq, hashlib.sha256(data).digest(), len(data), seq * 2_000, 2_000, priority)
        vault.add_segment(row, b"record %d" % seq, b"s" * 64)
        return path

    def turn_until_idle(self, turns: int = 50) -> None:
        for _ in range(turns):
            if self.uploader.turn() > 0:
                return

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.turn_until_idle()

    @property
    def trouble(self) -> str:
        status = self.spool.state.get("upload_status") or {}
        return str(status.get("trouble", ""))


@pytest.fixture
def door(world: SmallAuthority) -> Iterator[RudeDoor]:
    door = RudeDoor(world.serve("door-keys"), world.receipt_key, trust=world.make_trust())
    yield door
    door.close()


@pytest.fixture
def kit(door: RudeDoor, spool: Spool, identity: Identity, trusted_time: TrustedTime) -> Iterator[Kit]:
    client = Door(DoorSettings(url=door.url, timeout_s=1.0), identity, trusted_time)
    yield Kit(spool, client, TrustKeeper(spool, identity, trusted_time, lambda who: None))
    client.close()


def test_honest_receipt_frees_the_segment(kit: Kit, door: RudeDoor) -> None:
    paths = [kit.add(seq, data=b"sealed %d" % seq) for seq in range(3)]
    kit.turn_until_idle()
    assert [request.path.rsplit("/", 1)[-1] for request in door.puts] == ["0", "1", "2"]
    put = door.puts[0]
    assert put.body == b"sealed 0" and put.kit_id == "dl-2901-01"
    assert put.digest == "", "the token names it"
    assert not any(path.exists() for path in paths)
    assert kit.spool.vault.count_pending() == 0 and kit.trouble == ""
    assert door.proof_errors == []


MOODS: list[tuple[str, Callable[[Request], Reply]]] = [
    ("401", lambda r: problem(401, door_auth.BAD_TOKEN)),
    ("403 revoked", lambda r: problem(403, door_auth.REVOKED)),
    ("403 foreign", lambda r: problem(403, door_auth.FOREIGN_RECORDING)),
    ("404", lambda r: problem(404, "about:blank")),
    ("409 digest", lambda r: problem(409, door_auth.DIGEST_MISMATCH)),
    ("409 chain", lambda r: problem(409, door_auth.CHAIN_RECORD_MISSING)),
    ("412", lambda r: problem(412, "about:blank")),
    ("413", lambda r: problem(413, door_auth.TOO_LARGE)),
    ("429", lambda r: problem(429, "about:blank")),
    ("500", lambda r: Reply(500, b"oops", "text/plain")),
    ("502", lambda r: Reply(502, b"<html>", "text/html")),
    ("503", lambda r: problem(503, "about:blank", Retry_After="30")),
    ("507", lambda r: problem(507, door_auth.STORE_FULL)),
    ("time-out", lambda r: Reply(201, r.receipt(STRANGER), silence_s=1.6)),
    ("hang up", lambda r: Reply(201, hang_up=True)),
    ("200 without a receipt", lambda r: Reply(200, b"", "application/json")),
    ("200 ok page", lambda r: Reply(200, b"<html>welcome</html>", "text/html")),
    ("204", lambda r: Reply(204)),
    ("redirect", lambda r: Reply(302, headers={"Location": "https://localhost/"})),
    ("nonsense receipt", lambda r: Reply(201, b"\xff\x00")),
    ("endless receipt", lambda r: Reply(201, b"\x00" * 600_000)),
    ("stranger's receipt", lambda r: Reply(201, r.receipt(STRANGER))),
]


@pytest.mark.parametrize("mood", [mood for _, mood in MOODS], ids=[name for name, _ in MOODS])
def test_every_other_answer_means_still_ours(kit: Kit, door: RudeDoor, mood: Callable[[Request], Reply]) -> None:
    path = kit.add(1)
    door.moods = [mood] * 3
    kit.turn_until_idle()
    assert path.exists() and kit.spool.vault.count_pending() == 1
    assert kit.spool.vault.delete_receipted() == 0
    assert kit.trouble, "the officer and the centre are told"
    assert len(door.puts) <= 3, "the door is not hammered"
    door.moods = []
    for _ in range(8):
        kit.later(8 * 3600)
    assert not path.exists() and kit.spool.vault.count_pending() == 0, "and it still arrives"
    assert kit.trouble == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"cipher_hash": hashlib.sha256(b"other").digest()},
        {"length": 5},
        {"seq": 2},
        {"recording_id": bytes(16)},
    ],
    ids=["digest", "length", "seq", "recording"],
)
def test_receipt_of_the_centre_for_something_else_is_refused(
    kit: Kit, door: RudeDoor, changes: dict[str, object]
) -> None:
    path = kit.add(1)
    door.moods = [lambda request: Reply(201, request.receipt(door.receipt_key, **changes))]
    kit.turn_until_idle()
    assert path.exists() and "another segment or digest" in kit.trouble
    kit.later(60)
    assert not path.exists()


def test_one_refused_segment_does_not_hold_up_the_others(kit: Kit, door: RudeDoor) -> None:
    stuck, *others = [kit.add(seq) for seq in range(4)]
    door.moods = [lambda request: problem(413, door_auth.TOO_LARGE)]
    kit.turn_until_idle()
    assert stuck.exists() and not any(path.exists() for path in others)
    alarms = [entry for entry in kit.spool.outbox.pending(20) if entry.kind == "alarm"]
    (alarm,) = [messages.decode(entry.body, messages.Alarm) for entry in alarms]
    assert alarm.kind == "fault" and "too large" in alarm.note


def test_a_full_store_is_left_in_peace(kit: Kit, door: RudeDoor) -> None:
    kit.add(0)
    kit.add(1)
    door.moods = [lambda request: problem(507, door_auth.STORE_FULL)]
    kit.turn_until_idle()
    kit.later(20)
    assert len(door.puts) == 1, "no second try within the minute, for no segment"
    kit.later(100)
    assert kit.spool.vault.count_pending() == 0


def test_alarm_window_goes_first(kit: Kit, door: RudeDoor) -> None:
    for seq in range(4):
        kit.add(seq, priority=2 if seq in (1, 2) else 0)
    kit.turn_until_idle()
    assert [request.path.rsplit("/", 1)[-1] for request in door.puts] == ["2", "1", "0", "3"]


def test_chain_records_go_before_their_segment(kit: Kit, door: RudeDoor) -> None:
    kit.spool.vault.add_record(RecordRow(A, 0, int(chain.Kind.OPEN), b"open", b"s" * 64))
    kit.add(1)
    kit.turn_until_idle()
    kinds = [request.method for request in door.requests if request.path != "/v1/trust"]
    assert kinds == ["POST", "PUT"]
    assert door.records[A] == [[b"open", b"s" * 64], [b"record 1", b"s" * 64]]


def bring_one(kit: Kit, door: RudeDoor) -> None:
    """A first segment, so that the door is known to take them."""
    kit.add(0)
    kit.turn_until_idle()
    door.requests.clear()


def test_a_door_that_takes_gets_a_record_ahead_of_its_segment_without_a_wait(kit: Kit, door: RudeDoor) -> None:
    bring_one(kit, door)
    path = kit.add(1)
    assert kit.uploader.turn() == 0.0
    assert kit.uploader._door.in_flight == 1 and kit.uploader._door._ahead, "both are under way"
    kit.turn_until_idle()
    assert [request.method for request in door.requests] == ["POST", "PUT"]
    assert not path.exists() and door.proof_errors == []


def test_a_record_refused_ahead_of_its_segment_frees_nothing(kit: Kit, door: RudeDoor) -> None:
    bring_one(kit, door)
    path = kit.add(1)
    door.chain_moods = [lambda request: problem(409, "urn:zhixing:problem:chain-broken")] * 2
    door.moods = [lambda request: problem(409, door_auth.CHAIN_RECORD_MISSING)]
    kit.turn_until_idle()
    assert [request.method for request in door.requests] == ["POST", "PUT", "POST"], "asked for, it is brought again"
    assert path.exists() and "409" in kit.trouble
    kit.later(60)
    assert not path.exists()


def test_a_record_that_got_lost_ahead_of_its_segment_is_brought_again(kit: Kit, door: RudeDoor) -> None:
    bring_one(kit, door)
    path = kit.add(1)
    door.chain_moods = [lambda request: Reply(201, hang_up=True)]
    kit.turn_until_idle()
    kit.later(60)
    assert not path.exists() and len(door.records[A]) >= 2
    assert kit.uploader._door.get("/v1/trust").status == 200, "no answer is left for another request"


def test_over_the_door_go_the_records_a_segment_needs_and_a_few_more(kit: Kit, door: RudeDoor) -> None:
    """The link brings the others meanwhile; over a thin link nothing should go twice."""
    for seq in range(30):
        kit.add(seq)
    kit.uploader.turn()
    (records,) = [request for request in door.requests if request.path.endswith("/chain")]
    assert len(loads(records.body)) == 1 + RECORDS_AHEAD


def test_records_travel_over_the_link_while_it_stands(kit: Kit, door: RudeDoor) -> None:
    kit.link_up = True
    kit.add(1)
    kit.turn_until_idle()
    assert door.puts == []
    kit.spool.outbox.release([(1, 10)])
    kit.turn_until_idle()
    assert len(door.puts) == 1 and door.records == {}
    kit.add(2)
    kit.turn_until_idle()
    kit.later(RECORD_WAIT_S + 0.1)
    assert len(door.puts) == 2 and door.records[A] == [[b"record 2", b"s" * 64]]


def test_missing_record_is_brought_at_once(kit: Kit, door: RudeDoor) -> None:
    kit.spool.vault.add_record(RecordRow(A, 0, int(chain.Kind.OPEN), b"open", b"s" * 64))
    kit.add(1)
    kit.spool.outbox.release([(1, 10)])
    door.moods = [lambda request: problem(409, door_auth.CHAIN_RECORD_MISSING)]
    kit.turn_until_idle()
    assert [request.method for request in door.requests if "trust" not in request.path] == ["PUT", "POST", "PUT"]
    assert len(door.records[A]) == 2 and kit.spool.vault.count_pending() == 0


def test_a_refused_record_keeps_the_segment(kit: Kit, door: RudeDoor) -> None:
    path = kit.add(1)
    door.chain_moods = [lambda request: problem(409, "urn:zhixing:problem:chain-broken")]
    kit.turn_until_idle()
    assert path.exists() and door.puts == []


def test_a_changed_or_missing_file_is_stated_not_sent(kit: Kit, door: RudeDoor) -> None:
    changed, missing, whole = kit.add(1), kit.add(2), kit.add(3)
    changed.write_bytes(b"flipped")
    missing.unlink()
    kit.turn_until_idle()
    assert [request.path.rsplit("/", 1)[-1] for request in door.puts] == ["3"]
    assert changed.exists() and not whole.exists()
    faults = {seq: reason for _, seq, reason in kit.spool.vault.list_faults()}
    assert faults == {1: "the sealed file was changed on the card", 2: "the sealed file is missing on the card"}
    notes = [
        messages.decode(entry.body, messages.Alarm).note
        for entry in kit.spool.outbox.pending(20)
        if entry.kind == "alarm"
    ]
    assert len(notes) == 2


def test_a_stale_nonce_costs_one_round_trip(kit: Kit, door: RudeDoor) -> None:
    kit.add(1)
    kit.turn_until_idle()
    door.nonces.clear()
    kit.add(2)
    kit.turn_until_idle()
    assert len(door.proof_errors) == 2, "that of the segment and that of the record sent ahead of it"
    assert kit.spool.vault.count_pending() == 0


def test_without_a_trust_list_nothing_is_sent_or_deleted(
    kit: Kit, door: RudeDoor, kit_dir: Path, world: SmallAuthority
) -> None:
    path = kit.add(1)
    (kit_dir / "trust.cbor").write_bytes(b"damaged")
    stranger = SmallAuthority.found(world.folder / "stranger")
    door.trust = stranger.make_trust(epoch=9)
    kit.turn_until_idle()
    assert path.exists() and door.puts == []
    door.trust = world.make_trust(epoch=2)
    kit.later(60)
    assert not path.exists() and kit.spool.state.get("trust_epoch") == 2


def test_an_older_trust_list_is_refused(kit: Kit, door: RudeDoor, world: SmallAuthority, kit_dir: Path) -> None:
    door.trust = world.make_trust(epoch=5)
    kit.turn_until_idle()
    assert kit.spool.state.get("trust_epoch") == 5
    old = world.make_trust(epoch=4, receipt_key=STRANGER)
    door.trust = old
    (kit_dir / "trust.cbor").write_bytes(old)
    path = kit.add(1)
    door.moods = [lambda request: Reply(201, request.receipt(STRANGER))] * 3
    kit.later(7 * 3600)
    assert path.exists() and kit.spool.state.get("trust_epoch") == 5


def test_a_full_card_does_not_end_the_upload(kit: Kit, door: RudeDoor) -> None:
    path = kit.add(1)
    connection = kit.spool._store.connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    try:
        for seq in range(2, 40):
            kit.add(seq)
    except sqlite3.OperationalError as error:
        assert "full" in str(error)
    door.moods = [lambda request: Reply(500, b"x" * 200)] * 3
    kit.turn_until_idle()
    assert path.exists()
    connection.execute("PRAGMA max_page_count = 100000")
    for _ in range(4):
        kit.later(600)
    assert kit.spool.vault.count_pending() == 0 and not path.exists()


def test_nobody_there(spool: Spool, identity: Identity, trusted_time: TrustedTime) -> None:
    client = Door(DoorSettings(url=f"https://localhost:{find_free_port()}"), identity, trusted_time)
    kit = Kit(spool, client, TrustKeeper(spool, identity, trusted_time, lambda who: None))
    path = kit.add(1)
    kit.turn_until_idle()
    assert path.exists() and "refuses connections" in kit.trouble


@pytest.mark.parametrize("sign", ["link_up", "in_reach"])
def test_a_link_that_comes_back_ends_the_pause(kit: Kit, door: RudeDoor, sign: str) -> None:
    """`in_reach`: the broker has answered, its session is not there yet."""
    path, second = kit.add(1), kit.add(2)
    hang_up: list[Callable[[Request], Reply]] = [lambda request: Reply(201, hang_up=True)]
    door.moods = hang_up * 20
    for _ in range(4):
        kit.later(60)
    kit.spool.outbox.release([(1, 100)])
    tried = len(door.puts)
    door.moods = []
    assert kit.uploader.turn() > 0 and len(door.puts) == tried and path.exists()
    setattr(kit, sign, True)
    kit.turn_until_idle()
    assert not path.exists()
    assert not second.exists(), "the rest of the old pause does not begin again after the first"


def test_a_proof_is_never_shown_twice(kit: Kit, door: RudeDoor) -> None:
    kit.add(1)
    kit.turn_until_idle()
    kit.add(2)
    door.moods = [lambda request: Reply(201, hang_up=True)]
    kit.turn_until_idle()
    assert door.proof_errors == [] and kit.spool.vault.count_pending() == 0


def test_a_door_with_a_strangers_certificate_gets_nothing(
    spool: Spool, identity: Identity, trusted_time: TrustedTime, tmp_path: Path
) -> None:
    stranger = SmallAuthority.found(tmp_path / "stranger")
    door = RudeDoor(stranger.serve(), stranger.receipt_key, trust=stranger.make_trust())
    client = Door(DoorSettings(url=door.url), identity, trusted_time)
    try:
        kit = Kit(spool, client, TrustKeeper(spool, identity, trusted_time, lambda who: None))
        kit.add(1)
        kit.turn_until_idle()
        assert "not the centre's" in kit.trouble and door.requests == []
    finally:
        client.close()
        door.close()


def test_the_doors_clock_is_learnt(kit: Kit, trusted_time: TrustedTime) -> None:
    assert trusted_time.describe() == "ok, not compared"
    kit.turn_until_idle()
    assert trusted_time.describe() == "ok"


def test_the_thread_sends_what_is_rung_in(door: RudeDoor, kit_dir: Path, identity: Identity) -> None:
    time = TrustedTime(identity.floor_ms())
    stopping, bell = threading.Event(), threading.Event()

    def work() -> None:
        with open_spool(kit_dir / "spool.db") as own:
            client = Door(DoorSettings(url=door.url), identity, time)
            keeper = TrustKeeper(own, identity, time, lambda who: None)
            uploader = Uploader(own, client, keeper, StorageSettings(), is_link_up=lambda: False)
            run_uploader(uploader, stopping=stopping, bell=bell)
            client.close()

    thread = threading.Thread(target=work)
    thread.start()
    with open_spool(kit_dir / "spool.db") as spool:
        wait_until(lambda: door.requests, 10)
        client = Door(DoorSettings(url=door.url), identity, time)
        path = Kit(spool, client, TrustKeeper(spool, identity, time, lambda who: None)).add(1)
        bell.set()
        wait_until(lambda: not path.exists(), 10)
    stopping.set()
    bell.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_door_that_is_restarted_twice_costs_two_tries(kit: Kit, door: RudeDoor) -> None:
    """Whatever nonces the kit holds from before are of no use: it must not try them all out, one a minute."""
    kit.add(1)
    kit.turn_until_idle()
    path = kit.add(2)
    kit.link_up = True
    kit.spool.outbox.release([(1, 100)])  # its record has gone over the link
    door.nonces.clear()
    door.moods = [lambda request: problem(503, "about:blank")]
    kit.later(1)
    assert len(door.proof_errors) == 1 and len(door.puts) == 2
    door.nonces.clear()
    kit.later(120)
    kit.later(120)
    assert not path.exists() and len(door.proof_errors) == 2


def test_an_answer_that_ends_the_connection_answers_nothing_else(kit: Kit, door: RudeDoor) -> None:
    """A door that is being restarted answers the oldest and closes; the others are asked about anew."""
    kit.add(0)
    kit.turn_until_idle()
    paths = [kit.add(seq, data=b"sealed %d" % seq) for seq in range(1, 5)]
    closing: list[Callable[[Request], Reply]] = [
        lambda request: Reply(201, request.receipt(door.receipt_key), headers={"Connection": "close"})
    ]
    door.moods = closing
    kit.turn_until_idle()
    assert kit.trouble == "" and not any(path.exists() for path in paths)


def test_held_in_a_zone_is_still_ours_and_only_asked_for_later(kit: Kit, door: RudeDoor) -> None:
    """202 is no receipt, and no trouble either: the others go on, and one answer makes it ask for all."""

    def held(_request: Request) -> Reply:
        return problem(202, door_auth.HELD, Retry_After="40")

    paths = [kit.add(seq, data=b"sealed %d" % seq) for seq in range(3)]
    door.moods = [held] * 3
    kit.turn_until_idle()
    assert len(door.puts) == 3, "each was brought"
    assert all(path.exists() for path in paths) and kit.spool.vault.delete_receipted() == 0
    assert kit.trouble == ""
    kit.later(30)
    assert len(door.puts) == 3, "not asked before the time the zone named"
    door.moods = [held] * 2 + [lambda r: Reply(201, r.receipt(door.receipt_key))]
    kit.later(15)
    kit.later(1)
    assert not any(path.exists() for path in paths), "the first receipt made it ask for the others at once"
    assert kit.spool.vault.count_pending() == 0


def test_what_was_put_off_and_is_gone_since_keeps_nobody_awake(kit: Kit, door: RudeDoor) -> None:
    """A battery is not for looking ten times a second at what no longer waits."""
    kit.add(1)
    door.moods = [lambda request: problem(409, door_auth.DIGEST_MISMATCH)]
    kit.turn_until_idle()
    kit.spool.vault.set_fault(A, 1, "the sealed file was changed on the card")
    kit.now_s += 8 * 3600
    assert kit.uploader.turn() > 10
