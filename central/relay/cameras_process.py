"""The process that fetches pictures of foreign cameras (seed 18(2)): only inside sessions, only while somebody looks.

A process of its own: what a camera sends goes through FFmpeg, and a fault there takes down nobody's session.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from central.base.errors import DomainError
from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.command import cameras, foreign_rules
from central.command import queries as command
from central.command.cameras import CameraSight
from central.relay.camera_feed import CameraFeed, NoteState

LOOK_EVERY_S: Final = 0.5
RETRY_S: Final = 5.0
_LOG = logging.getLogger(__name__)


def main(settings: Settings) -> None:
    """Fetch until SIGINT or SIGTERM."""
    store = open_store(settings)
    try:
        asyncio.run(CameraHouse(settings, store).run())
    finally:
        store.close()


class CameraHouse:
    """Which cameras have a line to the relay now, and trials that the administrator asked for."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._feeds: dict[str, tuple[bytes, asyncio.Task[None]]] = {}
        self._trials: dict[str, asyncio.Task[None]] = {}
        self._states: dict[str, tuple[str, str]] = {}
        self._keyring: Keyring | None = None

    async def run(self) -> None:
        """Look twice a second what is to be fetched; ends when cancelled."""
        is_down = False
        try:
            while True:
                try:
                    self._apply(*await asyncio.to_thread(self._look))
                    is_down = False
                    await asyncio.sleep(LOOK_EVERY_S)
                except (SQLAlchemyError, DomainError) as error:
                    if not is_down:
                        _LOG.error("cameras: nobody can be asked what is to be fetched (%s)", error)
                    is_down = True
                    await asyncio.sleep(RETRY_S)
        finally:
            works = [task for _, task in self._feeds.values()] + list(self._trials.values())
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    def _look(self) -> tuple[set[str], list[CameraSight]]:
        with self._store.read() as session:
            wanted = {camera for open_ in command.list_open(session) for camera in open_.cameras}
            return wanted, cameras.list_sights(session, wanted)

    def _apply(self, wanted: set[str], sights: list[CameraSight]) -> None:
        found = {sight.id: sight for sight in sights}
        for camera_id, (cipher, task) in list(self._feeds.items()):
            sight = found.get(camera_id)
            if camera_id not in wanted or sight is None or sight.address_cipher != cipher or task.done():
                task.cancel()
                del self._feeds[camera_id]
        for camera_id in wanted & found.keys() - self._feeds.keys():
            sight = found[camera_id]
            address = self._open_address(sight)
            if address is not None:
                feed = CameraFeed(self._settings, camera_id, address, self._noter(camera_id))
                self._feeds[camera_id] = (sight.address_cipher, asyncio.create_task(feed.run()))
        for sight in sights:
            if sight.asked_ms is not None and sight.id not in self._trials:
                task = asyncio.create_task(asyncio.to_thread(self._try, sight))
                self._trials[sight.id] = task
                task.add_done_callback(partial(self._forget_trial, sight.id))

    def _forget_trial(self, camera_id: str, _task: asyncio.Task[None]) -> None:
        self._trials.pop(camera_id, None)

    def _open_address(self, sight: CameraSight) -> str | None:
        try:
            self._keyring = self._keyring or load_keyring(Path(self._settings.keys_dir))
            return self._keyring.open(foreign_rules.ADDRESS_FIELD, sight.id, sight.address_cipher)
        except DomainError as error:
            _LOG.error("camera %s: %s", sight.id, error)
            self._note(sight.id, "address_sealed", "")
            return None

    def _try(self, sight: CameraSight) -> None:
        """Open a camera once and keep how it answered; its picture goes nowhere."""
        from central.relay.camera_picture import CameraError, open_camera

        address = self._open_address(sight)
        state, picture = "address_sealed", ""
        if address is not None:
            try:
                camera = open_camera(address)
                try:
                    next(iter(camera.pictures(lambda: True)))
                    state, picture = "seen", camera.summary
                finally:
                    camera.close()
            except CameraError as error:
                state = error.state
        self._note(sight.id, state, picture, is_trial=True)

    def _noter(self, camera_id: str) -> NoteState:
        return lambda state, picture: self._note(camera_id, state, picture)

    def _note(self, camera_id: str, state: str, picture: str, *, is_trial: bool = False) -> None:
        """Keep a change of state; called from threads."""
        if self._states.get(camera_id) == (state, picture) and not is_trial:
            return
        self._states[camera_id] = (state, picture)
        try:
            with self._store.write() as uow:
                cameras.note_state(uow, camera_id, state, picture=picture, is_trial=is_trial)
        except SQLAlchemyError as error:
            _LOG.error("camera %s: its state %s could not be kept (%s)", camera_id, state, type(error).__name__)
