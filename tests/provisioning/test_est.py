"""EST over real TLS, as a kit and as an attacker sees it."""

import base64
import hashlib
import logging
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from contract import trust
from contract.enrolment import parse_token
from provisioning import listener
from provisioning.authority import Authority
from provisioning.certificates import chain_pem, issue_server_certificate, key_pem, make_key, serial_text
from provisioning.est import MAX_BODY_BYTES
from tests.provisioning.kit_side import (
    Caller,
    MovingClock,
    add,
    caller_with,
    make_request,
    serving,
    tls_of,
)
from tests.waiting import wait_until

KIT = "dl-2901-01"


def registered_serials(desk: Authority) -> list[str]:
    key = desk.root.certificate.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    data = (desk.centre_folder / "handover/registry.cbor").read_bytes()
    return [serial for entry in trust.verify_registry(key, data).kits for serial in entry.serials]


class TestCertificatesAndLists:
    def test_cacerts_in_openssl(self, caller: Caller, desk: Authority) -> None:
        reply = caller.call("GET", "/.well-known/est/cacerts")
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/pkcs7-mime"
        assert reply.headers["Content-Transfer-Encoding"] == "base64"
        issuers = (desk.root, desk.kits_ca, desk.services_ca)
        assert reply.certificates() == [issuer.certificate for issuer in issuers]
        command = ["openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout"]
        done = subprocess.run(command, input=base64.b64decode(reply.body), capture_output=True, check=True)
        assert [line for line in done.stdout.decode().splitlines() if line.startswith("subject")] == [
            "subject=O = Zhixing, CN = Zhixing Device Authority",
            "subject=O = Zhixing, CN = Zhixing kits-ca",
            "subject=O = Zhixing, CN = Zhixing services-ca",
        ]

    def test_root_matches_the_fingerprint_of_a_token(self, caller: Caller, desk: Authority) -> None:
        # First contact: nothing is known but the token, so TLS cannot be checked yet.
        token = parse_token(desk.add_kit(KIT, court_code="云2901", label="x", officer="y"))
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        reply = Caller(caller.port, unchecked).call("GET", "/zhixing/root")
        der = ssl.PEM_cert_to_DER_cert(reply.body.decode())
        assert hashlib.sha256(der).digest() == token.root_fingerprint

    def test_trust_list(self, caller: Caller, desk: Authority) -> None:
        reply = caller.call("GET", "/zhixing/trust")
        assert reply.headers["Content-Type"] == "application/cbor"
        assert trust.verify_trust_list(desk.root.key.public_key(), reply.body).epoch == 1


class TestEnrolment:
    def test_answer_is_the_certificate_alone(self, caller: Caller, desk: Authority) -> None:
        key = make_key()
        reply = caller.enrol(KIT, add(desk), make_request(KIT, key))
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
        (leaf,) = reply.certificates()
        assert leaf.public_key() == key.public_key()
        leaf.verify_directly_issued_by(desk.kits_ca.certificate)
        # The centre knows the certificate before the kit can use it.
        assert registered_serials(desk) == [serial_text(leaf)]

    @pytest.mark.system
    def test_curl(self, caller: Caller, desk: Authority, tmp_path: Path) -> None:
        # RFC 7030 as anybody's client speaks it.
        secret = add(desk)
        (tmp_path / "csr").write_bytes(base64.encodebytes(make_request(KIT)))
        command = [
            "curl", "-sS", "--fail-with-body", "--cacert", desk.folder / "root.crt", "-u", f"{KIT}:{secret.hex()}",
            "-H", "Content-Type: application/pkcs10", "-H", "Content-Transfer-Encoding: base64",
            "--data-binary", f"@{tmp_path / 'csr'}",
            f"https://127.0.0.1:{caller.port}/.well-known/est/simpleenroll",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        der = base64.b64decode(done.stdout)
        print_certs = ["openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout"]
        shown = subprocess.run(print_certs, input=der, capture_output=True, check=True).stdout.decode()
        assert f"CN = {KIT}" in shown

    def test_used_token(self, caller: Caller, desk: Authority) -> None:
        secret, key = add(desk), make_key()
        first = caller.enrol(KIT, secret, make_request(KIT, key))
        again = caller.enrol(KIT, secret, make_request(KIT))
        assert (again.status, first.status) == (403, 200)
        assert "used already" in again.sentence()
        # An answer lost on the way: the same key may ask again.
        assert caller.enrol(KIT, secret, make_request(KIT, key)).certificates() == first.certificates()

    def test_expired_token(self, caller: Caller, desk: Authority, clock: MovingClock) -> None:
        secret = add(desk)
        clock.move(days=3)
        reply = caller.enrol(KIT, secret, make_request(KIT))
        assert reply.status == 403
        assert "expired" in reply.sentence()

    def test_wrong_secret(self, caller: Caller, desk: Authority) -> None:
        add(desk)
        reply = caller.enrol(KIT, bytes(16), make_request(KIT))
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
        assert "token" in reply.sentence()

    def test_request_for_another_kit(self, caller: Caller, desk: Authority) -> None:
        secret = add(desk)
        add(desk, "dl-2901-02")
        reply = caller.enrol(KIT, secret, make_request("dl-2901-02"))
        assert reply.status == 400
        assert "must name dl-2901-01" in reply.sentence()
        assert registered_serials(desk) == []

    def test_revoked(self, caller: Caller, desk: Authority) -> None:
        secret = add(desk)
        desk.revoke(KIT, reason="lost")
        reply = caller.enrol(KIT, secret, make_request(KIT))
        assert reply.status == 403
        assert "revoked" in reply.sentence()

    @pytest.mark.parametrize(
        "authorization",
        ["", "Basic", "Basic !!!", "Bearer abc", "Basic " + base64.b64encode(b"*:00").decode(), "Basic \u00ff"],
    )
    def test_no_usable_credentials(self, caller: Caller, authorization: str) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        reply = caller.call("POST", "/.well-known/est/simpleenroll", b"", **headers)
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].startswith("Basic ")
        assert reply.sentence()

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"", "application/pkcs10", 400),
            (b"no base64 !!!", "application/pkcs10", 400),
            (b"AAAA", "application/pkcs10", 400),
            (b"AAAA", "text/plain", 415),
            (b"A" * (MAX_BODY_BYTES + 1), "application/pkcs10", 413),
            (b"A" * 200_000, "application/pkcs10", 413),
        ],
    )
    def test_unusable_bodies(
        self, caller: Caller, desk: Authority, body: bytes, content_type: str, status: int
    ) -> None:
        secret = add(desk)
        credentials = base64.b64encode(f"{KIT}:{secret.hex()}".encode()).decode()
        reply = caller.call(
            "POST",
            "/.well-known/est/simpleenroll",
            body,
            Content_Type=content_type,
            Authorization=f"Basic {credentials}",
        )
        assert reply.status == status
        assert reply.sentence()
        # The token was not spent on it.
        assert caller.enrol(KIT, secret, make_request(KIT)).status == 200


