"""Cameras and recorders of others: kept by the administrator, opened only inside a session. Never commits.

The administrator writes down where a camera is and never sees its picture; who leads a session takes it in and never
sees its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import InvalidInputError, NotFoundError
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.command import foreign_rules as rules
from central.command.foreign_models import Camera
from central.courts.permissions import Actor, check_permission, may_any
from central.courts.queries import get_court, in_scope


@dataclass(frozen=True)
class CameraChoice:
    """A camera as who leads a session may know it."""

    id: str
    name: str
    place: str
    court_code: str
    state: str


@dataclass(frozen=True)
class CameraSight:
    """A camera as the process that fetches pictures knows it."""

    id: str
    name: str
    address_cipher: bytes
    asked_ms: int | None
    state: str


def add_camera(
    uow: UnitOfWork, actor: Actor, keyring: Keyring, *, court_code: str, name: str, place: str, address: str
) -> Camera:
    """Write a camera down; raises ForbiddenError, NotFoundError, CameraAddressError, CameraNameError."""
    check_permission(actor, "manage_cameras", court_code)
    court = get_court(uow.session, court_code)
    clear, shown = rules.check_address(address)
    camera = Camera(
        court_code=court.code,
        name=rules.check_name(name, "name"),
        place=rules.check_name(place, "place", 200, needed=False),
        address_cipher=b"",
        shown=shown,
        added_by=actor.name,
        added_ms=uow.now_ms,
        asked_ms=uow.now_ms,
    )
    camera.address_cipher = keyring.seal(rules.ADDRESS_FIELD, camera.id, clear)
    uow.session.add(camera)
    uow.session.flush()
    _audit(uow, actor, camera, "add")
    return camera


def change_camera(
    uow: UnitOfWork, actor: Actor, keyring: Keyring, camera_id: str, *, name: str, place: str, address: str = ""
) -> None:
    """Correct name and place, and the address unless it is left empty; raises as `add_camera`."""
    camera = _get(uow, actor, camera_id)
    camera.name = rules.check_name(name, "name")
    camera.place = rules.check_name(place, "place", 200, needed=False)
    if address.strip():
        clear, camera.shown = rules.check_address(address)
        camera.address_cipher = keyring.seal(rules.ADDRESS_FIELD, camera.id, clear)
        camera.asked_ms, camera.state, camera.state_ms, camera.picture = uow.now_ms, "untried", None, ""
    uow.session.add(camera)
    _audit(uow, actor, camera, "change", is_address=bool(address.strip()))


def retire_camera(uow: UnitOfWork, actor: Actor, camera_id: str) -> None:
    """Take a camera out of use; in the sessions it is in it is dark within a second."""
    camera = _get(uow, actor, camera_id)
    camera.retired_ms, camera.asked_ms = uow.now_ms, None
    uow.session.add(camera)
    _audit(uow, actor, camera, "retire")


def ask_trial(uow: UnitOfWork, actor: Actor, camera_id: str) -> None:
    """Have the camera tried: whether it answers, and what it gives. Nobody sees the picture."""
    camera = _get(uow, actor, camera_id)
    camera.asked_ms = uow.now_ms
    uow.session.add(camera)
    _audit(uow, actor, camera, "try")


def note_state(uow: UnitOfWork, camera_id: str, state: str, *, picture: str = "", is_trial: bool = False) -> None:
    """Keep how a camera answered last; called by the process that fetches pictures. Raises InvalidInputError."""
    if state not in rules.CAMERA_STATES:
        raise InvalidInputError(f"A camera is never {state!r}: use one of {', '.join(rules.CAMERA_STATES)}.")
    camera = uow.session.get(Camera, camera_id)
    if camera is None:
        return
    camera.state, camera.state_ms = state, uow.now_ms
    camera.picture = picture[:80] or camera.picture
    if is_trial:
        camera.asked_ms = None
    uow.session.add(camera)


def list_cameras(session: Session, actor: Actor) -> Sequence[Camera]:
    """Return the cameras of the actor's courts, those in use first; raises ForbiddenError."""
    check_permission(actor, "manage_cameras")
    query = select(Camera).where(in_scope(Camera.court_code, actor))
    rows = query.order_by(col(Camera.retired_ms).is_not(None), Camera.court_code, Camera.name)
    return session.exec(rows).all()


def list_choices(session: Session, actor: Actor) -> list[CameraChoice]:
    """Return the cameras that the actor may take into a session: those of his courts that are in use."""
    if not may_any(actor, ("start_command", "decide_command")):
        check_permission(actor, "start_command")
    query = select(Camera).where(in_scope(Camera.court_code, actor), col(Camera.retired_ms).is_(None))
    rows = session.exec(query.order_by(Camera.court_code, Camera.name)).all()
    return [CameraChoice(row.id, row.name, row.place, row.court_code, row.state) for row in rows]


def get_choice(session: Session, actor: Actor, camera_id: str) -> CameraChoice:
    """Return one of `list_choices`; raises NotFoundError."""
    for choice in list_choices(session, actor):
        if choice.id == camera_id:
            return choice
    raise NotFoundError("There is no such camera among those of your courts; choose one of the list.")


def list_sights(session: Session, ids: Iterable[str]) -> list[CameraSight]:
    """Return the cameras in use that are named or are to be tried; for the process that fetches pictures."""
    wanted = col(Camera.id).in_(list(ids)) | col(Camera.asked_ms).is_not(None)
    rows = session.exec(select(Camera).where(wanted, col(Camera.retired_ms).is_(None))).all()
    return [CameraSight(row.id, row.name, row.address_cipher, row.asked_ms, row.state) for row in rows]


def list_names(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Return how people call these cameras, by id."""
    rows = session.exec(select(Camera.id, Camera.name).where(col(Camera.id).in_(list(ids)))).all()
    return dict(rows)


def _get(uow: UnitOfWork, actor: Actor, camera_id: str) -> Camera:
    check_permission(actor, "manage_cameras")
    query = select(Camera).where(Camera.id == camera_id, in_scope(Camera.court_code, actor))
    camera = uow.session.exec(query).first()
    if camera is None or camera.retired_ms is not None:
        raise NotFoundError("There is no such camera among yours; see the list of cameras.")
    return camera


def _audit(uow: UnitOfWork, actor: Actor, camera: Camera, verb: str, **more: object) -> None:
    detail = {"name": camera.name, "shown": camera.shown, **more}
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=camera.court_code,
        action=f"command:camera:{verb}",
        subject=camera.id,
        detail=detail,
    )
