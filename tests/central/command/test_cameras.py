"""Cameras of others: the administrator keeps addresses, who leads a session takes the picture in."""

from __future__ import annotations

import pytest
from sqlmodel import select

from central.audit import queries as audit
from central.base.errors import ForbiddenError, NotFoundError
from central.base.keyring import SealBrokenError
from central.command import cameras, foreign_rules, queries, service
from central.command.foreign_models import Camera
from central.courts.permissions import Actor

pytestmark = pytest.mark.both_databases


@pytest.fixture
def county_admin() -> Actor:
    return Actor("u9", "guanli2", "样例邻县管理员", "system_admin", "云2922")


def test_the_address_lies_sealed_and_is_shown_without_its_password(store, camera_id, keyring):
    with store.read() as session:
        camera = session.get(Camera, camera_id)
        row = session.connection().exec_driver_sql("SELECT * FROM camera").all()
    assert camera.shown == "rtsp://127.0.0.1:1/men"
    assert keyring.open(foreign_rules.ADDRESS_FIELD, camera_id, camera.address_cipher).endswith(
        "mima@127.0.0.1:1/men"
    )
    assert "mima" not in repr(row)
    with pytest.raises(SealBrokenError):  # it opens in its own row only
        keyring.open(foreign_rules.ADDRESS_FIELD, "f" * 32, camera.address_cipher)


def test_no_password_is_told_in_the_audit(store, camera_id, administrator, keyring):
    with store.write() as uow:
        cameras.change_camera(
            uow, administrator, keyring, camera_id, name="门口", place="", address="rtsp://a:geheim@127.0.0.1/x"
        )
        cameras.ask_trial(uow, administrator, camera_id)
        cameras.retire_camera(uow, administrator, camera_id)
    with store.read() as session:
        rows = session.exec(select(audit.AuditEntry).where(audit.AuditEntry.subject == camera_id)).all()
    verbs = ("add", "change", "try", "retire")
    assert [row.action for row in rows] == [f"command:camera:{verb}" for verb in verbs]
    assert "geheim" not in repr(rows) and "mima" not in repr(rows)


@pytest.mark.parametrize(
    "address",
    [
        "", "file:///etc/passwd", "/etc/passwd", "http://10.0.0.1/a.m3u8", "concat:rtsp://a/b", "rtsp://", "rtsp:///x",
        "rtsp://h:0/x", "rtsp://h:70000/x", "rtsp://h/ x", "rtsp://h/\nx", "rtsp://h/\u200bx", "rtsp://[::1/x",
        "rtsp://h/" + "x" * 300,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_camera_is_refused(store, administrator, keyring, address):
    with pytest.raises(foreign_rules.CameraAddressError), store.write() as uow:
        cameras.add_camera(uow, administrator, keyring, court_code="云29", name="样例", place="", address=address)


def test_rights_and_courts(store, camera_id, commander, operator, county_admin, keyring):
    with store.read() as session:
        assert cameras.list_cameras(session, county_admin) == []
        assert [row.id for row in cameras.list_choices(session, operator)] == [camera_id]
        with pytest.raises(ForbiddenError):
            cameras.list_cameras(session, commander)
        with pytest.raises(ForbiddenError):
            cameras.list_choices(session, county_admin)
    with store.write() as uow, pytest.raises(NotFoundError):
        cameras.retire_camera(uow, county_admin, camera_id)
    with store.write() as uow, pytest.raises(ForbiddenError):
        cameras.add_camera(
            uow, county_admin, keyring, court_code="云2901", name="样例", place="", address="rtsp://127.0.0.1/x"
        )


def test_a_session_takes_in_a_camera_of_its_courts_only(store, begin, leader, neighbour, camera_id, administrator):
    session = begin()
    with store.read() as reading:
        commander_of_session = session.court_code
    assert commander_of_session == "云29"
    with store.write() as uow, pytest.raises(NotFoundError):
        cameras.get_choice(uow.session, neighbour, camera_id)
    with store.write() as uow:
        cameras.retire_camera(uow, administrator, camera_id)
    with store.read() as reading:
        assert cameras.list_choices(reading, leader) == []
        assert cameras.list_sights(reading, [camera_id]) == []


def test_how_it_answered_is_kept_and_a_trial_is_done_once(store, camera_id):
    with store.read() as session:
        assert [sight.id for sight in cameras.list_sights(session, [])] == [camera_id]  # to be tried since it is new
    with store.write() as uow:
        cameras.note_state(uow, camera_id, "seen", picture="h264 640x360 25", is_trial=True)
    with store.read() as session:
        camera = session.get(Camera, camera_id)
        assert (camera.state, camera.picture, camera.asked_ms) == ("seen", "h264 640x360 25", None)
        assert cameras.list_sights(session, []) == []
        assert [sight.name for sight in cameras.list_sights(session, [camera_id])] == ["样例门口"]


def test_the_decision_s_record_names_the_camera(store, begin, commander, camera_id):
    session = begin()
    with store.write() as uow:
        service.invite(uow, commander, session.id, "camera", camera_id)
    with store.read() as reading:
        entry = queries.list_entries(reading, session.id)[-1]
        assert (entry.kind, entry.detail["name"]) == ("invited", "样例门口")
        assert queries.find_open(reading, session.id).cameras == (camera_id,)
