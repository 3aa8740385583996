"""The command line, in real processes where it matters."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys

import pytest

from central import main as central_main
from central.base import db
from central.base.settings import Settings, SettingsError
from central.base.unit_of_work import Store
from central.people import service as people
from tests.fakes.ports import find_free_port

PASSWORD = "样例口令-0123456789"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "centre.toml"
    path.write_text('data_dir = "data"\nkeys_dir = "keys"\n', encoding="utf-8")
    return path


def run(config, *words, stdin=""):
    command = [sys.executable, "-m", "central.main", "--config", str(config), *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_a_user_added_at_the_command_line_can_log_in(config, tmp_path):
    done = run(config, "user", "add", "zhiban", "--name", "样例值班员", "--court", "云2901", stdin=PASSWORD + "\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "user zhiban: add done\n", "")
    store = Store(db.create_engine(f"sqlite:///{tmp_path / 'data' / 'centre.db'}"))
    assert people.log_in(store, Settings(), login="zhiban", password=PASSWORD).actor.court_code == "云2901"
    store.close()
    assert run(config, "user", "disable", "zhiban").returncode == 0
    audit = run(config, "verify-audit")
    assert audit.stdout.startswith("audit: 3 rows, head ")


def test_the_last_administrator_is_let_in_again_from_the_machine(config, tmp_path):
    assert run(config, "user", "add", "anquan", "--role", "security_admin", stdin=PASSWORD).returncode == 0
    done = run(config, "user", "restore", "anquan", stdin="another-long-password\n")
    assert (done.returncode, done.stdout) == (0, "user anquan: restore done\n")
    store = Store(db.create_engine(f"sqlite:///{tmp_path / 'data' / 'centre.db'}"))
    settings = Settings(second_factor="optional")
    assert people.log_in(store, settings, login="anquan", password="another-long-password").stage == "full"
    store.close()


def test_the_first_terminal_is_registered_at_the_machine(config):
    done = run(config, "terminal", "值班台一号机", "--court", "云2901")
    assert done.returncode == 0
    assert re.search(r"open http://127.0.0.1:8080/terminal there and type [A-Z2-9]{4}(-[A-Z2-9]{4}){2} ", done.stdout)


@pytest.mark.parametrize(
    ("words", "stdin", "fragment"),
    [
        (["user", "add", "zhiban"], "short\n", "at least 10 characters"),
        (["user", "add", "z"], PASSWORD, "choose another"),
        (["user", "add", "zhiban", "--court", "京01"], PASSWORD, "no court with code"),
        (["user", "disable", "nobody"], "", "no log-in 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(config, monkeypatch, capsys, words, stdin, fragment):
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    assert central_main.main(["--config", str(config), *words]) == 2
    error = capsys.readouterr().err
    assert fragment in error
    assert error.count("\n") == 1


def test_migrate_and_seed(config, capsys):
    assert central_main.main(["--config", str(config), "migrate"]) == 0
    assert central_main.main(["seed", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "courts: 15"


def test_an_unknown_option_stops_the_start(config, capsys):
    config.write_text("web_prot = 1", encoding="utf-8")
    assert central_main.main(["--config", str(config)]) == 2
    assert "did you mean 'web_port'?" in capsys.readouterr().err


def test_a_broken_audit_chain_is_named(config, tmp_path, capsys):
    import sqlite3

    assert run(config, "user", "add", "zhiban", stdin=PASSWORD).returncode == 0
    connection = sqlite3.connect(tmp_path / "data" / "centre.db")
    connection.executescript("DROP TRIGGER audit_entry_no_update; UPDATE audit_entry SET actor = 'x' WHERE seq = 1;")
    connection.close()
    capsys.readouterr()
    assert central_main.main(["--config", str(config), "verify-audit"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "heads: not compared, because there is no receipt key (keys/receipt.key): forged hashes would not show",
        "BROKEN row 1: the content does not match its hash",
    ]


def test_upkeep_at_the_command_line(config, tmp_path, capsys):
    def act(*words):
        status = central_main.main(["--config", str(config), *words])
        return status, capsys.readouterr()

    assert run(config, "user", "add", "zhiban", stdin=PASSWORD).returncode == 0
    status, said = act("rotate-keys", "--settle", "0")
    assert (status, said.out.splitlines()[-1]) == (
        0, "keys: 0 values sealed anew, old keys removed: 1; older backups need their own keys",
    )  # fmt: skip
    status, said = act("backup", str(tmp_path / "b.tar"))
    told = f"0 files of documents, 0 files of logs: {tmp_path / 'b.tar'}"
    assert status == 0 and said.out.splitlines()[-1].endswith(told)
    assert "save that file separately" in said.err
    status, said = act("backup", str(tmp_path / "b.tar"))
    assert status == 2 and "is there already" in said.err
    status, said = act("restore", str(tmp_path / "b.tar"))
    assert status == 2 and "is not empty: restore into a new one" in said.err
    status, said = act("verify-audit", "--since", "2")
    assert status == 0 and said.out.startswith("audit: ")
    status, said = act("verify-audit", "--witness", str(tmp_path / "none"))
    assert status == 2 and "cannot be read" in said.err
    status, said = act("verify-audit", "--export", str(tmp_path / "b.tar"))
    assert status == 2 and "export" in said.err


def test_the_process_table_leaves_an_external_broker_alone(config):
    own = central_main.list_children(config, Settings())
    assert [child.name for child in own] == ["broker", "intake", "door", "web", "api", "worker", "relay", "cameras"]
    assert [child.name for child in own if child.last_to_stop] == ["broker"]
    assert own[1].command[-3:] == ["intake", "--config", str(config)]
    foreign = central_main.list_children(None, Settings(broker="external", web_host="0.0.0.0"))
    assert [child.name for child in foreign] == ["intake", "door", "web", "api", "worker", "relay", "cameras"]
    assert foreign[2].port == ("127.0.0.1", 8080)
    silent = central_main.list_children(None, Settings(live_on=False))
    assert [child.name for child in silent] == ["broker", "intake", "door", "web", "api", "worker"]


def test_a_taken_port_stops_the_start(config, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(f"door_port = {port}\nweb_port = {find_free_port()}", encoding="utf-8")
        assert central_main.main(["--config", str(config)]) == 2
    assert f"with door_port {port} cannot be used" in capsys.readouterr().err


class TestEscrow:
    """A private key other than the centre's own beside the data would make escrow worthless."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("data/escrow.age", b"age-encryption.org/v1\n-> scrypt c2FsdA 18\n"),
            ("keys/escrow.txt", b"# created\nAGE-SECRET-KEY-1QQQQ\n"),
            ("data/backup/old.age", b"-----BEGIN AGE ENCRYPTED FILE-----\n"),
        ],
    )
    def test_beside_the_data_refuses_the_start(self, tmp_path, name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        settings = Settings(data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path / "keys"))
        with pytest.raises(SettingsError, match="move it out"):
            central_main.check_no_escrow(settings)

    def test_the_centres_own_key_and_sealed_segments_are_no_escrow(self, tmp_path):
        keys, vault = tmp_path / "keys", tmp_path / "data" / "evidence"
        keys.mkdir()
        vault.mkdir(parents=True)
        (keys / "centre.age").write_bytes(b"AGE-SECRET-KEY-1QQQQ\n")
        (vault / "000001.age").write_bytes(b"age-encryption.org/v1\n-> X25519 abc\n")
        settings = Settings(data_dir=str(tmp_path / "data"), keys_dir=str(keys))
        central_main.check_no_escrow(settings)
