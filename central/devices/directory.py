"""Who the kits are: the signed register applied, and a lookup in memory for the busy paths."""

from __future__ import annotations

import threading
from collections.abc import Set

import msgspec
from sqlalchemy import update
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.outbox import KIT_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.devices.models import Kit, KitCertificate, KitSpool, RegistryState
from central.devices.rules import KitRef, StaleRegistryError
from contract.trust import KitEntry, Registry


class RegistryChange(msgspec.Struct, frozen=True):
    """What a register changed. `revoked_serials` must lose their live connections at once."""

    epoch: int
    added: list[str]
    revoked: list[str]
    revoked_serials: list[str]


class KitDirectory:
    """Kits, certificates and spools by name, held in memory; `reload` after a register was applied.

    `bar` shuts kits and certificates out before any database has heard of it: a revocation waits for no commit.
    """

    def __init__(self) -> None:
        self._kits: dict[str, KitRef] = {}
        self._owners: dict[str, KitRef] = {}
        self._spools: dict[tuple[int, str], int] = {}
        self._lock = threading.Lock()  # `reload` and `bar` come from two threads
        self._barred_kits: frozenset[str] = frozenset()
        self._barred_serials: frozenset[str] = frozenset()

    def reload(self, session: Session) -> None:
        """Read kits that are not revoked, their valid certificates, and all spools."""
        refs: dict[int, KitRef] = {}
        for kit in session.exec(select(Kit)):
            if kit.revoked_ms is None and kit.kit_no is not None:
                refs[kit.kit_no] = KitRef(kit.kit_no, kit.kit_id, kit.court_code)
        certificates = session.exec(select(KitCertificate).where(KitCertificate.revoked_ms == None))  # noqa: E711
        owners = {row.serial: refs[row.kit_no] for row in certificates if row.kit_no in refs}
        self._spools = {(row.kit_no, row.spool): row.spool_no or 0 for row in session.exec(select(KitSpool))}
        with self._lock:
            self._admit_only({ref.kit_id: ref for ref in refs.values()}, owners)

    def admit_registered(self, registry: Registry) -> None:
        """Take kits and certificates from a verified register, where no database holds them.

        Kits are numbered by their place in it, which holds within this process only.
        """
        refs: dict[str, KitRef] = {}
        owners: dict[str, KitRef] = {}
        for number, entry in enumerate(registry.kits, start=1):
            if not entry.revoked:
                ref = refs[entry.kit_id] = KitRef(number, entry.kit_id, entry.court_code)
                owners.update(dict.fromkeys(set(entry.serials) - set(entry.revoked_serials), ref))
        with self._lock:
            self._admit_only(refs, owners)

    def bar(self, kits: Set[str], serials: Set[str]) -> None:
        """Shut out these kits and serials, and only these, from now on; whoever is barred no longer is found.

        Who leaves the list is found again after the next `reload`.
        """
        with self._lock:
            self._barred_kits, self._barred_serials = frozenset(kits), frozenset(serials)
            self._admit_only(self._kits, self._owners)

    def _admit_only(self, kits: dict[str, KitRef], owners: dict[str, KitRef]) -> None:
        barred = self._barred_kits
        self._kits = {kit_id: ref for kit_id, ref in kits.items() if kit_id not in barred}
        self._owners = {
            serial: ref
            for serial, ref in owners.items()
            if serial not in self._barred_serials and ref.kit_id not in barred
        }

    def find(self, kit_id: str) -> KitRef | None:
        """Return a kit that is not revoked."""
        return self._kits.get(kit_id)

    def find_by_serial(self, serial: str) -> KitRef | None:
        """Return the kit whose valid certificate has `serial` (lower-case hex, no prefix)."""
        return self._owners.get(serial)

    def all(self) -> list[KitRef]:
        """Return every kit that is not revoked."""
        return list(self._kits.values())

    def spool_no(self, uow: UnitOfWork, kit_no: int, spool: str) -> int:
        """Return the short number of a kit's spool, giving it one at its first message."""
        known = self._spools.get((kit_no, spool))
        if known is not None:
            return known
        query = select(KitSpool).where(KitSpool.kit_no == kit_no, KitSpool.spool == spool)
        row = uow.session.exec(query).first()
        if row is None:
            row = KitSpool(kit_no=kit_no, spool=spool, first_ms=uow.now_ms)
            uow.session.add(row)
            uow.session.flush()
        number = row.spool_no or 0
        uow.after_commit(lambda: self._spools.__setitem__((kit_no, spool), number))
        return number


