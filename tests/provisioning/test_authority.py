"""The authority's acts: founding once, tokens used once, revocations handed over for certain."""

import sqlite3
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from contract import envelope, lost, trust
from contract.enrolment import parse_token
from contract.names import BadNameError
from contract.signing import BadSignatureError
from provisioning import acting, authority, cli
from provisioning.authority import Authority
from provisioning.certificates import BadRequestError, make_key, serial_text
from provisioning.destruction import permit_destruction
from provisioning.escrow import EscrowPlaceError, WeakPassphraseError
from provisioning.foundation import AlreadyFoundedError
from provisioning.handover import HandoverError
from provisioning.rules import (
    MAX_RENEWALS_A_DAY,
    AuthorityError,
    CertificateSupersededError,
    KitExistsError,
    KitRevokedError,
    NoAuthorityError,
    NoCentreError,
    TokenSpentError,
    TooManyKeysError,
    TooManyRenewalsError,
    UnknownCertificateError,
    UnknownKitError,
    UnknownTokenError,
)
from provisioning.state import open_transaction
from tests.provisioning.kit_side import PASSPHRASE, MovingClock, add, make_request

KIT = "dl-2901-01"


def registry_of(desk: Authority) -> trust.Registry:
    """The registry as the centre reads it, checked with the root it was given."""
    root = x509.load_pem_x509_certificate((desk.centre_folder / "keys/root.crt").read_bytes())
    key = root.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    return trust.verify_registry(key, (desk.centre_folder / "handover/registry.cbor").read_bytes())


def entry_of(desk: Authority, kit_id: str = KIT) -> trust.KitEntry:
    (entry,) = [entry for entry in registry_of(desk).kits if entry.kit_id == kit_id]
    return entry


class TestFounding:
    def test_everything_is_there(self, desk: Authority) -> None:
        found = {str(path.relative_to(desk.folder)) for path in desk.folder.iterdir()}
        assert found >= {
            "root.crt", "root.key", "kits-ca.crt", "kits-ca.key", "services-ca.crt", "services-ca.key",
            "est.crt", "est.key", "state.db", "registry.cbor", "trust.cbor",
        }  # fmt: skip
        keys = {path.name for path in (desk.centre_folder / "keys").iterdir()}
        assert keys == {
            "server.crt", "server.key", "kits-ca.crt", "services-ca.crt", "root.crt", "centre.age", "receipt.key",
        }  # fmt: skip
        handed = {path.name for path in (desk.centre_folder / "handover").iterdir()}
        assert handed == {"registry.cbor", "registry-zone.cbor", "trust.cbor"}

    def test_secrets_are_private(self, desk: Authority, tmp_path: Path) -> None:
        secrets = [path for path in tmp_path.rglob("*") if path.suffix in (".key", ".age", ".db")]
        assert len(secrets) == 9
        assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}

    def test_no_authority_key_reaches_the_centre(self, desk: Authority) -> None:
        assert {path.name for path in desk.centre_folder.rglob("*.key")} == {"server.key", "receipt.key"}

    def test_trust_list_names_centre_escrow_and_receipt_key(self, desk: Authority, tmp_path: Path) -> None:
        key = desk.root.key.public_key()
        listed = trust.verify_trust_list(key, (desk.centre_folder / "handover/trust.cbor").read_bytes())
        assert listed.epoch == 1
        (centre,) = envelope.identities_from_file_text((desk.centre_folder / "keys/centre.age").read_text())
        text = pyrage.passphrase.decrypt((tmp_path / "escrow.age").read_bytes(), PASSPHRASE).decode()
        (escrow,) = envelope.identities_from_file_text(text)
        assert listed.recipients == [envelope.recipient_to_text(item.public_key()) for item in (centre, escrow)]
        receipt = load_pem_private_key((desk.centre_folder / "keys/receipt.key").read_bytes(), None)
        assert isinstance(receipt, Ed25519PrivateKey)
        assert listed.receipt_keys == [receipt.public_key().public_bytes_raw()]

    def found_again(self, folder: Path, **changes: object) -> None:
        options: dict[str, object] = {
            "centre_folder": folder / "other-centre",
            "escrow_file": folder / "other.age",
            "passphrase": PASSPHRASE,
            "hosts": ["127.0.0.1"],
            "est_url": "https://127.0.0.1:1",
            "work_factor": 10,
        }
        authority.create(folder / "other", **(options | changes))  # type: ignore[arg-type]

    @pytest.mark.parametrize("taken", ["centre_folder", "escrow_file"])
    def test_overwrites_nothing(self, desk: Authority, tmp_path: Path, taken: str) -> None:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        place = {"centre_folder": desk.centre_folder, "escrow_file": tmp_path / "escrow.age"}[taken]
        with pytest.raises(AlreadyFoundedError, match="exists already"):
            self.found_again(tmp_path, **{taken: place})
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    def test_authority_folder_in_use(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "root.key").write_text("precious")
        with pytest.raises(AlreadyFoundedError):
            self.found_again(tmp_path)
        assert [path.name for path in tmp_path.rglob("*")] == ["other", "root.key"]

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"passphrase": "short"}, WeakPassphraseError),
            ({"escrow_file": "other/escrow.age"}, EscrowPlaceError),
            ({"escrow_file": "other-centre/keys/escrow.age"}, EscrowPlaceError),
            ({"hosts": ["名字"]}, ValueError),
        ],
    )
    def test_leaves_nothing_when_it_fails(
        self, tmp_path: Path, changes: dict[str, object], error: type[Exception]
    ) -> None:
        if "escrow_file" in changes:
            changes = {"escrow_file": tmp_path / str(changes["escrow_file"])}
        with pytest.raises(error):
            self.found_again(tmp_path, **changes)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_opening_what_is_no_authority(self, desk: Authority, tmp_path: Path) -> None:
        with pytest.raises(NoAuthorityError, match="init"):
            Authority(tmp_path / "nowhere")
        (desk.folder / "state.db").rename(tmp_path / "away.db")
        with pytest.raises(NoAuthorityError, match=r"state\.db"):
            Authority(desk.folder)


