"""A program of a kit dies; the centre sees it in the kit's health, asks for the logs, and reads why. Whole."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from sqlmodel import select

from bench.stand import find_process
from central.courts.permissions import Actor
from central.devices import logs, queries
from central.devices.logs import LogShelf
from central.devices.models import KitLog
from contract import envelope
from tests.journeys.conftest import keys_folder, make_part

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

ADMIN = Actor("1", "guanli", "样例管理员", "system_admin", "云29")


def find_health(stand, kit_id):
    with stand.store.read() as session:
        view = queries.get_kit(session, ADMIN, kit_id, now_ms=stand.store.clock.now_ms())
    return (view.state.health if view.state else None) or {}


def test_a_dead_program_is_seen_and_its_logs_are_read(stand):
    part = make_part(stand, "dl-logs-01")
    stand.enrol_kit(part)
    stand.start_kit(part, kit={"health_interval_s": 2})
    stand.wait_until(lambda: find_health(stand, part.kit_id).get("recording"), "the kit to record")
    health = find_health(stand, part.kit_id)
    assert 0 < health["memory_pct"] < 100 and len(health["boot"]) == 32 and health["version"]
    assert health["certificate_until_ms"] > stand.store.clock.now_ms()

    find_process(stand, part.kit_id, "edge.recorder.main").kill()
    stand.wait_until(
        lambda: "restarts" in find_health(stand, part.kit_id).get("warnings", []), "the restart in the kit's health"
    )

    with stand.store.write() as uow:
        number = logs.request_logs(uow, ADMIN, part.kit_id, reason="样例：录像程序异常", hours=1).number
    stand.wait_until(lambda: find_row(stand, number) is not None, "the logs to come")
    identities = envelope.identities_from_file_text((keys_folder(stand) / "centre.age").read_text())
    shelf = LogShelf(stand.stage.centre_dir / "data")
    with stand.store.write() as uow:
        clear = logs.open_log(uow, ADMIN, part.kit_id, number, shelf=shelf, identity=identities[0])
    archive = zipfile.ZipFile(io.BytesIO(clear))
    assert {"manager.log", "recorder.log", "control.log", "status.json"} <= {*archive.namelist()}
    assert "recorder ended with signal 9" in archive.read("manager.log").decode()
    assert_nothing_private(archive, stand.stage.kit_dir(part), part)


def find_row(stand, number):
    with stand.store.read() as session:
        query = select(KitLog).where(KitLog.number == number, KitLog.stored_ms.is_not(None))
        return session.exec(query).first()


def assert_nothing_private(archive: zipfile.ZipFile, folder: Path, part) -> None:
    text = "".join(archive.read(name).decode() for name in archive.namelist())
    secret = (folder / "device.key").read_text().splitlines()[1]
    for word in (secret, "PRIVATE KEY", "AGE-SECRET", part.officer, "样例"):
        assert word not in text, word
    assert not re.search(r"\b2[5-7]\.\d{4,}", text), "no position"