def note_certificate_end(uow: UnitOfWork, serial: str, until_ms: int) -> None:
    """Note when a certificate that its kit has shown ends."""
    rule = update(KitCertificate).where(col(KitCertificate.serial) == serial, col(KitCertificate.until_ms).is_(None))
    uow.connection.execute(rule.values(until_ms=until_ms))


def find_registry_epoch(session: Session) -> int:
    """Return the epoch of the newest register applied; 0 before the first."""
    state = session.get(RegistryState, 1)
    return state.epoch if state else 0


def apply_registry(uow: UnitOfWork, registry: Registry) -> RegistryChange | None:
    """Bring kits and certificates to the state of a verified register; None when it is the one in force.

    A kit missing from a newer register counts as revoked. Raises StaleRegistryError for an older epoch.
    """
    state = uow.session.get(RegistryState, 1)
    if state and registry.epoch < state.epoch:
        raise StaleRegistryError(
            f"The register has epoch {registry.epoch} but {state.epoch} is in force: "
            "copy the newest registry.cbor from the device authority.",
            epoch=registry.epoch,
        )
    if state and registry.epoch == state.epoch and registry.issued_ms == state.issued_ms:
        return None
    known = {kit.kit_id: kit for kit in uow.session.exec(select(Kit))}
    held: dict[int, dict[str, KitCertificate]] = {}
    for row in uow.session.exec(select(KitCertificate)):
        held.setdefault(row.kit_no, {})[row.serial] = row
    change = RegistryChange(epoch=registry.epoch, added=[], revoked=[], revoked_serials=[])
    for entry in registry.kits:
        kit = known.pop(entry.kit_id, None)
        certificates = held.get(kit.kit_no or 0, {}) if kit is not None else {}
        _apply_entry(uow, entry, kit, certificates, change)
    uow.session.flush()
    for kit in known.values():
        _revoke_kit(uow, kit, change)
    fresh = state or RegistryState(epoch=0, issued_ms=0, applied_ms=0)
    fresh.epoch, fresh.issued_ms, fresh.applied_ms = registry.epoch, registry.issued_ms, uow.now_ms
    uow.session.add(fresh)
    uow.session.flush()
    _audit_change(uow, change)
    return change


def _apply_entry(
    uow: UnitOfWork, entry: KitEntry, kit: Kit | None, held: dict[str, KitCertificate], change: RegistryChange
) -> None:
    is_new = kit is None
    if kit is None:
        kit = Kit(kit_id=entry.kit_id, court_code=entry.court_code, added_ms=uow.now_ms)
        change.added.append(entry.kit_id)
    before = (kit.court_code, kit.label, kit.officer)
    kit.court_code, kit.label, kit.officer = entry.court_code, entry.label, entry.officer
    uow.session.add(kit)
    if is_new:
        uow.session.flush()  # its certificates need its number
    if entry.revoked:
        _revoke_kit(uow, kit, change)
    elif kit.revoked_ms is not None:
        kit.revoked_ms = None  # enrolled anew by the authority
        change.added.append(entry.kit_id)
    _apply_serials(uow, kit, entry, held, change)
    if before != (kit.court_code, kit.label, kit.officer) or entry.kit_id in change.added:
        uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "register"})


def _apply_serials(
    uow: UnitOfWork, kit: Kit, entry: KitEntry, held: dict[str, KitCertificate], change: RegistryChange
) -> None:
    valid = set(entry.serials) - set(entry.revoked_serials)
    for serial in valid - held.keys():
        uow.session.add(KitCertificate(serial=serial, kit_no=kit.kit_no or 0, added_ms=uow.now_ms))
    for serial in (held.keys() | set(entry.revoked_serials)) - valid:
        row = held.get(serial) or KitCertificate(serial=serial, kit_no=kit.kit_no or 0, added_ms=uow.now_ms)
        if row.revoked_ms is None:
            row.revoked_ms = uow.now_ms
            uow.session.add(row)
            change.revoked_serials.append(serial)


def _revoke_kit(uow: UnitOfWork, kit: Kit, change: RegistryChange) -> None:
    if kit.revoked_ms is not None:
        return
    kit.revoked_ms = uow.now_ms
    uow.session.add(kit)
    change.revoked.append(kit.kit_id)
    uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "revoked"})


def _audit_change(uow: UnitOfWork, change: RegistryChange) -> None:
    audit.append(
        uow,
        actor="system:registry",
        court_code="",
        action="devices:registry:apply",
        subject=f"epoch {change.epoch}",
        detail={"added": change.added, "revoked": change.revoked, "revoked_serials": change.revoked_serials},
    )
