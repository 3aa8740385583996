"""The signed register from the device authority, watched: in force at once, then written to the database."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlalchemy.exc import IntegrityError, OperationalError

from central.base.ids import new_id
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.devices import service as devices
from central.devices.rules import StaleRegistryError
from central.sync.admission import read_certificate
from contract.signing import BadSignatureError, CodecError
from contract.trust import KitEntry, Registry, verify_registry

log = logging.getLogger(__name__)

REGISTRY_FILE = "registry.cbor"
TRUST_FILE = "trust.cbor"


def read_root_key(settings: Settings) -> EllipticCurvePublicKey:
    """The device authority's public key: the anchor of registry and trust list."""
    key = read_certificate(Path(settings.keys_dir) / "root.crt").public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("root.crt does not hold a P-256 key: copy the device authority's root certificate.")
    return key


class RegisterFile:
    """Follows ``registry.cbor``. A revocation is in force here as soon as it is read and verified (`look`);
    what outlasts this process hears of it afterwards (`apply`), for it may be busy, slow or down.
    """

    def __init__(self, settings: Settings, directory: devices.KitDirectory) -> None:
        self._path = Path(settings.handover_dir) / REGISTRY_FILE
        self._root_key = read_root_key(settings)
        self._directory = directory
        self._seen: tuple[int, int, int] | None = None
        self._barred: set[tuple[str, str]] = set()
        self._epoch = 0
        self._pending: tuple[Registry, bytes] | None = None
        self._refused: list[tuple[bytes, Exception]] = []
        self._reload()

    def has_changed(self) -> bool:
        """Whether the file is another one than was last read; costs one look at the folder."""
        return self._stamp() not in (None, self._seen)

    @property
    def is_due(self) -> bool:
        """Whether something has yet to be written down."""
        return self._pending is not None or bool(self._refused)

    def look(self) -> list[str]:
        """Put a changed register in force in memory; returns the kits whose sessions must end. No database.

        A register that is broken, forged or older than the one in force changes nothing.
        """
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return []
        self._seen = stamp
        data = self._path.read_bytes()
        try:
            registry = verify_registry(self._root_key, data)
            if registry.epoch < self._epoch:
                raise StaleRegistryError(
                    f"The register has epoch {registry.epoch} but {self._epoch} is in force: "
                    "copy the newest registry.cbor from the device authority.",
                    epoch=registry.epoch,
                )
        except (CodecError, BadSignatureError, StaleRegistryError) as error:
            self._refused.append((data, error))
            return []
        self._epoch, self._pending = registry.epoch, (registry, data)
        # Compared with what this process last saw, not with the database: another process may have applied it first.
        barred = _list_barred(registry.kits) | self._list_missing(registry.kits)
        self._directory.bar({kit for kit, serial in barred if not serial}, {serial for _, serial in barred if serial})
        fresh, self._barred = barred - self._barred, barred
        return sorted({kit_id for kit_id, _ in fresh})

    def apply(self) -> None:
        """Bring the database to what was read; what cannot be written now stays due for the next call."""
        try:
            self._apply_pending()
            while self._refused:
                self._refuse(*self._refused[0])
                self._refused.pop(0)
        except OperationalError as error:
            log.warning("registry: the database cannot take it yet (%s); what it bars is barred all the same", error)

    def poll(self) -> list[str]:
        """`look`, then `apply`: for a start, before anybody is let in."""
        fresh = self.look()
        if self.is_due:
            self.apply()
        return fresh

    def _apply_pending(self) -> None:
        pending = self._pending
        if pending is None:
            return
        is_new = self._keep(*pending)
        self._reload()
        if self._pending is pending:
            self._pending = None
        if is_new:
            log.info("registry: epoch %d in force", pending[0].epoch)

    def _keep(self, registry: Registry, data: bytes) -> bool:
        """Write down the register in force; whether it was news."""
        raise NotImplementedError

    def _reload(self) -> None:
        """Fill the directory and the epoch from what was written down."""
        raise NotImplementedError

    def _refuse(self, data: bytes, error: Exception) -> None:
        """Write down that a register was refused."""
        raise NotImplementedError

    def _list_missing(self, kits: list[KitEntry]) -> set[tuple[str, str]]:
        """Kits known here that the register no longer names: they count as revoked."""
        named = {kit.kit_id for kit in kits}
        return {(ref.kit_id, "") for ref in self._directory.all() if ref.kit_id not in named}

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


class RegistryWatch(RegisterFile):
    """The register where there is a database: what is in force is written there."""

    def __init__(self, settings: Settings, store: Store, directory: devices.KitDirectory) -> None:
        self._store = store
        super().__init__(settings, directory)

    def _keep(self, registry: Registry, data: bytes) -> bool:
        try:
            with self._store.write() as uow:
                change = devices.apply_registry(uow, registry)
        except StaleRegistryError:
            change = None  # another process has applied a newer one meanwhile
        except IntegrityError as error:
            self._refused.append((data, error))
            change = None
        return change is not None

    def _reload(self) -> None:
        with self._store.read() as session:
            self._directory.reload(session)
            self._epoch = max(self._epoch, devices.find_registry_epoch(session))

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


class ZoneRegister(RegisterFile):
    """The register in a zone, which has no database: the newest one in force is kept as a file of its own."""

    def __init__(self, settings: Settings, directory: devices.KitDirectory) -> None:
        self._kept = Path(settings.data_dir) / REGISTRY_FILE
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(settings, directory)

    def _keep(self, registry: Registry, data: bytes) -> bool:
        if self._kept.exists() and self._kept.read_bytes() == data:
            return False
        if registry.epoch >= self._read_kept_epoch():
            replace_durably(self._kept, data)
        return True

    def _reload(self) -> None:
        if not self._kept.exists():
            return
        registry = verify_registry(self._root_key, self._kept.read_bytes())
        self._directory.admit_registered(registry)
        self._epoch = max(self._epoch, registry.epoch)

    def _read_kept_epoch(self) -> int:
        return verify_registry(self._root_key, self._kept.read_bytes()).epoch if self._kept.exists() else 0

    def _refuse(self, data: bytes, error: Exception) -> None:
        log.error("registry: not applied (%d bytes): %s", len(data), error)


def replace_durably(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of ``path``: after a power cut the old file or the new one is there, whole."""
    draft = path.with_name(f".{path.name}.{new_id()}.tmp")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