class TestAdding:
    def test_token_carries_what_the_kit_needs(self, desk: Authority) -> None:
        token = parse_token(desk.add_kit(KIT, court_code="云2901", label="大理01", officer="样例警官甲"))
        assert (token.kit_id, token.est_url) == (KIT, "https://127.0.0.1:8443")
        assert token.root_fingerprint == desk.root_fingerprint()

    def test_centre_learns_of_the_kit(self, desk: Authority) -> None:
        before = registry_of(desk).epoch
        add(desk)
        entry = entry_of(desk)
        assert (entry.court_code, entry.label, entry.officer) == ("云2901", "大理01", "样例警官甲")
        assert (entry.serials, entry.revoked) == ([], False)
        assert registry_of(desk).epoch == before + 1

    def test_secret_is_kept_only_as_a_hash(self, desk: Authority) -> None:
        secret = add(desk)
        for path in desk.folder.iterdir():
            data = path.read_bytes()
            assert secret not in data
            assert secret.hex().encode() not in data

    def test_twice(self, desk: Authority) -> None:
        add(desk)
        with pytest.raises(KitExistsError, match="zhixing-provision token"):
            add(desk)

    @pytest.mark.parametrize("kit_id", ["*", "a.b", "kit>", "../x", "", "a", "Dl-01", "x" * 33, "kit\n01"])
    def test_wild_kit_ids(self, desk: Authority, kit_id: str) -> None:
        with pytest.raises(BadNameError):
            add(desk, kit_id)

    @pytest.mark.parametrize(
        "changes",
        [
            {"court_code": "2901"},
            {"court_code": "云29a1"},
            {"court_code": ""},
            {"label": ""},
            {"label": "x" * 65},
            {"officer": "   "},
            {"officer": "a\x1b[31m"},
        ],
    )
    def test_wrong_fields(self, desk: Authority, changes: dict[str, str]) -> None:
        fields = {"court_code": "云2901", "label": "大理01", "officer": "样例警官甲"} | changes
        with pytest.raises(AuthorityError):
            desk.add_kit(KIT, **fields)
        assert desk.list_kits() == []


