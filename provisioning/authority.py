"""The acts of the device authority: add a kit, give it a token, enrol it, renew it, revoke it.

Every act is one transaction with its line in the log; the signed registry is handed over after it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from contract.enrolment import SECRET_BYTES, EnrolmentToken, make_token
from contract.names import check_kit_id
from provisioning import grace, issuing
from provisioning.acting import Clock, name_user, utc_now
from provisioning.certificates import (
    Issuer,
    chain_pem,
    check_signing_request,
    key_digest,
    key_pem,
    load_issuer,
    make_key,
    serial_text,
)
from provisioning.escrow import WORK_FACTOR
from provisioning.files import replace_file
from provisioning.foundation import (
    HANDOVER_FOLDER,
    KEYS_FOLDER,
    Plan,
    found_authority,
    renew_server_certificate,
)
from provisioning.handover import STATE_FILE, TRUST_FILE, Handover
from provisioning.issuing import get_issued, get_working_kit
from provisioning.listing import KitStatus, list_statuses
from provisioning.rows import KitRow
from provisioning.rules import (
    TOKEN_LIFE,
    KitExistsError,
    NoAuthorityError,
    NoCentreError,
    TokenSpentError,
    UnknownTokenError,
    check_court_code,
    check_text,
    hash_secret,
    spent_reason,
)
from provisioning.state import Transaction, open_transaction, upgrade_state


@dataclass(frozen=True)
class KitCredentials:
    """A kit's key and certificate chain (leaf, kits-ca) in PEM, made without enrolment."""

    kit_id: str
    key_pem: bytes
    certificate_pem: bytes


def create(
    authority_folder: Path,
    *,
    centre_folder: Path,
    escrow_file: Path,
    passphrase: str,
    hosts: Sequence[str],
    est_url: str,
    clock: Clock = utc_now,
    work_factor: int = WORK_FACTOR,
) -> Authority:
    """Found an authority and open it; raises what `foundation.found_authority` raises."""
    plan = Plan(
        authority_folder=authority_folder,
        centre_folder=centre_folder,
        escrow_file=escrow_file,
        passphrase=passphrase,
        hosts=hosts,
        est_url=est_url,
        work_factor=work_factor,
    )
    found_authority(plan, now=clock(), who=name_user())
    return Authority(authority_folder, clock=clock)


