"""Signs of life and of going, written: beats, goodbyes, sessions begun and ended."""

from __future__ import annotations

from collections.abc import Iterable

from central.base.outbox import KIT_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.devices import service as devices
from central.devices.rules import KitRef
from central.sync.batch import LinkChange


def note_heard(markers: devices.KitMarkers, directory: devices.KitDirectory, heard: dict[str, int]) -> None:
    """Note when kits were heard last, ms by kit id; written with the next markers."""
    for kit_id, at_ms in heard.items():
        kit = directory.find(kit_id)
        if kit is not None:
            markers.note_heard(kit.kit_no, at_ms)


def note_goodbye(uow: UnitOfWork, kit: KitRef, bye: str) -> None:
    """Keep a kit's last word and tell the screens."""
    devices.record_link(uow, kit, bye, at_ms=uow.now_ms)
    uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "goodbye", "reason": bye})


def note_links(uow: UnitOfWork, markers: devices.KitMarkers, links: Iterable[LinkChange]) -> None:
    """Keep what the broker said of sessions and tell the screens."""
    for link in links:
        if link.connected:
            markers.note_heard(link.kit.kit_no, uow.now_ms)
        devices.record_link(uow, link.kit, "up" if link.connected else "lost", at_ms=uow.now_ms)
        body = {"kit_id": link.kit.kit_id, "change": "link", "connected": link.connected, "reason": link.reason}
        uow.emit(KIT_CHANGED, link.kit.court_code, body)
