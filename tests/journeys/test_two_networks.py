"""Two networks: kits reach a zone, the court's closed network reaches out to it, and nobody reaches in."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from sqlmodel import col, select

from central.devices.models import Kit, Position, ReceivedItem
from central.devices.task_rules import TaskDraft
from central.evidence.models import Recording, StoredSegment
from central.flows.acknowledge import acknowledge_incident
from central.flows.tasks import assign_task
from central.incidents.models import AlarmRecord, Incident
from central.people.queries import actor_of, get_user
from demo.places import Part
from edge.spool import open_spool
from provisioning.authority import Authority
from tests.journeys.conftest import make_part
from tests.network.namespaces import Namespace, why_not
from tests.network.two_networks import TwoNetworks, open_two_networks
from tests.network.watching import PresenceWatch

pytestmark = [
    pytest.mark.journey,
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason=why_not() or "root"),
    pytest.mark.timeout(300),
]
OFFICER = "样例警官壬"
LABEL = "测试 dl-zone-01"
CASE_NO = "（2026）云2901执1234号"
TASK_TITLE = "送达样例裁定书"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNetworks]:
    with open_two_networks(tmp_path_factory.mktemp("two")) as world:
        yield world


@pytest.fixture(scope="module")
def part(world: TwoNetworks) -> Part:
    """A kit in the field, recording."""
    part = make_part(world.stand, "dl-zone-01", officer=OFFICER)
    world.enrol(part)
    world.start_kit(part)
    return part


def test_an_sos_is_seen_inside_and_its_acknowledgement_felt(world: TwoNetworks, part: Part) -> None:
    with PresenceWatch(world.stand, world.inside, part.kit_id) as watch:
        world.stand.wait_until(lambda: watch.now.presence == "live", "the kit on the screens", timeout_s=60)
        pressed_s = time.monotonic()
        sos = str(world.press(part, "sos")["alarm_id"])
        world.stand.wait_until(lambda: find_alarm(world, sos) is not None, "the SOS", timeout_s=20)
        print(f"SOS inside after {time.monotonic() - pressed_s:.2f} s")
    assert is_calling(world, part), "nobody has acknowledged yet"
    acknowledge(world, sos)
    world.stand.wait_until(lambda: not is_calling(world, part), "the acknowledgement to be felt", timeout_s=30)


def test_a_segment_is_deleted_at_the_kit_on_the_insides_receipt_alone(world: TwoNetworks, part: Part) -> None:
    world.stand.wait_until(lambda: count_stored(world, part) >= 3, "segments inside", timeout_s=60)
    gone = set(list_stored(world, part))
    world.stand.wait_until(lambda: not gone & list_kept(world, part), "the kit to delete them", timeout_s=20)


def test_the_zones_disk_tells_nothing(world: TwoNetworks, part: Part) -> None:
    give_task(world, part)
    world.stand.wait_until(lambda: has_task(world, part), "the task at the kit", timeout_s=30)
    mark = str(world.press(part, "mark")["alarm_id"])
    world.stand.wait_until(lambda: find_alarm(world, mark) is not None, "the mark", timeout_s=20)
    with world.stand.store.read() as session:
        fix = session.exec(select(Position).order_by(col(Position.seq).desc())).first()
    assert fix is not None, "the inside reads where the kit is"
    keys = world.stand.stage.centre_dir / "keys"
    secrets = [
        (keys / "receipt.key").read_bytes().splitlines()[1],
        (keys / "centre.age").read_bytes().splitlines()[-1],
    ]
    texts = [OFFICER, LABEL, CASE_NO, TASK_TITLE, '"lat"', '"fix_ms"', '"alarm_id"', mark, "AGE-SECRET-KEY"]
    wanted = [text.encode() for text in texts] + secrets
    world.cut_inner(is_cut=True)
    world.stand.wait_until(lambda: len(list_held(world)) >= 2, "the zone to hold segments", timeout_s=60)
    # What is looked for is there to be found where it may be: the same search inside finds it.
    inside = read_all(world.stand.stage.centre_dir)
    assert all(text.encode() in inside for text in (OFFICER, LABEL, TASK_TITLE, mark))
    zone = read_all(world.zone_folder)
    world.cut_inner(is_cut=False)
    assert len(zone) > 50_000 and b"dl-zone-01" in zone, "kits' names and sizes are known there"
    assert [text for text in wanted if text in zone] == []


def test_with_the_inside_away_the_zone_holds_and_afterwards_all_is_there(world: TwoNetworks, part: Part) -> None:
    stored = count_stored(world, part)
    world.cut_inner(is_cut=True)
    mark = str(world.press(part, "mark")["alarm_id"])
    world.stand.wait_until(lambda: len(list_held(world)) >= 3, "the zone to hold segments", timeout_s=90)
    assert count_stored(world, part) <= stored + 2, "what was on its way"
    assert find_alarm(world, mark) is None
    assert len(list_kept(world, part)) >= 3, "held is not receipted: the kit keeps them"
    world.cut_inner(is_cut=False)
    world.stand.wait_until(lambda: find_alarm(world, mark) is not None, "the mark", timeout_s=60)
    world.stand.wait_until(lambda: count_stored(world, part) >= stored + 3, "what was held", timeout_s=60)
    world.stand.wait_until(lambda: not list_held(world)[8:], "the zone to be emptied", timeout_s=60)


def test_with_the_zone_killed_nothing_is_lost_or_doubled(world: TwoNetworks, part: Part) -> None:
    world.cut_inner(is_cut=True)
    world.stand.wait_until(lambda: list_held(world), "something held", timeout_s=60)
    world.kill_zone()
    mark = str(world.press(part, "mark")["alarm_id"])
    world.start_zone()
    world.cut_inner(is_cut=False)
    world.stand.wait_until(lambda: find_alarm(world, mark) is not None, "the mark", timeout_s=60)
    world.press(part, "record")
    world.stand.wait_until(lambda: is_drained(world, part), "everything to be handed over", timeout_s=120)
    check_nothing_lost_or_doubled(world, part)


def test_a_certificate_is_renewed_through_the_zone_while_the_kit_records(world: TwoNetworks) -> None:
    old_part = make_part(world.stand, "dl-zone-02")
    world.enrol_long_ago(old_part, days=250)  # two thirds of a year's certificate are over
    folder = world.stand.stage.kit_dir(old_part)
    old = x509.load_pem_x509_certificate((folder / "device.crt").read_bytes())

    def read_leaf() -> x509.Certificate:
        return x509.load_pem_x509_certificate((folder / "device.crt").read_bytes())

    # Where the authority stands as seen from inside: in the field nobody answers there.
    assert find_open(world.field, "127.0.0.1", [world.stand.ports.est]) == []
    world.start_kit(old_part, authority={"url": f"https://127.0.0.1:{world.stand.ports.est}"})
    world.stand.wait_until(lambda: read_leaf() != old, "a new certificate", timeout_s=150)
    fresh = read_leaf()
    assert fresh.public_key() == old.public_key() and fresh.not_valid_after_utc > old.not_valid_after_utc
    world.stand.wait_until(lambda: is_connected(world, old_part), "the link with it", timeout_s=60)
    stored = count_stored(world, old_part)
    world.stand.wait_until(lambda: count_stored(world, old_part) >= stored + 2, "it to go on", timeout_s=60)
    with world.stand.store.read() as session:
        rows = session.exec(select(Recording).where(Recording.kit_id == old_part.kit_id)).all()
    assert [(row.closed_ms, row.gap_count) for row in rows] == [(None, 0)], "one recording without a gap"
    world.stand.end_child(old_part.kit_id)


def test_nobody_reaches_the_inside(world: TwoNetworks, part: Part) -> None:
    assert (world.zone.run(["cat", "/proc/sys/net/ipv4/ip_forward"], capture_output=True).stdout) == b"0\n"
    listening = list_listening(world.inside)
    assert listening, "the centre works"
    assert {host for host, _ in listening} == {"127.0.0.1"}
    # The very search finds what there is: the zone's own doors.
    assert find_open(world.field, world.outer.far, [world.stand.ports.door, 9]) == [world.stand.ports.door]
    ports = sorted({port for _, port in listening} | set(range(1, 1024)) | set(vars(world.stand.ports).values()))
    for space in (world.zone, world.field):
        assert find_open(space, world.inner.far, ports) == []
    nats, inner = world.zone_ports
    assert find_open(world.field, world.outer.far, [nats, inner]) == [], "the inner doors are not the field's"
    assert knock(world, inner) == "refused"
    assert knock(world, nats) == "refused"


@pytest.mark.by_the_clock
def test_a_revoked_kit_is_out_of_the_zone_within_a_second(world: TwoNetworks, part: Part) -> None:
    world.stand.wait_until(lambda: is_connected(world, part), "the kit to be connected", timeout_s=30)
    Authority(world.stand.stage.authority_dir).revoke(part.kit_id, reason="lost")
    began_s = time.monotonic()
    world.stand.wait_until(lambda: not is_connected(world, part), "its session to be cut", timeout_s=20)
    took_s = time.monotonic() - began_s
    print(f"session cut {took_s * 1000:.0f} ms after the command")
    assert took_s < 1.0


# What the tests do and look at ------------------------------------------------------------------------------


def find_alarm(world: TwoNetworks, alarm_id: str) -> AlarmRecord | None:
    with world.stand.store.read() as session:
        return session.exec(select(AlarmRecord).where(AlarmRecord.alarm_id == alarm_id)).first()


def acknowledge(world: TwoNetworks, alarm_id: str) -> None:
    with world.stand.store.write() as uow:
        incident = uow.session.exec(select(Incident).where(Incident.alarm_id == alarm_id)).one()
        acknowledge_incident(uow, actor_of(get_user(uow.session, "commander")), incident.id)


def is_calling(world: TwoNetworks, part: Part) -> bool:
    with open_spool(spool_path(world, part)) as spool:
        return bool(spool.outbox.unsettled_sos())


def count_stored(world: TwoNetworks, part: Part) -> int:
    return len(list_stored(world, part))


def list_stored(world: TwoNetworks, part: Part) -> list[tuple[str, int]]:
    with world.stand.store.read() as session:
        query = select(StoredSegment.recording_id, StoredSegment.seq).join(
            Recording, col(Recording.id) == StoredSegment.recording_id
        )
        return [(rid, seq) for rid, seq in session.exec(query.where(Recording.kit_id == part.kit_id)).all()]


def list_kept(world: TwoNetworks, part: Part) -> set[tuple[str, int]]:
    """Sealed files on the kit's card."""
    with open_spool(spool_path(world, part)) as spool:
        return {(row.recording_id, row.seq) for row in spool.vault.pending_segments(10_000)}