class Authority:
    """An opened authority. Safe to share between threads: every act is its own transaction."""

    def __init__(self, folder: Path, *, clock: Clock = utc_now) -> None:
        """Raises NoAuthorityError when `folder` holds none that can be read."""
        self.folder = folder
        self.clock = clock
        try:
            self.root = _load(folder, "root")
            self.kits_ca = _load(folder, "kits-ca")
            self.services_ca = _load(folder, "services-ca")
            upgrade_state(folder / STATE_FILE)
            with self._transaction() as transaction:
                self.centre_folder = Path(transaction.get_meta("centre_folder"))
                self.est_url = transaction.get_meta("est_url")
        except FileNotFoundError as error:
            raise NoAuthorityError(
                f"{folder} holds no authority ({Path(error.filename).name} is missing); "
                "run `zhixing-provision init` or name the right folder with --authority."
            ) from error
        self.handover = Handover(folder, self.centre_folder / HANDOVER_FOLDER, self.root.key)

    def root_fingerprint(self) -> bytes:
        """SHA-256 over the root certificate's DER, as tokens carry it."""
        return self.root.certificate.fingerprint(SHA256())

    def read_trust_list(self) -> bytes:
        """The signed trust list as kits fetch it."""
        return (self.folder / TRUST_FILE).read_bytes()

    def add_kit(self, kit_id: str, *, court_code: str, label: str, officer: str, est_url: str | None = None) -> str:
        """Add a kit and give the text of its first token; raises KitExistsError, AuthorityError, BadNameError."""
        now_ms, secret = self._now_ms(), secrets.token_bytes(SECRET_BYTES)
        text = self._token_text(kit_id, secret, est_url)
        with self._transaction() as transaction:
            self._insert_kit(transaction, kit_id, court_code, label, officer)
            self._insert_token(transaction, kit_id, secret)
            transaction.append_log(now_ms, name_user(), "provisioning:kit:add", kit_id, court_code)
        self.handover.publish_registry(self.clock())
        return text

    def issue_token(self, kit_id: str, *, est_url: str | None = None) -> str:
        """A fresh token; earlier unused ones of the kit become worthless. Raises as `add_kit`."""
        secret = secrets.token_bytes(SECRET_BYTES)
        text = self._token_text(kit_id, secret, est_url)
        with self._transaction() as transaction:
            get_working_kit(transaction, kit_id)
            transaction.void_tokens(kit_id, self._now_ms())
            self._insert_token(transaction, kit_id, secret)
            transaction.append_log(self._now_ms(), name_user(), "provisioning:token:issue", kit_id)
        return text

    def enrol(self, kit_id: str, secret: bytes, csr_der: bytes, *, who: str) -> x509.Certificate:
        """Use the token for the key of the request and issue its certificate.

        The same token with the same key gives the same certificate again: an answer lost on the way
        does not cost the kit its token.

        Raises:
            UnknownTokenError, TokenSpentError, KitRevokedError: the token opens nothing.
            BadRequestError: the signing request is not one for this kit; the token stays unused.
        """
        secret_hash = hash_secret(kit_id, secret)
        with self._transaction() as transaction:
            token = transaction.find_token(secret_hash, kit_id)
            if token is None:
                raise UnknownTokenError(
                    f"No such token was issued for {kit_id[:32]!r}; check kit and token, or issue a new one."
                )
            get_working_kit(transaction, kit_id)
            key = check_signing_request(csr_der, kit_id)
            digest = key_digest(key)
            if not transaction.use_token(secret_hash, kit_id, digest, self._now_ms()):
                if token.used_for_key == digest:
                    return get_issued(transaction, kit_id, digest)
                raise TokenSpentError(spent_reason(token.used_at_ms, token.voided_at_ms))
            certificate = self._issue(transaction, kit_id, key)
            transaction.append_log(self._now_ms(), who, "provisioning:kit:enrol", kit_id, serial_text(certificate))
        return certificate

    def renew(self, serial: str, csr_der: bytes, *, who: str) -> x509.Certificate:
        """Issue the next certificate to the kit whose certificate `serial` opened the connection.

        Raises:
            UnknownCertificateError, KitRevokedError, TooManyRenewalsError, BadRequestError
            CertificateSupersededError, TooManyKeysError: `provisioning.kit_keys`.
            GraceWaitingError, GraceRefusedError, CertificateExpiredError: it has expired (`provisioning.grace`).
        """
        with self._transaction() as transaction:
            kit_id, certificate = issuing.renew(transaction, self.kits_ca, serial, csr_der, now=self.clock(), who=who)
        if certificate is None:
            raise grace.explain_waiting(kit_id)
        return certificate

    def replace_card(self, kit_id: str, *, reason: str, est_url: str | None = None) -> str:
        """A known kit gets a new card: its certificates end now, its name and history stay; give its new token.

        Raises UnknownKitError, KitRevokedError, AuthorityError.
        """
        check_text("reason", reason, limit=200)
        secret = secrets.token_bytes(SECRET_BYTES)
        text = self._token_text(kit_id, secret, est_url)
        with self._transaction() as transaction:
            get_working_kit(transaction, kit_id)
            ended = transaction.revoke_certificates(kit_id, self._now_ms())
            transaction.void_tokens(kit_id, self._now_ms())
            transaction.delete_grace(kit_id)
            self._insert_token(transaction, kit_id, secret)
            transaction.count_change()
            detail = f"{reason}; ended: {', '.join(ended) or 'none'}"
            transaction.append_log(self._now_ms(), name_user(), "provisioning:kit:reimage", kit_id, detail)
        self.handover.publish_registry(self.clock())
        return text

    def issue_credentials(self, kit_ids: Sequence[str], *, court_code: str) -> list[KitCredentials]:
        """Add many kits with keys made here, in one transaction and one handover: for load tests."""
        made = []
        with self._transaction() as transaction:
            for kit_id in kit_ids:
                self._insert_kit(transaction, kit_id, court_code, kit_id, kit_id)
                key = make_key()
                certificate = self._issue(transaction, kit_id, key.public_key())
                chain = chain_pem(certificate, self.kits_ca.certificate)
                made.append(KitCredentials(kit_id, key_pem(key), chain))
            subject = f"{len(made)} kits"
            transaction.append_log(self._now_ms(), name_user(), "provisioning:credentials:issue", subject)
        self.handover.publish_registry(self.clock())
        return made

    def revoke(self, kit_id: str, *, reason: str) -> None:
        """Revoke a kit, its certificates and tokens; raises UnknownKitError, KitRevokedError."""
        check_text("reason", reason, limit=200)
        with self._transaction() as transaction:
            get_working_kit(transaction, kit_id)
            transaction.revoke_kit(kit_id, reason, self._now_ms())
            transaction.count_change()
            transaction.append_log(self._now_ms(), name_user(), "provisioning:kit:revoke", kit_id, reason)
        self.handover.publish_registry(self.clock())

    def move_centre(self, folder: Path) -> None:
        """Hand over into another folder from now on; both lists are written there by the next `publish`.

        Raises NoCentreError when `folder` holds no handover folder.
        """
        if not (folder / HANDOVER_FOLDER).is_dir():
            raise NoCentreError(f"{folder} has no {HANDOVER_FOLDER}/ folder; name the folder the centre runs in.")
        replace_file(folder / HANDOVER_FOLDER / TRUST_FILE, self.read_trust_list())
        with self._transaction() as transaction:
            transaction.set_meta("centre_folder", str(folder.resolve()))
            transaction.count_change()
            transaction.append_log(self._now_ms(), name_user(), "provisioning:centre:move", str(folder.resolve()))

    def list_kits(self) -> list[KitStatus]:
        """Every kit with its state: waiting, no token, enrolled, expired or revoked."""
        with self._transaction() as transaction:
            return list_statuses(transaction, self.clock())

    def renew_servers(self, hosts: Sequence[str] = ()) -> list[str]:
        """Issue the certificates of EST and centre anew for their present keys; give the hosts they now name.

        `hosts` replaces the names they had. The services read them when they start.

        Raises OSError: a certificate cannot be read or written.
        """
        named = list(hosts)
        for path in (self.folder / "est.crt", self.centre_folder / KEYS_FOLDER / "server.crt"):
            named = renew_server_certificate(path, self.services_ca, hosts, now=self.clock())
        with self._transaction() as transaction:
            who, subject = name_user(), ",".join(named)
            transaction.append_log(self._now_ms(), who, "provisioning:servers:renew", subject)
        return named

    def _insert_kit(self, transaction: Transaction, kit_id: str, court_code: str, label: str, officer: str) -> None:
        check_kit_id(kit_id)
        check_court_code(court_code)
        check_text("label", label)
        check_text("officer", officer)
        if not transaction.insert_kit(KitRow(kit_id, court_code, label, officer, self._now_ms(), None, None)):
            raise KitExistsError(
                f"{kit_id} was added before; for a new token run `zhixing-provision token {kit_id}`."
            )
        transaction.count_change()

    def _insert_token(self, transaction: Transaction, kit_id: str, secret: bytes) -> None:
        now = self.clock()
        expires_ms = int((now + TOKEN_LIFE).timestamp() * 1000)
        transaction.insert_token(hash_secret(kit_id, secret), kit_id, self._now_ms(), expires_ms)

    def _token_text(self, kit_id: str, secret: bytes, est_url: str | None) -> str:
        return make_token(
            EnrolmentToken(check_kit_id(kit_id), est_url or self.est_url, self.root_fingerprint(), secret)
        )

    def _issue(self, transaction: Transaction, kit_id: str, key: EllipticCurvePublicKey) -> x509.Certificate:
        return issuing.issue(transaction, self.kits_ca, kit_id, key, now=self.clock())

    def _now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)

    def _transaction(self) -> AbstractContextManager[Transaction]:
        return open_transaction(self.folder / STATE_FILE)


def _load(folder: Path, name: str) -> Issuer:
    return load_issuer((folder / f"{name}.crt").read_bytes(), (folder / f"{name}.key").read_bytes())
