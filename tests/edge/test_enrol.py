"""Enrolment against the real authority over real TLS, and against everything that can go wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.enrolment import EnrolmentToken, make_token, parse_token
from edge.enrol import PENDING_KEY, enrol
from edge.manager import main
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.settings import load_settings
from edge.uplink.est import EnrolmentError
from edge.uplink.renewal import Renewer, renew
from provisioning.authority import Authority, create
from provisioning.est import EstServer
from tests.fakes.small_broker import find_free_port

KIT = "dl-2901-01"


class Desk:
    """The authority at a clock the test turns, serving on loopback."""

    def __init__(self, folder: Path) -> None:
        self.skew = timedelta(0)
        self.port = find_free_port()
        self.authority: Authority = create(
            folder / "authority",
            centre_folder=folder / "centre",
            escrow_file=folder / "escrow" / "escrow.age",
            passphrase="a passphrase for a test",
            hosts=["localhost"],
            est_url=f"https://localhost:{self.port}",
            clock=lambda: datetime.now(UTC) + self.skew,
            work_factor=4,
        )
        self.server: EstServer | None = None

    def open(self) -> None:
        self.server = EstServer(self.authority, ("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self._thread.join()
            self.server = None

    def add(self, kit_id: str = KIT) -> EnrolmentToken:
        return parse_token(
            self.authority.add_kit(kit_id, court_code="云2901", label="一号执法记录仪", officer="样例警官甲")
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.open()
    yield desk
    desk.close()


def list_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


WHOLE = {"device.key", "device.crt", "root.crt", "trust.cbor", "kit.toml"}


def test_a_token_gives_a_whole_identity(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    enrol(desk.add(), folder, mqtt="centre.example:1883", court="云2901")
    assert list_files(folder) == WHOLE
    assert (folder / "device.key").stat().st_mode & 0o777 == 0o600
    identity = Identity(folder)
    assert identity.kit_id == KIT and len(identity.chain) == 2
    assert len(identity.load_trust(not_before_epoch=0).recipients) == 2
    settings = load_settings(folder / "kit.toml")
    assert (settings.kit.id, settings.kit.court) == (KIT, "云2901")
    assert (settings.mqtt.host, settings.mqtt.port) == ("centre.example", 1883)
    assert settings.door.url == "https://localhost:8443"
    assert settings.authority.url == desk.authority.est_url


def test_existing_settings_stay(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    folder.mkdir()
    (folder / "kit.toml").write_text("# my own\n")
    enrol(desk.add(), folder)
    assert (folder / "kit.toml").read_text() == "# my own\n"


def test_a_used_token_is_refused_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    token = desk.add()
    enrol(token, tmp_path / "first")
    with pytest.raises(EnrolmentError, match="used already"):
        enrol(token, tmp_path / "second")
    assert list_files(tmp_path / "second") == set()


def test_an_expired_token_is_refused(desk: Desk, tmp_path: Path) -> None:
    token = desk.add()
    desk.skew = timedelta(days=3)
    with pytest.raises(EnrolmentError, match="expired"):
        enrol(token, tmp_path / "kit")
    assert list_files(tmp_path / "kit") == set()


def test_a_token_with_another_secret_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="refuses"):
        enrol(replace(desk.add(), secret=bytes(16)), tmp_path / "kit")
    assert list_files(tmp_path / "kit") == set()


def test_another_authority_gets_neither_secret_nor_request(desk: Desk, tmp_path: Path) -> None:
    token = replace(desk.add(), root_fingerprint=bytes(32))
    with pytest.raises(EnrolmentError, match="another fingerprint"):
        enrol(token, tmp_path / "kit")
    assert list_files(tmp_path / "kit") == set()
    enrol(replace(token, root_fingerprint=desk.authority.root_fingerprint()), tmp_path / "kit")


def test_nobody_at_the_address(desk: Desk, tmp_path: Path) -> None:
    token = desk.add()
    desk.close()
    with pytest.raises(EnrolmentError, match="token is still good"):
        enrol(token, tmp_path / "kit")
    assert list_files(tmp_path / "kit") == set()
    desk.open()
    enrol(token, tmp_path / "kit")
    assert list_files(tmp_path / "kit") == WHOLE


def test_an_answer_lost_on_the_way_does_not_cost_the_token(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, folder = desk.add(), tmp_path / "kit"
    certificate = desk.authority.enrol
    assert desk.server is not None

    def enrol_and_fall_silent(*arguments: object, **named: object) -> None:
        certificate(*arguments, **named)  # type: ignore[arg-type]
        raise ConnectionAbortedError

    with monkeypatch.context() as patched:
        patched.setattr(desk.authority, "enrol", enrol_and_fall_silent)
        patched.setattr(desk.server, "handle_error", lambda *_: None)
        with pytest.raises(EnrolmentError, match="token is still good"):
            enrol(token, folder)
    assert list_files(folder) == {PENDING_KEY}
    assert (folder / PENDING_KEY).stat().st_mode & 0o777 == 0o600
    enrol(token, folder)
    assert list_files(folder) == WHOLE
    assert Identity(folder).kit_id == KIT


def test_a_folder_of_another_kit_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    enrol(desk.add(), tmp_path / "kit")
    before = (tmp_path / "kit" / "device.crt").read_bytes()
    with pytest.raises(EnrolmentError, match="belongs to kit dl-2901-01"):
        enrol(desk.add("dl-2922-01"), tmp_path / "kit")
    assert (tmp_path / "kit" / "device.crt").read_bytes() == before


def test_renewal_keeps_the_key(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    enrol(desk.add(), folder)
    before = Identity(folder)
    renew(folder, desk.authority.est_url)
    after = Identity(folder)
    assert after.serial != before.serial
    assert after.chain[0].public_key() == before.chain[0].public_key()


def test_a_revoked_kit_cannot_renew(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    enrol(desk.add(), folder)
    desk.authority.revoke(KIT, reason="lost")
    before = (folder / "device.crt").read_bytes()
    with pytest.raises(EnrolmentError, match="refuses"):
        renew(folder, desk.authority.est_url)
    assert (folder / "device.crt").read_bytes() == before


def test_the_kit_renews_by_itself_before_the_end(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "kit"
    enrol(desk.add(), folder)
    identity = Identity(folder)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    time = TrustedTime(now_ms, clock_ms=lambda: now_ms)
    passed = [0.0]
    renewer = Renewer(identity, time, desk.authority.est_url, monotonic_s=lambda: passed[0])
    assert not renewer.turn(), "not in its first days"
    time.learn_now(now_ms + 300 * 86_400_000)
    assert not renewer.turn(), "it looks once an hour"
    desk.close()
    passed[0] += 3600
    assert not renewer.turn() and "was not renewed" in renewer.trouble
    desk.skew = timedelta(days=300)
    desk.open()
    passed[0] += 12 * 3600
    assert renewer.turn()
    after = Identity(folder)
    assert after.serial != identity.serial
    assert after.chain[0].not_valid_after_utc > identity.chain[0].not_valid_after_utc


def test_renewal_without_an_identity(tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="enrol this kit first"):
        renew(tmp_path, "https://localhost:1")


def test_command_line(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = make_token(desk.add())
    wrong = text.replace(text[0], "1" if text[0] != "1" else "2", 1)
    assert main(["enrol", wrong, "--data", str(tmp_path / "kit")]) == 1
    assert "Row 1 of the token is mistyped" in capsys.readouterr().err
    assert main(["enrol", text, "--data", str(tmp_path / "kit"), "--mqtt", "nonsense"]) == 1
    assert "not host:port" in capsys.readouterr().err
    assert list_files(tmp_path / "kit") == set()
    assert main(["enrol", text.lower(), "--data", str(tmp_path / "kit")]) == 0
    assert "zhixing-kit run --config" in capsys.readouterr().out
    assert main(["enrol", "--renew", desk.authority.est_url, "--data", str(tmp_path / "kit")]) == 0