class TestEnrolling:
    def test_once(self, desk: Authority) -> None:
        secret, key = add(desk), make_key()
        certificate = desk.enrol(KIT, secret, make_request(KIT, key), who="test")
        assert certificate.public_key() == key.public_key()
        desk.handover.publish_registry(desk.clock())
        assert entry_of(desk).serials == [serial_text(certificate)]
        with pytest.raises(TokenSpentError, match="used already"):
            desk.enrol(KIT, secret, make_request(KIT), who="test")

    def test_the_same_key_gets_the_same_certificate_when_the_answer_was_lost(self, desk: Authority) -> None:
        secret, key = add(desk), make_key()
        first = desk.enrol(KIT, secret, make_request(KIT, key), who="test")
        assert desk.enrol(KIT, secret, make_request(KIT, key), who="test") == first

    def test_many_at_once_and_one_wins(self, desk: Authority) -> None:
        secret = add(desk)
        requests = [make_request(KIT) for _ in range(8)]
        start, outcomes = threading.Barrier(len(requests)), []

        def enrol(request: bytes) -> None:
            start.wait()
            try:
                outcomes.append(desk.enrol(KIT, secret, request, who="test"))
            except TokenSpentError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=enrol, args=(request,)) for request in requests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(outcome, x509.Certificate) for outcome in outcomes) == 1
        assert len(outcomes) == len(requests)

    def test_expired(self, desk: Authority, clock: MovingClock) -> None:
        secret = add(desk)
        clock.move(hours=48, seconds=1)
        with pytest.raises(TokenSpentError, match="expired"):
            desk.enrol(KIT, secret, make_request(KIT), who="test")

    def test_replaced(self, desk: Authority) -> None:
        old, new = add(desk), parse_token(desk.issue_token(KIT)).secret
        with pytest.raises(TokenSpentError, match="replaced"):
            desk.enrol(KIT, old, make_request(KIT), who="test")
        assert desk.enrol(KIT, new, make_request(KIT), who="test")

    def test_token_of_another_kit(self, desk: Authority) -> None:
        add(desk, "dl-2901-02")
        secret = add(desk)
        with pytest.raises(UnknownTokenError):
            desk.enrol("dl-2901-02", secret, make_request("dl-2901-02"), who="test")
        with pytest.raises(UnknownTokenError):
            desk.enrol("dl-2901-99", secret, make_request("dl-2901-99"), who="test")

    def test_a_bad_request_does_not_cost_the_token(self, desk: Authority) -> None:
        secret = add(desk)
        with pytest.raises(BadRequestError, match="must name dl-2901-01"):
            desk.enrol(KIT, secret, make_request("dl-2901-02"), who="test")
        assert desk.enrol(KIT, secret, make_request(KIT), who="test")

    def test_revoked_before_it_enrolled(self, desk: Authority) -> None:
        secret = add(desk)
        desk.revoke(KIT, reason="lost")
        with pytest.raises(KitRevokedError):
            desk.enrol(KIT, secret, make_request(KIT), who="test")


class TestRenewing:
    def enrolled(self, desk: Authority) -> str:
        return serial_text(desk.enrol(KIT, add(desk), make_request(KIT), who="test"))

    def test_the_old_certificate_stays_good_until_the_new_is_in_place(
        self, desk: Authority, clock: MovingClock
    ) -> None:
        old = self.enrolled(desk)
        clock.move(days=300)
        new = desk.renew(old, make_request(KIT), who="test")
        desk.handover.publish_registry(desk.clock())
        assert entry_of(desk).serials == [old, serial_text(new)]
        assert new.not_valid_after_utc > clock.now + timedelta(days=364)

    def test_unknown_or_revoked_certificate(self, desk: Authority) -> None:
        old = self.enrolled(desk)
        with pytest.raises(UnknownCertificateError):
            desk.renew("abc", make_request(KIT), who="test")
        desk.revoke(KIT, reason="lost")
        with pytest.raises(KitRevokedError):
            desk.renew(old, make_request(KIT), who="test")

    def test_not_for_another_kit(self, desk: Authority) -> None:
        old = self.enrolled(desk)
        with pytest.raises(BadRequestError, match="must name"):
            desk.renew(old, make_request("dl-2901-02"), who="test")

    def test_not_without_end(self, desk: Authority, clock: MovingClock) -> None:
        serial, request = self.enrolled(desk), make_request(KIT)
        for _ in range(MAX_RENEWALS_A_DAY):
            serial = serial_text(desk.renew(serial, request, who="test"))
        with pytest.raises(TooManyRenewalsError, match="tomorrow"):
            desk.renew(serial, request, who="test")
        clock.move(hours=25)
        assert desk.renew(serial, request, who="test")

    def test_not_for_a_third_key(self, desk: Authority) -> None:
        serial = self.enrolled(desk)
        desk.renew(serial, make_request(KIT), who="the key in its token")
        with pytest.raises(TooManyKeysError, match="new token"):
            desk.renew(serial, make_request(KIT), who="test")

    def test_not_after_another_enrolment(self, desk: Authority, clock: MovingClock) -> None:
        serial = self.enrolled(desk)
        clock.move(seconds=1)
        desk.enrol(KIT, parse_token(desk.issue_token(KIT)).secret, make_request(KIT), who="test")
        with pytest.raises(CertificateSupersededError):
            desk.renew(serial, make_request(KIT), who="an earlier card")


