"""A kit whose signing key is in a token, from enrolment to a verified package; the token is pulled in between."""

import subprocess

import pytest
from cryptography import x509
from sqlmodel import select

from central.base.settings import load_settings
from central.courts.permissions import Actor
from central.evidence.export import export_package
from central.evidence.models import Recording
from contract import chain
from contract.signing import BadSignatureError, Signed
from demo.children import script
from edge.spool import open_spool
from tests.fakes.soft_token import make_token, put_in, take_out
from tests.journeys.conftest import make_part

pytestmark = pytest.mark.journey


def read_state(stand, part, key):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.state.get(key)


def records_of(stand, part):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return [
            Signed(record.body, record.sig)
            for recording_id in spool.vault.newest_recordings(10)
            for record in spool.vault.list_records(recording_id)
        ]


def is_signed(record, key):
    from contract.signing import verify_p256

    try:
        verify_p256(key, chain.DOMAIN, record.body, record.sig)
    except BadSignatureError:
        return False
    return True


def verify_package(stand, recording_id, target):
    """Export as a commander does and let the stand-alone verifier judge it against the authority."""
    settings = load_settings(stand.stage.centre_config, environ={})
    actor = Actor("export-1", "export-commander", "样例指挥长", "commander", "云29")
    export_package(stand.store, settings, actor, recording_id=recording_id, purpose="样例", target=target)
    anchor = stand.stage.authority_dir / "root.crt"
    command = [script("zhixing-verify"), str(target), "--anchor", str(anchor)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_token_signs_evidence_and_without_it_nothing_is_recorded(stand, tmp_path, monkeypatch):
    keys = make_token(tmp_path / "hsm", monkeypatch)
    part = make_part(stand, "dl-token-01")
    folder = stand.stage.kit_dir(part)
    enrol = [script("zhixing-kit"), "enrol", stand.stage.add_kit(part), "--data", str(folder), "--pkcs11"]
    enrol += [keys.pkcs11_module, "--token-label", keys.token_label, "--pin-file", keys.pin_file]
    done = subprocess.run(enrol, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = {"pkcs11_module": keys.pkcs11_module, "token_label": keys.token_label, "pin_file": keys.pin_file}
    assert "[keys]" in (folder / "kit.toml").read_text()
    stand.start_kit(part, keys=table)

    def joined():
        with stand.store.read() as session:
            query = select(Recording).where(Recording.kit_id == part.kit_id)
            return [row for row in session.exec(query).all() if row.stored_count >= 2]

    stand.wait_until(lambda: bool(joined()), "segments signed by the token at the centre", timeout_s=60)
    signing = x509.load_pem_x509_certificate((folder / "signing.crt").read_bytes())
    device = x509.load_pem_x509_certificate((folder / "device.crt").read_bytes())
    assert signing.public_key() != device.public_key()
    assert {row.serial for row in joined()} == {f"{signing.serial_number:x}"}
    records = records_of(stand, part)
    assert len(records) >= 3
    assert all(is_signed(record, signing.public_key()) for record in records)
    assert not any(is_signed(record, device.public_key()) for record in records)

    package = tmp_path / "package.zip"
    verified = verify_package(stand, joined()[0].id, package)
    assert verified.returncode == 0, verified.stdout + verified.stderr

    stand.end_child(part.kit_id)
    take_out(tmp_path / "hsm")
    held = len(records_of(stand, part))
    stand.start_kit(part, keys=table)
    stand.wait_until(
        lambda: (read_state(stand, part, "recorder_status") or {}).get("state") == "key_fault",
        "the recorder to state that no key signs",
        timeout_s=30,
    )
    assert "is not there" in read_state(stand, part, "recorder_status")["note"]

    def alarmed():
        with stand.store.read() as session:
            from central.incidents.models import AlarmRecord

            notes = session.exec(select(AlarmRecord.note).where(AlarmRecord.kind == "fault")).all()
        return any(note.startswith("signing_key: ") for note in notes)

    stand.wait_until(alarmed, "the fault at the centre", timeout_s=30)
    assert len(records_of(stand, part)) == held, "nothing is recorded unsigned"
    stand.end_child(part.kit_id)
    put_in(tmp_path / "hsm")
    stand.start_kit(part, keys=table)
    stand.wait_until(lambda: len(records_of(stand, part)) > held, "the recorder to record again", timeout_s=60)
    stand.end_child(part.kit_id)
