"""The centre's settings: one flat TOML file, each option also as ZHIXING_<OPTION> in the environment.

An unknown or out-of-range option stops the start with one sentence that names the remedy.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

ENV_PREFIX = "ZHIXING_"

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Text = Annotated[str, msgspec.Meta(max_length=500)]


class SettingsError(Exception):
    """The settings cannot be used; the text names the option and the remedy."""


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Every option of the centre. Folders are relative to the settings file."""

    data_dir: Text = "data"
    keys_dir: Text = "keys"
    handover_dir: Text = "handover"
    database_url: Text = ""
    """Empty: SQLite file centre.db in data_dir."""

    web_host: Text = "127.0.0.1"
    web_port: Port = 8080
    web_public_url: Text = ""
    """Address people use, when a proxy stands before the pages; empty: http://web_host:web_port."""
    web_tls_cert: Text = ""
    web_tls_key: Text = ""

    door_host: Text = "127.0.0.1"
    door_port: Port = 8443
    door_tls_cert: Text = ""
    """Empty: server.crt in keys_dir."""
    door_tls_key: Text = ""
    max_segment_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=268_435_456)] = 64 * 1024 * 1024
    evidence_min_free_bytes: Annotated[int, msgspec.Meta(ge=0)] = 512 * 1024 * 1024

    broker: Literal["embedded", "external"] = "embedded"
    broker_url: Text = ""
    broker_user: Text = "central"
    broker_password_file: Text = ""
    broker_ca_file: Text = ""
    """Who vouches for an external broker's certificate; empty: whom this machine trusts."""
    mqtt_host: Text = "127.0.0.1"
    mqtt_port: Port = 8883
    nats_host: Text = "127.0.0.1"
    nats_port: Port = 4222

    role: Literal["whole", "zone", "inside"] = "whole"
    """Two networks: `zone` runs broker and devices' door between field and court and holds only ciphertext;
    `inside` is the centre in the closed network, which opens every connection to the zone itself."""
    zone_url: Text = ""
    """inside: the zone's inner door, https://host:port; zone_host and zone_port there."""
    zone_broker_url: Text = ""
    """inside: the zone's broker, tls://host:port; nats_host and nats_port there."""
    zone_dir: Text = "zone"
    """inside: folder with the zone's broker.password and broker.secrets."""
    zone_host: Text = "127.0.0.1"
    zone_port: Port = 8444
    zone_hold_max_bytes: Annotated[int, msgspec.Meta(ge=1024 * 1024)] = 50 * 1024**3
    """zone: how much it holds for the inside at most; beyond it kits are told that it is full."""

    authority_url: Text = ""
    """The device authority's EST server, https://host:port: kits' renewals that come by the devices' door are carried
    there. Empty: kits renew at the authority itself alone."""

    intake_batch_ms: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    intake_batch_max: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 2000
    position_retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 180
    outbox_retention_hours: Annotated[int, msgspec.Meta(ge=1, le=8760)] = 48
    neighbour_radius_m: Annotated[int, msgspec.Meta(ge=0, le=5000)] = 300
    """Kits so near to a call for help record together with it; 0: none."""
    log_retention_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 14
    """How long logs that a kit brought on request are kept."""
    set_aside_max: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 10_000

    health_battery_warn_pct: Annotated[int, msgspec.Meta(ge=1, le=99)] = 30
    """From where on the health page marks a kit's values; the kit has limits of its own ([health] in kit.toml)."""
    health_battery_bad_pct: Annotated[int, msgspec.Meta(ge=1, le=99)] = 10
    health_temp_warn_c: Annotated[int, msgspec.Meta(ge=20, le=120)] = 70
    health_temp_bad_c: Annotated[int, msgspec.Meta(ge=20, le=120)] = 80
    health_memory_warn_pct: Annotated[int, msgspec.Meta(ge=10, le=100)] = 90
    health_wear_warn_pct: Annotated[int, msgspec.Meta(ge=10, le=100)] = 80
    health_segments_warn: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 300
    health_clock_error_warn_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 10
    health_certificate_warn_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30

    metrics_host: Text = "127.0.0.1"
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Prometheus reads the centre's figures here (/metrics); 0: nowhere."""
    metrics_token_file: Text = ""
    """File with the bearer token that is asked for; needed where metrics_host is not this machine alone."""

    second_factor: Literal["off", "optional", "required"] = "required"
    """Whether people must prove themselves a second way (TOTP or passkey); `off` is for a closed trial only."""
    terminal_binding: Literal["off", "grave", "all"] = "off"
    """What is possible only at a registered terminal: nothing, grave acts and unmasking, or any log-in."""
    oidc_issuer: Text = ""
    """Address of the directory people may log in with (OpenID Connect); empty: none."""
    oidc_client_id: Text = ""
    oidc_client_secret_file: Text = ""

    live_on: bool = True
    """Live picture and voice. Only with role `whole`: pictures do not pass a zone."""
    live_host: Text = "127.0.0.1"
    live_port: Port = 8092
    """Where browsers watch and talk; TLS as the pages have it."""
    live_public_url: Text = ""
    """wss:// address of that port when a proxy stands before it; empty: the pages' host and live_port."""
    live_kit_host: Text = "127.0.0.1"
    live_kit_port: Port = 8445
    """Where kits bring pictures and voice; TLS with the devices' door's certificate."""
    live_kit_url: Text = ""
    """https:// address that kits are told; empty: https://live_kit_host:live_kit_port."""
    live_session_max_minutes: Annotated[int, msgspec.Meta(ge=5, le=1440)] = 240
    live_rtsp_host: Text = "127.0.0.1"
    live_rtsp_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Outlet for conference and wall systems (RTSP over TCP); 0: none."""
    live_janus_url: Text = ""
    """http:// address of a Janus gateway's API for many remote viewers (scale-out); empty: none."""
    live_janus_secret_file: Text = ""

    api_host: Text = "127.0.0.1"
    api_port: Port = 8090
    api_tls_cert: Text = ""
    api_tls_key: Text = ""
    api_rate_per_s: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    """Requests a second that one service account may send over time; it may save up four seconds' worth."""
    case_catalogue: Text = ""
    """TOML file of case types, nodes and deadlines instead of the packaged one."""
    audit_head_every_s: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 300
    audit_witness_file: Text = ""
    """Signed audit heads are also appended here: name a file on another medium."""
    import_max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=4_294_967_296)] = 1_073_741_824
    document_max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=268_435_456)] = 33_554_432

    session_idle_s: Annotated[int, msgspec.Meta(ge=60, le=86_400)] = 7200
    session_max_s: Annotated[int, msgspec.Meta(ge=300, le=604_800)] = 86_400
    language: Literal["zh", "en"] = "zh"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def door_certificate(self) -> tuple[Path, Path]:
        """Certificate chain and key of the devices' door, PEM."""
        keys = Path(self.keys_dir)
        return Path(self.door_tls_cert or keys / "server.crt"), Path(self.door_tls_key or keys / "server.key")

    @property
    def web_url(self) -> str:
        """Address people open."""
        scheme = "https" if self.web_tls_cert else "http"
        return self.web_public_url or f"{scheme}://{self.web_host}:{self.web_port}"


