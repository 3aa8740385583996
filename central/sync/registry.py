"""The signed register from the device authority, watched: applied when it changes, revoked kits told to leave."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlalchemy.exc import IntegrityError

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.devices import service as devices
from central.devices.rules import StaleRegistryError
from central.sync.admission import read_certificate
from contract.signing import BadSignatureError, CodecError
from contract.trust import KitEntry, verify_registry

log = logging.getLogger(__name__)

REGISTRY_FILE = "registry.cbor"
TRUST_FILE = "trust.cbor"


def read_root_key(settings: Settings) -> EllipticCurvePublicKey:
    """The device authority's public key: the anchor of registry and trust list."""
    key = read_certificate(Path(settings.keys_dir) / "root.crt").public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("root.crt does not hold a P-256 key: copy the device authority's root certificate.")
    return key


class RegistryWatch:
    """Applies ``registry.cbor`` whenever the file changes; says which kits must lose their sessions."""

    def __init__(self, settings: Settings, store: Store, directory: devices.KitDirectory) -> None:
        self._path = Path(settings.handover_dir) / REGISTRY_FILE
        self._root_key = read_root_key(settings)
        self._store = store
        self._directory = directory
        self._seen: tuple[int, int, int] | None = None
        self._barred: set[tuple[str, str]] = set()
        self._reload()

    def poll(self) -> list[str]:
        """Apply the register if its file has changed; returns the kits whose sessions must end.

        A register that is broken, forged or older than the one in force changes nothing: it is logged, kept aside
        once and counted.
        """
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return []
        self._seen = stamp
        data = self._path.read_bytes()
        try:
            registry = verify_registry(self._root_key, data)
            with self._store.write() as uow:
                change = devices.apply_registry(uow, registry)
        except (CodecError, BadSignatureError, StaleRegistryError, IntegrityError) as error:
            self._refuse(data, error)
            return []
        self._reload()
        if change is not None:
            log.info("registry: epoch %d in force", change.epoch)
        # Compared with what this process last saw, not with the database: another process may have applied it first.
        barred = _list_barred(registry.kits)
        fresh, self._barred = barred - self._barred, barred
        return sorted({kit_id for kit_id, _ in fresh})

    def _reload(self) -> None:
        with self._store.read() as session:
            self._directory.reload(session)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _refuse(self, data: bytes, error: Exception) -> None:
        log.error("registry: not applied: %s", error)
        with self._store.write() as uow:
            devices.keep_aside(
                uow, kit_id="", source=REGISTRY_FILE, reason="registry_refused", detail=str(error), payload=data
            )


def _list_barred(kits: list[KitEntry]) -> set[tuple[str, str]]:
    """Kit and serial of every revoked certificate; a kit revoked as a whole stands there without a serial."""
    whole = {(kit.kit_id, "") for kit in kits if kit.revoked}
    return whole | {(kit.kit_id, serial) for kit in kits for serial in kit.revoked_serials}
