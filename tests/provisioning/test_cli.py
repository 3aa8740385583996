"""The desk's commands as a person gives them: output, exit codes, one sentence for every slip."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract.enrolment import parse_token
from provisioning import cli
from provisioning.authority import Authority
from provisioning.certificates import serial_text
from provisioning.escrow import seal_identity
from tests.provisioning.kit_side import PASSPHRASE, Caller, make_request, tls_of

KIT = "dl-2901-01"
ADD = ["--court", "云2901", "--label", "大理01", "--officer", "样例警官甲"]


class Desk:
    """Runs commands in this process against one authority."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def run(self, command: str, *arguments: object) -> str:
        """Run what must succeed; give what it printed."""
        code = cli.main([command, "--authority", str(self.folder / "authority"), *map(str, arguments)])
        shown = self.capsys.readouterr()
        assert (code, shown.err) == (0, "")
        return shown.out

    def refuse(self, *arguments: object, code: int = 2) -> str:
        """Run what must fail; give its one sentence."""
        try:
            found = cli.main([*map(str, arguments)])
        except SystemExit as error:
            found = int(str(error.code))
        shown = self.capsys.readouterr()
        assert (found, shown.out) == (code, "")
        assert re.fullmatch(r"zhixing-provision: [^\n]+\.\n", shown.err), shown.err
        return shown.err

    def refuse_at(self, command: str, *arguments: object, code: int = 2) -> str:
        return self.refuse(command, "--authority", self.folder / "authority", *arguments, code=code)


@pytest.fixture
def founded(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr("provisioning.foundation.escrow.seal_identity", _seal_quickly)
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    desk = Desk(tmp_path, capsys)
    desk.shown = desk.run("init", *init_options(tmp_path))
    return desk


def _seal_quickly(identity, passphrase, *, work_factor):
    assert work_factor == 18
    return seal_identity(identity, passphrase, work_factor=10)


def init_options(folder: Path) -> list[object]:
    return [
        "--centre", folder / "centre", "--escrow", folder / "escrow.age", "--host", "127.0.0.1",
        "--passphrase-file", folder / "passphrase",
    ]  # fmt: skip


class TestInit:
    def test_says_what_it_made(self, founded: Desk) -> None:
        opened = Authority(founded.folder / "authority")
        assert opened.root_fingerprint().hex() in founded.shown
        assert "https://127.0.0.1:8444" in founded.shown
        assert opened.est_url == "https://127.0.0.1:8444"

    def test_refuses_to_do_it_again(self, founded: Desk) -> None:
        assert "exists already" in founded.refuse_at("init", *init_options(founded.folder))

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (["--host", "a_b"], "host name"),
            (["--host", "https://x"], "host name"),
            (["--est-url", "http://x"], "https address"),
            (["--passphrase-file", "/nonexistent/file"], "check that"),
        ],
    )
    def test_wrong_options(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[str], words: str
    ) -> None:
        (tmp_path / "passphrase").write_text(PASSPHRASE)
        desk = Desk(tmp_path, capsys)
        assert words in desk.refuse_at("init", *init_options(tmp_path), *change)
        assert not (tmp_path / "authority").exists()

    def test_short_or_unaskable_passphrase(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = Desk(tmp_path, capsys)
        (tmp_path / "passphrase").write_text("short\n")
        assert "12 characters" in desk.refuse_at("init", *init_options(tmp_path))
        monkeypatch.setattr("sys.stdin", (tmp_path / "passphrase").open())
        try:
            assert "--passphrase-file" in desk.refuse_at("init", *init_options(tmp_path)[:-2])
        finally:
            sys.stdin.close()
        assert not (tmp_path / "authority").exists()

    def test_escrow_beside_the_data(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "passphrase").write_text(PASSPHRASE)
        options = [*init_options(tmp_path), "--escrow", tmp_path / "centre" / "escrow.age"]
        assert "outside" in Desk(tmp_path, capsys).refuse_at("init", *options)


class TestTokens:
    def read_token(self, shown: str) -> str:
        return "\n".join(line for line in shown.splitlines() if re.fullmatch(r"[0-9A-Z]{1,5}(-[0-9A-Z]{1,5})*", line))

    def test_add_shows_text_and_qr_code(self, founded: Desk) -> None:
        shown = founded.run("add", KIT, *ADD)
        assert parse_token(self.read_token(shown)).kit_id == KIT
        assert shown.count("█") > 200

    @pytest.mark.parametrize(("suffix", "magic"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
    def test_qr_code_as_a_file(self, founded: Desk, suffix: str, magic: bytes) -> None:
        file = founded.folder / f"token{suffix}"
        shown = founded.run("add", KIT, *ADD, "--qr", file, "--no-terminal-qr")
        assert file.read_bytes().startswith(magic)
        assert "█" not in shown
        # Whoever sees the picture has the token.
        assert file.stat().st_mode & 0o077 == 0
        assert "never overwritten" in founded.refuse_at("token", KIT, "--qr", file)

    @pytest.mark.parametrize("name", ["token.gif", "no/such/folder.svg"])
    def test_a_wrong_picture_file_costs_no_token(self, founded: Desk, name: str) -> None:
        founded.refuse_at("add", KIT, *ADD, "--qr", founded.folder / name)
        assert Authority(founded.folder / "authority").list_kits() == []

    def test_a_fresh_token(self, founded: Desk) -> None:
        first = self.read_token(founded.run("add", KIT, *ADD))
        second = self.read_token(founded.run("token", KIT))
        assert parse_token(first).secret != parse_token(second).secret

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["add", "*", *ADD], "not a kit id"),
            (["add", KIT, "--court", "2901", "--label", "x", "--officer", "y"], "court code"),
            (["add", KIT], "--court"),
            (["token", KIT], "zhixing-provision add"),
            (["revoke", KIT, "--reason", "lost"], "zhixing-provision add"),
        ],
    )
    def test_wrong_input(self, founded: Desk, arguments: list[str], words: str) -> None:
        assert words in founded.refuse_at(*arguments)

    def test_no_authority(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "zhixing-provision init" in Desk(tmp_path, capsys).refuse_at("list")

    @pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["list", "--frobnicate"]])
    def test_no_such_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        assert "--help" in Desk(tmp_path, capsys).refuse(*arguments)