_PATH_OPTIONS = (
    "data_dir",
    "keys_dir",
    "handover_dir",
    "zone_dir",
    "web_tls_cert",
    "web_tls_key",
    "door_tls_cert",
    "door_tls_key",
    "broker_password_file",
    "broker_ca_file",
    "oidc_client_secret_file",
    "api_tls_cert",
    "api_tls_key",
    "case_catalogue",
    "audit_witness_file",
    "metrics_token_file",
    "live_janus_secret_file",
)


def load_settings(path: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read `path` (TOML; None: defaults only) and lay the environment over it.

    Raises SettingsError for a file that cannot be read, an unknown option or a value out of range.
    """
    values: dict[str, Any] = {}
    base = Path.cwd()
    if path is not None:
        values, base = _read_toml(path), path.resolve().parent
    _check_known(values, f"{path}")
    for name, value in environ.items():
        if name.startswith(ENV_PREFIX):
            option = name.removeprefix(ENV_PREFIX).lower()
            _check_known({option: value}, f"environment variable {name}")
            values[option] = value
    settings = _convert(values)
    folders = {name: str((base / value).resolve()) for name in _PATH_OPTIONS if (value := getattr(settings, name))}
    settings = msgspec.structs.replace(settings, **folders)
    _check_together(settings)
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read ({error.strerror}): name an existing TOML file with --config."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not valid TOML ({error}): correct that line.") from error


def _check_known(values: Mapping[str, Any], source: str) -> None:
    known = Settings.__struct_fields__
    for name in values:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known options are {', '.join(known)}."
        raise SettingsError(f"Unknown option {name!r} in {source}: remove or rename it; {hint}")


def _convert(values: dict[str, Any]) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).partition(" - at `$.")
        name = re.sub(r"[^a-z_].*", "", place)
        default = getattr(Settings(), name, None)
        raise SettingsError(
            f"Option {name} cannot be {values.get(name)!r} ({fact}): "
            f"give a value within these limits, or remove it to use {default!r}."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_together(settings: Settings) -> None:
    if settings.authority_url and not settings.authority_url.startswith("https://"):
        raise SettingsError(
            "Option authority_url is no https address: name the device authority's https://host:port."
        )
    if settings.role == "inside" and not (settings.zone_url and settings.zone_broker_url):
        raise SettingsError('Option role is "inside" but zone_url or zone_broker_url is missing: set both.')
    if settings.role != "whole" and settings.broker == "external":
        raise SettingsError(
            f'Option role is "{settings.role}" and broker "external": zone and inside run their own brokers, '
            "remove the option broker."
        )
    if settings.broker == "external" and not (settings.broker_url and settings.broker_password_file):
        raise SettingsError(
            'Option broker is "external" but broker_url or broker_password_file is missing: '
            'set both, or set broker = "embedded".'
        )
    if bool(settings.web_tls_cert) != bool(settings.web_tls_key):
        raise SettingsError("Options web_tls_cert and web_tls_key belong together: set both or neither.")
    if bool(settings.door_tls_cert) != bool(settings.door_tls_key):
        raise SettingsError("Options door_tls_cert and door_tls_key belong together: set both or neither.")
    if bool(settings.api_tls_cert) != bool(settings.api_tls_key):
        raise SettingsError("Options api_tls_cert and api_tls_key belong together: set both or neither.")
    if settings.oidc_issuer and not (settings.oidc_client_id and settings.oidc_client_secret_file):
        raise SettingsError(
            "Option oidc_issuer is set but oidc_client_id or oidc_client_secret_file is missing: set both, or none."
        )
    if settings.metrics_port and not settings.metrics_token_file and not _is_loopback(settings.metrics_host):
        raise SettingsError(
            f"Option metrics_host is {settings.metrics_host}, which others reach, but metrics_token_file is missing: "
            "set it, or leave metrics_host at 127.0.0.1."
        )
    if settings.session_idle_s > settings.session_max_s:
        raise SettingsError("Option session_idle_s is above session_max_s: make the idle time the shorter one.")
