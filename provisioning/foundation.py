"""The founding of an authority: every key, certificate and folder it begins with, made once.

Nothing that exists is overwritten. What was made is removed again when the founding fails half-way.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contract import envelope
from provisioning import escrow
from provisioning.certificates import (
    KITS_CA_NAME,
    SERVICES_CA_NAME,
    BadRequestError,
    Issuer,
    chain_pem,
    issue_server_certificate,
    key_pem,
    make_intermediate,
    make_key,
    make_root,
)
from provisioning.files import replace_file, write_new
from provisioning.handover import STATE_FILE, Handover
from provisioning.state import create_state, open_transaction

KEYS_FOLDER: Final = "keys"
HANDOVER_FOLDER: Final = "handover"


class AlreadyFoundedError(ValueError):
    """A folder or file of the authority exists already."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to found, and where. `hosts` are the names and addresses that kits reach the services by."""

    authority_folder: Path
    centre_folder: Path
    escrow_file: Path
    passphrase: str
    hosts: Sequence[str]
    est_url: str
    work_factor: int = escrow.WORK_FACTOR


def found_authority(plan: Plan, *, now: datetime, who: str) -> None:
    """Make the authority's folder, the centre's keys and handover, and the escrow file.

    Raises:
        AlreadyFoundedError: one of them exists; nothing was touched.
        EscrowPlaceError, WeakPassphraseError: see `provisioning.escrow`.
        OSError: a folder cannot be written; what was made is removed.
    """
    _check_nothing_exists(plan)
    made = [plan.authority_folder, plan.centre_folder / KEYS_FOLDER, plan.centre_folder / HANDOVER_FOLDER]
    try:
        for folder in made:
            folder.mkdir(parents=True, mode=0o700 if folder != made[2] else 0o755, exist_ok=True)
        _found(plan, now=now, who=who)
    except BaseException:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _check_nothing_exists(plan: Plan) -> None:
    places = [
        plan.authority_folder,
        plan.centre_folder / KEYS_FOLDER,
        plan.centre_folder / HANDOVER_FOLDER,
        plan.escrow_file,
    ]
    for place in places:
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise AlreadyFoundedError(
                f"{place} exists already and an authority is founded only once; name another place, "
                "or move it away first."
            )
    escrow.check_passphrase(plan.passphrase)
    escrow.check_place(plan.escrow_file, [plan.authority_folder, plan.centre_folder])


def _found(plan: Plan, *, now: datetime, who: str) -> None:
    root = make_root(now)
    kits_ca = make_intermediate(root, KITS_CA_NAME, for_servers=False, now=now)
    services_ca = make_intermediate(root, SERVICES_CA_NAME, for_servers=True, now=now)
    centre_key, escrow_key, receipt_key = (
        X25519PrivateKey.generate(),
        X25519PrivateKey.generate(),
        Ed25519PrivateKey.generate(),
    )
    sealed = escrow.seal_identity(escrow_key, plan.passphrase, work_factor=plan.work_factor)
    folder, keys = plan.authority_folder, plan.centre_folder / KEYS_FOLDER
    for name, issuer in (("root", root), ("kits-ca", kits_ca), ("services-ca", services_ca)):
        write_new(folder / f"{name}.crt", chain_pem(issuer.certificate))
        write_new(folder / f"{name}.key", key_pem(issuer.key), secret=True)
        write_new(keys / f"{name}.crt", chain_pem(issuer.certificate))
    write_server_pair(folder / "est", services_ca, plan.hosts, now=now)
    write_server_pair(keys / "server", services_ca, plan.hosts, now=now)
    recipient = envelope.recipient_to_text(centre_key.public_key())
    identity = f"# public key: {recipient}\n{envelope.identity_to_text(centre_key)}\n"
    write_new(keys / "centre.age", identity.encode(), secret=True)
    pem = receipt_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_new(keys / "receipt.key", pem, secret=True)
    _found_state(plan, now=now, who=who)
    handover = Handover(folder, plan.centre_folder / HANDOVER_FOLDER, root.key)
    handover.publish_trust(
        [recipient, envelope.recipient_to_text(escrow_key.public_key())],
        [receipt_key.public_key().public_bytes_raw()],
        now,
    )
    handover.publish_registry(now)
    escrow.write_escrow(plan.escrow_file, sealed, [folder, plan.centre_folder])


def write_server_pair(path: Path, services_ca: Issuer, hosts: Sequence[str], *, now: datetime) -> None:
    """`path`.crt (leaf and services-ca) and `path`.key for a service reached at `hosts`."""
    key = make_key()
    certificate = issue_server_certificate(services_ca, hosts, key.public_key(), now=now)
    write_new(path.with_suffix(".key"), key_pem(key), secret=True)
    write_new(path.with_suffix(".crt"), chain_pem(certificate, services_ca.certificate))


def renew_server_certificate(path: Path, services_ca: Issuer, hosts: Sequence[str], *, now: datetime) -> list[str]:
    """Replace the chain at `path` by one for the same key, for `hosts` or else the names it had; give the names."""
    old = x509.load_pem_x509_certificate(path.read_bytes())
    key = old.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise BadRequestError(f"{path} carries no P-256 key; make the service's key anew.")
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    had = [str(name.value) for name in names]
    wanted = list(hosts) or had
    replace_file(
        path, chain_pem(issue_server_certificate(services_ca, wanted, key, now=now), services_ca.certificate)
    )
    return wanted


def _found_state(plan: Plan, *, now: datetime, who: str) -> None:
    create_state(plan.authority_folder / STATE_FILE)
    with open_transaction(plan.authority_folder / STATE_FILE) as transaction:
        for key, value in {
            "schema": "1",
            "centre_folder": str(plan.centre_folder.resolve()),
            "est_url": plan.est_url,
            "registry_epoch": "0",
            "trust_epoch": "0",
            "registry_changes": "1",
            "registry_published": "0",
        }.items():
            transaction.set_meta(key, value)
        at_ms = int(now.timestamp() * 1000)
        transaction.append_log(at_ms, who, "provisioning:authority:found", ",".join(plan.hosts))