class TestListing:
    def test_states_and_expiry(self, founded: Desk) -> None:
        secret = parse_token(TestTokens().read_token(founded.run("add", KIT, *ADD))).secret
        opened = Authority(founded.folder / "authority")
        certificate = opened.enrol(KIT, secret, make_request(KIT), who="test")
        founded.run("add", "dl-2901-02", *ADD)
        founded.run("revoke", "dl-2901-02", "--reason", "lost")
        lines = founded.run("list").splitlines()
        assert lines[0].split() == ["KIT", "COURT", "STATE", "EXPIRES", "LABEL", "OFFICER"]
        day = certificate.not_valid_after_utc.astimezone(cli.CHINA).strftime("%Y-%m-%d")
        assert lines[1].split()[:4] == [KIT, "云2901", "enrolled", day]
        assert lines[2].split()[:3] == ["dl-2901-02", "云2901", "revoked"]
        rows = json.loads(founded.run("list", "--json"))
        assert rows[0]["expires"] == certificate.not_valid_after_utc.isoformat()
        assert [row["state"] for row in rows] == ["enrolled", "revoked"]

    def test_log_names_who_and_what(self, founded: Desk) -> None:
        founded.run("add", KIT, *ADD)
        founded.run("revoke", KIT, "--reason", "lost in the field")
        lines = founded.run("log").splitlines()
        assert len(lines) == 3
        assert "provisioning:kit:revoke" in lines[-1]
        assert lines[-1].endswith("lost in the field")


class TestHandover:
    def test_an_act_that_could_not_be_handed_over_says_so(self, founded: Desk) -> None:
        founded.run("add", KIT, *ADD)
        folder, away = founded.folder / "centre/handover", founded.folder / "away"
        folder.rename(away)
        sentence = founded.refuse_at("revoke", KIT, "--reason", "lost", code=1)
        assert "recorded, but not handed over" in sentence
        assert "zhixing-provision publish" in sentence
        away.rename(folder)
        assert "handed over" in founded.run("publish")
        opened = Authority(founded.folder / "authority")
        assert not opened.handover.is_due()

    def test_a_centre_that_moved(self, founded: Desk) -> None:
        (founded.folder / "centre").rename(founded.folder / "moved")
        founded.run("publish", "--centre", founded.folder / "moved")
        founded.run("add", KIT, *ADD)
        assert Authority(founded.folder / "authority").centre_folder == founded.folder / "moved"
        assert "handover/" in founded.refuse_at("publish", "--centre", founded.folder)


class TestServers:
    def test_renewal_names_the_hosts(self, founded: Desk) -> None:
        assert "127.0.0.1" in founded.run("renew-servers")
        assert "centre.example" in founded.run("renew-servers", "--host", "centre.example")
        assert "host name" in founded.refuse_at("renew-servers", "--host", "https://x")


class TestServe:
    def test_enrols_and_ends_on_a_signal(self, founded: Desk) -> None:
        secret = parse_token(TestTokens().read_token(founded.run("add", KIT, *ADD))).secret
        command = [
            sys.executable, "-m", "provisioning.cli", "serve", "--authority", founded.folder / "authority",
            "--bind", "127.0.0.1", "--port", "0",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                ready = child.stdout.readline()
                assert ready.startswith("ready: https://127.0.0.1:")
                opened = Authority(founded.folder / "authority")
                caller = Caller(int(ready.rsplit(":", 1)[1]), tls_of(opened))
                reply = caller.enrol(KIT, secret, make_request(KIT))
                assert reply.status == 200
                # A command at the desk and the running server share one state.
                founded.run("revoke", KIT, "--reason", "lost")
                assert caller.enrol(KIT, secret, make_request(KIT)).status == 403
                assert serial_text(reply.certificates()[0])
                child.send_signal(signal.SIGTERM)
                assert child.wait(5) == 0
            finally:
                child.kill()

    def test_a_port_in_use(self, founded: Desk) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            sentence = founded.refuse_at("serve", "--bind", "127.0.0.1", "--port", port)
        assert "in use" in sentence
        assert founded.refuse_at("serve", "--port", "70000")


def test_the_module_runs_as_the_console_script_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "provisioning.cli", "list"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"ZHIXING_AUTHORITY": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("zhixing-provision: ")
