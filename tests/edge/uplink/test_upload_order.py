"""What is sent when the link is metered or thin: proxies first, and which originals wait."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import messages, orders
from edge.options import DoorSettings, LinkSettings, StorageSettings
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.spool import ProxyRow, SegmentRow, Spool
from edge.uplink import send_watch
from edge.uplink.commands import Commands
from edge.uplink.door import Door
from edge.uplink.evidence_upload import Uploader
from edge.uplink.trust_keeper import TrustKeeper
from tests.fakes.rude_door import RudeDoor, problem
from tests.fakes.small_authority import SmallAuthority

A, B = "a" * 32, "b" * 32


class Kit:
    """Segments with proxies, and an uploader on a clock the test turns."""

    def __init__(self, spool: Spool, door: Door, keeper: TrustKeeper, time: TrustedTime) -> None:
        self.spool, self.door, self.now_s = spool, door, 0.0
        self.commands = Commands(spool, keeper, time, lambda who: None)
        self.uploader = Uploader(
            spool,
            door,
            keeper,
            StorageSettings(),
            link=LinkSettings(),
            is_link_up=lambda: False,
            monotonic_s=lambda: self.now_s,
        )

    def add(
        self, recording_id: str, seq: int, *, priority: int = 0, has_proxy: bool = True, length: int = 100_000
    ) -> None:
        data = (b"sealed %d" % seq).ljust(length)
        path = self.spool.vault.segment_path(recording_id, seq)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        row = SegmentRow(recording_id, seq, hashlib.sha256(data).digest(), len(data), seq * 2_000, 2_000, priority)
        self.spool.vault.add_segment(row, b"record %d" % seq, b"s" * 64)
        if has_proxy:
            small = b"small %d" % seq
            self.spool.proxies.path_of(recording_id, seq).write_bytes(small)
            self.spool.proxies.add(
                ProxyRow(recording_id, seq, hashlib.sha256(small).digest(), len(small), seq * 2_000)
            )

    def order(self, number: int, kind: str, body: messages.Struct) -> None:
        directive = messages.Directive(
            number=number, kind=kind, issued_ms=1, body=messages.msgspec.Raw(messages.encode(body))
        )
        self.commands.receive(messages.encode(directive))

    def make_link_thin(self) -> None:
        """64 kbit/s, and it stays so: the loopback that the test has would measure as anything but thin."""
        self.door.speed.tell(64_000 / 8, 1.0)
        self.door.speed.tell = lambda *_: None  # type: ignore[method-assign]

    def upload(self) -> None:
        self.now_s += 60.0
        for _ in range(200):
            if self.uploader.turn() > 0:
                return


@pytest.fixture
def door(world: SmallAuthority) -> Iterator[RudeDoor]:
    door = RudeDoor(world.serve("door-keys"), world.receipt_key, trust=world.make_trust())
    yield door
    door.close()


@pytest.fixture
def kit(door: RudeDoor, spool: Spool, identity: Identity, trusted_time: TrustedTime) -> Iterator[Kit]:
    client = Door(DoorSettings(url=door.url, timeout_s=2.0), identity, trusted_time)
    yield Kit(spool, client, TrustKeeper(spool, identity, trusted_time, lambda who: None), trusted_time)
    client.close()


def sent(door: RudeDoor) -> list[str]:
    """What arrived, as "recording letter, s(egment) or p(roxy), number"."""
    parts = [request.path.split("/") for request in door.puts]
    return [f"{part[3][0]}{part[4][0]}{part[5]}" for part in parts]


def test_on_a_good_link_no_proxy_is_sent(kit: Kit, door: RudeDoor) -> None:
    kit.add(A, 1)
    kit.add(A, 2)
    kit.upload()
    assert sent(door) == ["as1", "as2"]
    assert kit.spool.proxies.count() == 0, "they went with their segments"
    assert kit.spool.state.get("metered") == {"on": False, "why": "", "thin": False}


def test_metered_proxies_go_and_only_the_alarms_originals(kit: Kit, door: RudeDoor) -> None:
    for seq in (1, 2):
        kit.add(A, seq)
    kit.add(A, 3, priority=1)
    for seq in (4, 5):
        kit.add(B, seq, priority=2)
    kit.spool.state.set("metered_officer", {"on": True, "at_ms": 1})
    kit.upload()
    assert sent(door) == ["bp5", "bp4", "bs5", "bs4", "ap3", "ap1", "ap2"]
    assert kit.spool.vault.count_pending() == 3, "the others are still ours"
    assert kit.spool.state.get("metered") == {"on": True, "why": "officer", "thin": False}


def test_metered_no_more_everything_goes(kit: Kit, door: RudeDoor) -> None:
    kit.add(A, 1, has_proxy=False)
    kit.order(1, "link", orders.LinkOrder(metered=True, by="指挥员"))
    kit.upload()
    assert sent(door) == [] and kit.spool.vault.count_pending() == 1
    kit.order(2, "link", orders.LinkOrder(metered=False))
    kit.upload()
    assert sent(door) == ["as1"] and kit.spool.vault.count_pending() == 0


def test_what_the_centre_asks_for_goes_though_metered(kit: Kit, door: RudeDoor) -> None:
    for seq in range(1, 7):
        kit.add(A, seq, has_proxy=False)
    kit.order(1, "link", orders.LinkOrder(metered=True))
    kit.order(2, "originals", orders.OriginalsOrder(recording_id=A, from_seq=2, to_seq=4))
    kit.upload()
    assert sent(door) == ["as2", "as3", "as4"]
    kit.order(3, "originals", orders.OriginalsOrder(recording_id=A))
    kit.add(A, 7, has_proxy=False)
    kit.upload()
    assert sent(door) == ["as2", "as3", "as4", "as1", "as5", "as6", "as7"], "what is still being recorded, too"


def test_on_a_thin_link_proxies_go_first_and_nothing_waits(kit: Kit, door: RudeDoor) -> None:
    for seq in (1, 2):
        kit.add(A, seq)
    kit.add(B, 3, priority=2)
    kit.make_link_thin()
    kit.upload()
    assert sent(door) == ["bp3", "bs3", "ap1", "ap2", "as1", "as2"]
    assert kit.spool.vault.count_pending() == 0
    assert kit.spool.state.get("metered") == {"on": False, "why": "thin", "thin": True}
    assert kit.spool.state.get("link_speed")["up_kbps"] == 64.0


def test_what_even_a_thin_link_carries_in_seconds_needs_no_proxy(kit: Kit, door: RudeDoor) -> None:
    kit.add(A, 1, length=70_000)
    kit.add(A, 2, length=90_000)
    kit.make_link_thin()
    kit.upload()
    assert sent(door) == ["ap2", "as1", "as2"], "nine seconds for the first, eleven for the second"


def test_a_refused_or_damaged_proxy_holds_up_nothing(kit: Kit, door: RudeDoor) -> None:
    kit.add(A, 1)
    kit.add(A, 2)
    kit.spool.proxies.path_of(A, 1).write_bytes(b"halved by a power cut")
    kit.make_link_thin()
    door.moods = [lambda request: problem(409, "urn:zhixing:problem:proxy-refused")]
    kit.upload()
    assert sent(door) == ["ap2", "as1", "as2"]
    assert kit.spool.vault.list_faults() == [] and kit.spool.vault.count_pending() == 0


def test_a_proxys_answer_frees_no_segment(kit: Kit, door: RudeDoor, kit_dir: Path) -> None:
    """Whatever the door says to a proxy, a true receipt of the segment included, the original stays."""
    kit.add(A, 1)
    kit.order(1, "link", orders.LinkOrder(metered=True))
    kit.upload()
    assert sent(door) == ["ap1"] and kit.spool.proxies.count() == 0
    assert kit.spool.vault.count_pending() == 1 and kit.spool.vault.segment_path(A, 1).exists()
    assert kit.spool.vault.delete_receipted() == 0


def test_an_alarms_segment_overtakes_one_that_was_begun(kit: Kit, door: RudeDoor) -> None:
    kit.add(A, 1, has_proxy=False)
    shelf = kit.uploader._shelf
    slow = shelf.choose([])
    assert slow is not None and not shelf.has_more_urgent(slow)
    kit.add(A, 2, has_proxy=False)
    assert not shelf.has_more_urgent(slow), "one like it waits its turn"
    kit.add(B, 3, priority=2, has_proxy=False)
    watch = send_watch.SendWatch(kit.spool, shelf, slow, lambda: False)
    watch._look_s = 0.0
    assert watch.should_stop()
    assert send_watch.read_begun(kit.spool) == {slow.key}, "and its rest goes on from there, after a restart too"
    kit.upload()
    assert sent(door) == ["bs3", "as1", "as2"]
