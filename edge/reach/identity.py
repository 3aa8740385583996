"""Who the kit is: its key, its certificate, the authority's root and the trust list in force."""

import base64
import contextlib
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from contract import door_auth, trust
from contract.channel import KitChannel
from contract.names import check_kit_id
from contract.signing import BadSignatureError, CodecError, sign_p256
from edge.reach.trusted_time import DatedContext, TrustedTime, make_context
from edge.token_key import SIGNING_CERTIFICATE


class IdentityError(RuntimeError):
    """The kit's files do not make an identity; the text says which and what to do."""


class Identity:
    """Key, certificate chain (leaf first) and root of a kit, read from its data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = _load_key(folder / "device.key")
        self.chain = _load_chain(folder / "device.crt")
        self.root = _load_chain(folder / "root.crt")[0]
        leaf = self.chain[0]
        if leaf.public_key() != self.key.public_key():
            raise IdentityError("device.crt does not belong to device.key: enrol this kit anew.")
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        self.kit_id = check_kit_id(str(names[0].value) if names else "")
        self.serial = f"{leaf.serial_number:x}"

    @property
    def signing_certificate(self) -> str:
        """The certificate of the signing key in a token, base64 DER; "" where device.key signs."""
        path = self.folder / SIGNING_CERTIFICATE
        if not path.exists():
            return ""
        return base64.b64encode(_load_chain(path)[0].public_bytes(Encoding.DER)).decode()

    @property
    def root_key(self) -> EllipticCurvePublicKey:
        """The device authority's public key."""
        key = self.root.public_key()
        if not isinstance(key, EllipticCurvePublicKey):
            raise IdentityError("root.crt carries no P-256 key: enrol this kit anew.")
        return key

    def x5c(self) -> list[str]:
        """Leaf and intermediate as base64 DER (RFC 7515, 4.1.6)."""
        return [base64.b64encode(item.public_bytes(Encoding.DER)).decode() for item in self.chain[:2]]

    def x5t(self) -> str:
        """Thumbprint of the leaf (RFC 7515, 4.1.8)."""
        return door_auth.thumbprint(self.chain[0].public_bytes(Encoding.DER))

    def floor_ms(self) -> int:
        """A moment that has surely passed: the latest beginning of the kit's own certificates.

        The authority backdates them a little, so this errs to the safe side.
        """
        begins = [item.not_valid_before_utc for item in (*self.chain, self.root)]
        return int(max(begins).timestamp() * 1000)

    def make_tls_context(self, trusted_time: TrustedTime, *, with_certificate: bool = True) -> DatedContext:
        """Mutual TLS towards the centre's services, verified against the authority's root."""
        context = make_context(trusted_time, root_pem=self.root.public_bytes(Encoding.PEM).decode())
        if with_certificate:
            context.load_cert_chain(self.folder / "device.crt", self.folder / "device.key")
        return context

    def load_trust(self, *, not_before_epoch: int) -> trust.TrustList:
        """The stored trust list; raise IdentityError when it is missing, forged or older than one accepted."""
        try:
            data = (self.folder / "trust.cbor").read_bytes()
            return trust.verify_trust_list(self.root_key, data, not_before_epoch=not_before_epoch)
        except (OSError, CodecError, BadSignatureError, trust.StaleListError) as error:
            raise IdentityError(
                f"trust.cbor cannot be used ({error}): it is fetched anew from the centre; until then nothing is "
                "deleted."
            ) from error

    def make_channel(self) -> KitChannel:
        """A fresh sealed channel to the centre of the trust list in force; raise IdentityError without one."""
        centre = self.load_trust(not_before_epoch=0).recipient_keys()
        if not centre:
            raise IdentityError("trust.cbor names no key of the centre: fetch the current list.")
        certificate = self.chain[0].public_bytes(Encoding.DER)
        return KitChannel(self.kit_id, certificate, centre[0], lambda domain, body: sign_p256(self.key, domain, body))

    def accept_trust(self, data: bytes, *, not_before_epoch: int) -> trust.TrustList:
        """Check a new list and put it in place of the old one, durably; raise as `contract.trust` says."""
        fresh = trust.verify_trust_list(self.root_key, data, not_before_epoch=not_before_epoch)
        path = self.folder / "trust.cbor"
        if not path.exists() or path.read_bytes() != data:
            write_durably(path, data)
        return fresh


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file so that a power cut leaves the old or the new one, whole."""
    fresh = path.with_name(path.name + ".tmp")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's own entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _load_key(path: Path) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise IdentityError(f"{path} cannot be read ({error}): enrol this kit first.") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise IdentityError(f"{path} is no P-256 key: enrol this kit anew.")
    return key


def _load_chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IdentityError(f"{path} cannot be read ({error}): enrol this kit first.") from error
