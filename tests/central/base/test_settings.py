from pathlib import Path

import pytest

from central.base.settings import Settings, SettingsError, load_settings


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "centre.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_without_file_or_environment():
    settings = load_settings(None, {})
    assert (settings.web_port, settings.broker, settings.language) == (8080, "embedded", "zh")


def test_folders_are_relative_to_the_file(tmp_path):
    settings = load_settings(write(tmp_path, 'data_dir = "d"\nkeys_dir = "/abs/keys"'), {})
    assert settings.data_dir == str(tmp_path / "d")
    assert settings.keys_dir == "/abs/keys"
    assert settings.door_certificate[0] == Path("/abs/keys/server.crt")
    assert settings.database_url == ""


def test_environment_overrides_the_file(tmp_path):
    settings = load_settings(write(tmp_path, "web_port = 9000"), {"ZHIXING_WEB_PORT": "9001", "PATH": "/bin"})
    assert settings.web_port == 9001


@pytest.mark.parametrize(
    ("text", "environ", "fragment"),
    [
        ("web_prot = 9000", {}, "did you mean 'web_port'?"),
        ("colour = 1", {}, "known options are data_dir"),
        ("", {"ZHIXING_WEB_PROT": "1"}, "environment variable ZHIXING_WEB_PROT"),
        ("web_port = 70000", {}, "Option web_port cannot be 70000"),
        ("web_port = 0", {}, "remove it to use 8080"),
        ('web_port = "http"', {}, "Option web_port cannot be 'http'"),
        ('broker = "mosquitto"', {}, "Option broker cannot be 'mosquitto'"),
        ('broker = "external"', {}, "set both, or set broker"),
        ("session_idle_s = 9000\nsession_max_s = 300", {}, "make the idle time the shorter one"),
        ('web_tls_cert = "a.pem"', {}, "set both or neither"),
        ("web_port =", {}, "correct that line"),
        ("intake_batch_ms = 5000", {}, "Option intake_batch_ms cannot be 5000"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_remedy(tmp_path, text, environ, fragment):
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text), environ)
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_every_default_is_within_its_own_limits(tmp_path):
    lines = [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {str(value).lower()}"
        for name in Settings.__struct_fields__
        if (value := getattr(Settings(), name)) is not None
    ]
    assert load_settings(write(tmp_path, "\n".join(lines)), {}).web_port == 8080
