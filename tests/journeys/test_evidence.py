"""A film and a position log that no one here made go in at a kit and come out seen, proven and opened."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlmodel import func, select

from central.devices.models import Kit, Position
from central.evidence.models import Recording
from contract import envelope, segment
from demo.children import script
from edge.spool import open_spool
from tests.foreign_media import get_film, get_nmea_log
from tests.journeys.conftest import keys_folder, make_part, site

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.system]


@pytest.fixture(scope="module")
def filmed(stand):
    """A kit that recorded the film along the boat's track, stopped by its officer, all receipted."""
    part = make_part(stand, "dl-film-01")
    stand.enrol_kit(part)
    stand.start_kit(
        part,
        camera={
            "kind": "pyav",
            "address": str(get_film()),
            "loop": True,
            "realtime": True,
            # The film's key frames are further apart than a segment, so the kit encodes it anew at its own size.
            "width": 1280,
            "height": 720,
            "fps": 25,
        },
        position={"source": "track", "track": str(get_nmea_log()), "speed": 1.0},
    )
    stand.wait_until(lambda: stored_segments(stand, part) >= 5, "five segments at the centre", timeout_s=60)
    stand.press(part.kit_id, "record")
    stand.wait_until(lambda: is_complete(find_recording(stand, part)), "the whole recording", timeout_s=60)
    return part


def test_the_kit_deletes_only_what_is_receipted_and_then_does(stand, filmed):
    folder = stand.stage.kit_dir(filmed)

    def is_empty():
        return not list((folder / "vault").rglob("*.age"))

    stand.wait_until(is_empty, "the vault to be emptied after the receipts", timeout_s=30)
    with open_spool(folder / "spool.db") as spool:
        assert spool.vault.count_pending() == 0


def test_the_boats_positions_are_on_the_screen(stand, filmed, page):
    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == filmed.kit_id)).one()
        rows = session.exec(select(Position).where(Position.kit_no == kit.kit_no)).all()
    assert len(rows) >= 5
    assert all(60.0 < row.lat < 60.2 and 23.4 < row.lon < 23.7 for row in rows), "Gulf of Finland, as the log says"
    page.goto(f"{site(stand)}/kits/{filmed.kit_id}")
    expect(page.locator("body")).to_contain_text("60.08")


def test_the_recording_plays_in_the_browser_after_a_purpose_is_given(stand, filmed, page):
    recording = find_recording(stand, filmed)
    page.goto(f"{site(stand)}/recordings/{recording.id}")
    page.fill("#purpose", "端到端测试")
    page.locator("#veil button").click()
    at = "document.querySelector('video').currentTime"
    stand.wait_until(lambda: page.evaluate(at) > 2.5, "the film to play", timeout_s=30)
    size = page.evaluate("[document.querySelector('video').videoWidth, document.querySelector('video').videoHeight]")
    assert size == [1280, 720]
    assert page.evaluate("document.querySelector('video').webkitAudioDecodedByteCount") > 0, "the film has sound"


def test_an_export_is_proven_without_a_key_and_only_against_the_anchor(stand, filmed, page, tmp_path):
    recording = find_recording(stand, filmed)
    page.goto(f"{site(stand)}/recordings/{recording.id}")
    page.fill("#export-purpose", "端到端测试")
    with page.expect_download() as waiting:
        page.locator("form[action$='/export'] button").click()
    package = tmp_path / "package.zip"
    waiting.value.save_as(package)
    anchor = stand.stage.authority_dir / "root.crt"
    proven = verify(package, "--anchor", str(anchor))
    assert proven.returncode == 0, proven.stdout + proven.stderr
    unproven = verify(package)
    assert unproven.returncode == 3, unproven.stdout + unproven.stderr
    data = bytearray(package.read_bytes())
    data[len(data) // 2] ^= 1
    broken = tmp_path / "broken.zip"
    broken.write_bytes(data)
    assert verify(broken, "--anchor", str(anchor)).returncode in (1, 2)


def test_a_segment_opens_with_debians_age_and_the_right_identity_only(stand, filmed, tmp_path):
    (stored,) = sorted((stand.stage.centre_dir / "data").rglob(f"{find_recording(stand, filmed).id}/*.age"))[:1]
    clear = tmp_path / "clear"
    identity = keys_folder(stand) / "centre.age"
    done = subprocess.run(["age", "-d", "-i", identity, "-o", clear, stored], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    header, film = segment.split_plaintext(clear.read_bytes())
    assert header.recording_id.hex() == find_recording(stand, filmed).id
    assert film[4:8] == b"ftyp"
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    stranger = tmp_path / "stranger"
    stranger.write_text(envelope.identity_to_text(X25519PrivateKey.generate()))
    assert subprocess.run(["age", "-d", "-i", stranger, stored], capture_output=True, check=False).returncode != 0


def verify(package: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script("zhixing-verify"), str(package), *options], capture_output=True, text=True, check=False
    )


def find_recording(stand, part):
    with stand.store.read() as session:
        rows = session.exec(select(Recording).where(Recording.kit_id == part.kit_id)).all()
    return max(rows, key=lambda row: row.stored_count) if rows else None


def is_complete(recording):
    return bool(recording and recording.closed_ms is not None and recording.stored_count == recording.segment_count)


def stored_segments(stand, part):
    with stand.store.read() as session:
        total = session.exec(select(func.sum(Recording.stored_count)).where(Recording.kit_id == part.kit_id)).one()
    return total or 0
