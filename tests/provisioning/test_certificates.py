"""Certificates as real openssl reads them, and signing requests that must be refused."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from contract.names import BadNameError
from provisioning.certificates import (
    KIT_LIFE,
    KITS_CA_NAME,
    MAX_CSR_BYTES,
    SERVICES_CA_NAME,
    BadRequestError,
    Issuer,
    chain_pem,
    check_signing_request,
    issue_kit_certificate,
    issue_server_certificate,
    key_pem,
    load_issuer,
    make_intermediate,
    make_key,
    make_root,
)
from tests.provisioning.kit_side import make_request

NOW = datetime.now(UTC)
KIT = "dl-2901-01"


class Tree:
    """Root, both authorities, one kit and one server, as files for openssl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = make_root(NOW)
        self.kits_ca = make_intermediate(self.root, KITS_CA_NAME, for_servers=False, now=NOW)
        self.services_ca = make_intermediate(self.root, SERVICES_CA_NAME, for_servers=True, now=NOW)
        self.kit = issue_kit_certificate(self.kits_ca, KIT, make_key().public_key(), now=NOW, life=KIT_LIFE)
        self.server = issue_server_certificate(
            self.services_ca, ["centre.example", "10.1.2.3"], make_key().public_key(), now=NOW
        )
        for name in ("root", "kits_ca", "services_ca"):
            self.write(name, getattr(self, name).certificate)
        self.write("kit", self.kit)
        self.write("server", self.server)

    def write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self.folder / f"{name}.pem"
        path.write_bytes(chain_pem(certificate))
        return path

    def verify(self, leaf: str, through: str, purpose: str, *more: str) -> bool:
        command = [
            "openssl", "verify", "-x509_strict", "-CAfile", self.folder / "root.pem",
            "-untrusted", self.folder / f"{through}.pem", "-purpose", purpose, *more, self.folder / f"{leaf}.pem",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def text(self, name: str) -> str:
        command = ["openssl", "x509", "-noout", "-text", "-in", self.folder / f"{name}.pem"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


class TestChainsInOpenssl:
    def test_kit_is_a_client_only(self, tree: Tree) -> None:
        assert tree.verify("kit", "kits_ca", "sslclient")
        assert not tree.verify("kit", "kits_ca", "sslserver")
        assert not tree.verify("kit", "services_ca", "sslclient")

    def test_server_is_a_server_at_its_hosts(self, tree: Tree) -> None:
        for host in ("centre.example", "localhost"):
            assert tree.verify("server", "services_ca", "sslserver", "-verify_hostname", host)
        for address in ("10.1.2.3", "127.0.0.1"):
            assert tree.verify("server", "services_ca", "sslserver", "-verify_ip", address)
        assert not tree.verify("server", "services_ca", "sslserver", "-verify_hostname", "other.example")

    def test_kits_ca_can_make_no_server_and_no_authority(self, tree: Tree) -> None:
        tree.write("bad", issue_server_certificate(tree.kits_ca, ["x"], make_key().public_key(), now=NOW))
        assert not tree.verify("bad", "kits_ca", "sslserver")
        below = make_intermediate(tree.kits_ca, "below", for_servers=False, now=NOW)
        leaf = issue_kit_certificate(below, KIT, make_key().public_key(), now=NOW, life=KIT_LIFE)
        both = tree.folder / "both.pem"
        both.write_bytes(chain_pem(below.certificate, tree.kits_ca.certificate))
        tree.write("leaf", leaf)
        assert not tree.verify("leaf", "both", "sslclient")

    def test_what_a_kits_certificate_says(self, tree: Tree) -> None:
        text = tree.text("kit")
        assert f"CN = {KIT}" in text
        assert f"URI:urn:zhixing:kit:{KIT}" in text
        assert "NIST CURVE: P-256" in text
        assert "ecdsa-with-SHA256" in text
        assert "CA:FALSE" in text
        assert tree.kit.not_valid_after_utc - NOW.replace(microsecond=0) == KIT_LIFE
        assert tree.kit.not_valid_before_utc <= NOW - timedelta(hours=23)

    def test_path_lengths(self, tree: Tree) -> None:
        assert "pathlen:1" in tree.text("root")
        assert "pathlen:0" in tree.text("kits_ca")
        assert "pathlen:0" in tree.text("services_ca")


class TestIssuing:
    @pytest.mark.parametrize("kit_id", ["*", "a.b.c", ">", "", "Kit-01", "x" * 40])
    def test_wild_kit_ids(self, tree: Tree, kit_id: str) -> None:
        with pytest.raises(BadNameError):
            issue_kit_certificate(tree.kits_ca, kit_id, make_key().public_key(), now=NOW, life=KIT_LIFE)

    def test_serials_differ_and_are_long(self, tree: Tree) -> None:
        key = make_key().public_key()
        serials = {
            issue_kit_certificate(tree.kits_ca, KIT, key, now=NOW, life=KIT_LIFE).serial_number for _ in range(50)
        }
        assert len(serials) == 50
        assert max(serials).bit_length() > 140

    def test_issuer_files_must_belong_together(self, tree: Tree) -> None:
        pair: Issuer = load_issuer(chain_pem(tree.root.certificate), key_pem(tree.root.key))
        assert pair.certificate == tree.root.certificate
        with pytest.raises(ValueError, match="belong together"):
            load_issuer(chain_pem(tree.root.certificate), key_pem(tree.kits_ca.key))


class TestSigningRequests:
    def test_good(self) -> None:
        key = make_key()
        assert check_signing_request(make_request(KIT, key), KIT) == key.public_key()

    def test_openssls_own(self, tmp_path: Path) -> None:
        command = [
            "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={KIT}", "-outform", "DER", "-keyout", tmp_path / "key", "-out", tmp_path / "csr",
        ]  # fmt: skip
        subprocess.run(command, capture_output=True, check=True)
        assert check_signing_request((tmp_path / "csr").read_bytes(), KIT)

    @pytest.mark.parametrize("kind", ["rsa", "p384", "ed25519"])
    def test_other_keys(self, kind: str) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, KIT)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        if kind == "rsa":
            request = builder.sign(rsa.generate_private_key(65537, 2048), SHA256())
        elif kind == "p384":
            request = builder.sign(ec.generate_private_key(ec.SECP384R1()), SHA256())
        else:
            request = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
        with pytest.raises(BadRequestError, match="P-256"):
            check_signing_request(request.public_bytes(Encoding.DER), KIT)

    def test_key_that_the_sender_does_not_hold(self) -> None:
        # Another request's key under this request's signature.
        mine, theirs = make_request(KIT), make_key()
        spki = theirs.public_key().public_bytes(Encoding.X962, _uncompressed())
        own = x509.load_der_x509_csr(mine).public_key().public_bytes(Encoding.X962, _uncompressed())
        with pytest.raises(BadRequestError, match="not signed by the key"):
            check_signing_request(mine.replace(own, spki), KIT)

    @pytest.mark.parametrize("name", ["dl-2901-02", "DL-2901-01", "dl-2901-01 ", "*"])
    def test_another_kits_name(self, name: str) -> None:
        with pytest.raises(BadRequestError, match="must name dl-2901-01"):
            check_signing_request(make_request(name), KIT)

    def test_no_name_or_two(self) -> None:
        empty = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(make_key(), SHA256())
        two = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in (KIT, "dl-2901-02")])
        double = x509.CertificateSigningRequestBuilder().subject_name(two).sign(make_key(), SHA256())
        for request in (empty, double):
            with pytest.raises(BadRequestError, match="must name"):
                check_signing_request(request.public_bytes(Encoding.DER), KIT)

    @pytest.mark.parametrize("der", [b"", b"\x30\x03abc", b"x" * (MAX_CSR_BYTES + 1), bytes(500)])
    def test_nonsense(self, der: bytes) -> None:
        with pytest.raises(BadRequestError):
            check_signing_request(der, KIT)

    def test_cut_and_flipped(self) -> None:
        key = make_key()
        good = make_request(KIT, key)
        signed_part = len(x509.load_der_x509_csr(good).tbs_certrequest_bytes) + 4
        for at in range(len(good)):
            with pytest.raises(BadRequestError):
                check_signing_request(good[:at], KIT)
            flipped = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
            try:
                found = check_signing_request(flipped, KIT)
            except BadRequestError:
                continue
            # The count of unused bits of the signature's own wrapping has a second spelling.
            assert at > signed_part
            assert found == key.public_key()


def _uncompressed():
    from cryptography.hazmat.primitives.serialization import PublicFormat

    return PublicFormat.UncompressedPoint