class TestRevoking:
    def test_centre_learns_of_it(self, desk: Authority) -> None:
        serial = serial_text(desk.enrol(KIT, add(desk), make_request(KIT), who="test"))
        before = registry_of(desk).epoch
        desk.revoke(KIT, reason="lost in the field")
        entry = entry_of(desk)
        assert (entry.revoked, entry.serials, entry.revoked_serials) == (True, [serial], [serial])
        assert registry_of(desk).epoch > before

    def test_refusals(self, desk: Authority) -> None:
        add(desk)
        with pytest.raises(UnknownKitError, match="add"):
            desk.revoke("dl-2901-99", reason="lost")
        with pytest.raises(AuthorityError, match="reason"):
            desk.revoke(KIT, reason="")
        desk.revoke(KIT, reason="lost")
        for act in (lambda: desk.revoke(KIT, reason="again"), lambda: desk.issue_token(KIT)):
            with pytest.raises(KitRevokedError):
                act()


class TestHandover:
    def test_unchanged_registry_keeps_its_epoch(self, desk: Authority) -> None:
        add(desk)
        epoch = registry_of(desk).epoch
        assert desk.handover.publish_registry(desk.clock()) == epoch == registry_of(desk).epoch

    def test_authority_keeps_a_copy(self, desk: Authority) -> None:
        add(desk)
        mine, theirs = desk.folder / "registry.cbor", desk.centre_folder / "handover/registry.cbor"
        assert mine.read_bytes() == theirs.read_bytes()

    def test_a_handover_that_failed_is_made_up_for(self, desk: Authority, tmp_path: Path) -> None:
        add(desk)
        folder = desk.centre_folder / "handover"
        folder.rename(tmp_path / "away")
        with pytest.raises(HandoverError, match="zhixing-provision publish"):
            desk.revoke(KIT, reason="lost")
        assert desk.handover.is_due()
        # What was recorded holds, whether the centre heard of it or not.
        assert [status.state for status in desk.list_kits()] == ["revoked"]
        (tmp_path / "away").rename(folder)
        desk.handover.publish_registry(desk.clock())
        assert entry_of(desk).revoked
        assert not desk.handover.is_due()

    def test_epochs_rise_under_many_hands(self, desk: Authority) -> None:
        def work(number: int) -> None:
            other = Authority(desk.folder)
            for index in range(4):
                other.add_kit(f"kit-{number}-{index}", court_code="云29", label="x", officer="y")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        registry = registry_of(desk)
        assert len(registry.kits) == 16
        assert registry.epoch >= 2
        assert not desk.handover.is_due()

    def test_centre_moves(self, desk: Authority, tmp_path: Path) -> None:
        with pytest.raises(NoCentreError):
            desk.move_centre(tmp_path)
        (tmp_path / "new/handover").mkdir(parents=True)
        desk.move_centre(tmp_path / "new")
        moved = Authority(desk.folder)
        moved.handover.publish_registry(moved.clock())
        assert (tmp_path / "new/handover/registry.cbor").read_bytes() == (desk.folder / "registry.cbor").read_bytes()
        assert (tmp_path / "new/handover/trust.cbor").read_bytes() == (desk.folder / "trust.cbor").read_bytes()


class TestServers:
    def names_of(self, path: Path) -> set[str]:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(name.value) for name in names}

    def test_renewed_for_the_same_key_and_hosts(self, desk: Authority, clock: MovingClock) -> None:
        path = desk.centre_folder / "keys/server.crt"
        before = x509.load_pem_x509_certificate(path.read_bytes())
        clock.move(days=900)
        desk.renew_servers()
        leaf, issuer = x509.load_pem_x509_certificates(path.read_bytes())
        assert leaf.public_key() == before.public_key()
        assert leaf.not_valid_after_utc - before.not_valid_after_utc == timedelta(days=900)
        leaf.verify_directly_issued_by(issuer)
        expected = {"127.0.0.1", "authority.example", "localhost"}
        assert self.names_of(path) == self.names_of(desk.folder / "est.crt") == expected

    def test_renewed_for_other_hosts(self, desk: Authority) -> None:
        desk.renew_servers(["centre.example"])
        assert self.names_of(desk.folder / "est.crt") == {"centre.example", "localhost", "127.0.0.1"}


