"""What the authority hands over: the registry for the centre, the trust list for kits, both signed by the root.

Lists are written whole or not at all, first beside the authority, then into the centre's handover folder. The
epoch is counted up and committed before a list is signed, so no two lists of one epoch ever exist; a crash or a
full disk in between leaves the change marked as not handed over, and the next act or the running server repeats it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from contract.trust import KitEntry, Registry, TrustList, sign_registry, sign_trust_list, verify_registry
from provisioning.files import replace_file
from provisioning.state import Transaction, open_transaction

REGISTRY_FILE: Final = "registry.cbor"
# The same register without labels and officers, for a zone between two networks.
ZONE_REGISTRY_FILE: Final = "registry-zone.cbor"
TRUST_FILE: Final = "trust.cbor"
STATE_FILE: Final = "state.db"
_LOCK_FILE: Final = "handover.lock"


class HandoverError(OSError):
    """A signed list could not be written; what it says is kept and will be handed over later."""


@dataclass(frozen=True)
class Handover:
    """Where the lists come from and go to, and the key that signs them."""

    authority_folder: Path
    centre_folder: Path
    root_key: EllipticCurvePrivateKey

    def is_due(self) -> bool:
        """Whether the registry has changed since it was last handed over whole."""
        with open_transaction(self.authority_folder / STATE_FILE) as transaction:
            return _is_due(transaction)

    def publish_registry(self, now: datetime) -> int:
        """Sign and write the registry when it has changed; give its epoch.

        Raises:
            HandoverError: a folder cannot be written; the change stays marked.
        """
        state = self.authority_folder / STATE_FILE
        with _locked(self.authority_folder / _LOCK_FILE):
            with open_transaction(state) as transaction:
                if not _is_due(transaction):
                    return int(transaction.get_meta("registry_epoch"))
                epoch = _next_epoch(transaction, "registry_epoch")
                changes = transaction.get_meta("registry_changes")
                kits = list_entries(transaction)
            registry = Registry(epoch=epoch, issued_ms=_in_ms(now), kits=kits)
            self._write(ZONE_REGISTRY_FILE, self._sign_for_zone(registry))
            self._write(REGISTRY_FILE, sign_registry(self.root_key, registry))
            with open_transaction(state) as transaction:
                transaction.set_meta("registry_published", changes)
        return epoch

    def publish_zone_registry(self) -> None:
        """Write the register for zones anew from the one handed over last: an older authority wrote none.

        Raises HandoverError.
        """
        with _locked(self.authority_folder / _LOCK_FILE):
            data = (self.authority_folder / REGISTRY_FILE).read_bytes()
            registry = verify_registry(self.root_key.public_key(), data)
            self._write(ZONE_REGISTRY_FILE, self._sign_for_zone(registry))

    def _sign_for_zone(self, registry: Registry) -> bytes:
        kits = [msgspec.structs.replace(kit, label="", officer="") for kit in registry.kits]
        return sign_registry(self.root_key, msgspec.structs.replace(registry, kits=kits))

    def publish_trust(self, recipients: list[str], receipt_keys: list[bytes], now: datetime) -> int:
        """Sign and write the trust list; give its epoch. Raises HandoverError."""
        with _locked(self.authority_folder / _LOCK_FILE):
            with open_transaction(self.authority_folder / STATE_FILE) as transaction:
                epoch = _next_epoch(transaction, "trust_epoch")
            trust = TrustList(epoch=epoch, issued_ms=_in_ms(now), recipients=recipients, receipt_keys=receipt_keys)
            self._write(TRUST_FILE, sign_trust_list(self.root_key, trust))
        return epoch

    def hand_over(self, name: str, data: bytes) -> None:
        """Write a signed file of its own beside the lists, here and at the centre; raises HandoverError."""
        with _locked(self.authority_folder / _LOCK_FILE):
            self._write(name, data)

    def _write(self, name: str, data: bytes) -> None:
        for folder in (self.authority_folder, self.centre_folder):
            try:
                replace_file(folder / name, data)
            except OSError as error:
                raise HandoverError(
                    f"{folder / name} cannot be written ({error.strerror or error}); make the folder writable and "
                    "run `zhixing-provision publish`."
                ) from error


def list_entries(transaction: Transaction) -> list[KitEntry]:
    """Every kit with every serial it was given, as the registry carries them."""
    given: dict[str, list[str]] = {}
    revoked: dict[str, list[str]] = {}
    for row in transaction.list_certificates():
        given.setdefault(row.kit_id, []).append(row.serial)
        if row.revoked_at_ms is not None:
            revoked.setdefault(row.kit_id, []).append(row.serial)
    return [
        KitEntry(
            kit_id=kit.kit_id,
            court_code=kit.court_code,
            label=kit.label,
            officer=kit.officer,
            serials=given.get(kit.kit_id, []),
            revoked_serials=revoked.get(kit.kit_id, []),
            revoked=kit.revoked_at_ms is not None,
        )
        for kit in transaction.list_kits()
    ]


def _is_due(transaction: Transaction) -> bool:
    return transaction.get_meta("registry_changes") != transaction.get_meta("registry_published")


def _next_epoch(transaction: Transaction, key: str) -> int:
    epoch = int(transaction.get_meta(key)) + 1
    transaction.set_meta(key, str(epoch))
    return epoch


def _in_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, over threads and processes: an older list never lands on a newer one."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
