"""The record that a real relay's process makes of a real session: pictures, a voice, the log, a kill between."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from central.command import record_queries as queries
from central.command.record_export import export_record
from central.command.record_files import RecordShelf
from contract.chain import Kind, Record, decode
from contract.findings import Verdict
from contract.live import Mode, Talkers, Type, unpack
from contract.session_record import Item, ItemKind, read_items
from contract.signers import load_anchor
from contract.verify import verify_package
from tests.central.relay.stand import KIT, Stand, running, say, talk
from tests.waiting import wait_until


def chain_of(stand: Stand, session_id: str) -> list[Record]:
    with stand.store.read() as session:
        return [decode(link.body) for link in queries.list_links(session, session_id)]


def items_of(stand: Stand, session_id: str, records: list[Record]) -> list[Item]:
    shelf = RecordShelf(Path(stand.settings.data_dir))
    segments = [record for record in records if record.kind is Kind.SEGMENT]
    return [
        item
        for record in segments
        for item in read_items(shelf.open_clear(session_id, record.seq, stand.centre.centre_identity, record)[1])
    ]


@pytest.mark.timeout(180)
def test_what_was_seen_and_said_is_in_it_and_a_kill_is_stated(tmp_path: Path, migrated_database: Path) -> None:
    with running(tmp_path, migrated_database) as stand:
        session_id = stand.begin()
        camera, viewer = stand.camera(), stand.view(session_id)
        camera.show()
        for _ in range(20):
            camera.send()
        viewer.picture(lambda one: one.seq == 21)
        officer, operator = stand.voice_of_kit(), stand.voice(session_id)
        officer.control(Mode)
        talk(operator)
        officer.control(Talkers, lambda told: any(one.on for one in told.talkers))
        for number in range(10):
            say(operator, b"opus %d" % number, seq=number)
        officer.picture(lambda one: bytes(one.payload) == b"opus 9")
        wait_until(
            lambda: any("/voice" in name for one in links(stand, session_id) for name in one.tracks), 60, "a segment"
        )
        stand.hang_up()
        stand.centre.kill("relay")
        stand.start()
        again, back = stand.camera(), stand.view(session_id)
        again.show()
        back.picture()
        stand.end(session_id)
        wait_until(lambda: chain_of(stand, session_id)[-1].kind is Kind.FINAL, 60, "the record to be closed")
        records = chain_of(stand, session_id)
        assert [record.cause for record in records if record.kind is Kind.GAP] == ["crash"]
        check(stand, session_id, items_of(stand, session_id, records), tmp_path)


def links(stand: Stand, session_id: str) -> list[object]:
    with stand.store.read() as session:
        return list(queries.list_links(session, session_id))


def check(stand: Stand, session_id: str, items: list[Item], folder: Path) -> None:
    frames = [(item.name, unpack(item.body)) for item in items if item.kind is ItemKind.FRAME]
    pictures = [frame.seq for name, frame in frames if name == KIT and frame.type is Type.VIDEO]
    assert pictures == [*range(1, 22), 1]
    voice = [(name, bytes(frame.payload)) for name, frame in frames if frame.type is Type.AUDIO]
    talker = f"p:{stand.actors['zhihui'].user_id}"
    assert voice == [(talker, b"opus %d" % number) for number in range(10)]
    assert next((item.name, item.body) for item in items if item.kind is ItemKind.REACHED) == (
        talker,
        b'["dl-2901-01"]',
    )
    kinds = [item.name for item in items if item.kind is ItemKind.ENTRY]
    assert {"decided", "begun", "kit_joined", "watch_begun", "talk_begun", "ended"} <= set(kinds)
    target = folder / "session.zip"
    export_record(
        stand.store,
        stand.settings,
        stand.actors["zhihui"],
        session_id=session_id,
        purpose="样例：核查",
        target=target,
    )
    anchor = load_anchor(stand.centre.pki.root.cert.public_bytes(Encoding.DER))
    assert verify_package(target, anchor).verdict is Verdict.GENUINE