class TestListing:
    def test_states(self, desk: Authority, clock: MovingClock) -> None:
        for kit_id in ("kit-a-enrolled", "kit-b-revoked", "kit-c-waiting"):
            secret = add(desk, kit_id)
            if kit_id == "kit-a-enrolled":
                certificate = desk.enrol(kit_id, secret, make_request(kit_id), who="test")
        desk.revoke("kit-b-revoked", reason="lost")
        listed = desk.list_kits()
        assert [status.state for status in listed] == ["enrolled", "revoked", "waiting"]
        assert listed[0].expires_at == certificate.not_valid_after_utc
        clock.move(days=3)
        assert [status.state for status in desk.list_kits()] == ["enrolled", "revoked", "no token"]
        clock.move(days=400)
        assert [status.state for status in desk.list_kits()] == ["expired", "revoked", "no token"]

    def test_credentials_for_load_tests(self, desk: Authority) -> None:
        kit_ids = [f"load-{number:03d}" for number in range(500)]
        made = desk.issue_credentials(kit_ids, court_code="云2901")
        assert [item.kit_id for item in made] == kit_ids
        assert {len(entry.serials) for entry in registry_of(desk).kits} == {1}
        assert registry_of(desk).epoch == 2


class TestLog:
    def test_every_act_leaves_a_line(self, desk: Authority) -> None:
        secret = add(desk)
        certificate = desk.enrol(KIT, secret, make_request(KIT), who="kit from 10.0.0.9")
        desk.renew(serial_text(certificate), make_request(KIT), who="kit")
        desk.issue_token(KIT)
        desk.revoke(KIT, reason="lost in the field")
        with open_transaction(desk.folder / "state.db") as transaction:
            rows = transaction.list_log()
        assert [row.what.removeprefix("provisioning:") for row in rows] == [
            "authority:found", "kit:add", "kit:enrol", "kit:renew", "token:issue", "kit:revoke",
        ]  # fmt: skip
        assert rows[2].who == "kit from 10.0.0.9"
        assert rows[-1].detail == "lost in the field"
        assert all(row.who and row.at_ms for row in rows)

    def test_who_is_the_account_not_the_environment(self, desk: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOGNAME", "somebody-else")
        monkeypatch.setenv("USER", "somebody-else")
        add(desk)
        with open_transaction(desk.folder / "state.db") as transaction:
            assert transaction.list_log()[-1].who == acting.name_user() != "somebody-else"

    @pytest.mark.parametrize("statement", ["UPDATE log SET who = 'nobody'", "DELETE FROM log"])
    def test_is_append_only(self, desk: Authority, statement: str) -> None:
        connection = sqlite3.connect(desk.folder / "state.db")
        try:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        finally:
            connection.close()


class TestPermittingDestruction:
    def test_it_names_the_keys_in_force_and_is_handed_over(self, desk: Authority) -> None:
        key = make_key()
        desk.enrol(KIT, add(desk), make_request(KIT, make_key()), who="an earlier card")
        token = parse_token(desk.replace_card(KIT, reason="new card")).secret
        desk.enrol(KIT, token, make_request(KIT, key), who="test")
        assert cli.main(["permit-destruction", KIT, "--reason", "lost", "--authority", str(desk.folder)]) == 0
        data = (desk.centre_folder / "handover" / f"destroy-{KIT}.cbor").read_bytes()
        lost.verify_permit(desk.root.certificate.public_key(), data, kit_id=KIT, key=key.public_key())
        assert lost.read_permit(data).keys == [lost.key_digest(key.public_key())]
        with pytest.raises(BadSignatureError):
            lost.verify_permit(make_key().public_key(), data, kit_id=KIT, key=key.public_key())

    def test_not_for_strangers_or_revoked_kits(self, desk: Authority) -> None:
        with pytest.raises(UnknownKitError):
            permit_destruction(desk, KIT, reason="lost")
        add(desk)
        with pytest.raises(UnknownCertificateError, match="no keys"):
            permit_destruction(desk, KIT, reason="lost")
        desk.revoke(KIT, reason="lost")
        with pytest.raises(KitRevokedError):
            permit_destruction(desk, KIT, reason="lost")
