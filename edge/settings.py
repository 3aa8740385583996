"""What a kit can be told in its ``kit.toml``: every option, its range and its default.

Reading is strict. An unknown option or a value outside its range stops the start with one sentence that
names the option, what is allowed and what to do; nothing is ever ignored silently.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec import inspect as types

Port = Annotated[int, Meta(ge=1, le=65535)]
Pin = Annotated[int, Meta(ge=0, le=27)]


class SettingsError(ValueError):
    """The configuration cannot be used; the text names the option and the remedy."""


_KIT_ID = r"^[a-z0-9](?:[a-z0-9-]{1,30})[a-z0-9]$"
_HTTPS = r"^https://[^/\s]+/?$"
_EST = r"^(https://[^\s]+)?$"
_WORDS = {
    _EST: "empty or an address like https://authority.example:8443",
    _KIT_ID: "3 to 32 lower-case letters, digits or hyphens, no hyphen at the ends",
    _HTTPS: "an address like https://centre.example:8443",
}


class KitSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[kit]``: who the kit is and where it keeps its data."""

    id: Annotated[str, Meta(pattern=_KIT_ID)]
    court: Annotated[str, Meta(max_length=16)] = ""  # told by `zhixing-kit status`; the registry decides
    data_dir: str = ""  # empty: the folder of kit.toml
    on_duty_at_start: bool = False
    heartbeat_s: Annotated[float, Meta(ge=1, le=60)] = 5.0  # a child silent for 4 of these is restarted
    health_interval_s: Annotated[float, Meta(ge=1, le=600)] = 10.0


class MqttSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[mqtt]``: the broker of the centre."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Port = 8883
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 20


class DoorSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[door]``: the centre's HTTP door for devices."""

    url: Annotated[str, Meta(pattern=_HTTPS)]
    timeout_s: Annotated[float, Meta(ge=1, le=300)] = 20.0


class AuthoritySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[authority]``: where the certificate is renewed by itself; empty: by hand, `zhixing-kit enrol --renew`."""

    url: Annotated[str, Meta(pattern=_EST)] = ""


class CameraSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[camera]``: where pictures come from and how they are coded."""

    kind: Literal["synthetic", "pyav", "picamera2"] = "synthetic"
    address: Annotated[str, Meta(max_length=1024)] = ""  # file, /dev/videoN or rtsp:// for pyav
    format: Annotated[str, Meta(max_length=32)] = ""  # of PyAV; empty: v4l2 for /dev/video*, else found out
    width: Annotated[int, Meta(ge=64, le=3840, multiple_of=2)] = 1280
    height: Annotated[int, Meta(ge=64, le=2160, multiple_of=2)] = 720
    fps: Annotated[int, Meta(ge=1, le=60)] = 25
    bitrate_bps: Annotated[int, Meta(ge=50_000, le=20_000_000)] = 2_000_000
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast"] = "veryfast"
    loop: bool = False  # a file starts anew at its end
    realtime: bool = True  # a file is read at its own pace, not as fast as possible
    audio: bool = True
    stall_s: Annotated[float, Meta(ge=1, le=60)] = 2.0  # no frame for this long: the recorder restarts


class SegmentSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[segments]``: how a recording is cut and how much of the past an alarm saves."""

    seconds: Annotated[float, Meta(ge=0.5, le=30)] = 2.0
    pre_event_s: Annotated[float, Meta(ge=0, le=60)] = 10.0
    alarm_window_s: Annotated[float, Meta(ge=10, le=3600)] = 120.0  # sent first, newest first
    record_at_start: bool = False


class StorageSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[storage]``: what the vault may use. A full vault stops recording with a signed gap, never deletes."""

    vault_max_bytes: Annotated[int, Meta(ge=10_000_000, le=8_000_000_000_000)] = 32_000_000_000
    reserve_bytes: Annotated[int, Meta(ge=1_000_000, le=1_000_000_000_000)] = 200_000_000
    keep_receipted_s: Annotated[int, Meta(ge=0, le=2_592_000)] = 0
    max_positions: Annotated[int, Meta(ge=1_000, le=10_000_000)] = 700_000  # eight days at one a second


class PositionSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[position]``: gpsd, or a recorded NMEA or GPX track replayed from now on."""

    source: Literal["gpsd", "track", "none"] = "gpsd"
    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 2947
    track: Annotated[str, Meta(max_length=1024)] = ""
    speed: Annotated[float, Meta(ge=0.1, le=100)] = 1.0
    loop: bool = True
    start_at_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    interval_s: Annotated[float, Meta(ge=0.2, le=600)] = 1.0
    stale_s: Annotated[float, Meta(ge=2, le=600)] = 10.0


class PanelSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[panel]``: buttons and lights on GPIO pins, or their stand-ins."""

    kind: Literal["none", "gpio"] = "none"
    sos_pin: Pin = 17
    record_pin: Pin = 27
    mark_pin: Pin = 22
    record_switch: Literal["press", "slide"] = "press"
    green_pin: Pin = 5
    red_pin: Pin = 6
    buzzer_pin: Pin = 13
    vibration_pin: Pin = 19
    debounce_s: Annotated[float, Meta(ge=0.005, le=0.5)] = 0.03
    sos_hold_s: Annotated[float, Meta(ge=0.2, le=5)] = 1.0
    withdraw_s: Annotated[float, Meta(ge=0, le=60)] = 10.0
    quiet: bool = False
    http: bool = True  # loopback only, for the officer's own small page and for tests
    http_port: Annotated[int, Meta(ge=0, le=65535)] = 0  # 0: a free one, written to the state "panel_http"
    keyboard: bool = False  # single keys on the terminal that `zhixing-kit run` was started from


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All of a kit's options."""

    kit: KitSettings
    mqtt: MqttSettings
    door: DoorSettings
    authority: AuthoritySettings = AuthoritySettings()
    camera: CameraSettings = CameraSettings()
    segments: SegmentSettings = SegmentSettings()
    storage: StorageSettings = StorageSettings()
    position: PositionSettings = PositionSettings()
    panel: PanelSettings = PanelSettings()

    @property
    def data_dir(self) -> Path:
        """The folder of key, certificate, trust list, spool and vault."""
        return Path(self.kit.data_dir)

    @property
    def spool_path(self) -> Path:
        """The SQLite file that recorder, panel and uplink share."""
        return self.data_dir / "spool.db"


def load_settings(path: Path) -> Settings:
    """Read and check a kit.toml; relative folders and files count from its own folder.

    Raises SettingsError with the option, the allowed range and the remedy.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{path} does not exist: run `zhixing-kit enrol TOKEN --data {path.parent}` first, which writes it."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): check its owner and rights.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML ({error}): correct that line.") from None
    return build_settings(table, base=path.parent)


def build_settings(table: dict[str, Any], *, base: Path) -> Settings:
    """Check a table of options (as TOML gives it); `base` is where relative paths begin.

    Raises SettingsError.
    """
    settings: Settings = _convert(Settings, table, where="")
    data_dir = (base / settings.kit.data_dir).absolute()
    position, camera = settings.position, settings.camera
    if position.source == "track":
        if not position.track:
            raise SettingsError(
                "position.track is missing: position.source = 'track' needs an NMEA or GPX file; name it."
            )
        position = msgspec.structs.replace(position, track=str((base / position.track).absolute()))
    if camera.kind == "pyav":
        if not camera.address:
            raise SettingsError(
                "camera.address is missing: camera.kind = 'pyav' needs a file, /dev/videoN or rtsp:// address."
            )
        if "://" not in camera.address:
            camera = msgspec.structs.replace(camera, address=str((base / camera.address).absolute()))
    kit = msgspec.structs.replace(settings.kit, data_dir=str(data_dir))
    return msgspec.structs.replace(settings, kit=kit, position=position, camera=camera)


def _convert(struct: Any, table: Any, *, where: str) -> Any:
    if not isinstance(table, dict):
        raise SettingsError(f"{where} = {table!r} is refused: it is a table; write it as [{where}].")
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)  # noqa: S101 - only our own structs come here
    fields = {field.encode_name: field for field in info.fields}
    for name in table:
        if name not in fields:
            raise SettingsError(_describe_unknown(_dotted(where, name), name, list(fields)))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        option = _dotted(where, name)
        if name not in table:
            if field.required:
                raise SettingsError(f"{option} is missing: it must be {_describe(field.type)}; add it.")
            continue
        if isinstance(field.type, types.StructType):
            values[name] = _convert(field.type.cls, table[name], where=option)
        else:
            values[name] = _convert_value(struct, name, table[name], option=option, kind=field.type)
    return struct(**values)


def _convert_value(struct: Any, name: str, value: Any, *, option: str, kind: types.Type) -> Any:
    hints = {field.name: field.type for field in msgspec.structs.fields(struct)}
    try:
        return msgspec.convert(value, hints[name])
    except msgspec.ValidationError:
        raise SettingsError(
            f"{option} = {value!r} is refused: it must be {_describe(kind)}; correct it in kit.toml."
        ) from None


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _describe_unknown(option: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the options there are {', '.join(known)};"
    return f"{option} is not an option of a kit: {hint} correct or remove it."


def _describe(kind: types.Type) -> str:
    if isinstance(kind, types.IntType | types.FloatType):
        noun = "a whole number" if isinstance(kind, types.IntType) else "a number"
        even = ", even" if kind.multiple_of == 2 else ""
        return f"{noun} from {kind.ge} to {kind.le}{even}"
    if isinstance(kind, types.LiteralType):
        return "one of " + ", ".join(repr(value) for value in kind.values)
    if isinstance(kind, types.BoolType):
        return "true or false"
    if isinstance(kind, types.StrType):
        if kind.pattern:
            return _WORDS[kind.pattern]
        return f"text of {kind.min_length or 0} to {kind.max_length or 'any'} characters"
    return "a table"