class TestRenewal:
    def enrolled(self, caller: Caller, desk: Authority, folder: Path) -> tuple[Caller, x509.Certificate]:
        key = make_key()
        (leaf,) = caller.enrol(KIT, add(desk), make_request(KIT, key)).certificates()
        return caller_with(desk, caller.port, folder, leaf, key), leaf

    def test_with_the_present_certificate(self, caller: Caller, desk: Authority, tmp_path: Path) -> None:
        kit, old = self.enrolled(caller, desk, tmp_path)
        key = make_key()
        reply = kit.renew(make_request(KIT, key))
        assert reply.status == 200
        (new,) = reply.certificates()
        assert new.public_key() == key.public_key()
        assert set(registered_serials(desk)) == {serial_text(old), serial_text(new)}

    def test_without_a_certificate(self, caller: Caller) -> None:
        reply = caller.renew(make_request(KIT))
        assert reply.status == 403
        assert "certificate" in reply.sentence()

    def test_revoked_kit(self, caller: Caller, desk: Authority, tmp_path: Path) -> None:
        kit, _ = self.enrolled(caller, desk, tmp_path)
        desk.revoke(KIT, reason="lost")
        reply = kit.renew(make_request(KIT))
        assert reply.status == 403
        assert "revoked" in reply.sentence()

    def test_request_for_another_kit(self, caller: Caller, desk: Authority, tmp_path: Path) -> None:
        kit, _ = self.enrolled(caller, desk, tmp_path)
        add(desk, "dl-2901-02")
        assert kit.renew(make_request("dl-2901-02")).status == 400

    def test_too_often(self, caller: Caller, desk: Authority, tmp_path: Path) -> None:
        kit, _ = self.enrolled(caller, desk, tmp_path)
        request = make_request(KIT)
        statuses = [kit.renew(request) for _ in range(11)]
        assert [reply.status for reply in statuses[:10]] == [200] * 10
        assert statuses[-1].status == 429
        assert int(statuses[-1].headers["Retry-After"]) > 0

    def test_certificates_of_others_do_not_open_the_door(
        self, caller: Caller, desk: Authority, tmp_path: Path
    ) -> None:
        key = make_key()
        service = issue_server_certificate(desk.services_ca, [KIT], key.public_key(), now=desk.clock())
        (tmp_path / "x.crt").write_bytes(chain_pem(service, desk.services_ca.certificate))
        (tmp_path / "x.key").write_bytes(key_pem(key))
        tls = tls_of(desk)
        tls.load_cert_chain(tmp_path / "x.crt", tmp_path / "x.key")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Caller(caller.port, tls).renew(make_request(KIT))

    def test_certificate_unknown_to_the_authority(self, caller: Caller, desk: Authority, tmp_path: Path) -> None:
        # Signed by the kits' CA, but in no record: made with a stolen key, or from a lost state.
        from provisioning.certificates import KIT_LIFE, issue_kit_certificate

        key = make_key()
        leaf = issue_kit_certificate(desk.kits_ca, KIT, key.public_key(), now=desk.clock(), life=KIT_LIFE)
        reply = caller_with(desk, caller.port, tmp_path, leaf, key).renew(make_request(KIT))
        assert reply.status == 403
        assert "not issued here" in reply.sentence()