def list_held(world: TwoNetworks) -> list[Path]:
    return list((world.zone_folder / "data" / "zone" / "held").glob("*.body"))


def give_task(world: TwoNetworks, part: Part) -> None:
    with world.stand.store.write() as uow:
        actor = actor_of(get_user(uow.session, "commander"))
        draft = TaskDraft(title=TASK_TITLE, text=CASE_NO)
        assign_task(uow, actor, part.kit_id, draft)


def has_task(world: TwoNetworks, part: Part) -> bool:
    with open_spool(spool_path(world, part)) as spool:
        return any(task.read_body().title == TASK_TITLE for task in spool.tasks.newest())


def read_all(folder: Path) -> bytes:
    """Every byte of every file below a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found.append(path.read_bytes())
    return b"\n".join(found)


def is_connected(world: TwoNetworks, part: Part) -> bool:
    with open_spool(spool_path(world, part), check=False) as spool:
        return bool((spool.state.get("link_status") or {}).get("connected"))


def list_listening(space: Namespace) -> set[tuple[str, int]]:
    """Addresses and ports on which something inside a namespace takes connections."""
    found = set()
    for table in ("tcp", "tcp6"):
        text = space.run(["cat", f"/proc/net/{table}"], capture_output=True, text=True).stdout
        for line in text.splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            host, port = local.split(":")
            if state == "0A":
                found.add((read_address(host), int(port, 16)))
    return found


def read_address(text: str) -> str:
    raw = bytes.fromhex(text)
    packed = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def find_open(space: Namespace, host: str, ports: list[int]) -> list[int]:
    """Ports that take a connection from inside a namespace, all asked at once."""
    program = (
        "import errno, selectors, socket, sys, time\n"
        "host, ports = sys.argv[1], map(int, sys.argv[2].split(','))\n"
        "waiting = selectors.DefaultSelector()\n"
        "for port in ports:\n"
        "    probe = socket.socket()\n"
        "    probe.setblocking(False)\n"
        "    if probe.connect_ex((host, port)) == errno.EINPROGRESS:\n"
        "        waiting.register(probe, selectors.EVENT_WRITE, port)\n"
        "end = time.monotonic() + 2\n"
        "while waiting.get_map() and time.monotonic() < end:\n"
        "    for key, _ in waiting.select(0.2):\n"
        "        waiting.unregister(key.fileobj)\n"
        "        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0: print(key.data)\n"
    )
    done = space.run([sys.executable, "-c", program, host, ",".join(map(str, ports))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def knock(world: TwoNetworks, port: int) -> str:
    """What an inner door of the zone says to who reaches it, but shows no certificate of the services."""
    context = ssl.create_default_context(cafile=str(world.zone_folder / "keys" / "root.crt"))
    with world.field.inside(), socket.create_connection((world.inner.near, port), 2) as raw:
        if port == world.zone_ports[0]:
            assert raw.recv(4096).startswith(b"INFO "), "a broker says who it is before TLS begins"
        try:
            with context.wrap_socket(raw, server_hostname=world.inner.near) as door:
                door.sendall(b"GET /inside/held HTTP/1.1\r\nHost: zone\r\n\r\n")
                return "answered" if door.recv(100) else "refused"
        except (ssl.SSLError, ConnectionError):
            return "refused"


def is_drained(world: TwoNetworks, part: Part) -> bool:
    with open_spool(spool_path(world, part)) as spool:
        recording = (spool.state.get("recorder_status") or {}).get("recording")
        waiting = spool.outbox.count(("position", "alarm", "chain"))
        return not recording and spool.vault.count_pending() == 0 and waiting < 5


def check_nothing_lost_or_doubled(world: TwoNetworks, part: Part) -> None:
    with world.stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).one()
        fixes = session.exec(select(Position.seq).where(Position.kit_no == kit.kit_no)).all()
        others = session.exec(select(ReceivedItem.seq).where(ReceivedItem.kit_no == kit.kit_no)).all()
        recordings = session.exec(select(Recording).where(Recording.kit_id == part.kit_id)).all()
    with open_spool(spool_path(world, part)) as spool:
        held = {entry.seq for entry in spool.outbox.pending(1000)}
    seqs = set(fixes) | set(others) | held
    missing = set(range(1, max(seqs) + 1)) - seqs
    assert not missing, f"{len(missing)} of {max(seqs)} numbers are neither here nor there"
    assert len(set(fixes)) == len(fixes) and len(fixes) > 20
    assert recordings and all(recording.stored_count == recording.segment_count for recording in recordings)


def spool_path(world: TwoNetworks, part: Part) -> Path:
    return world.stand.stage.kit_dir(part) / "spool.db"