class TestManners:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 404),
            ("POST", "/zhixing/root", 405),
            ("GET", "/.well-known/est/simpleenroll", 405),
            ("GET", "/../../etc/passwd", 404),
        ],
    )
    def test_other_paths(self, caller: Caller, method: str, path: str, status: int) -> None:
        reply = caller.call(method, path, b"" if method == "POST" else None)
        assert reply.status == status
        assert reply.sentence()
        assert (status == 405) == ("Allow" in reply.headers)

    def test_says_nothing_of_versions(self, caller: Caller) -> None:
        server = caller.call("GET", "/zhixing/root").headers["Server"]
        assert server == "zhixing-est"

    def test_old_tls_is_refused(self, caller: Caller) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        tls.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Caller(caller.port, tls).call("GET", "/zhixing/root")

    def test_plain_http_does_not_stop_the_server(self, caller: Caller) -> None:
        with socket.create_connection(("127.0.0.1", caller.port), timeout=5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)
        assert caller.call("GET", "/zhixing/root").status == 200

    def test_silent_and_slow_clients_are_cut_at_the_deadline(self, desk: Authority) -> None:
        with serving(desk, deadline_s=0.3) as server:
            silent = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            slow = tls_of(desk).wrap_socket(
                socket.create_connection(("127.0.0.1", server.port), timeout=5), server_hostname="127.0.0.1"
            )
            with silent, slow:
                slow.sendall(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nX-Slow: ")
                # Each byte comes in time; the whole never does.
                assert wait_until(lambda: _is_cut(slow, b"a"), timeout_s=5)
                assert silent.recv(10) == b""

    def test_a_crowd_is_told_to_come_back(self, desk: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listener, "MAX_SERVED", 1)
        with serving(desk) as server:
            held = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            with held:
                wait_until(lambda: len(server._open) == 1)
                reply = Caller(server.port, tls_of(desk)).call("GET", "/zhixing/root")
                assert reply.status == 503
                assert int(reply.headers["Retry-After"]) > 0
                assert "busy" in reply.sentence()
            wait_until(lambda: not server._open)
            assert Caller(server.port, tls_of(desk)).call("GET", "/zhixing/root").status == 200

    def test_more_than_a_crowd_is_not_heard(self, desk: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
        with serving(desk) as server:
            address = ("127.0.0.1", server.port)
            with socket.create_connection(address, timeout=5), socket.create_connection(address, timeout=5):
                wait_until(lambda: len(server._open) == 2)
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    Caller(server.port, tls_of(desk)).call("GET", "/zhixing/root")
            wait_until(lambda: not server._open)
            assert Caller(server.port, tls_of(desk)).call("GET", "/zhixing/root").status == 200

    def test_twenty_kits_at_once(self, caller: Caller, desk: Authority) -> None:
        kit_ids = [f"dl-2901-{number:02d}" for number in range(20)]
        secrets = {kit_id: add(desk, kit_id) for kit_id in kit_ids}
        replies: dict[str, int] = {}

        def enrol(kit_id: str) -> None:
            replies[kit_id] = caller.enrol(kit_id, secrets[kit_id], make_request(kit_id)).status

        threads = [threading.Thread(target=enrol, args=(kit_id,)) for kit_id in kit_ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(replies.values()) == {200}
        wait_until(lambda: len(registered_serials(desk)) == len(kit_ids))


class TestHandover:
    def test_a_centre_out_of_reach_does_not_stop_enrolment(
        self, desk: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("provisioning.est.HANDOVER_RETRY_S", 0.05)
        secret = add(desk)
        folder = desk.centre_folder / "handover"
        with serving(desk) as server, caplog.at_level(logging.ERROR):
            folder.rename(tmp_path / "away")
            reply = Caller(server.port, tls_of(desk)).enrol(KIT, secret, make_request(KIT))
            assert reply.status == 200
            assert "cannot be written" in caplog.text
            (tmp_path / "away").rename(folder)
            # The server itself makes up for it.
            wait_until(lambda: registered_serials(desk) == [serial_text(reply.certificates()[0])])


def _is_cut(connection: ssl.SSLSocket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return True
    return False
